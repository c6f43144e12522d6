"""Numbering plans and emergency tables that a policy needs, each once. It reads none of them."""

from __future__ import annotations

from collections.abc import Sequence


class Regions:
    """Numbering plans and emergency tables in use, each once. Index 0 is the agent's own country."""

    def __init__(self, country: str) -> None:
        self.plans = [country]
        self.lanes: list[tuple[str, tuple[str, ...]]] = [(country, ("9",))]

    def plan(self, region: str) -> int:
        if region not in self.plans:
            self.plans.append(region)
        return self.plans.index(region)

    def lane(self, region: str, prefixes: Sequence[str]) -> int:
        lane = (region, tuple(prefixes))
        if lane not in self.lanes:
            self.lanes.append(lane)
        return self.lanes.index(lane)
