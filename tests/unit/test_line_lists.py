"""Long lists in lines: the same set as in buckets, at half the memory; who lies too close for them has buckets."""

from __future__ import annotations

import os
import random
import struct
from pathlib import Path

import pytest

from edge_agent._hot import NumberBuilder, NumberSet
from tests.unit.test_compiled_lists import files, keeper

LINES_AT, FIRST = 144, 192
MOMENTS = (1, 1_790_000_000_000_000_000, 1_900_000_000_000_000_000)


def compiled(text: bytes, dated: bool = True, plain: bool = False) -> bytes:
    """The file of a list."""
    builder = NumberBuilder(dated)
    builder.plain = plain
    padded = bytearray(text) + bytes(64)
    builder.feed(padded, len(text), True)
    memory = bytearray(builder.room())
    builder.begin(memory)
    builder.feed(padded, len(text), True)
    builder.finish(bytes(32))
    return bytes(memory) + b"".join(builder.tail())


def lines(content: bytes | bytearray) -> int:
    return int.from_bytes(content[LINES_AT : LINES_AT + 8], "little")


def packed(digits: str) -> bytes:
    return struct.pack("=Q", len(digits) << 54 | int(digits))


def nanp(count: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    return [f"1{chance.randrange(2_000_000_000, 9_999_999_999)}" for _ in range(count)]


def close(count: int, seed: int) -> list[str]:
    """Blocks of numbers one behind the other, as they are given out."""
    chance = random.Random(seed)
    return [
        str(first + n)
        for first in (chance.randrange(12_000_000_000, 19_999_990_000) for _ in range(count // 500))
        for n in range(500)
    ]


def mixed_lengths(count: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    return [str(chance.randrange(1, 10 ** chance.randrange(1, 10))) for _ in range(count)]


KINDS = {
    "nanp": nanp(120_000, 1),
    "close": close(120_000, 2),
    "short": mixed_lengths(20_000, 3),
    "few": mixed_lengths(900, 4),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dated", [False, True])
def test_the_same_set(kind: str, dated: bool) -> None:
    """Listed and beside, at any time, with doubles of which the longer lasting holds; and all that stands in it."""
    chance = random.Random(5)
    numbers = KINDS[kind]
    ends = ("", " 2026-12-31", " 2029-01-01", "") if dated else ("",)
    text = "".join(f"+{number}{chance.choice(ends)}\n" for number in [*numbers, *numbers[:500]]).encode()
    text += b"+1900*\n+4470000000..+4470000999\n"
    content = compiled(text)
    assert lines(content) == len(numbers + numbers[:500]) // 12 + 1
    ours, plain = NumberSet.mapped(content, bytes(32)), NumberSet.mapped(compiled(text, plain=True), bytes(32))
    assert (len(ours), ours.single_count) == (len(plain), plain.single_count)
    assert sorted(ours.singles()) == sorted(plain.singles()) and ours.ranges() == plain.ranges()
    asked = [
        *numbers[:20_000],
        *(str(int(number) + 1) for number in numbers[:20_000]),
        *nanp(5_000, 6),
        "123456789012345",
    ]
    for moment in MOMENTS:
        for one in asked[:: 1 if len(asked) < 10_000 else 37]:
            assert ours.has(one, moment) == plain.has(one, moment), one
        every = b"".join(map(packed, asked))
        assert ours.count(every, moment) == plain.count(every, moment) == ours.count(every, moment, True, 8)
    other = NumberSet(f"+{numbers[-1]}\n+99999999999\n".encode())
    assert ours.overlaps(other) == other.overlaps(ours) == numbers[-1]
    assert ours.overlaps(NumberSet(b"+99999999999\n")) is None
    assert ours.overlaps(plain) is not None and plain.overlaps(ours) is not None


def test_half_the_memory() -> None:
    text = "".join(f"+{number}\n" for number in KINDS["nanp"]).encode()
    assert len(compiled(text)) < 0.54 * len(compiled(text, plain=True))


@pytest.mark.parametrize(
    "numbers",
    [nanp(30_000, 7), ["123456789012345", *nanp(120_000, 8)], mixed_lengths(300, 9)],
    ids=["few", "one long", "hardly any"],
)
def test_where_32_bits_don_t_tell_numbers_apart(numbers: list[str]) -> None:
    text = "".join(f"+{number}\n" for number in numbers).encode()
    content = compiled(text)
    assert lines(content) == 0
    assert sorted(NumberSet.mapped(content, bytes(32)).singles()) == sorted(NumberSet(text).singles())


def unmixed(mixed: int, bits: int) -> int:
    """The law of cext/ops/lines.pxi, backwards."""
    mask: int = 2**bits - 1
    half = (bits + 1) // 2
    back: list[int] = [pow(factor, -1, 2**64) for factor in (0xD6E8FEB86659FD93, 0x9E3779B97F4A7C15)]
    mixed = (mixed ^ mixed >> half) * back[0] & mask
    key: int = (mixed ^ mixed >> half) * back[1] & mask
    return key


def test_a_list_that_was_made_to_lie_too_close(tmp_path: Path) -> None:
    """All in one line: told by the builder, and compiled into buckets; no list is refused for it."""
    found = (unmixed(mixed, 38) for mixed in range(10_000))
    crowd = [str(key - 10**11) for key in found if 11 * 10**10 <= key < 2 * 10**11]
    assert len(crowd) > 2000
    text = "".join(f"+{number}\n" for number in [*nanp(120_000, 10), *crowd]).encode()
    with pytest.raises(ValueError, match="too close"):
        compiled(text, dated=False)
    (tmp_path / "list.txt").write_bytes(text)
    made = keeper(tmp_path / "lists")
    descriptor = os.open(tmp_path / "list.txt", os.O_RDONLY)
    try:
        numbers = made.get(descriptor, False)
    finally:
        os.close(descriptor)
    assert sorted(numbers.singles()) == sorted(NumberSet(text).singles())
    [file] = files(tmp_path / "lists")
    assert lines(file.read_bytes()) == 0 and made.told == []


@pytest.mark.parametrize("seed", range(40))
def test_sizes_and_lines_lead_nowhere(seed: int) -> None:
    """Whatever stands in head and lines: refused, or asked and listed without a step outside. (Sanitizers watch.)"""
    chance = random.Random(seed)
    dated = seed % 3 == 0
    content = bytearray(compiled("".join(f"+{one}{' 2026-12-31' * dated}\n" for one in KINDS["few"]).encode()))
    assert lines(content)
    for _ in range(chance.randrange(1, 4)):
        place = chance.randrange(96, 176) if seed % 2 else chance.randrange(FIRST, len(content))
        value = chance.choice((0, 1, 15, 2**16, 2**32, 2**61, 2**64 - 1, chance.getrandbits(64)))
        content[place & ~7 : (place & ~7) + 8] = struct.pack("=Q", value)
    try:
        numbers = NumberSet.mapped(bytes(content), bytes(32))
    except ValueError:
        return
    asked = b"".join(packed(str(number)) for number in range(1, 200_000, 7))
    assert 0 <= numbers.count(asked, 1) <= len(asked) // 8
    assert len(numbers.singles()) <= len(content) // 4
    numbers.overlaps(NumberSet(b"+12125550100\n"))
