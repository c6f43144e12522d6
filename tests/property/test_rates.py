"""The limits of a trunk and of an unknown source let through exactly what GCRA lets through, at any spacing."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.oracle.tables import Limiter

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
caller_ids = ["+12125552000"]
calls_per_second = 5
burst = 3
[rules.source-rate]
per_second = 8
burst = 4
prefix_per_second = 1000
prefix_burst = 1000
"""
INVITE = (
    b"INVITE sip:+12125552001@192.0.2.60 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK%d\r\n"
    b"From: <sip:+12125552000@x>;tag=1\r\nTo: <sip:+12125552001@x>\r\nCall-ID: %d\r\nCSeq: 1 INVITE\r\n"
    b"Max-Forwards: 70\r\n\r\n"
)
# A cell of the table counts in units of a microsecond, so nothing is asked of it within some of them.
UNIT = 10_000
gaps = st.lists(st.integers(0, 40).map(lambda n: n * 23_000_000), min_size=1, max_size=40)


class Gate:
    """An engine and a clock that only goes on; each message is a new call."""

    def __init__(self, hot: Any, policy: Any) -> None:
        self.engine = hot.Engine(rates_mib=1, transactions_mib=1, leases_mib=1, secret=bytes(32))
        self.engine.publish(policy)
        self.batch, self.out = hot.Batch(1), hot.OutBatch()
        self.calls = count()
        self.now = 10**12

    def reason(self, source: str) -> str:
        number = next(self.calls)
        before = self.engine.counters()["by_verdict"]
        self.batch.clear()
        self.batch.add(INVITE % (number, number), (source, 5060))
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
