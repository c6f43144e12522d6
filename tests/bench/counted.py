"""The program that bench_instructions runs under callgrind: N messages, then 2 N, of each kind.

``python -m tests.bench.counted MARKS_LIBRARY WHAT…``

Start-up runs uncounted. Each count is dumped under the name ``WHAT:PASSES``;
the difference of two counts is free of everything that both have. ``nothing``
counts a pass without its messages, ``base`` good calls with few rules on.
"""

from __future__ import annotations

import ctypes
import sys
import tempfile
from pathlib import Path

from edge_agent._hot import Batch, OutBatch
from tests.bench.messages import FORGET, KINDS, SECOND, SLOTS, engine, fill, load

NUMBERS = 100_000
PASSES = (4, 8)  # over one full batch


def main(library: str, kinds: list[str]) -> None:
    marks = ctypes.CDLL(library)
    out = OutBatch()
    now = SECOND
    with tempfile.TemporaryDirectory() as folder:
        all_rules = engine(NUMBERS, Path(folder))
        base = engine(NUMBERS, Path(folder), base=True)
    batch = Batch(SLOTS)
    for kind in kinds:
        decide = base if kind == "base" else all_rules
        fill(batch, load(kind if kind in KINDS else "good", SLOTS, NUMBERS))
        for passes in (1, *PASSES):  # the first only warms up
            marks.mark_on()
            for _ in range(passes):
                now += 0 if kind == "flood" else FORGET
                marks.mark_off()
                decide.calls(now)  # collects the calls that rang too long, as a pump has done by then
                marks.mark_on()
                if kind == "parse":
                    batch.parse()
                elif kind != "nothing":
                    decide.process(batch, now, None if kind == "screened" else out)
            marks.mark_off()
            marks.mark_dump(f"{kind}:{passes}".encode())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
