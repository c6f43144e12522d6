"""What does one decision cost, by kind of message and size of the number table?

``python -m tests.bench.bench_decision [--json FILE]``

Prepared batches go through ``Engine.process`` in this process: no socket, no
Python per message. Beside it, in the same run, the CPU that a bare forwarder
pays per datagram (floor.c): the machine's speed drifts, the ratio doesn't.
Medians of CPU time. Messages are 1,024 different ones, come again only when
they are forgotten, and a run counts only if every one was treated as it must be.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from edge_agent._hot import Batch, Engine, OutBatch
from tests.bench.messages import FORGET, KINDS, SECOND, SLOTS, batches, engine, message

HERE = Path(__file__).resolve().parent
TABLES = (1_000, 100_000, 1_000_000)
BATCHES = 16
PASSES = 30  # over all batches, in one measurement
RUNS = 7
FLOOR_RATE, FLOOR_SECONDS = 8_000, 3
TREATMENT = {"good": "forwarded", "forged": "answered", "emerg": "answered", "scan": "answered", "unknown": "dropped"}
# Ratios to the floor that the design asks for: a good call at 100,000 numbers, and its parse.
ASKED = {("good", 100_000): 0.2, ("parse", 0): 0.08}


@dataclass(frozen=True)
class Row:
    kind: str
    numbers: int
    ns: float
    of_floor: float


def floor_ns(folder: Path) -> float:
    """CPU nanoseconds per message of the bare forwarder."""
    program = folder / "floor"
    subprocess.run(["gcc", "-O2", "-o", program, HERE / "floor.c"], check=True)
    command = [program, str(FLOOR_RATE * FLOOR_SECONDS), str(FLOOR_RATE)]
    run = subprocess.run(command, input=message("good", 1, 1000), capture_output=True, check=True)
    found = json.loads(run.stdout)
    if found["received"] < 0.99 * found["sent"]:
        sys.exit(f"floor lost messages, so its figure means nothing: {found}")
    return float(found["cpu_ns"])


def measure(one_pass: Callable[[], None], messages: int) -> float:
    """Nanoseconds of CPU per message: the median of several runs."""
    one_pass()
    runs = []
    for _ in range(RUNS):
        start = time.thread_time_ns()
        for _ in range(PASSES):
            one_pass()
        runs.append((time.thread_time_ns() - start) / (PASSES * messages))
    return statistics.median(runs)


class Decisions:
    """One engine and its clock, which jumps on so that no transaction is remembered."""

    def __init__(self, made: Engine) -> None:
        self._engine, self._out, self._now = made, OutBatch(), SECOND

    def measure(self, kind: str, load: list[Batch]) -> float:
        def one_pass() -> None:
            self._now += FORGET
            for batch in load:
                self._engine.process(batch, self._now, self._out)
                self._out.clear()

        before = self._engine.counters()
        ns = measure(one_pass, len(load) * SLOTS)
        after = self._engine.counters()
        decided = after["received"] - before["received"]
        right = after[TREATMENT[kind]] - before[TREATMENT[kind]]
        if right != decided:
            sys.exit(f"{kind}: {right:,} of {decided:,} were {TREATMENT[kind]}, so its figure means nothing")
        return ns


def parse_ns(load: list[Batch]) -> float:
    def one_pass() -> None:
        for batch in load:
            batch.parse()

    return measure(one_pass, len(load) * SLOTS)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--json", type=Path, help="also write the figures to this file")
    target: Path | None = ask.parse_args().json
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        floor = floor_ns(folder)

        def add(kind: str, numbers: int, ns: float) -> None:
            rows.append(Row(kind, numbers, round(ns, 1), round(ns / floor, 3)))

        add("parse", 0, parse_ns(batches("good", BATCHES, TABLES[0])))
        for numbers in TABLES:
            decisions = Decisions(engine(numbers, folder))
            for kind in KINDS:
                add(kind, numbers, decisions.measure(kind, batches(kind, BATCHES, numbers)))
    print(f"floor: {floor:,.0f} ns of CPU per message of {len(message('good', 1, 1000))} bytes at {FLOOR_RATE:,}/s")
    print(f"{'message':10} {'numbers':>10} {'ns':>8} {'of floor':>9}")
    for row in rows:
        asked = ASKED.get((row.kind, row.numbers))
        verdict = "" if asked is None else f"   asked {asked}: {'reached' if row.of_floor <= asked else 'MISSED'}"
        numbers = f"{row.numbers:,}" if row.numbers else "-"
        print(f"{row.kind:10} {numbers:>10} {row.ns:8.0f} {row.of_floor:9.3f}{verdict}")
    if target:
        target.write_text(json.dumps({"floor_ns": floor, "rows": [asdict(row) for row in rows]}, indent=1) + "\n")


if __name__ == "__main__":
    main()
