"""How many instructions does a message take: parsed, screened, and rewritten or answered?

``python -m tests.bench.bench_instructions [--json FILE] [--keep FOLDER]``

callgrind counts them, so the answer is the same on a busy machine and can be
compared from change to change. Per message: the difference between a run of N
and one of 2 N messages, without what such a run costs with no message at all,
divided by N. The table has 100,000 numbers. ``base`` is ``good`` with the rules
off that look beyond a call itself (messages.BASE): what is asked is asked of it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.counted import PASSES
from tests.bench.messages import KINDS, SLOTS

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ASKED = {"base": 8_000}
TOTALS = re.compile(r"^totals: (\d+)", re.MULTILINE)
TRIGGER = re.compile(r"^desc: Trigger: Client Request: (\S+):(\d+)", re.MULTILINE)


def count(kinds: list[str], folder: Path) -> dict[str, float]:
    """Instructions per message of each kind."""
    library = folder / "marks.so"
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, HERE / "marks.c"], check=True)
    valgrind = ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/counts"]
    program = [sys.executable, "-m", "tests.bench.counted", str(library), "nothing", *kinds]
    environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONMALLOC": "malloc"}
    run = subprocess.run([*valgrind, *program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(f"the counted program failed:\n{run.stderr[-2000:]}")
    totals: dict[tuple[str, int], int] = {}
    for path in folder.glob("counts*"):
        text = path.read_text()
        if (trigger := TRIGGER.search(text)) and (total := TOTALS.search(text)):
            totals[trigger[1], int(trigger[2])] = int(total[1])
    once, twice = PASSES
    messages = (twice - once) * SLOTS
    passes = {kind: totals[kind, twice] - totals[kind, once] for kind in ("nothing", *kinds)}
    return {kind: (passes[kind] - passes["nothing"]) / messages for kind in kinds}


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--json", type=Path, help="also write the figures to this file")
    ask.add_argument("--keep", type=Path, help="leave callgrind's files here, for callgrind_annotate")
    given = ask.parse_args()
    target: Path | None = given.json
    with tempfile.TemporaryDirectory() as name:
        folder = given.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        counts = count(["parse", "screened", "base", *KINDS], folder)
    print(f"{'message':10} {'instructions':>12}")
    for kind, instructions in counts.items():
        asked = ASKED.get(kind)
        verdict = "" if asked is None else f"   asked {asked:,}: {'reached' if instructions <= asked else 'MISSED'}"
        print(f"{kind:10} {instructions:12,.0f}{verdict}")
    if target:
        target.write_text(json.dumps({kind: round(value, 1) for kind, value in counts.items()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
