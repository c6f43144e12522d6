"""A fixed stretch of the screen's fuzz target in each test run."""

from __future__ import annotations

import pytest

from tests.fuzz.fuzz_process import run


@pytest.mark.parametrize("seed", [1, 5060])
def test_laws(seed: int) -> None:
    pytest.importorskip("edge_agent._hot")
    assert run(60, seed, count=2000) == []
