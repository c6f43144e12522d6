"""Numbers: canonical form, lists and emergency forms of the engine and the oracle are the same, in every country."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge_agent.numbering.emergency import dial_strings
from edge_agent.numbering.plans import plan, regions
from tests.oracle.numbers import DialStrings, NumberSet, canonical, emergency, of_uri
from tests.oracle.uri import Uri, read_uri


@pytest.fixture(scope="module")
def hot() -> Any:
    return pytest.importorskip("edge_agent._hot")


# --- canonical form

region = st.sampled_from(sorted(regions()))
digits = st.text("0123456789", min_size=1, max_size=18)


@st.composite
def dialled(draw: st.DrawFn) -> tuple[str, str]:
    """A region, and a number as somebody there may dial it: any prefix of its plan, then digits of any count."""
    name = draw(region)
    national = plan(name)
    code = str(national.country_code)
    prefixes = ["", "+", "+" + code, code, national.national_prefix, *national.idd[:20]]
    return name, draw(st.sampled_from(prefixes)) + draw(digits)


@given(dialled())
@example(("US", "2125550123"))
@example(("US", "12125550123"))
@example(("US", "011442079460123"))
@example(("US", "0114915112345678"))
@example(("GB", "02079460123"))
@example(("GB", "442079460123"))
@example(("GB", "00442079460123"))
def test_canonical(hot: Any, number: tuple[str, str]) -> None:
    name, text = number
    assert hot.canonical(text, plan(name)) == (canonical(text, plan(name)) or "")


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("US", "+12125550123", "12125550123"),
        ("US", "12125550123", "12125550123"),
        ("US", "2125550123", "12125550123"),
        ("US", "011442079460123", "442079460123"),
        ("US", "5550123", None),
        ("US", "+0123", None),
        ("GB", "02079460123", "442079460123"),
        ("GB", "00442079460123", "442079460123"),
        ("GB", "442079460123", "442079460123"),
        ("IN", "+911126543210", "911126543210"),
    ],
)
def test_oracle_canonical(name: str, text: str, wanted: str | None) -> None:
    assert canonical(text, plan(name)) == wanted


# --- the number of a whole URI

PIECES = (
    "+ 1 0 00 011 212 5552000 12125552000 442071838750 - . ( ) %2B %2b %31 %252B %20 % ; ;; : @ ;npdi ;rn=+1 ;ext=5 "
    ";phone-context=+1 ;phone-context=+44 ;phone-context=%2B1 ;Phone-Context=+ ;phone-context=a.b ;phone%2dcontext=+44 "
    ";m-x ;M-x=1 ;m=1 ;am-x ;x%41=1 ;x=%41 :secret ,1 * # 9"
)
piece = st.sampled_from(PIECES.split())
written = st.builds(
    lambda scheme, parts, host: f"{scheme}:{''.join(parts)}{'' if scheme == 'tel' else '@' + host}",
    st.sampled_from(["sip", "sips", "tel", "SIP", "TEL"]),
    st.lists(piece, min_size=1, max_size=6),
    st.sampled_from(["h", "192.0.2.1:5060", "h;user=phone", "h;phone-context=+44", "h;m-x"]),
)


@given(st.sampled_from(["US", "GB", "DE", "AU", "IN", "KZ"]), written)
def test_uri_number(hot: Any, name: str, text: str) -> None:
    assert hot.uri_number(text.encode(), plan(name)) == (of_uri(text.encode(), plan(name)) or "")


# --- lists

short = st.integers(1, 3_000).map(str)
mark = st.sampled_from(["", "", " ", "-", ".", "(", ")"])
number = st.tuples(short, mark).map(lambda parts: f"+{parts[0][:1]}{parts[1]}{parts[0][1:]}")
entry = st.one_of(
    number,
    number.map(lambda n: n + "*"),
    st.tuples(number, number).map("..".join),
    st.tuples(number, number).map(" .. ".join),
    st.sampled_from(
        ["", "# note", "  ", "+", "12", "+0", "+1..", "+1...+2", "..", "*", "+1**", "+12a", "+" + "1" * 16, "+1;2"]
    ),
)
listed = st.lists(st.tuples(entry, st.sampled_from(["", " ", " # x", "\t", "\r"])).map("".join), max_size=8)


@given(listed, st.integers(0, 30_000))
def test_list(hot: Any, lines: list[str], probe: int) -> None:
    check_list(hot, "\n".join(lines).encode(), probe, False)


end = st.sampled_from(
    ["", "", " 2026-01-01", "\t2026-06-30", " 2026-06-30T12:00", " 2026-06-30 12:00Z ", " 2027-01-01", " 1971-01-01"]
    + [" 2026-1-1", " 2026-02-30", " 2026-01-01x", " soon", " 2026-01-01T", "2026-01-01", " 9999-12-31"]
)
dated = st.lists(st.tuples(entry, end, st.sampled_from(["", " # x 2026-01-01", "\r"])).map("".join), max_size=8)
MOMENTS = [
    0,
    *(
        int(datetime.fromisoformat(f"{day}+00:00").timestamp()) * 10**9
        for day in (
            "1971-06-01",
            "2026-03-01",
            "2026-06-30T11:59:59",
            "2026-06-30T12:00:00",
            "2026-12-31",
            "2027-06-01",
        )
    ),
]


@given(dated, st.integers(0, 30_000))
@example(["+1*", "+12* 2026-01-01", "+12 2027-01-01", "+1230..+1250 1971-01-01"], 1234)
@example(["+1 2 3 2026-01-01", "+1-2-3 2026-06-30", "2026-01-01", " 2026-01-01"], 123)
def test_list_with_ends(hot: Any, lines: list[str], probe: int) -> None:
    check_list(hot, "\n".join(lines).encode(), probe, True)


sound_end = st.sampled_from(["", "", " 2026-01-01", " 2026-06-30", " 2026-06-30T12:00", " 2027-01-01", " 1971-01-01"])
few = st.integers(100, 400)
sound_entry = st.one_of(
    few.map(lambda low: f"+{low}"),
    few.map(lambda low: f"+{low // 10}*"),
    st.tuples(few, st.integers(0, 60)).map(lambda low: f"+{low[0]}..+{low[0] + low[1]}"),
)


@given(st.lists(st.tuples(sound_entry, sound_end).map("".join), max_size=12), st.integers(0, 450))
def test_entries_that_overlap(hot: Any, lines: list[str], probe: int) -> None:
    """Of several that hold a number the one that lasts longest counts."""
    text = "\n".join(lines).encode()
    assert NumberSet(text, True).errors == []
    check_list(hot, text, probe, True)


def check_list(hot: Any, text: bytes, probe: int, dated: bool) -> None:
    wanted = NumberSet(text, dated)
    try:
        numbers = hot.NumberSet(text, dated)
    except hot.NumberListError as error:
        assert list(dict.fromkeys(line for line, _ in error.errors)) == sorted(set(wanted.errors))[:20], text
        return
    assert wanted.errors == [], text
    edges = {probe} | {
        int(digits) + step
        for line in text.decode().split("\n")
        for digits in re.findall("[0-9]+", line)
        for step in (-1, 0, 1)
    }
    for value in edges - {-1}:
        for ask in (str(value), str(value) + "0", "0" + str(value), str(value) + "7" * 11, str(value) * 5):
            assert (ask in numbers) == (ask in wanted), ask
            for moment in MOMENTS if dated else ():
                assert numbers.has(ask, moment) == wanted.has(ask, moment), (ask, moment)
    ranges = numbers.ranges()
    assert all(low <= high for low, high in ranges)
    assert all(before[1] < after[0] for before, after in pairwise(ranges)), "sorted and disjoint"


# --- emergency forms (the engine's answer to each is held against this in tests/conformance)

US = dial_strings("US", ["9"])
DIAL = DialStrings(US.exact, US.plus, US.tests)


def uri(text: str) -> Uri:
    read = read_uri(text.encode())
    assert read is not None, text
    return read


CALLS = (
    "sip:911@h sip:9911@h sip:99911@h sip:1911@h sip:+1911@h sip:911#@h sip:911%23@h sip:9-1-1@h "
    "sip:911,1@h sip:911,,,22@h sip:911;postd=22@h sip:*67911@h sip:%2A67911@h sip:%39%31%31@h "
    "tel:911 tel:911;phone-context=+1 sip:911;phone-context=+1@h;user=phone "
    "sip:911@h;user=dialstring sip:sos@h SIP:SOS@h sips:112@h sip:112@h sip:+1112@h urn:service:sos "
    "URN:Service:SOS.fire tel:+1911"
)


@pytest.mark.parametrize("text", CALLS.split())
def test_oracle_emergency(text: str) -> None:
    assert emergency(uri(text), DIAL) == "sos"


@pytest.mark.parametrize("text", ["sip:933@h", "sip:9933@h", "urn:service:test.sos", "urn:service:test.sos.fire"])
def test_oracle_emergency_test(text: str) -> None:
    assert emergency(uri(text), DIAL) == "test"


NO_CALLS = (
    "sip:+911126543210@h sip:+91112@h sip:91126543210@h sip:11200@h sip:0119111@h "
    "tel:+911 sip:911126543210@h sip:12125550911@h sip:+12125550911@h sip:sosa@h sip:8911@h "
    "sip:+9911@h sip:h urn:service:counseling urn:service:sosial sip:911x@h sip:wren@911 sip:000@h "
    "mailto:911@h"
)


@pytest.mark.parametrize("text", NO_CALLS.split())
def test_oracle_no_emergency(text: str) -> None:
    assert emergency(uri(text), DIAL) == ""
