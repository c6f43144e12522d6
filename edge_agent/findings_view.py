"""The report of what rules in monitor mode found, for people: rich tables. Never asks the daemon anything."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text


def render(found: dict[str, Any]) -> RenderableType:
    """The report as tables."""
    rules = Table(
        "peer", "direction", "rule", title="Would have been refused, by rules in monitor mode", title_justify="left"
    )
    for column in ("calls", "of its calls", "answered", "of its answered"):
        rules.add_column(column, justify="right")
    rules.add_column("callers, most often first")
    for row in found["rules"]:
        rules.add_row(
            row["peer"],
            row["direction"],
            row["rule"],
            str(row["calls"]),
            f"{row['of_calls']:.2%}",
            str(row["answered"]),
            f"{row['of_answered']:.2%}",
            ", ".join(row["examples"]),
        )
    peers = Table("peer", "direction", title="Calls that went on", title_justify="left")
    for column in ("calls", "answered"):
        peers.add_column(column, justify="right")
    for row in found["peers"]:
        peers.add_row(row["peer"], row["direction"], str(row["calls"]), str(row["answered"]))
    note = f"Since {found['since']}. An answered call that a rule would have refused is a likely false block."
    return Group(rules, peers, Text(note))
