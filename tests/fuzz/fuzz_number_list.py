# Invariant: whatever the bytes, a list of numbers is read or refused within a bounded time; read whole or in pieces it
# is the same set; its bad lines are in order; and whatever stands in a compiled file, it is refused or stays inside.
"""Fuzz target of number lists and their compiled files: ``python -m tests.fuzz.fuzz_number_list --seconds 60 [--seed 7]``."""

from __future__ import annotations

import struct
import sys
from contextlib import suppress

from edge_agent._hot import NumberBuilder, NumberListError, NumberSet
from tests.fuzz import changes

SLOWEST = 0.5
PAD = 64
SEEDS = (
    b"# hotlines\n+12125550100\n+12125550101 2026-12-31\r\n\n+12125000000..+12125099999 2026-12-31T18:00Z\n+1646555*\n",
    b"+1 (212) 555-0100 .. +1 212 555-0199\n+1\n+2*\n+123456789012345\n+1* 2027-01-01\n+12* 2028-01-01\n+125* 2026-01-01",
    b"".join(b"+1212555%04d\n" % number for number in range(0, 400, 3)),
    # In lines, with an end and without.
    b"".join(b"+%d%b\n" % (number, b" 2026-12-31" * (number % 7 == 0)) for number in range(1000, 9200, 9)),
)
TOKENS = (
    b"+",
    b"..",
    b"*",
    b"#",
    b"\n",
    b"\r\n",
    b" 2026-12-31",
    b"\t2026-12-31T25:00",
    b"+1",
    b"0",
    b"\0",
    b"\xff",
    b" ",
)
Reading = list[tuple[int, str]] | NumberSet
"""The bad lines with what is wrong, or the set."""
ASKED = b"".join(struct.pack("=Q", 11 << 54 | 12_125_550_000 + number) for number in range(500))


def in_pieces(text: bytes, size: int) -> bytes:
    """The compiled file of a list that is fed in pieces."""
    builder = NumberBuilder(True)
    memory = bytearray()
    for turn in range(2):
        if turn:
            memory += bytes(builder.room())
            builder.begin(memory)
        held = bytearray()
        for at in [*range(0, len(text), size), len(text)]:
            held += text[at : at + size]
            used = builder.feed(held + b"7" * PAD, len(held), at >= len(text))
            del held[:used]
        if held:
            raise AssertionError("something was left")
    builder.finish(bytes(32))
    return bytes(memory) + b"".join(builder.tail())


SOUND = in_pieces(SEEDS[0], 1000)
LINES = in_pieces(SEEDS[3], 1000)


def read(data: bytes) -> tuple[Reading, Reading]:
    """The list read whole and in pieces; and damaged compiled files, of which nothing is asked but that they end."""
    whole: Reading
    pieces: Reading
    try:
        whole = NumberSet(data, True)
    except NumberListError as error:
        whole = error.errors
    try:
        pieces = NumberSet.mapped(in_pieces(data, 7 + len(data) % 60), bytes(32))
    except NumberListError as error:
        pieces = error.errors
    for damaged in (data, SOUND[:96] + data[:80].ljust(80, b"\0") + SOUND[176:], SOUND[:192] + data + SOUND):
        with suppress(ValueError):
            NumberSet.mapped(damaged[: max(len(SOUND), len(data))], bytes(32)).count(ASKED, 1)
    for damaged in (
        LINES[:192] + data[: len(LINES) - 192] + LINES[192 + len(data) :],
        LINES[:152] + data[:8].ljust(8, b"\0") + LINES[160:],
    ):
        with suppress(ValueError):
            numbers = NumberSet.mapped(damaged, bytes(32))
            numbers.count(ASKED, 1)
            numbers.singles()
    return whole, pieces


def check(data: bytes) -> str:
    (whole, pieces), slow = changes.timed(lambda: read(data), SLOWEST)
    if slow:
        return "slow"
    if isinstance(whole, list) or isinstance(pieces, list):
        lines = [line for line, _ in whole] if isinstance(whole, list) else []
        return "" if whole == pieces and lines == sorted(lines) else "another reading in pieces"
    if whole.ranges() != pieces.ranges() or sorted(whole.singles()) != sorted(pieces.singles()):
        return "another set in pieces"
    moments = (1, 1_798_000_000_000_000_000)
    if any(whole.count(ASKED, moment) != pieces.count(ASKED, moment) for moment in moments):
        return "another answer in pieces"
    return ""


if __name__ == "__main__":
    sys.exit(changes.main("fuzz_number_list", check, SEEDS, TOKENS))
