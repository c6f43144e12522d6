"""Emergency numbers of a country, and every string by which a customer may dial them.

Strings are compared as a whole and before a leading "+" is dropped, so
"+91 11 …" (New Delhi) can never be taken for 911.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    NumberParseException,
    PhoneMetadata,
    PhoneNumberDesc,
    is_valid_number,
    parse,
)

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
    """Digits after a "+", and those of a phone-context "+" with the local ones behind them; of every country."""
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
    # The country code without "+" is dialled in North America alone, where it is the national prefix: elsewhere what
    # begins with it is a number like any other (3315 in France).
    before = [line + trunk for line in _outside_line(prefixes) for trunk in ("", national.national_prefix)]
    return DialStrings(
        exact=_no_numbers(_behind(before, codes), codes, region),
        plus=_behind((country,), codes) | _abroad(),
        tests=_no_numbers(_behind(before, _TEST_CODES.get(region, ())), codes, region),
    )


@cache
def _abroad() -> frozenset[str]:
    """Emergency numbers of all countries behind their codes, but those that the digits of a number begin with.

    Who dials a number digit by digit (RFC 3578) sends +91112 on the way to New Delhi. Of countries that share a code
    the first one alone: 211 is an emergency number in one of North America's, and a helpline in most others.
    """
    strings: set[str] = set()
    for country, names in COUNTRY_CODE_TO_REGION_CODE.items():
        national = PhoneMetadata.metadata_for_region(names[0]) if names[0] in regions() else None
        if national is not None:
            for code in emergency_codes(names[0]):
                if not any(_begins(kind, code) for kind in (national.fixed_line, national.mobile)):
                    strings.add(f"{country}{code}")
    return frozenset(string for string in strings if not _is_number(f"+{string}", "US"))


def _begins(kind: PhoneNumberDesc | None, code: str) -> bool:
    """Does such a number begin with the code? Tried with each digit behind it to the end."""
    if kind is None or not kind.national_number_pattern:
        return False
    pattern = re.compile(kind.national_number_pattern)
    return any(
        pattern.fullmatch(code + digit * (length - len(code)))
        for length in kind.possible_length
        if length >= len(code)
        for digit in "0123456789"
    )


def _no_numbers(strings: frozenset[str], codes: Sequence[str], region: str) -> frozenset[str]:
    """The strings without those that are somebody's number, as 99112 is in Luxembourg."""
    return frozenset(string for string in strings if string in codes or not _is_number(string, region))


def _is_number(dialled: str, region: str) -> bool:
    try:
        return is_valid_number(parse(dialled, region))
    except NumberParseException:
        return False


def _outside_line(prefixes: Sequence[str]) -> list[str]:
    """No prefix, one, or two in a row: a PBX behind a PBX dials 9 twice (99911)."""
    return ["", *prefixes, *(first + second for first in prefixes for second in prefixes)]


def _behind(prefixes: Iterable[str], codes: Iterable[str]) -> frozenset[str]:
    codes = tuple(codes)
    return frozenset(prefix + code for prefix in prefixes for code in codes)
