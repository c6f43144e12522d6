"""Emergency numbers of a country, and every string by which a customer may dial them.

Strings are compared as a whole and before a leading "+" is dropped, so
"+91 11 …" (New Delhi) can never be taken for 911.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from phonenumbers import PhoneMetadata

from edge_agent.numbering.expand import expand
from edge_agent.numbering.plans import plan, regions

# Read-back tests: the caller hears the address on file and no call-taker answers.
_TEST_CODES = {"US": ("933",), "CA": ("933",)}

# What every mobile phone treats as emergency numbers, for the few countries
# (Guinea, Tokelau, …) whose metadata names none.
_GSM_CODES = ("112", "911")


@dataclass(frozen=True)
class DialStrings:
    """Digit strings of emergency calls; each is matched against the complete number."""

    exact: frozenset[str]
    """Dialled without "+"."""
    plus: frozenset[str]
    """Digits after a "+"."""
    tests: frozenset[str]
    """Test calls, dialled without "+"."""


@cache
def emergency_codes(region: str) -> tuple[str, ...]:
    """The emergency numbers of one country. ValueError if there is no such country."""
    if region not in regions():
        raise ValueError(f"no emergency numbers for {region!r}")
    metadata = PhoneMetadata.short_metadata_for_region(region)
    description = metadata.emergency if metadata is not None else None
    if description is None or not description.national_number_pattern:
        return _GSM_CODES
    return expand(description.national_number_pattern)


def dial_strings(region: str, prefixes: Sequence[str]) -> DialStrings:
    """Every form of the country's emergency numbers, behind the outside-line digits in ``prefixes``."""
    national = plan(region)
    codes = emergency_codes(region)
    country = str(national.country_code)
    exact = _behind(_outside_line(prefixes), codes)
    exact |= _behind((national.national_prefix, country), codes)
    return DialStrings(
        exact=exact,
        plus=_behind((country,), codes),
        tests=_behind((*_outside_line(prefixes), national.national_prefix), _TEST_CODES.get(region, ())),
    )


def _outside_line(prefixes: Sequence[str]) -> list[str]:
    """No prefix, one, or two in a row: a PBX behind a PBX dials 9 twice (99911)."""
    return ["", *prefixes, *(first + second for first in prefixes for second in prefixes)]


def _behind(prefixes: Iterable[str], codes: Iterable[str]) -> frozenset[str]:
    codes = tuple(codes)
    return frozenset(prefix + code for prefix in prefixes for code in codes)
