"""Called numbers: prefix tables and the reading of dial strings are the oracle's, in every country."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat as F
from phonenumbers import PhoneNumberType, example_number_for_type, format_number, national_significant_number

from edge_agent import _hot
from edge_agent.numbering.plans import plan, regions
from tests.oracle.called import dialled, longest

digits = st.text("0123456789", max_size=15)
few = st.text("12", max_size=6)  # so that prefixes meet
entries = st.dictionaries(st.one_of(few, digits), st.integers(1, 8191), max_size=40)


@given(entries, st.lists(st.one_of(few, digits), max_size=20))
@example({"": 2, "1": 1}, ["", "1", "2"])
@example({"0": 3, "00": 4}, ["0", "000", "1"])
@example({"9" * 15: 8191}, ["9" * 15, "9" * 14])
def test_the_longest_prefix_decides(prefixes: dict[str, int], numbers: list[str]) -> None:
    table = _hot.Prefixes(prefixes)
    assert len(table) == len(prefixes)
    for number in [*numbers, *prefixes]:
        assert table.find(number) == longest(number, prefixes), number


region = st.sampled_from(sorted(regions()))
noise = st.text("0123456789+*#-. ()%,;pwPWxX2b", max_size=45)


@st.composite
def strings(draw: st.DrawFn) -> tuple[str, str]:
    """A region, and what somebody there may write as a number: prefixes of its plan, digits of any count, codes, noise."""
    name = draw(region)
    national = plan(name)
    code = str(national.country_code)
    starts = ["", "+", "+0", "00", "*67", "#31#", "+" + code, code, national.national_prefix, *national.idd[:20]]
    starts += ["9", "99", "0", "9,", "9+", "++", "9011", "9" + national.national_prefix, "0011"]
    starts += [line + idd for line in ("9", "0", "00", "1", "8", national.national_prefix) for idd in national.idd[:3]]
    starts += ["1010288", "1010288011"]
    middle = draw(st.one_of(st.text("0123456789", max_size=30), noise))
    return name, draw(st.sampled_from(starts)) + middle + draw(st.sampled_from(["", "#", ",,1", ";x=1", "%23", "-"]))


@given(strings())
@example(("US", "19005551234"))
@example(("US", "1900555123499"))
@example(("US", "+1900555123499999999999"))
@example(("US", "*6719005551234"))
@example(("US", "0019005551234"))
@example(("US", "+0119005551234"))
@example(("GB", "0909879012399999"))
@example(("US", "9005"))
@example(("US", "9011+442037690237"))
@example(("US", "9,011442037690237"))
@example(("US", "1011442037690237"))
@example(("US", "+9011442037690237"))
@example(("US", "001447441452805"))
@example(("US", "0972598285108"))
@example(("BR", "0211198765432100"))
def test_dialled(string: tuple[str, str]) -> None:
    name, text = string
    assert _hot.called(text, plan(name)) == dialled(text, plan(name)), string


FORMS = [F.E164, F.NATIONAL, F.INTERNATIONAL]


@pytest.mark.parametrize("name", sorted(regions()))
def test_a_national_number_has_one_reading(name: str) -> None:
    """However it is dialled at home: as it is printed, with the country code, from abroad, with a Latin American carrier's code."""
    national = plan(name)
    for kind in PhoneNumberType.values():
        number = example_number_for_type(name, kind)
        if number is None:
            continue
        digits = national_significant_number(number)
        forms = [re.sub(r"[^+0-9]", "", format_number(number, form)) for form in FORMS]
        forms += [digits, *(f"{idd}{number.country_code}{digits}" for idd in national.idd)]
        if national.national_prefix:
            forms += [f"{national.national_prefix}{carrier}{digits}" for carrier in ("12", "15", "21", "31", "41")]
        for form in forms:
            if not _hot.canonical(form, national) and len(digits) <= 11:
                first, *others = _hot.called(form, national)
                assert set(others) <= {first}, form
