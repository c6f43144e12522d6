"""The program that bench_instructions runs under callgrind: N messages, then 2 N, of each kind.

``python -m tests.bench.counted MARKS_LIBRARY WHAT…``

Start-up runs uncounted. Each count is dumped under the name ``WHAT:PASSES``;
the difference of two counts is free of everything that both have.
"""

from __future__ import annotations

import ctypes
import sys
import tempfile
from pathlib import Path

from edge_agent._hot import OutBatch
from tests.bench.messages import FORGET, SECOND, batches, engine

NUMBERS = 100_000
BATCHES = 4
PASSES = (2, 4)


def main(library: str, kinds: list[str]) -> None:
    marks = ctypes.CDLL(library)
    out = OutBatch()
    now = SECOND
    with tempfile.TemporaryDirectory() as folder:
        decide = engine(NUMBERS, Path(folder))
    for kind in kinds:
        load = batches("good" if kind == "parse" else kind, BATCHES, NUMBERS)
        for passes in (1, *PASSES):  # the first only warms up
            marks.mark_on()
            for _ in range(passes):
                now += FORGET
                for batch in load:
                    if kind == "parse":
                        batch.parse()
                    else:
                        decide.process(batch, now, out)
                        out.clear()
            marks.mark_off()
            marks.mark_dump(f"{kind}:{passes}".encode())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
