"""Strikes are counted and forgotten as the plain arithmetic of the oracle says, at any spacing and weight."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.agent import Agent, invite, policy
from tests.oracle.tables import Tally

MOST, FORGET = 12, 60.0
# Whole steps are five seconds; a cell counts in microseconds, so nothing is asked within some of a step.
steps = st.lists(st.tuples(st.integers(0, 30).map(lambda n: n * 700_000_000), st.booleans()), min_size=1, max_size=60)


@pytest.fixture(scope="module")
def party() -> Agent:
    return Agent(policy(rules=f'[bans]\nstrikes = {MOST}\nforget = "{FORGET:.0f}s"'))


@settings(max_examples=60)
@given(steps)
@example([(0, False)] * 12)
@example([(0, True), (700_000_000, True)])
@example([(4_900_000_000, False)] * 60)
def test_tally(party: Agent, spaces: list[tuple[int, bool]]) -> None:
    party.now += 10**12  # whatever was held before is forgotten
    tally = Tally(MOST, FORGET)
    for space, heavy in spaces:
        party.now += space
        then, held = tally.held.get("", (party.now, Fraction(0)))
        left = held - Fraction(party.now - then) / tally.pace
        if abs(left - round(left)) < Fraction(1, 1000) and left != held:
            return
        sent = invite("x", ("User-Agent", "friendly-scanner")) if heavy else invite("x")
        party.send(sent, ("203.0.113.77", 5060))
        count = tally.strike("", party.now, 10 if heavy else 1)
        assert [strike.count for strike in party.engine.strikes()] == ([count] if count else [])
