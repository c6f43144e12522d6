"""What does one decision cost, by kind of message and size of the number table?

``python -m tests.bench.bench_decision [--json FILE]``

Batches go through ``Engine.process`` in this process: no socket, no Python per
message. Beside it, in the same run, the CPU that a bare forwarder pays per
datagram (floor.c): the machine's speed drifts, the ratio doesn't. Medians of
CPU time. As in a pump, one batch is filled again and again; messages come again
only when they are forgotten. A run counts only if each was treated as it must be.
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
from tests.bench.messages import FORGET, KINDS, SECOND, SLOTS, engine, fill, load, message

HERE = Path(__file__).resolve().parent
TABLES = (1_000, 100_000, 1_000_000)
MESSAGES = 1024  # different ones
PASSES = 20  # over all of them, in one measurement
RUNS = 7
FLOOR_RATE, FLOOR_SECONDS = 8_000, 3
TREATMENT = {"good": "forwarded", "forged": "answered", "emerg": "answered", "scan": "answered"}
# Ratios to the floor that the design asks for: a good call at 100,000 numbers, parsed and
# screened but not yet rewritten, and its parse alone.
SCREENED = "screened"
ASKED = {(SCREENED, 100_000): 0.2, ("parse", 0): 0.08}


@dataclass(frozen=True)
class Row:
    kind: str
    numbers: int
    ns: float
    of_floor: float


def floor_ns(folder: Path) -> float:
    """CPU nanoseconds per message of the bare forwarder."""
    program = folder / "floor"
    subprocess.run(["gcc", "-O2", "-o", str(program), str(HERE / "floor.c")], check=True)
    command = [str(program), str(FLOOR_RATE * FLOOR_SECONDS), str(FLOOR_RATE)]
    run = subprocess.run(command, input=message("good", 1, 1000), capture_output=True, check=True)
    found = json.loads(run.stdout)
    if found["received"] < 0.99 * found["sent"]:
        sys.exit(f"floor lost messages, so its figure means nothing: {found}")
    return float(found["cpu_ns"])


Messages = list[tuple[bytes, tuple[str, int]]]


def measure(messages: Messages, between: Callable[[], None], work: Callable[[Batch], None]) -> float:
    """Nanoseconds of CPU that ``work`` takes per message; ``between`` runs before each pass, uncounted."""
    batch = Batch(SLOTS)
    runs = []
    for run in range(RUNS + 1):
        spent = 0
        for _ in range(PASSES):
            between()
            for first in range(0, len(messages), SLOTS):
                fill(batch, messages[first : first + SLOTS])
                start = time.thread_time_ns()
                work(batch)
                spent += time.thread_time_ns() - start
        if run:  # the first only warms up
            runs.append(spent / (PASSES * len(messages)))
    return statistics.median(runs)


class Decisions:
    """One engine and its clock, which jumps on so that no transaction is remembered."""

    def __init__(self, made: Engine) -> None:
        self._engine, self._out, self._now = made, OutBatch(), SECOND

    def measure(self, kind: str, messages: Messages, rewrite: bool = True) -> float:
        before = self._engine.counters()
        out = self._out if rewrite else None
        ns = measure(messages, self._forget, lambda batch: self._engine.process(batch, self._now, out))
        after = self._engine.counters()
        treatment = TREATMENT.get(kind, "dropped")
        decided = after["received"] - before["received"]
        right = after[treatment] - before[treatment]
        if right != decided:
            sys.exit(f"{kind}: {right:,} of {decided:,} were {treatment}, so its figure means nothing")
        return ns

    def _forget(self) -> None:
        self._now += FORGET
        self._engine.calls(self._now)  # collects the calls that rang too long, as a pump has done by then


def parse(batch: Batch) -> None:
    batch.parse()


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

        add("parse", 0, measure(load("good", MESSAGES, TABLES[0]), lambda: None, parse))
        for numbers in TABLES:
            decisions = Decisions(engine(numbers, folder))
            add(SCREENED, numbers, decisions.measure("good", load("good", MESSAGES, numbers), rewrite=False))
            for kind in KINDS:
                add(kind, numbers, decisions.measure(kind, load(kind, MESSAGES, numbers)))
    print(f"floor: {floor:,.0f} ns of CPU per message of {len(message('good', 1, 1000))} bytes at {FLOOR_RATE:,}/s")
    print(f"{'message':10} {'numbers':>10} {'ns':>8} {'of floor':>9}")
    for row in rows:
        asked = ASKED.get((row.kind, row.numbers))
        verdict = "" if asked is None else f"   asked {asked}: {'reached' if row.of_floor <= asked else 'MISSED'}"
        table = f"{row.numbers:,}" if row.numbers else "-"
        print(f"{row.kind:10} {table:>10} {row.ns:8.0f} {row.of_floor:9.3f}{verdict}")
    if target:
        target.write_text(json.dumps({"floor_ns": floor, "rows": [asdict(row) for row in rows]}, indent=1) + "\n")


if __name__ == "__main__":
    main()
