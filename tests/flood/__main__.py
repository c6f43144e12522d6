"""Runs the flood scenarios and writes the report: ``python -m tests.flood [--only NAME,...] [--seconds 5] [--short] [--out build/proof]``.

It puts itself into a network namespace of its own first, so that no packet
leaves it. Exits with 1 when a scenario's law was broken.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from tests.flood import report
from tests.flood.lab import Lab, enter
from tests.flood.scenarios import SCENARIOS, run_scenario


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.flood")
    parser.add_argument("--only", default="", help="names of scenarios, with commas between them")
    parser.add_argument("--seconds", type=float, default=5, help="how long a flood lasts that has no count of its own")
    parser.add_argument("--short", action="store_true", help="a fiftieth of the counts and no times judged")
    parser.add_argument("--out", type=Path, default=Path("build/proof"), help="folder of the report")
    options = parser.parse_args(arguments)
    enter(arguments)
    # So that a run that is ended takes its daemon and its floods with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    names = options.only.split(",") if options.only else list(SCENARIOS)
    if unknown := [name for name in names if name not in SCENARIOS]:
        parser.error(f"no scenario {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    with tempfile.TemporaryDirectory(prefix="flood-") as folder:
        lab = Lab(Path(folder), options.seconds, options.short)
        trials = []
        for name in names:
            trials.append(run_scenario(name, lab))
            print(report.lines(trials[-1]), flush=True)
    report.write(options.out, trials)
    return 0 if all(trial.holds for trial in trials) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
