"""Called numbers: prefix tables and the reading of dial strings are the oracle's, in every country."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

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
def test_dialled(string: tuple[str, str]) -> None:
    name, text = string
    assert _hot.called(text, plan(name)) == dialled(text, plan(name)), string
