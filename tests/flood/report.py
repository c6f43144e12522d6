"""The report of the flood scenarios, for people (report.md) and for programs (report.json). It judges nothing."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from tests.flood.lab import Trial


def lines(trial: Trial) -> str:
    """One scenario, for a terminal."""
    rows = [f"  {'ok  ' if c.holds else 'FAIL'} {c.what}: {c.measured} (expected {c.expected})" for c in trial.checks]
    return "\n".join([f"{trial.name}: {trial.law}", *rows])


def write(folder: Path, trials: Sequence[Trial]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    figures = [
        {
            "scenario": t.name,
            "law": t.law,
            "holds": t.holds,
            "checks": [c._asdict() for c in t.checks],
            "figures": t.figures,
        }
        for t in trials
    ]
    machine = f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    (folder / "report.json").write_text(json.dumps({"machine": machine, "scenarios": figures}, indent=1) + "\n")
    good = sum(trial.holds for trial in trials)
    text = [f"# Floods\n\n{good} of {len(trials)} scenarios hold. {machine}.\n"]
    text.append("| scenario | what | expected | measured | verdict |\n| --- | --- | --- | --- | --- |")
    for trial in trials:
        for n, c in enumerate(trial.checks):
            name = trial.name if n == 0 else ""
            text.append(f"| {name} | {c.what} | {c.expected} | {c.measured} | {'holds' if c.holds else '**broken**'} |")
    text.append("\n## The laws\n")
    text += [f"- **{trial.name}**: {trial.law} {flood_figures(trial)}" for trial in trials]
    (folder / "report.md").write_text("\n".join(text) + "\n", encoding="utf-8")


def flood_figures(trial: Trial) -> str:
    """What the flood was, where good calls were measured beside it."""
    f = trial.figures
    if "good" not in f:
        return ""
    return (
        f"({f['flood_sent']:,} packets at {f['flood_pps']:,}/s; agent {f['agent_cpu_us_per_packet']} µs a packet; "
        f"good p99 {f['good']['p99_ms']:.2f} ms, quiet {f['quiet_p99_ms']:.2f} ms; {f['good']['repeats']} repeated)"
    )
