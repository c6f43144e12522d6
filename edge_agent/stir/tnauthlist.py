"""TN Authorization List (RFC 8226 §9): whose numbers a certificate speaks for. Pure; ValueError for what can't be read.

A service provider code stands for all numbers of that provider, whichever they
are; a range or a single number only for itself. A list by reference (RFC 8226
§10) is not in the certificate and not read here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge_agent.stir.der import IA5_STRING, INTEGER, SEQUENCE, elements, explicit, integer, one, text

OID = "1.3.6.1.5.5.7.1.26"
BY_REFERENCE_OID = "1.3.6.1.5.5.7.48.14"
_NUMBER = re.compile(r"[0-9#*]{1,15}", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,15}", re.ASCII)
_SPC = re.compile(r"[0-9A-Za-z-]{1,32}", re.ASCII)


@dataclass(frozen=True)
class TNAuthList:
    """Provider codes, ranges (first, last, digits) and single numbers, as written."""

    spcs: tuple[str, ...] = ()
    ranges: tuple[tuple[int, int, int], ...] = ()
    numbers: frozenset[str] = frozenset()

    def covers(self, number: str) -> bool:
        """May its holder sign for this number (digits without "+")? A provider code covers whatever its provider says."""
        if self.spcs or number in self.numbers:
            return True
        if not _DIGITS.fullmatch(number):
            return False
        value, digits = int(number), len(number)
        return any(low <= value <= high and digits == length for low, high, length in self.ranges)

    def within(self, parent: TNAuthList) -> bool:
        """Has the parent all of it (RFC 9060 §4)? Under a parent with a provider code, any number may be that provider's."""
        if not set(self.spcs) <= set(parent.spcs):
            return False
        if parent.spcs:
            return True
        return all(parent.covers(number) for number in self.numbers) and all(
            any(length == n and first <= low and high <= last for first, last, n in parent.ranges)
            for low, high, length in self.ranges
        )


def parse(data: bytes) -> TNAuthList:
    """Reads the extension's value, EXPLICIT tags (RFC 8226 Appendix A)."""
    spcs: list[str] = []
    ranges: list[tuple[int, int, int]] = []
    numbers: set[str] = set()
    for tag, content in elements(one(data, SEQUENCE)):
        if tag == explicit(0):
            spcs.append(_matched(_SPC, text(one(content, IA5_STRING))))
        elif tag == explicit(1):
            ranges.append(_range(one(content, SEQUENCE)))
        elif tag == explicit(2):
            numbers.add(_matched(_NUMBER, text(one(content, IA5_STRING))))
        else:
            raise ValueError(f"no entry of a TN Authorization List: {tag:#x}")
    if not (spcs or ranges or numbers):
        raise ValueError("an empty TN Authorization List")
    return TNAuthList(tuple(spcs), tuple(ranges), frozenset(numbers))


def _range(content: bytes) -> tuple[int, int, int]:
    parts = list(elements(content))
    if [tag for tag, _ in parts] != [IA5_STRING, INTEGER]:
        raise ValueError("a range is a start and a count")
    start, count = _matched(_DIGITS, text(parts[0][1])), integer(parts[1][1])
    low = int(start)
    if count < 2 or low + count > 10 ** len(start):
        raise ValueError("a range that runs out of digits")
    return low, low + count - 1, len(start)


def _matched(shape: re.Pattern[str], value: str) -> str:
    if not shape.fullmatch(value):
        raise ValueError("no number or provider code")
    return value
