"""Every seed of the fuzz target and a fixed round of changes to it, in each test run."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.fuzz_parse import check, dictionary, seeds
from tests.property.generate import Maker


def test_dictionary_is_read_whole() -> None:
    tokens = dictionary()
    assert len(tokens) > 80
    assert b'\\"' in tokens and b"\\\x00" in tokens and b"\r\n\t" in tokens


def test_seeds() -> None:
    hot = pytest.importorskip("edge_agent._hot")
    assert not {wrong: data for data in seeds() if (wrong := check(hot.parse, data))}


def test_a_round_of_changes() -> None:
    hot = pytest.importorskip("edge_agent._hot")
    maker = Maker(random.Random(4475))
    wrong: dict[str, bytes] = {}
    for data in seeds(100):
        for _ in range(5):
            changed = maker.mutate(data)
            why = check(hot.parse, changed)
            if why:
                wrong[why] = changed
    assert not wrong
