"""Prefixes that cost who pays for the call more than others do, by class, each with the reason. It knows no prices and no trunk.

Two sources. The numbering metadata says which national numbers are premium rate,
shared cost or personal numbers; their patterns are written out to prefixes, and one
that an ordinary number may begin with as well is left out. ``HIGH_RISK`` is
our own: networks without a country, and ranges that are called for what their
termination pays. What is here is counted, not refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    REGION_CODE_FOR_NON_GEO_ENTITY,
    PhoneMetadata,
    PhoneNumber,
    PhoneNumberType,
    number_type,
)

from edge_agent.numbering.expand import beginnings, expand
from edge_agent.numbering.plans import country_codes

_NANP_ISLAND = "dialled like a number at home, charged like one abroad: one ring, and a call back costs"
_FEW = "a few thousand inhabitants: many calls there are no business, and their termination is dear"
_SOLD = "its ranges are offered for shares of the termination fee (international revenue share)"


class Risk(NamedTuple):
    """One prefix of our own list."""

    prefix: str
    kind: str
    why: str


HIGH_RISK: tuple[Risk, ...] = (
    Risk("870", "satellite", "Inmarsat: a satellite terminal, dollars a minute"),
    Risk("881", "satellite", "global mobile satellite systems: Iridium, Globalstar"),
    Risk("882", "network", "international networks: whatever their operator charges, in no country"),
    Risk("883", "network", "international networks: whatever their operator charges, in no country"),
    Risk("878", "personal", "universal personal numbers: their holder's charge"),
    Risk("888", "network", "disaster relief, assigned and withdrawn by the ITU: nobody's number today"),
    Risk("979", "premium", "international premium rate service"),
    Risk("808", "shared-cost", "international shared cost service"),
    Risk("8810", "network", "once ICO's satellites, not in service: routes there end somewhere else"),
    Risk("8811", "network", "once ICO's satellites, not in service: routes there end somewhere else"),
    *(
        Risk(f"1{area}", "high-risk", _NANP_ISLAND)
        for area in (
            *(242, 246, 264, 268, 284, 345, 441, 473, 649, 658, 664, 721, 758, 767, 784, 809, 829, 849, 868, 869, 876),
        )
    ),
    *(Risk(code, "high-risk", _FEW) for code in ("239", "247", "269", "290", "297", "298", "299", "500", "508")),
    *(Risk(code, "high-risk", _FEW) for code in ("672", "674", "676", "677", "678", "680", "681", "682", "683")),
    *(Risk(code, "high-risk", _FEW) for code in ("685", "686", "687", "688", "689", "690", "691", "692")),
    *(Risk(code, "high-risk", _SOLD) for code in ("53", "216", "220", "222", "223", "224", "231", "232", "235", "236")),
    *(Risk(code, "high-risk", _SOLD) for code in ("240", "245", "252", "253", "257", "261", "263", "291", "355")),
    *(
        Risk(code, "high-risk", _SOLD)
        for code in ("370", "371", "375", "387", "389", "670", "675", "850", "960", "992")
    ),
)

_KINDS = (("premium_rate", "premium"), ("shared_cost", "shared-cost"), ("personal_number", "personal"))
_STRONGER = ("premium", "shared-cost", "personal")
_ORDINARY = (
    PhoneNumberType.FIXED_LINE,
    PhoneNumberType.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE,
    PhoneNumberType.TOLL_FREE,
)


@cache
def dear_prefixes() -> dict[str, str]:
    """Digits of each dear prefix, without "+", to its class. The longest that fits a number holds."""
    found = {risk.prefix: risk.kind for risk in HIGH_RISK}
    for prefix, kind in _national():
        before = found.get(prefix)
        if before not in _STRONGER or _STRONGER.index(kind) < _STRONGER.index(before):
            found[prefix] = kind
    return {prefix: kind for prefix, kind in found.items() if found.get(_shorter(prefix, found)) != kind}


def home(regions: Iterable[str]) -> frozenset[str]:
    """Prefixes of whole countries: what is abroad for others is no risk to who is there."""
    found: set[str] = set()
    for region in regions:
        metadata = PhoneMetadata.metadata_for_region(region)
        if metadata is not None and metadata.country_code is not None:
            code = str(metadata.country_code)
            found |= (
                {f"{code}{area}" for area in expand(metadata.leading_digits or "")}
                if metadata.leading_digits
                else {code}
            )
    return frozenset(found)


def _shorter(prefix: str, found: dict[str, str]) -> str:
    """The longest other prefix of it that is known; "" for none."""
    return next((prefix[:n] for n in range(len(prefix) - 1, 0, -1) if prefix[:n] in found), "")


def _national() -> Iterator[tuple[str, str]]:
    for code, names in COUNTRY_CODE_TO_REGION_CODE.items():
        for name in names:
            metadata = (
                PhoneMetadata.metadata_for_nongeo_region(code)
                if name == REGION_CODE_FOR_NON_GEO_ENTITY
                else PhoneMetadata.metadata_for_region(name)
            )
            if metadata is None:
                continue
            for field, kind in _KINDS:
                description = getattr(metadata, field)
                if description is not None and description.national_number_pattern:
                    for national in beginnings(description.national_number_pattern):
                        if not _ordinary(code, national):
                            yield f"{code}{national}", kind


def _ordinary(code: int, national: str) -> bool:
    """May a number behind the prefix be an ordinary one, or free of charge: as long ones behind a short service code are?"""
    for length in country_codes().get(code, ()):
        for digit in "0257" if length >= len(national) else "":
            written = national + digit * (length - len(national))
            number = PhoneNumber(
                country_code=code, national_number=int(written), italian_leading_zero=written.startswith("0") or None
            )
            if number_type(number) in _ORDINARY:
                return True
    return False
