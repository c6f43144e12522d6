"""The little of DER (X.690) that STIR's certificate extensions need: definite lengths, low tags, a bounded walk.

``cryptography`` reads certificates, but hands these extensions over as raw bytes.
It never recurses: a caller says what may stand where.
"""

from __future__ import annotations

from collections.abc import Iterator

SEQUENCE, INTEGER, UTF8_STRING, IA5_STRING = 0x30, 0x02, 0x0C, 0x16
LONGEST = 65_536
ELEMENTS = 4096  # in one sequence


def explicit(number: int) -> int:
    """The tag of [number] EXPLICIT."""
    return 0xA0 | number


def elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, content) of each element. ValueError when a length is indefinite, not the shortest, or points outside."""
    at = count = 0
    while at < len(data):
        count += 1
        if count > ELEMENTS or len(data) > LONGEST:
            raise ValueError("too large")
        if at + 2 > len(data) or data[at] & 0x1F == 0x1F:
            raise ValueError("no element")
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            octets = length & 0x7F
            if not 1 <= octets <= 3 or at + octets > len(data):
                raise ValueError("a length that can't be")
            length = int.from_bytes(data[at : at + octets], "big")
            if length < 128 or length >> 8 * (octets - 1) == 0:
                raise ValueError("a length that is not the shortest")
            at += octets
        if at + length > len(data):
            raise ValueError("an element longer than what holds it")
        yield tag, data[at : at + length]
        at += length


def one(data: bytes, tag: int) -> bytes:
    """The content of the only element, which has this tag."""
    found = list(elements(data))
    if len(found) != 1 or found[0][0] != tag:
        raise ValueError(f"not the element {tag:#x} alone")
    return found[0][1]


def text(data: bytes) -> str:
    """Content of an IA5String or UTF8String."""
    return data.decode()


def integer(data: bytes) -> int:
    """Content of an INTEGER in its shortest form, up to 64 bits."""
    if not 1 <= len(data) <= 8 or (len(data) > 1 and data[0] in (0, 0xFF) and (data[0] ^ data[1]) & 0x80 == 0):
        raise ValueError("no integer")
    return int.from_bytes(data, "big", signed=True)
