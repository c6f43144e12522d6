"""calling-hours read plainly: the zones of a number by its longest prefix, and whether it is day in all of them. It holds no table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

Table = Mapping[str, Sequence[str]]
"""Prefixes of numbers (digits) to time zones."""


def zones_of(digits: str, table: Table, own: Mapping[str, str]) -> set[str]:
    """The zones that a number may be in; what the operator says of a prefix holds for all behind it."""
    for length in range(len(digits), 0, -1):
        if digits[:length] in own:
            return {own[digits[:length]]}
    for length in range(len(digits), 0, -1):
        if digits[:length] in table:
            return set(table[digits[:length]])
    return set()


def may_be_called(zones: set[str], first: int, last: int, wall: float) -> bool:
    """Is it within [first, last) (minutes of the day) in each of the zones? Nowhere it never is."""
    return bool(zones) and all(first <= _minute(zone, wall) < last for zone in zones)


def _minute(zone: str, wall: float) -> int:
    # By the zone's offset, not by its clock: another way than the control plane's.
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=wall)
    offset = moment.astimezone(ZoneInfo(zone)).utcoffset()
    assert offset is not None
    shifted = moment + offset
    return shifted.hour * 60 + shifted.minute
