"""What the demo shows: the traffic by kind, the agent's own verdicts, and the summary. Nothing here decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edge_agent.demo.plan import Kind, Seen

LIVE_VERDICTS = 8  # so that both tables fit a small terminal


@dataclass(frozen=True)
class Check:
    """One line of the summary's arithmetic."""

    what: str
    expected: str
    seen: str
    right: bool


def live(rows: Sequence[tuple[Kind, Seen]], status: dict[str, Any], left: float) -> RenderableType:
    """While traffic runs."""
    return Group(_traffic(rows, f"Traffic, {left:.0f} s to go", final=False), _verdicts(status, LIVE_VERDICTS))


def line(rows: Sequence[tuple[Kind, Seen]], status: dict[str, Any]) -> str:
    """The same for an output that is no terminal."""
    counters = status["counters"]
    sent = " ".join(f"{kind.name}={seen.sent}" for kind, seen in rows)
    return (
        f"sent: {sent} | agent: received={counters['received']} forwarded={counters['forwarded']}"
        f" answered={counters['answered']} dropped={counters['dropped']}"
    )


def summary(rows: Sequence[tuple[Kind, Seen]], status: dict[str, Any], checks: Sequence[Check]) -> RenderableType:
    """At the end: expected against seen."""
    sums = Table("the sums", "expected", "seen", "", title_justify="left")
    for check in checks:
        sums.add_row(check.what, check.expected, check.seen, _mark(check.right))
    return Group(_verdicts(status), _traffic(rows, "Summary", final=True), sums)


def summary_json(rows: Sequence[tuple[Kind, Seen]], status: dict[str, Any], checks: Sequence[Check]) -> dict[str, Any]:
    return {
        "ok": all(kind.right(seen) for kind, seen in rows) and all(check.right for check in checks),
        "kinds": [
            {
                "kind": kind.name,
                "must": kind.must,
                "sent": seen.sent,
                "outcomes": dict(seen.outcomes),
                "cloud": seen.cloud,
                "psap": seen.psap,
                "ok": kind.right(seen),
            }
            for kind, seen in rows
        ],
        "checks": [{"what": c.what, "expected": c.expected, "seen": c.seen, "ok": c.right} for c in checks],
        "counters": status["counters"],
    }


def _traffic(rows: Sequence[tuple[Kind, Seen]], title: str, final: bool) -> Table:
    table = Table("traffic", "must be", title=title, title_justify="left")
    for column in ("sent", "at cloud", "at PSAP"):
        table.add_column(column, justify="right")
    table.add_column("what its sender saw")
    if final:
        table.add_column("")
    for kind, seen in rows:
        outcomes = ", ".join(f"{count} × {outcome}" for outcome, count in seen.outcomes.most_common(3))
        cells = [kind.title, kind.must, str(seen.sent), str(seen.cloud), str(seen.psap), outcomes]
        table.add_row(*cells, *([_mark(kind.right(seen))] if final else []))
    return table


def _verdicts(status: dict[str, Any], most: int | None = None) -> Table:
    table = Table("action", "rule", "reason", "peer", title="Verdicts of the agent", title_justify="left")
    table.add_column("count", justify="right")
    colours = {"forward": "green", "answer": "red", "drop": "magenta"}
    for row in status["counters"]["verdicts"][:most]:
        action = Text(row["action"], style=colours.get(row["action"], ""))
        table.add_row(action, row["rule"], row["reason"], row["peer"], str(row["count"]))
    return table


def _mark(right: bool) -> Text:
    return Text("right", style="green") if right else Text("WRONG", style="bold red")
