"""The limits of a trunk, an unknown source, a caller and a called number let through exactly what GCRA lets through, at any spacing."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.oracle.tables import Limiter, Victim

POLICY = """
[[listen]]
address = "127.0.0.1:5060"
[[upstream]]
name = "cloud"
targets = ["192.0.2.60:5060"]
[[trunk]]
name = "limited"
sources = ["198.51.100.1/32"]
upstream = "cloud"
caller_ids = ["+12125552000..+12125552009"]
calls_per_second = 5
burst = 3
[trunk.rules.caller-rate]
mode = "off"
[trunk.rules.callee-rate]
mode = "off"
[[trunk]]
name = "wide"
sources = ["198.51.100.2/32"]
upstream = "cloud"
caller_ids = ["+12125552000..+12125552009"]
calls_per_second = 1000000
burst = 1000000
concurrent_calls = 1000000
[trunk.rules.caller-rate]
mode = "off"
[trunk.rules.callee-rate]
mode = "enforce"
per_second = 4
burst = 6
known_hours = 0.5
[[trunk]]
name = "callers"
sources = ["198.51.100.3/32"]
upstream = "cloud"
caller_ids = ["+12125552000..+12125552009"]
calls_per_second = 1000000
burst = 1000000
concurrent_calls = 1000000
[trunk.rules.caller-rate]
mode = "enforce"
per_second = 4
burst = 3
[trunk.rules.callee-rate]
mode = "off"
[rules.source-rate]
per_second = 8
burst = 4
prefix_per_second = 1000
prefix_burst = 1000
"""
INVITE = (
    b"INVITE sip:+12125552001@192.0.2.60 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK%d\r\n"
    b"From: <sip:+1212555200%d@x>;tag=1\r\nTo: <sip:+12125552001@x>\r\nCall-ID: %d\r\nCSeq: 1 INVITE\r\n"
    b"Max-Forwards: 70\r\n\r\n"
)
# A cell of the table counts in units of a microsecond, so nothing is asked of it within some of them.
UNIT = 10_000
gaps = st.lists(st.integers(0, 40).map(lambda n: n * 23_000_000), min_size=1, max_size=40)


class Gate:
    """An engine and a clock that only goes on; each message is a new call."""

    def __init__(self, hot: Any, policy: Any) -> None:
        self.engine = hot.Engine(rates_mib=1, transactions_mib=1, leases_mib=1, callers_mib=1, secret=bytes(32))
        self.engine.publish(policy)
        self.batch, self.out = hot.Batch(1), hot.OutBatch()
        self.calls = count()
        self.now = 10**12

    def reason(self, source: str, caller: int = 0) -> str:
        number = next(self.calls)
        before = self.engine.counters()["by_verdict"]
        self.batch.clear()
        self.batch.add(INVITE % (number, caller, number), (source, 5060))
        self.engine.process(self.batch, self.now, self.out)
        after = self.engine.counters()["by_verdict"]
        [((_, _, reason, _), _)] = after.items() - before.items()
        return str(reason)


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    hot = pytest.importorskip("edge_agent._hot")
    from edge_agent.policy.compile import compile_policy
    from edge_agent.policy.load import load

    path = tmp_path_factory.mktemp("rates") / "policy.toml"
    path.write_text(POLICY)
    return Gate(hot, compile_policy(load(path), 1))


def run(gate: Gate, source: str, over: str, limiter: Limiter, spaces: list[int]) -> None:
    gate.now += 10**12  # whatever was used before is free again
    for space in spaces:
        gate.now += space
        close = abs(limiter.due.get(0, gate.now) - gate.now - limiter.slack) < UNIT
        passed = gate.reason(source) != over
        if close:
            return
        assert passed == limiter.hit(0, gate.now), space


@settings(max_examples=150)
@given(gaps)
@example([0] * 6)
@example([0, 0, 0, 230_000_000, 0])
def test_trunk(gate: Gate, spaces: list[int]) -> None:
    run(gate, "198.51.100.1", "trunk-rate", Limiter(5, 3), spaces)


@settings(max_examples=150)
@given(gaps)
@example([0] * 6)
def test_unknown_source(gate: Gate, spaces: list[int]) -> None:
    run(gate, "203.0.113.77", "source-rate", Limiter(8, 4), spaces)


calls = st.lists(
    st.tuples(st.integers(0, 12).map(lambda n: n * 23_000_000) | st.just(61_000_000_000), st.integers(0, 9)),
    min_size=1,
    max_size=60,
)


@settings(max_examples=150)
@given(calls)
@example([(0, 1)] * 6)
def test_caller(gate: Gate, sent: list[tuple[int, int]]) -> None:
    gate.now += 10**13
    limiter = Limiter(4, 3)
    for space, caller in sent:
        gate.now += space
        close = abs(limiter.due.get(caller, gate.now) - gate.now - limiter.slack) < UNIT
        passed = gate.reason("198.51.100.3", caller) != "caller-rate"
        if close:
            return
        assert passed == limiter.hit(caller, gate.now), (space, caller)


@settings(max_examples=200)
@given(calls)
@example([(0, 1), (61_000_000_000, 2), *[(0, 3)] * 9, *[(0, 1)] * 9])
@example([(0, 1)] * 8 + [(61_000_000_000, 1)] + [(0, 2)] * 9 + [(0, 1)] * 9)
def test_called_number(gate: Gate, sent: list[tuple[int, int]]) -> None:
    """Also for those who called before: the oracle remembers all of them, the table has room for as many."""
    gate.now += 10**13
    victim = Victim(4, 6, 1800 * 10**9)
    interval = victim.first.interval
    for space, caller in sent:
        gate.now += space
        second = max(victim.second.due.get(0, gate.now) - gate.now, 0)
        close = any(
            abs(used - edge) < UNIT
            for used, edge in (
                (victim.used(gate.now), 5 * interval),
                (victim.used(gate.now), 3 * interval),
                (second, 5 * interval),
            )
        )
        passed = gate.reason("198.51.100.2", caller) != "callee-rate"
        if close:
            return
        assert passed == victim.hit(caller, gate.now), (space, caller)
