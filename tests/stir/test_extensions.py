"""The certificate extensions of STIR, byte by byte: the RFC's vector, properties, and lengths that can't be."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.stir import constraints, tnauthlist
from edge_agent.stir.der import elements, integer
from edge_agent.stir.tnauthlist import TNAuthList
from tests.ca import claim_constraints, der, ia5, number, number_range, spc


def test_the_vector() -> None:
    assert tnauthlist.parse(base64.b64decode("MAigBhYEODE4SA==")) == TNAuthList(spcs=("818H",))


def test_all_kinds() -> None:
    read = tnauthlist.parse(der(0x30, spc("1234") + number_range("12025550100", 200) + number("911*")))
    assert read == TNAuthList(("1234",), ((12025550100, 12025550299, 11),), frozenset({"911*"}))


@given(st.integers(0, 10**11 - 1), st.integers(2, 10_000), st.integers(-20_000, 20_000))
def test_ranges(start: int, count: int, offset: int) -> None:
    """A range covers its numbers with their leading zeros, and none beside or of another length."""
    written = f"{start:011}"
    if start + count > 10**11:
        with pytest.raises(ValueError, match="digits"):
            tnauthlist.parse(der(0x30, number_range(written, count)))
        return
    read = tnauthlist.parse(der(0x30, number_range(written, count)))
    asked = start + offset
    if 0 <= asked < 10**11:
        assert read.covers(f"{asked:011}") is (0 <= offset < count)
        assert not read.covers(f"{asked:012}")


@pytest.mark.parametrize(
    "entry",
    [
        b"",
        der(0xA3, ia5("1")),
        der(0xA0, ia5("")),
        der(0xA0, ia5("12 34")),
        der(0xA0, ia5("1") + ia5("2")),
        der(0xA0, der(0x0C, b"1")),
        der(0xA2, ia5("1234567890123456")),
        der(0xA2, ia5("+12025550100")),
        number_range("12025550100", 1),
        der(0xA1, der(0x30, ia5("1202"))),
        der(0xA1, der(0x30, ia5("1*"[:2]) + der(0x02, b"\x05"))),
        der(0xA1, der(0x30, ia5("12") + der(0x02, b"\x00\x05"))),
        der(0xA1, der(0x30, ia5("12") + der(0x02, b"\xff"))),
        der(0xA1, der(0x30, ia5("12") + der(0x02, b"\x7f" * 9))),
    ],
)
def test_entries_that_are_none(entry: bytes) -> None:
    with pytest.raises(ValueError):
        tnauthlist.parse(der(0x30, entry))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x80",
        b"\x30\x81\x02\x05\x00",
        b"\x30\x82\x00\x02\x05\x00",
        b"\x30\x84\x7f\xff\xff\xff",
        b"\x30\x05\x05\x00",
        b"\x30\x02\x05\x00\x00",
        b"\x1f\x81\x01\x00",
    ],
)
def test_lengths_that_cannot_be(data: bytes) -> None:
    with pytest.raises(ValueError):
        tnauthlist.parse(data)


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers(value: int) -> None:
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    assert integer(value.to_bytes(size, "big", signed=True)) == value


@given(st.binary(max_size=64))
def test_any_bytes(data: bytes) -> None:
    """Whatever the bytes: a value or ValueError, and elements never reach outside."""
    with suppress(ValueError):
        tnauthlist.parse(data)
    with suppress(ValueError):
        constraints.parse(data, True)
    with suppress(ValueError):
        assert sum(len(content) for _, content in elements(data)) <= len(data)


def test_constraints() -> None:
    made = claim_constraints(include=("a", "b"), permitted={"attest": ("A", "B")}, exclude=("x",))
    read = constraints.parse(made.value.value, True)
    assert read.must_include == ("a", "b")
    assert read.permitted == (("attest", ("A", "B")),)
    assert read.must_exclude == ("x",)
    with pytest.raises(ValueError):
        constraints.parse(made.value.value, False)
    assert read.broken_by({"a": 1, "b": 2}) == ""
    assert read.broken_by({"a": 1, "b": 2, "attest": "A"}) == ""
    assert read.broken_by({"a": 1, "b": 2, "attest": ["A", "C"]}) == "attest says what it may not"
    assert read.broken_by({"a": 1}) == "b is missing"
    assert read.broken_by({"a": 1, "b": 2, "x": 3}) == "x must not be there"
