"""Trunk-days summed up by kind, as a table and as plain values; and the law that they must hold. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.simulation.habits import KINDS
from tests.simulation.play import Told

LEAST_FOUND = 0.99
"""Share of the trunk-days of each unwanted kind."""
HEAD = (
    "| kind | trunk-days | calls | found | unwanted calls before that: median, 9 of 10, most | unwanted calls stopped |"
    " wanted calls refused | trunk-days with such | refused by | recorded |\n| --- |" + " --- |" * 9
)


@dataclass(frozen=True)
class Summary:
    """Of one run."""

    kinds: dict[str, list[Told]]
    messages: int
    seconds: float

    @property
    def calls(self) -> int:
        return sum(one.calls for told in self.kinds.values() for one in told)

    def plain(self) -> dict[str, Any]:
        return {
            "calls": self.calls,
            "messages": self.messages,
            "seconds": round(self.seconds, 1),
            "kinds": {name: _figures(told) for name, told in self.kinds.items()},
        }


def summary(told: list[Told], messages: int, seconds: float) -> Summary:
    kinds = {kind.name: [one for one in told if one.name == kind.name] for kind in KINDS}
    return Summary({name: some for name, some in kinds.items() if some}, messages, seconds)


def _figures(told: list[Told]) -> dict[str, Any]:
    unwanted, wanted = sum(one.unwanted for one in told), sum(one.calls - one.unwanted for one in told)
    after = sorted(one.found_after for one in told if one.found_after >= 0)
    bad = [one for one in told if one.unwanted]
    return {
        "trunk_days": len(told),
        "calls": unwanted + wanted,
        "found": len(after) / len(bad) if bad else None,
        "after": [after[len(after) // 2], after[len(after) * 9 // 10], after[-1]] if after else None,
        "stopped": sum(one.stopped for one in told) / unwanted if unwanted else None,
        "refused": sum(one.refused for one in told),
        "refused_share": sum(one.refused for one in told) / wanted if wanted else None,
        "refused_days": sum(one.refused > 0 for one in told),
        "reasons": _sum(one.reasons for one in told),
        "recorded": _sum(one.recorded for one in told),
    }


def _sum(many: Any) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in many:
        for name, count in one.items():
            total[name] = total.get(name, 0) + count
    return dict(sorted(total.items(), key=lambda item: -item[1]))


def holds(run: Summary, *, enforced: bool = True) -> bool:
    """Nobody who is wanted was refused, and everybody who isn't was found."""
    figures = [_figures(told) for told in run.kinds.values()]
    return not any(one["refused"] for one in figures) and not (
        enforced and any(one["found"] is not None and one["found"] < LEAST_FOUND for one in figures)
    )


def markdown(enforced: Summary, shipped: Summary) -> str:
    return (
        "# Simulated trunk-days\n\n"
        + _section("Every rule enforcing, at its defaults", enforced)
        + "\n"
        + _section("As shipped: rules of behaviour only record", shipped)
    )


def _section(title: str, run: Summary) -> str:
    lines = [f"## {title}", "", HEAD]
    for name, told in run.kinds.items():
        one = _figures(told)
        lines.append(
            f"| {name} | {one['trunk_days']:,} | {one['calls']:,} | {_share(one['found'])} | "
            + (", ".join(f"{n:,}" for n in one["after"]) if one["after"] else "–")
            + f" | {_share(one['stopped'])} | {one['refused']:,} ({_share(one['refused_share'])}) | {one['refused_days']:,} | "
            + f"{_words(one['reasons'])} | {_words(one['recorded'])} |"
        )
    lines += ["", f"{run.calls:,} calls, {run.messages:,} messages, {run.seconds:,.0f} s.", ""]
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f} %"


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "–"
