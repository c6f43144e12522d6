"""Bans for people: what the table says of each, and the line below it."""

from __future__ import annotations

from typing import Any

from edge_agent.bans.show import render
from edge_agent.show import console

STATUS = {
    "live": 2, "banned": 2, "lifted": 0, "ended": 0, "store": "on", "store_dropped": 0, "kernel": {"state": "off"},
}  # fmt: skip


def ban(network: str, **changes: Any) -> dict[str, Any]:
    return {
        "network": network, "seconds_left": 59.4, "times": 2, "count": 20, "who": "engine", "rule": "scanner",
        "reason": "scanner-agent", "trunk": "", "since": "2026-01-31T10:00:00.000000Z", "note": "", "forced": False,
    } | changes  # fmt: skip


def rows(*bans: dict[str, Any]) -> list[list[str]]:
    screen = console()
    with screen.capture() as captured:
        screen.print(render({"bans": list(bans), "status": STATUS}))
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in captured.get().splitlines() if "│" in line]


def test_what_an_operator_forced_is_shown() -> None:
    by_force = ban("198.51.100.10/32", who="operator", rule="banned", reason="operator", note="[b]asked", forced=True)
    first, second = rows(ban("203.0.113.7/32"), by_force)
    assert first == [
        "203.0.113.7/32", "0:00:59", "2", "20", "engine", "scanner", "scanner-agent", "", "2026-01-31T10:00:00Z", "",
    ]  # fmt: skip
    assert second[4] == "operator, by force" and second[-1] == "[b]asked"
