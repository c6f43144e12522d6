"""Thousand trunk-days through the engine, and who was found: ``python -m tests.simulation [--trunk-days N] [--out build/proof]``.

Every rule enforces, at its defaults; the wanted kinds are played once more as the
agent is shipped. Writes simulation.md and simulation.json. Exits with 1 when a
wanted call was refused, or an unwanted kind wasn't found.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tests.simulation.habits import KINDS, Kind
from tests.simulation.play import Told, Town
from tests.simulation.report import Summary, holds, markdown, summary

TRUNKS = 16  # of one engine


def town(first: int, count: int, enforce: bool) -> tuple[list[Told], int]:
    """Trunk-days from that number on, and the messages that were received for them."""
    made = Town([kind_of(first + n, enforce) for n in range(count)], first, enforce)
    return made.run(), made.engine.counters()["received"]


def kind_of(day: int, enforce: bool) -> Kind:
    kinds = KINDS if enforce else tuple(kind for kind in KINDS if kind.good)
    return kinds[day % len(kinds)]


def simulate(days: int, enforce: bool, workers: int) -> Summary:
    told: list[Told] = []
    messages, began = 0, time.monotonic()
    with ProcessPoolExecutor(workers) as pool:
        parts = [pool.submit(town, at, min(TRUNKS, days - at), enforce) for at in range(0, days, TRUNKS)]
        for part in as_completed(parts):
            some, received = part.result()
            told += some
            messages += received
            print(f"\r{len(told)} of {days} trunk-days, {messages:,} messages", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return summary(told, messages, time.monotonic() - began)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument(
        "--trunk-days", type=int, default=1000, help="with every rule in force; an eighth as many without"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--out", type=Path, default=Path("build/proof"), help="folder of the report")
    options = parser.parse_args(arguments)
    enforced = simulate(options.trunk_days, True, options.workers)
    shipped = simulate(max(options.trunk_days // 8, 4), False, options.workers)
    text = markdown(enforced, shipped)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "simulation.md").write_text(text)
    found = {"enforced": enforced.plain(), "shipped": shipped.plain()}
    (options.out / "simulation.json").write_text(json.dumps(found, indent=1) + "\n")
    print(text)
    return 0 if holds(enforced) and holds(shipped, enforced=False) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
