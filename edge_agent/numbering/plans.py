"""National numbering plans: country codes, dialled prefixes, number lengths. It never says who has a number."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, REGION_CODE_FOR_NON_GEO_ENTITY, SUPPORTED_REGIONS, PhoneMetadata

from edge_agent.numbering.expand import expand

# North America's plan is closed at ten digits; the metadata also lists Canada's
# 310-XXXX, which can't be dialled behind "+1".
_NANP = 1
_NANP_LENGTHS = frozenset({10})

_E164_DIGITS = 15


@dataclass(frozen=True)
class Plan:
    """What is dialled in one country."""

    country_code: int
    idd: tuple[str, ...]
    """Digits that may stand before a country code: ("011",) in the US."""
    national_prefix: str
    """Digit dialled before a national number: "1" in the US, "0" in Great Britain; empty where there is none."""
    national_lengths: frozenset[int]
    """Digits of a national number, without that prefix."""


@cache
def regions() -> frozenset[str]:
    """The countries that have a plan, as ISO 3166 codes of two letters."""
    return frozenset(SUPPORTED_REGIONS)


@cache
def plan(region: str) -> Plan:
    """The plan of one country. ValueError if there is none."""
    metadata = PhoneMetadata.metadata_for_region(region) if region in SUPPORTED_REGIONS else None
    if metadata is None or metadata.country_code is None:
        raise ValueError(f"no numbering plan for {region!r}")
    return Plan(
        country_code=metadata.country_code,
        idd=expand(metadata.international_prefix or ""),
        national_prefix=metadata.national_prefix or "",
        national_lengths=_national_lengths(metadata),
    )


@cache
def country_codes() -> dict[int, frozenset[int]]:
    """Every assigned country code, with the lengths that a national number behind it may have."""
    return {code: _lengths(code, names) for code, names in COUNTRY_CODE_TO_REGION_CODE.items()}


def _lengths(code: int, names: tuple[str, ...]) -> frozenset[int]:
    if code == _NANP:
        return _NANP_LENGTHS
    return frozenset().union(*(_national_lengths(_metadata(code, name)) for name in names))


def _metadata(code: int, name: str) -> PhoneMetadata | None:
    if name == REGION_CODE_FOR_NON_GEO_ENTITY:
        return PhoneMetadata.metadata_for_nongeo_region(code)
    return PhoneMetadata.metadata_for_region(name)


def _national_lengths(metadata: PhoneMetadata | None) -> frozenset[int]:
    description = metadata.general_desc if metadata is not None else None
    if metadata is None or description is None:
        return frozenset()
    # Some plans have longer numbers of their own (Japan's toll-free ones), which can't follow a "+".
    longest = _E164_DIGITS - len(str(metadata.country_code))
    return frozenset(length for length in description.possible_length if length <= longest)
