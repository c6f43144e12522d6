"""The seeds and a fixed round of changes for each target of STIR, in each test run."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.fuzz import changes, fuzz_identity, fuzz_passport, fuzz_tnauthlist, fuzz_usual_token

TARGETS = [fuzz_identity, fuzz_passport, fuzz_tnauthlist, fuzz_usual_token]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.__name__)
def test_a_round_of_changes(target: ModuleType) -> None:
    assert not [wrong for seed in target.SEEDS if (wrong := target.check(seed))]
    assert not changes.run(target.check, target.SEEDS, target.TOKENS, 3000, 8224)
