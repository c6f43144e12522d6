"""calling-hours: at any time, for any number and span of hours, the engine refuses what the plain reading does."""

from __future__ import annotations

from functools import cache

from hypothesis import assume, example, given
from hypothesis import strategies as st

from edge_agent import _hot
from edge_agent.hours import tell_hours
from edge_agent.numbering.zones import closed, zoning
from tests.agent import Agent, dial, policy, tables
from tests.oracle.hours import may_be_called, zones_of

METADATA = zoning({})
TABLE = {prefix: METADATA.classes[kind] for prefix, kind in METADATA.prefixes.items()}
OWN = {"1907": "America/Anchorage", "1907555": "Pacific/Honolulu", "44": "Europe/London", "61412": "Australia/Perth"}
SPANS = (("08:00", "21:00"), ("00:00", "24:00"), ("09:30", "09:31"), ("13:00", "17:45"))
ZONES = sorted({zone for zones in METADATA.classes for zone in zones})


def minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


@cache
def party(span: tuple[str, str], own: bool) -> tuple[Agent, _hot.Policy]:
    rules = f'[rules.calling-hours]\nfrom = "{span[0]}"\nuntil = "{span[1]}"\n'
    if own:
        rules += "".join(f'zones."+{prefix}*" = "{zone}"\n' for prefix, zone in OWN.items())
    rules += "".join(
        f'[rules.{name}]\nmode = "off"\n' for name in ("trunk-rate", "trunk-calls", "callee-rate", "caller-rate")
    )
    text = policy('class = "telemarketing"', rules=rules)
    agent = Agent(text)
    made = _hot.Policy(tables(text))
    agent.engine.publish(made)
    return agent, made


# From before daylight saving was harmonised to what zone files say of the future; clocks turn at the edges of hours.
walls = st.one_of(
    st.floats(1_600_000_000, 2_000_000_000, allow_nan=False),
    st.integers(26_666_666, 33_333_333).map(lambda minute: minute * 60.0),
    st.integers(26_666_666, 33_333_333).map(lambda minute: minute * 60.0 - 0.001),
)


@st.composite
def numbers(draw: st.DrawFn) -> str:
    """Digits behind a known prefix, one of the operator's, or any."""
    start = draw(
        st.one_of(
            st.sampled_from(sorted(TABLE)), st.sampled_from(sorted(OWN)), st.text("123456789", min_size=1, max_size=3)
        )
    )
    return (start + draw(st.text("0123456789", min_size=8, max_size=14)))[:15]


@given(numbers(), walls, st.sampled_from(SPANS), st.booleans())
@example("12125552000", 1_772_956_740.0, SPANS[0], False)
@example("19075550100", 1_772_956_740.0, SPANS[0], True)
@example("18005552000", 1_795_000_000.0, SPANS[0], False)
@example("870773111000", 1_795_000_000.0, SPANS[1], False)
def test_who_may_be_called_when(digits: str, wall: float, span: tuple[str, str], own: bool) -> None:
    agent, made = party(span, own)
    tell_hours(made, wall)
    agent.wait(1)
    told = agent.send(dial(f"+{digits}"))
    assume(told.rule != "emergency")
    zones = zones_of(digits, TABLE, OWN if own else {})
    expected = may_be_called(zones, minutes(span[0]), minutes(span[1]), wall)
    assert told.short == ("forward pass" if expected else "403 calling-hours"), (digits, zones)


@given(
    walls,
    st.integers(0, 1439),
    st.integers(1, 1440),
    st.lists(st.lists(st.sampled_from(ZONES), max_size=4), max_size=40),
)
def test_closed_bits(wall: float, first: int, last: int, classes: list[list[str]]) -> None:
    bits = closed(classes, first, last, wall)
    assert len(bits) == (len(classes) + 7) // 8
    for number, zones in enumerate(classes):
        assert (bits[number >> 3] >> (number & 7) & 1 == 0) == may_be_called(set(zones), first, last, wall)


@given(
    st.dictionaries(st.text("123", min_size=1, max_size=5), st.sampled_from(ZONES), max_size=12),
    st.lists(numbers(), max_size=10),
)
def test_the_operator_s_zones_lie_over_the_metadata_s(own: dict[str, str], asked: list[str]) -> None:
    made = zoning(own)
    table = _hot.Prefixes(made.prefixes)
    for digits in [*asked, *(prefix + "5550100" for prefix in own)]:
        assert set(made.classes[table.find(digits)]) == zones_of(digits, TABLE, own), digits
