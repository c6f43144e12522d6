"""The engine reads every message as the oracle does: well formed ones, mutated ones, and noise."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle.compare import difference
from tests.oracle.message import parse, serialise
from tests.property.generate import Maker

choices = st.randoms(use_true_random=False)
# What ``serialise`` writes again; counts and lengths of the original are not among it.
WRITTEN = (
    "kind", "method", "status", "uri", "from", "from_tag", "to", "to_tag", "call_id", "cseq", "cseq_method", "vias",
    "max_forwards", "identities", "routes", "refer_to", "user_agent", "privacy", "content_type",
)  # fmt: skip

PADS = b'\x00\t\n\r "0;>A\\\xff'
HEADS = (b"", b"INVITE sip:a@b SIP/2.0\r\n", b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a")


@pytest.fixture(scope="module")
def hot() -> Any:
    return pytest.importorskip("edge_agent._hot")


def written(read: dict[str, Any]) -> dict[str, Any]:
    return {key: read.get(key) for key in WRITTEN}  # a response has no uri


@given(choices)
def test_generated_messages_are_well_formed(rng: random.Random) -> None:
    """The generator and the oracle were written apart, so this holds one against the other."""
    assert parse(Maker(rng).message()).get("reasons") is None


@given(choices)
def test_oracle_round_trip(rng: random.Random) -> None:
    read = parse(Maker(rng).message())
    assert written(parse(serialise(read))) == written(read)


@given(choices)
def test_well_formed(hot: Any, rng: random.Random) -> None:
    data = Maker(rng).message()
    assert difference(hot.parse(data), parse(data)) == ""


@given(choices)
def test_mutated(hot: Any, rng: random.Random) -> None:
    maker = Maker(rng)
    data = maker.mutate(maker.message())
    assert difference(hot.parse(data), parse(data)) == ""


@given(choices)
def test_round_trip(hot: Any, rng: random.Random) -> None:
    read = hot.parse(Maker(rng).message())
    assert written(hot.parse(serialise(read))) == written(read)


@given(st.binary(max_size=300), st.sampled_from(HEADS))
def test_noise(hot: Any, noise: bytes, head: bytes) -> None:
    data = head + noise
    assert difference(hot.parse(data), parse(data)) == ""


@given(choices, st.integers(0, 2000))
def test_every_slice_lies_in_the_datagram(hot: Any, rng: random.Random, length: int) -> None:
    """A cut message may be refused, but nothing is ever read from behind its end."""
    data = Maker(rng).message()[:length]
    for value in slices(hot.parse(data)):
        assert value in data


@given(choices, st.integers(0, 2000), st.sampled_from(PADS))
def test_what_lies_behind_never_matters(hot: Any, rng: random.Random, length: int, pad: int) -> None:
    """The slots are padded for reads of whole words; whatever stands there, the reading is the same."""
    maker = Maker(rng)
    data = maker.message()[:length] if maker.chance(2) else maker.mutate(maker.message())
    assert hot.parse(data, pad) == hot.parse(data)


def slices(value: Any) -> list[bytes]:
    if isinstance(value, bytes):
        return [value]
    if isinstance(value, dict):
        return [found for item in value.values() for found in slices(item)]
    if isinstance(value, list | tuple):
        return [found for item in value for found in slices(item)]
    return []
