"""Load harness: a ramp of SIPp calls through the real daemon, as a report for people and one for programs.

    python -m tests.sipp.load [--rates 50,100,200,400,800,1600] [--seconds 3] [--out build/load]

Three kinds of traffic climb the same rates: calls of the trunk's own numbers
(all must be answered), calls with forged numbers (all must get 403), and both at
once, half each. The callers come out of SIPp injection files made here. It writes
``load.json`` and ``load.html`` and exits with 1 when a call went wrong at a rate
that every machine must carry (``--must``).

What it says about delay holds SIPp's own time on both sides, on the same cores:
it compares steps of one run, not machines. It never touches an agent that it
didn't start.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

from tests.e2e.sipp import SHORT_TRACE, Address, Agent, Result, Sipp, default_command, free_address
from tests.e2e.wire import Silent

KINDS = ("good", "forged", "mixed")
NUMBERS = 2000  # callers in each injection file

CONFIGURATION = """
[agent]
name = "load"
country = "US"
state_dir = "{folder}"
workers = 1

[[listen]]
transport = "udp"
address = "{agent}"

[[upstream]]
name = "cloud"
targets = ["{cloud}"]
domains = ["cloud.example.net"]
probe_every = "0s"

[[trunk]]
name = "acme"
sources = ["127.0.0.10/32"]
upstream = "cloud"
contact = ["127.0.0.10:{agent.port}"]
caller_ids = ["+12125000000..+12125099999"]
calls_per_second = 100000
burst = 100000
concurrent_calls = 100000

[admin]
socket = "{folder}/control.sock"

[events]
log = "stderr"
"""


@dataclass(frozen=True)
class Step:
    """One rate of one kind of traffic, as measured."""

    kind: str
    rate: float  # calls per second that were to start
    calls: int
    reached: float  # calls per second that ended as they must
    wrong: int  # calls that didn't
    retransmissions: int
    delay_ms_median: float  # INVITE to its first answer
    delay_ms_p99: float
    agent_cpu: float  # share of one core
    agent_cpu_us_per_call: float
    agent_resident_mib: float


def injection(path: Path, first: int) -> Path:
    """A file of callers, one line a call, taken in turn and from the start again when used up."""
    lines = [f"+{first + 7 * n};+1312555{n % 100 + 100:04d}" for n in range(NUMBERS)]
    path.write_text("SEQUENTIAL\n" + "\n".join(lines) + "\n", encoding="ascii")
    return path


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class Ramp:
    """The running agent, and what it takes to send one step of calls through it."""

    def __init__(self, folder: Path, agent: Agent, at: Address, cloud: Address) -> None:
        self._folder, self._agent, self._at, self._cloud = folder, agent, at, cloud
        self._numbers = {
            "good": injection(folder / "good.csv", 12125000000),
            "forged": injection(folder / "forged.csv", 14158880000),
        }

    def _caller(self, kind: str, rate: float, seconds: float) -> Sipp:
        scenario = "uac_load" if kind == "good" else "uac_load_refused"
        return Sipp(
            Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=self._folder)),
            scenario,
            free_address("127.0.0.10"),
            to=self._at,
            calls=max(1, round(rate * seconds)),
            rate=rate,
            trace=False,
            seconds=seconds + 10,
            arguments=["-inf", str(self._numbers[kind]), *SHORT_TRACE],
        )

    def step(self, kind: str, rate: float, seconds: float) -> Step:
        parts = {"mixed": {"good": rate / 2, "forged": rate / 2}}.get(kind, {kind: rate})
        callers = [self._caller(name, share, seconds) for name, share in parts.items()]
        with ExitStack() as stack:
            leaked = 0
            if kind == "forged":
                cloud = stack.enter_context(Silent(self._cloud))
            else:
                folder = Path(tempfile.mkdtemp(prefix="cloud-", dir=self._folder))
                stack.enter_context(
                    Sipp(folder, "uas_call", self._cloud, calls=10**9, trace=False, seconds=seconds + 30)
                )
            before, began = self._agent.usage(), time.monotonic()
            for caller in callers:
                stack.enter_context(caller)
            results = [caller.wait() for caller in callers]
            after, took = self._agent.usage(), time.monotonic() - began
            if kind == "forged":
                # A forged call that reaches the cloud also fails at the caller; this counts its ACK too.
                leaked = len(cloud.take())
        calls = sum(max(1, round(share * seconds)) for share in parts.values())
        good = sum(result.succeeded for result in results)
        delays = [delay for caller in callers for delay in caller.answer_times()]
        cpu = after.cpu_seconds - before.cpu_seconds
        return Step(
            kind=kind,
            rate=rate,
            calls=calls,
            reached=round(good / max(seconds, max(map(elapsed, results))), 1),
            wrong=max(calls - good, leaked),
            retransmissions=sum(result.count("Retransmissions") for result in results),
            delay_ms_median=round(statistics.median(delays), 2) if delays else 0.0,
            delay_ms_p99=round(percentile(delays, 0.99), 2),
            agent_cpu=round(cpu / took, 3),
            agent_cpu_us_per_call=round(1e6 * cpu / calls, 1),
            agent_resident_mib=round(after.resident_bytes / 2**20, 1),
        )


def elapsed(result: Result) -> float:
    """Seconds that a SIPp process worked, as it counted them."""
    hours, minutes, seconds = result.statistics.get("ElapsedTime(C)", "0:0:0").split(":")[:3]
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


# --- the report -------------------------------------------------------------------------------

COLOURS = {"good": "#1b7f4d", "forged": "#b3361b", "mixed": "#2b5fa8"}

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #1c1e21; }
h1 { font-size: 1.4rem; margin-bottom: 0; } h2 { font-size: 1.05rem; margin: 2rem 0 .4rem; }
.of { color: #5a6068; margin-top: .2rem; } .charts { display: flex; flex-wrap: wrap; gap: 1.5rem; }
figure { margin: 0; } figcaption { font-weight: 600; } svg text { font-size: 11px; fill: #5a6068; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid #dfe2e6; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } .bad { color: #b3361b; font-weight: 600; }
"""


def ceiling(value: float) -> float:
    """The next round number (1, 2, 5 × 10ⁿ) that is not below the value."""
    unit = 1e-3
    while True:
        for factor in (1, 2, 5):
            if factor * unit >= value:
                return factor * unit
        unit *= 10


def chart(title: str, steps: Sequence[Step], value_of: Callable[[Step], float], least: float = 0) -> str:
    """One SVG: a value over the rates, a line per kind. The rates stand apart evenly, as they mostly double.

    ``least`` is the smallest value that the axis must reach.
    """
    width, height, left, top, right, bottom = 440, 260, 52, 10, 64, 34
    rates = sorted({step.rate for step in steps})
    most = ceiling(max([value_of(step) for step in steps] + [least]))

    def x(rate: float) -> float:
        return round(left + (width - left - right) * rates.index(rate) / max(1, len(rates) - 1), 1)

    def y(value: float) -> float:
        return round(height - bottom - (height - bottom - top) * value / most, 1)

    parts = [f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">']
    parts.append(f"<title>{escape(title)}</title>")
    for tick in range(5):
        value = most * tick / 4
        parts.append(f'<path d="M{left} {y(value)}H{width - right}" stroke="#e6e8eb"/>')
        parts.append(f'<text x="{left - 6}" y="{y(value) + 4}" text-anchor="end">{value:g}</text>')
    for rate in rates:
        parts.append(f'<text x="{x(rate)}" y="{height - bottom + 15}" text-anchor="middle">{rate:g}</text>')
    parts.append(
        f'<text x="{(left + width - right) / 2}" y="{height - 4}" text-anchor="middle">calls per second</text>'
    )
    labels: list[tuple[float, str]] = []
    for kind in KINDS:
        points = [(x(step.rate), y(value_of(step))) for step in steps if step.kind == kind]
        path = "L".join(f"{px} {py}" for px, py in points)
        parts.append(f'<path d="M{path}" fill="none" stroke="{COLOURS[kind]}" stroke-width="2"/>')
        parts += [f'<circle cx="{px}" cy="{py}" r="2.5" fill="{COLOURS[kind]}"/>' for px, py in points]
        labels.append((points[-1][1], kind))
    # Labels at the line ends, pushed apart so that equal lines stay readable.
    floor = top - 12.0
    for at, kind in sorted(labels):
        floor = max(at + 4, floor + 12)
        parts.append(f'<text x="{width - right + 8}" y="{floor}" style="fill:{COLOURS[kind]}">{kind}</text>')
    parts.append("</svg>")
    return f"<figure><figcaption>{escape(title)}</figcaption>{''.join(parts)}</figure>"


COLUMNS: Mapping[str, Callable[[Step], str]] = {
    "traffic": lambda step: step.kind,
    "calls/s": lambda step: f"{step.rate:g}",
    "calls": lambda step: f"{step.calls}",
    "reached/s": lambda step: f"{step.reached:g}",
    "wrong": lambda step: f"{step.wrong}",
    "repeated": lambda step: f"{step.retransmissions}",
    "answer ms": lambda step: f"{step.delay_ms_median:g}",
    "p99 ms": lambda step: f"{step.delay_ms_p99:g}",
    "agent CPU %": lambda step: f"{100 * step.agent_cpu:.1f}",
    "µs/call": lambda step: f"{step.agent_cpu_us_per_call:.0f}",
    "MiB": lambda step: f"{step.agent_resident_mib:.0f}",
}


def page(about: Mapping[str, str], steps: Sequence[Step]) -> str:
    charts = [
        chart("Calls that ended as they must, %", steps, lambda step: 100 * (1 - step.wrong / step.calls), least=100),
        chart("INVITE to first answer, median, ms", steps, lambda step: step.delay_ms_median),
        chart("INVITE to first answer, 99th percentile, ms", steps, lambda step: step.delay_ms_p99),
        chart("CPU of the agent, % of one core", steps, lambda step: 100 * step.agent_cpu),
    ]
    rows = "".join(
        f"<tr{' class=bad' if step.wrong else ''}>"
        + "".join(f"<td>{cell(step)}</td>" for cell in COLUMNS.values())
        + "</tr>"
        for step in steps
    )
    wrong = sum(step.wrong for step in steps)
    calls = sum(step.calls for step in steps)
    verdict = f"{calls:,} calls, {wrong:,} wrong" if wrong else f"{calls:,} calls, none wrong"
    facts = " · ".join(f"{escape(key)} {escape(value)}" for key, value in about.items())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Load of the edge agent</title>'
        f"<style>{STYLE}</style><h1>Load of the edge agent: {verdict}</h1><p class=of>{facts}</p>"
        f"<div class=charts>{''.join(charts)}</div><h2>Steps</h2><table><thead><tr>"
        + "".join(f"<th>{escape(name)}</th>" for name in COLUMNS)
        + f"</tr></thead><tbody>{rows}</tbody></table>"
        "<p class=of>good: own numbers, must be answered. forged: foreign numbers, must get 403. mixed: half and half. "
        "Delays hold SIPp's own time on the same cores.</p></html>\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sipp.load", description="ramp of SIPp calls, with a report")
    parser.add_argument("--rates", default="50,100,200,400,800,1600", help="calls per second of the steps")
    parser.add_argument("--seconds", type=float, default=3, help="length of one step")
    parser.add_argument("--out", type=Path, default=Path("build/load"), help="folder of the reports")
    parser.add_argument("--must", type=float, default=100, help="a wrong call up to this rate makes the run fail")
    given = parser.parse_args(arguments)
    rates = [float(rate) for rate in given.rates.split(",")]

    steps: list[Step] = []
    with tempfile.TemporaryDirectory(prefix="edge-agent-load-") as name:
        folder, at, cloud = Path(name), free_address("127.0.0.1"), free_address("127.0.0.20")
        agent = Agent(folder / "agent", CONFIGURATION.format(folder=folder / "agent", agent=at, cloud=cloud))
        print("  ".join(f"{title:>11}" for title in COLUMNS))
        with agent:
            ramp = Ramp(folder, agent, at, cloud)
            for kind in KINDS:
                for rate in rates:
                    step = ramp.step(kind, rate, given.seconds)
                    steps.append(step)
                    print("  ".join(f"{cell(step):>11}" for cell in COLUMNS.values()), flush=True)
    about = {
        "agent": " ".join(default_command()),
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "seconds per step": f"{given.seconds:g}",
        "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }
    given.out.mkdir(parents=True, exist_ok=True)
    report = {"about": about, "steps": [asdict(step) for step in steps]}
    (given.out / "load.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (given.out / "load.html").write_text(page(about, steps), encoding="utf-8")
    print(f"reports: {given.out / 'load.json'}, {given.out / 'load.html'}")
    failed = [step for step in steps if step.wrong and step.rate <= given.must]
    for step in failed:
        print(f"{step.wrong} of {step.calls} {step.kind} calls went wrong at {step.rate:g} per second", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
