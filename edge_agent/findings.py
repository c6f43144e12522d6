"""What rules in monitor mode would have refused: how many calls, how many of those were answered, and who they were of.

The counts are the engine's and count calls. Examples come from the event ring,
which is capped, so they show whom a rule found often, not how often. Nothing
here changes a mode: what a rule may refuse is the operator's to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from edge_agent.reasons import REASONS

if TYPE_CHECKING:
    from edge_agent._hot import Event

CALLERS = 16  # that are kept of a peer and a rule
SHOWN = 3
PAIRS = 4096  # of a peer and a rule, as many as are kept

_RULE_OF = {reason.name: reason.rule for reason in REASONS}
_ONLY_TOLD = {reason.name for reason in REASONS if not reason.status}
"""Findings that refuse nothing in any mode."""

Findings = Mapping[tuple[str, str, str], tuple[int, int]]
"""Calls and answered ones, by peer, direction ("from" or "to" it) and rule; "" for all calls."""


class Examples:
    """The callers that rules found most often, by peer and rule. Fixed in size: a new caller takes the place of the rarest."""

    def __init__(self) -> None:
        self._callers: dict[tuple[str, str], dict[str, int]] = {}
        self.dropped = 0
        """Findings of more pairs of peer and rule than are kept."""

    def add(self, events: Iterable[Event]) -> None:
        for event in events:
            if not event.monitored or event.method != "INVITE" or event.finding in _ONLY_TOLD:
                continue
            pair = event.peer, _RULE_OF.get(event.finding, event.rule)
            callers = self._callers.get(pair)
            if callers is None:
                if len(self._callers) >= PAIRS:
                    self.dropped += 1
                    continue
                callers = self._callers[pair] = {}
            count = callers.get(event.from_user, 0)
            if not count and len(callers) >= CALLERS:
                rarest = min(callers, key=callers.__getitem__)
                count = callers.pop(rarest)
            callers[event.from_user] = count + 1

    def top(self, peer: str, rule: str) -> list[str]:
        callers = self._callers.get((peer, rule), {})
        return sorted(callers, key=lambda caller: (-callers[caller], caller))[:SHOWN]


def report(findings: Findings, examples: Examples, since: str) -> dict[str, Any]:
    """A row for each peer, direction and rule that found something, the most calls first. Shares are 0 to 1."""
    rows: list[dict[str, Any]] = []
    for (peer, direction, rule), (calls, answered) in findings.items():
        if not rule:
            continue
        all_calls, all_answered = findings[peer, direction, ""]
        rows.append(
            {
                "peer": peer,
                "direction": direction,
                "rule": rule,
                "calls": calls,
                "of_calls": calls / all_calls,
                "answered": answered,
                "of_answered": answered / all_answered if all_answered else 0.0,
                "examples": examples.top(peer, rule),
            }
        )
    rows.sort(key=lambda row: (-row["calls"], row["peer"], row["rule"]))
    totals = [
        {"peer": peer, "direction": direction, "calls": calls, "answered": answered}
        for (peer, direction, rule), (calls, answered) in sorted(findings.items())
        if not rule
    ]
    return {"since": since, "rules": rows, "peers": totals, "examples_dropped": examples.dropped}
