"""The level of a queue, and what a neighbour asks for, are what their plain twins say, look by look and answer by answer."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge_agent import _hot
from tests.agent import Agent, invite, policy
from tests.oracle.tables import Asked, Queue
from tests.rules.test_overload_control import ASKED, answer

looks = st.lists(
    st.tuples(
        st.integers(0, 30).map(lambda n: n * 7_000_000), st.integers(0, 256) | st.sampled_from([80, 112, 128, 160])
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(looks)
@example([(0, 200), (99_999_999, 200), (1, 0)])
@example([(0, 200), (100_000_000, 200), (100_000_000, 111), (100_000_000, 79)])
def test_levels(sent: list[tuple[int, int]]) -> None:
    queue, now = Queue(), 10**12
    engine = _hot.Engine(rates_mib=1, transactions_mib=1, leases_mib=1, callers_mib=1, secret=bytes(32))
    for space, fill in sent:
        now += space
        queue.look(fill, now)
        engine.set_load(fill / 256, now)
        assert engine.counters()["overload"] == [queue.level]


FAST = "calls_per_second = 1000000\nburst = 1000000\nconcurrent_calls = 1000000"
OFF = "".join(f'[rules.{rule}]\nmode = "off"\n' for rule in ("caller-rate", "callee-rate"))
answers = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 400, 600, 3000, 12_000]),
        st.sampled_from([0, 100]),
        st.sampled_from([0, 1, 500, 5000]),
        st.integers(1, 6),
        st.integers(0, 99_999),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(answers)
def test_what_is_asked_for(sent: list[tuple[int, int, int, int, int]]) -> None:
    party, asked = Agent(policy(FAST, cloud="overload_control = true", rules=OFF)), Asked()
    calls = [party.send(invite()).message for _ in sent]
    for (space, percent, validity, whole, part), passed in zip(sent, calls, strict=True):
        party.now += space * 1_000_000
        answer(party, passed, f';oc={percent};oc-algo="loss";oc-validity={validity};oc-seq={whole}.{part:05d}')
        asked.told(party.now // 1_000_000, percent, validity, Fraction(whole * 100_000 + part, 100_000))
        assert (party.send(invite()).short == ASKED) == (asked.share(party.now // 1_000_000) == 100)
