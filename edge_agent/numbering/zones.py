"""Time zones of called numbers, out of the numbering metadata, and where it is day now. It knows no settings of trunks.

A number's class is the set of zones that it may be in; day is where it is day in
all of them. The metadata places prefixes, and is sharper than the truth: numbers
are ported within a region, mobile ones go everywhere, and an area code that lies
on a border of zones is split in it by exchanges. So a North American area code has
all zones of its exchanges, and with it those that share its area; a prefix whose
numbers may be mobile has all zones of its country, and so has everything that has
no prefix of its own, toll-free numbers among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from phonenumbers import PhoneNumber, number_type
from phonenumbers.phonenumberutil import is_number_type_geographical
from phonenumbers.tzdata import TIMEZONE_DATA

from edge_agent.numbering.plans import country_codes

# Area codes that were laid over another one; the metadata has no exchanges of theirs. Of those only that lie on a
# border of zones (NANPA's planning letters).
_OVERLAYS = {
    "1208": ("1986",),
    "1250": ("1236", "1672", "1778"),
    "1270": ("1364",),
    "1306": ("1474", "1639"),
    "1418": ("1367",),
    "1541": ("1458",),
    "1709": ("1879",),
    "1812": ("1930",),
    "1850": ("1448",),
}
_LATEST = 253_000_000_000  # wall seconds: no clock of ours tells years of five digits

UNKNOWN = 0
"""The class of what has no zone: never day."""

Zones = frozenset[str]


class Zoning(NamedTuple):
    """Prefixes of numbers (digits) to classes; each class as its zones, by its number. Class 0 has none."""

    prefixes: dict[str, int]
    classes: tuple[tuple[str, ...], ...]


def zoning(own: Mapping[str, str]) -> Zoning:
    """The metadata's, with the operator's zones of prefixes (digits) put over it."""
    zones = dict(_zones())
    for prefix in own:
        for longer in [known for known in zones if known.startswith(prefix)]:
            del zones[longer]
    zones |= {prefix: frozenset((zone,)) for prefix, zone in own.items()}
    classes: dict[tuple[str, ...], int] = {(): UNKNOWN}
    prefixes = {
        prefix: classes.setdefault(tuple(sorted(found)), len(classes)) for prefix, found in sorted(zones.items())
    }
    return Zoning(prefixes, tuple(classes))


def missing(classes: Sequence[Sequence[str]]) -> str:
    """A zone that this host doesn't know; empty if it knows all."""
    for zone in sorted({zone for zones in classes for zone in zones}):
        try:
            _zone(zone)
        except (KeyError, OSError, ValueError):
            return zone
    return ""


def closed(classes: Sequence[Sequence[str]], first: int, last: int, wall: float) -> bytes:
    """One bit a class: is it outside [first, last) (minutes of the day) at that wall time in one of its zones?"""
    now = datetime.fromtimestamp(min(max(wall, 0.0), _LATEST), UTC)
    day = {zone: first <= _minute(now, zone) < last for zone in {zone for zones in classes for zone in zones}}
    bits = bytearray((len(classes) + 7) // 8)
    for number, zones in enumerate(classes):
        if not zones or not all(day[zone] for zone in zones):
            bits[number >> 3] |= 1 << (number & 7)
    return bytes(bits)


def within(zone: str, days: Sequence[int], first: int, last: int, wall: float) -> bool:
    """Is it within [first, last) (minutes of the day) in that zone at that wall time, on one of these weekdays (Monday: 0)?"""
    local = datetime.fromtimestamp(min(max(wall, 0.0), _LATEST), UTC).astimezone(_zone(zone))
    return local.weekday() in days and first <= local.hour * 60 + local.minute < last


def _minute(now: datetime, zone: str) -> int:
    local = now.astimezone(_zone(zone))
    return local.hour * 60 + local.minute


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@cache
def _zones() -> dict[str, Zones]:
    known = {prefix: frozenset(zones) for prefix, zones in TIMEZONE_DATA.items()}
    zones = _north_america(known)
    for prefix, found in known.items():
        if not prefix.startswith("1"):
            whole = known.get(_country_code(prefix), found)
            zones[prefix] = whole if found != whole and _goes_anywhere(prefix) else found
    return zones


def _north_america(known: Mapping[str, Zones]) -> dict[str, Zones]:
    areas: dict[str, Zones] = {}
    for prefix, found in known.items():
        if prefix.startswith("1"):
            areas[prefix[:4]] = areas.get(prefix[:4], frozenset()) | found
    for area, overlays in _OVERLAYS.items():
        shared = areas[area].union(*(areas.get(overlay, frozenset()) for overlay in overlays))
        areas |= dict.fromkeys((area, *overlays), shared)
    return areas


def _country_code(prefix: str) -> str:
    return next((prefix[:n] for n in (1, 2, 3) if prefix[:n].isdigit() and int(prefix[:n]) in country_codes()), prefix)


def _goes_anywhere(prefix: str) -> bool:
    """May a number behind the prefix be one that has no place, such as a mobile one?"""
    code = _country_code(prefix)
    national = prefix[len(code) :]
    for length in country_codes().get(int(code), ()):
        for digit in "0123456789" if length > len(national) else "":
            written = national + digit * (length - len(national))
            number = PhoneNumber(country_code=int(code), national_number=int(written))
            kind = number_type(number)
            if kind != 99 and not is_number_type_geographical(kind, int(code)):
                return True
    return False
