# Invariant: whatever the bytes, tnauthlist.parse and constraints.parse return within a bounded time or raise
# ValueError; a list that is read covers every single number and the ends of every range that it names, and itself.
"""Fuzz target of the certificate extensions: ``python -m tests.fuzz.fuzz_tnauthlist --seconds 60 [--seed 7]``."""

from __future__ import annotations

import sys
from contextlib import suppress

from edge_agent.stir import constraints, tnauthlist
from edge_agent.stir.tnauthlist import TNAuthList
from tests.ca import claim_constraints, der, number, number_range, spc
from tests.fuzz import changes

SLOWEST = 0.1
SEEDS = (
    der(0x30, spc("1234") + number_range("12025550100", 200) + number("911*")),
    der(0x30, number_range("0001", 5) + number("12025550143") * 20),
    claim_constraints(include=("a", "b"), permitted={"attest": ("A",)}, exclude=("x",)).value.value,
)
TOKENS = (
    b"\x30\x80",
    b"\x30\x84\xff\xff\xff\xff",
    b"\xa0\x03\x16\x01A",
    b"\xa1",
    b"\xa2",
    b"\x02\x01\x05",
    b"\x00",
    b"\x81\x80",
)


def read(data: bytes) -> TNAuthList | None:
    with suppress(ValueError):
        constraints.parse(data, True)
    try:
        return tnauthlist.parse(data)
    except ValueError:
        return None


def check(data: bytes) -> str:
    found, slow = changes.timed(lambda: read(data), SLOWEST)
    if slow or found is None:
        return "slow" if slow else ""
    ends = [f"{end:0{digits}}" for low, high, digits in found.ranges for end in (low, high)]
    if not all(found.covers(each) for each in (*found.numbers, *ends)):
        return "a number that it names isn't covered"
    return "" if found.within(found) else "not within itself"


if __name__ == "__main__":
    sys.exit(changes.main("fuzz_tnauthlist", check, SEEDS, TOKENS))
