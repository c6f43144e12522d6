"""toll-fraud: whatever calls come, are answered, end or run out, what is used and what is refused is what the plain ledger says."""

from __future__ import annotations

from math import ceil, isclose

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.agent import OWN, OWN2, SECOND, Agent, dial, policy
from tests.oracle.toll import Call as Counted
from tests.oracle.toll import Ledger
from tests.rules.legs import Call

TRUNK, CALLER = (7.0, 400.0, 900.0), (5.0, 250.0, 700.0)
CLASSES = {"premium": (4.0, 200.0, 0.0), "satellite": (0.0, 0.0, 500.0)}
POLICY = policy(
    rules="""
[rules.toll-fraud]
mode = "enforce"
calls_per_day = 7
minutes_per_day = 400
spend_per_day = 900
caller_calls_per_day = 5
caller_minutes_per_day = 250
caller_spend_per_day = 700
class_calls_per_day = { premium = 4 }
class_minutes_per_day = { premium = 200 }
class_spend_per_day = { satellite = 500 }
warn = 1.0
"""
)
NUMBERS = {"premium": ("+19005552000", 3.0), "satellite": ("+870773111000", 6.0), "high-risk": ("+18765550100", 1.0)}

place = st.tuples(st.just("place"), st.sampled_from(sorted(NUMBERS)), st.sampled_from([OWN, OWN2]), st.booleans())
hang = st.tuples(st.just("hang"), st.integers(0, 5), st.none(), st.none())
wait = st.tuples(
    st.just("wait"),
    st.sampled_from([0.03, 1.0, 47.0, 600.0, 3600.0, 3.9 * 3600, 36_000.0, 108_000.0]),
    st.none(),
    st.none(),
)


def same(party: Agent, ledger: Ledger) -> None:
    now = party.now / SECOND
    told = {(one.scope, f"+{one.number}" if one.number else ""): one.used for one in party.engine.budgets(party.now)}
    levels = ledger.levels(now)
    assert told.keys() == levels.keys()
    for key, used in told.items():
        limit = TRUNK if key[0] == "trunk" else CALLER if key[0] == "caller" else CLASSES.get(key[0], (0.0, 0.0, 0.0))
        for mine, its, most in zip(used, levels[key], limit, strict=True):
            assert isclose(mine, its, rel_tol=1e-6, abs_tol=2e-3), (key, used, levels[key], most)


@given(st.lists(st.one_of(place, place, hang, wait), max_size=40))
def test_budgets_are_the_ledger_s(steps: list[tuple[str, object, object, object]]) -> None:
    party, ledger = Agent(POLICY), Ledger(TRUNK, CALLER, CLASSES)
    up: list[tuple[Call, Counted]] = []
    for step, first, caller, answered in steps:
        if step == "wait":
            assert isinstance(first, float)
            until = party.now + round(float(first) * SECOND)
            # One by one as they are over: of several that are collected at once nobody says which is the first.
            while party.now < until:
                party.now = min(until, max(party.now, ceil(ledger.next_expiry() * SECOND)) + 1000 if up else until)
                party.engine.calls(party.now)
                gone = ledger.expire(party.now / SECOND)
                up = [pair for pair in up if pair[1] not in gone]
        elif step == "hang" and up:
            assert isinstance(first, int)
            call, counted = up.pop(first % len(up))
            call.hang_up()
            ledger.end(counted, party.now / SECOND)
        elif step == "place":
            number, price = NUMBERS[str(first)]
            now = party.now / SECOND
            sent = dial(number, str(caller))
            told = party.send(sent)
            levels = ledger.levels(now)
            # Where a limit is met to the last bit, rounding may say either.
            assume(not any(abs(level % 1) < 1e-6 for used in levels.values() for level in used[:1] if level % 1))
            over = ledger.over(str(first), str(caller), now)
            assert (told.action == "answer") == over, (levels, told.short)
            if not over:
                keys = ledger.begin(str(first), str(caller), now)
                call = Call(party, sent, told.message)
                if answered:
                    call.up()
                    up.append((call, ledger.answer(keys, price, now)))
                else:
                    call.answer("486 Busy Here")
        same(party, ledger)
