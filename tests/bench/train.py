"""What the compiler learns from: calls through an engine that was compiled to count its branches.

``python -m tests.bench.train``

``make build`` runs this, and compiles the engine that is used with what came out
(GCC's profile-guided optimization): what every call runs stands together then,
and is brought into the cache by fewer misses after each sleep. Code that isn't
run here is compiled as it always was. No verdict depends on it; the same tests
hold with and without.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from edge_agent._hot import Batch, OutBatch
from tests.bench.messages import FORGET, SECOND, SLOTS, engine, fill, load
from tests.simulation.habits import KINDS
from tests.simulation.play import Town


def batches() -> None:
    """Each kind of message that a gateway gets, the good ones most."""
    numbers, out, batch, now = 100_000, OutBatch(), Batch(SLOTS), SECOND
    with tempfile.TemporaryDirectory() as folder:
        trained = engine(numbers, Path(folder))
    for _ in range(10):
        for kind, passes in (("good", 60), ("forged", 10), ("emerg", 10), ("scan", 10), ("unknown", 10), ("flood", 10)):
            fill(batch, load(kind, SLOTS, numbers))
            for _ in range(passes):
                now += FORGET
                trained.calls(now)  # collects the calls that rang too long
                trained.process(batch, now, out)


def whole_calls() -> None:
    """Days of an office, of a hospital and of a dialler: with their answers, their ends and what is found of them."""
    kinds = {kind.name: kind for kind in KINDS}
    Town([kinds[name] for name in ("small office", "hospital", "dialler")], 1, True).run()


if __name__ == "__main__":
    batches()
    whole_calls()
