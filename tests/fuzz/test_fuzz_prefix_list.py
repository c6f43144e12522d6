"""The seeds and a fixed round of changes for prefix lists, in each test run."""

from __future__ import annotations

from tests.fuzz import changes, fuzz_prefix_list


def test_a_round_of_changes() -> None:
    assert not [wrong for seed in fuzz_prefix_list.SEEDS if (wrong := fuzz_prefix_list.check(seed))]
    assert not changes.run(fuzz_prefix_list.check, fuzz_prefix_list.SEEDS, fuzz_prefix_list.TOKENS, 3000, 8224)
