"""Plans and emergency numbers out of the metadata, and the expansion of its patterns."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import (
    NumberParseException,
    PhoneMetadata,
    PhoneNumber,
    is_valid_number,
    is_valid_short_number_for_region,
    parse,
)

from edge_agent.numbering.emergency import dial_strings, emergency_codes
from edge_agent.numbering.expand import expand
from edge_agent.numbering.plans import country_codes, plan, regions

# Patterns


@pytest.mark.parametrize(
    ("pattern", "strings"),
    [
        ("", ("",)),
        ("112|911", ("112", "911")),
        ("11[05]|9(?:11|99)", ("110", "115", "911", "999")),
        ("1(?:0[0-2]|12)", ("100", "101", "102", "112")),
        ("0?8", ("08", "8")),
        ("1{2,3}", ("11", "111")),
        (r"9\d", tuple(f"9{digit}" for digit in range(10))),
        ("(1)2", ("12",)),
    ],
)
def test_expand(pattern: str, strings: tuple[str, ...]) -> None:
    assert expand(pattern) == strings


@pytest.mark.parametrize(
    "pattern", ["1+", "1*", "1{2,}", ".", "[^1]", r"\s", "^1", r"1\b", "(?=1)1", r"\d{5}", "1{0,9999}"]
)
def test_expand_refuses_what_has_no_short_list(pattern: str) -> None:
    with pytest.raises(ValueError, match="list of strings|more than"):
        expand(pattern)


@given(st.sets(st.text("0123456789", min_size=1, max_size=6), min_size=1, max_size=20))
def test_expand_gives_back_what_alternatives_name(strings: set[str]) -> None:
    assert expand("|".join(sorted(strings))) == tuple(sorted(strings))


# Plans


def test_plan_of_the_united_states() -> None:
    us = plan("US")
    assert (us.country_code, us.idd, us.national_prefix, us.national_lengths) == (1, ("011",), "1", frozenset({10}))


def test_plan_of_great_britain() -> None:
    gb = plan("GB")
    assert (gb.country_code, gb.idd, gb.national_prefix) == (44, ("00",), "0")
    assert 10 in gb.national_lengths


def test_plan_without_a_national_prefix() -> None:
    assert plan("ES").national_prefix == ""


def test_plan_with_several_international_prefixes() -> None:
    assert {"0011", "0014"} <= set(plan("AU").idd)


@pytest.mark.parametrize("region", ["", "us", "UK", "XX", "001", "USA"])
def test_no_plan_for_what_is_no_country(region: str) -> None:
    with pytest.raises(ValueError, match="no numbering plan"):
        plan(region)


@pytest.mark.parametrize("region", sorted(regions()))
def test_every_country_can_be_written_out(region: str) -> None:
    national = plan(region)
    assert 1 <= national.country_code <= 999
    assert national.idd and all(prefix.isdigit() for prefix in national.idd)
    assert national.national_prefix == "" or national.national_prefix.isdigit()
    assert national.national_lengths and max(national.national_lengths) <= 14
    codes = emergency_codes(region)
    assert codes and all(re.fullmatch(r"\d{2,6}", code) for code in codes)


def test_country_codes() -> None:
    codes = country_codes()
    assert len(codes) > 200 and 0 not in codes and 999 not in codes
    assert codes[1] == frozenset({10}), "Canada's 310-XXXX can't follow +1"
    assert {9, 10} <= codes[44]
    assert codes[800] == frozenset({8}), "a code that is no country's"
    assert all(lengths for lengths in codes.values())


def test_no_country_code_is_the_head_of_another() -> None:
    codes = {str(code) for code in country_codes()}
    assert not [code for code in codes for length in range(1, len(code)) if code[:length] in codes]


def test_no_number_is_longer_than_e164() -> None:
    assert max(len(str(code)) + max(lengths) for code, lengths in country_codes().items()) == 15
    assert max(plan("JP").national_lengths) == 13


# Emergency numbers


@pytest.mark.parametrize(
    ("region", "codes"),
    [
        ("US", ("112", "911")),
        ("GB", ("112", "999")),
        ("DE", ("110", "112")),
        ("AU", ("000", "106", "112")),
        ("NZ", ("111",)),
        ("MX", ("060", "065", "066", "068", "080", "911")),
        ("IN", ("100", "101", "102", "108", "112", "1298", "2611")),
        ("TK", ("112", "911")),
    ],
)
def test_emergency_codes(region: str, codes: tuple[str, ...]) -> None:
    assert emergency_codes(region) == codes


@pytest.mark.parametrize("region", sorted(regions()))
def test_emergency_codes_are_all_that_the_pattern_matches(region: str) -> None:
    metadata = PhoneMetadata.short_metadata_for_region(region)
    pattern = metadata.emergency.national_number_pattern if metadata and metadata.emergency else None
    if pattern:
        matched = [f"{number:0{length}}" for length in (2, 3, 4) for number in range(10**length)]
        matched = [number for number in matched if re.fullmatch(pattern, number)]
        assert [code for code in emergency_codes(region) if len(code) <= 4] == sorted(matched)


def test_no_emergency_codes_without_a_country() -> None:
    with pytest.raises(ValueError, match="no emergency numbers"):
        emergency_codes("UK")


def test_dial_strings_of_the_united_states() -> None:
    strings = dial_strings("US", ["9"])
    lines = ("", "9", "99", "1", "91", "991")
    assert strings.exact == {line + code for line in lines for code in ("911", "112")}
    assert {"1911", "1112", "44999", "49112", "61000"} <= strings.plus
    assert not {"911", "112", "1933", "1211", "91112", "33112"} & strings.plus
    assert strings.tests == {line + "933" for line in lines}


def test_dial_strings_without_an_outside_line() -> None:
    assert dial_strings("US", []).exact == {"911", "1911", "112", "1112"}


def test_dial_strings_of_two_outside_lines() -> None:
    exact = dial_strings("US", ["9", "81"]).exact
    assert {"9911", "81911", "981911", "819911", "99911", "8181911"} <= exact


def test_dial_strings_with_a_national_prefix() -> None:
    strings = dial_strings("GB", [])
    assert strings.exact == {"999", "0999", "112", "0112"}
    assert {"44999", "44112", "1911"} <= strings.plus
    assert strings.tests == frozenset()


def test_dial_strings_behind_a_line_and_the_national_prefix() -> None:
    assert {"90999", "990999", "80999"} <= dial_strings("GB", ["9", "8"]).exact
    assert "9112" in dial_strings("ES", ["9"]).exact, "there is none in Spain"


def is_number(dialled: str, region: str) -> bool:
    try:
        return is_valid_number(parse(dialled, region))
    except NumberParseException:
        return False


def short_number(digits: str, region: str) -> PhoneNumber:
    zeros = len(digits) - len(digits.lstrip("0"))
    return PhoneNumber(
        country_code=plan(region).country_code,
        national_number=int(digits),
        italian_leading_zero=zeros > 0,
        number_of_leading_zeros=zeros or None,
    )


@pytest.mark.parametrize("region", sorted(regions()))
def test_no_number_is_an_emergency_call(region: str) -> None:
    """Whatever telephone numbers there are, none is refused, or wakes the police; nor is a short one, where no line is set."""
    strings = dial_strings(region, ["9"])
    assert not [dialled for dialled in strings.exact | strings.tests if is_number(dialled, region)]
    assert not [digits for digits in strings.plus if is_number(f"+{digits}", region)]
    without = dial_strings(region, [])
    others = (without.exact | without.tests) - {*emergency_codes(region), "933"}
    assert not [digits for digits in others if is_valid_short_number_for_region(short_number(digits, region), region)]


@pytest.mark.parametrize("region", sorted(regions()))
def test_nothing_else_is_left_out(region: str) -> None:
    strings, code = dial_strings(region, ["9"]), str(plan(region).country_code)
    prefix = plan(region).national_prefix
    for emergency in emergency_codes(region):
        assert {emergency, prefix + emergency} <= strings.exact and code + emergency in strings.plus
        for dialled in (f"9{emergency}", f"99{emergency}", f"9{prefix}{emergency}", f"99{prefix}{emergency}"):
            assert dialled in strings.exact or is_number(dialled, region)


@pytest.mark.parametrize("called", ["911126543210", "9111", "91126543210", "0119111", "1120", "12125550911"])
def test_longer_numbers_are_no_emergency_calls(called: str) -> None:
    """+91 11 is New Delhi: only a complete string may match."""
    strings = dial_strings("US", ["9"])
    assert called not in strings.exact | strings.plus | strings.tests
