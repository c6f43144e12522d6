"""The seeds and a fixed round of changes for number lists, in each test run."""

from __future__ import annotations

from tests.fuzz import changes, fuzz_number_list


def test_a_round_of_changes() -> None:
    assert not [wrong for seed in fuzz_number_list.SEEDS if (wrong := fuzz_number_list.check(seed))]
    assert not changes.run(fuzz_number_list.check, fuzz_number_list.SEEDS, fuzz_number_list.TOKENS, 3000, 8224)
