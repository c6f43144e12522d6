"""The engine's Python face, used wrongly: a clear error each time, never a read of what isn't there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from edge_agent import _hot
from tests.agent import ACME, Agent, MakeAgent, invite, tables
from tests.agent import policy as text


@pytest.fixture
def bare() -> _hot.Engine:
    """Nothing is published yet."""
    return _hot.Engine(rates_mib=1, transactions_mib=1, leases_mib=1, secret=bytes(32))


def batch(listener: int = 0) -> _hot.Batch:
    made = _hot.Batch(1)
    made.add(bytes(invite()), ACME, listener)
    return made


USES: dict[str, Callable[[_hot.Engine], object]] = {
    "process": lambda engine: engine.process(batch(), 1, _hot.OutBatch()),
    "process nothing": lambda engine: engine.process(_hot.Batch(1), 1, None),
    "explain": lambda engine: engine.explain(bytes(invite()), ACME, 0, 1),
    "set_target": lambda engine: engine.set_target("cloud", 0, True),
    "pump": lambda engine: engine.pump(0, [(0, 0)]),
}


@pytest.mark.parametrize("use", USES)
def test_before_the_first_publish(bare: _hot.Engine, use: str) -> None:
    if use == "process nothing":
        pytest.raises(RuntimeError, USES[use], bare)
        return
    with pytest.raises(RuntimeError, match="no policy is published"):
        USES[use](bare)


def test_what_reads_may_come_first(bare: _hot.Engine) -> None:
    assert bare.counters()["received"] == 0
    assert (bare.events(), bare.tables()["rates"]["entries"]) == ([], 0)


@pytest.mark.parametrize("listener", [1, 63, 65535])
def test_a_listener_that_there_isn_t(agent: MakeAgent, listener: int) -> None:
    engine = agent().engine
    uses: list[Callable[[], object]] = [
        lambda: engine.process(batch(listener), 1, _hot.OutBatch()),
        lambda: engine.explain(bytes(invite()), ACME, listener, 1),
        lambda: engine.pump(0, [(0, listener)]),
        lambda: engine.pump(0, [], [(0, listener)]),
    ]
    for use in uses:
        with pytest.raises(IndexError, match=f"no listener {listener}"):
            use()
    assert engine.counters()["received"] == 0


def test_a_negative_listener(agent: MakeAgent) -> None:
    engine = agent().engine
    with pytest.raises(IndexError, match="no listener -1"):
        engine.explain(bytes(invite()), ACME, -1, 1)
    with pytest.raises(OverflowError):
        batch(-1)


@pytest.mark.parametrize("worker", [-1, 1, 64])
def test_a_worker_that_there_isn_t(agent: MakeAgent, worker: int) -> None:
    engine = agent().engine
    uses: list[Callable[[], object]] = [
        lambda: engine.process(batch(), 1, None, worker),
        lambda: engine.pump(worker, []),
    ]
    for use in uses:
        with pytest.raises(IndexError):
            use()


def test_targets_that_there_aren_t(agent: MakeAgent) -> None:
    for upstream, target in (("nobody", 0), ("cloud", 7), ("cloud", -1), ("cloud", 2**40), ("acme", 1)):
        agent().engine.set_target(upstream, target, False)


def test_a_policy_of_nothing(bare: _hot.Engine) -> None:
    with pytest.raises(ValueError, match="without tables"):
        bare.publish(_hot.Policy())


def test_a_listener_that_a_pump_has_can_t_go(agent: MakeAgent) -> None:
    party = agent()
    party.engine.stop()
    party.engine.pump(0, [])  # ends at once
    made = tables(text())
    peers = tuple(row._replace(ways=()) for row in made.peers)
    none = replace(made, listeners=(), peers=peers, generation=9)
    party.engine.publish(_hot.Policy(none))
    with pytest.raises(IndexError):
        party.engine.explain(bytes(invite()), ACME, 0, 1)


@pytest.mark.parametrize("source", ["198.51.100.10", "198.51.100.11", "192.0.2.60", "203.0.113.66"])
def test_port_0(source: str) -> None:
    """Nobody can be answered there: dropped unread, counted, and no send error."""
    party = Agent()
    told = party.send(invite(), (source, 0))
    assert (told.short, told.rule) == ("drop source-port", "malformed")
    assert (told.event.source, told.event.method) == ((source, 0), "other")
    assert party.send(invite(), (source, 1)).reason != "source-port"


READERS: dict[str, Callable[[_hot.Engine], object]] = {
    "events": lambda engine: engine.events(),
    "strikes": lambda engine: engine.strikes(),
    "counters": lambda engine: engine.counters(),
    "tables": lambda engine: engine.tables(),
    "calls": lambda engine: engine.calls(1),
    "bans": lambda engine: engine.bans(),
    "findings": lambda engine: engine.findings(),
}


@pytest.mark.parametrize("reader", READERS)
def test_what_is_read_is_given_back(agent: MakeAgent, reader: str) -> None:
    """A daemon reads its engine for years: what one reading took, the next one uses again."""
    engine, read = agent().engine, READERS[reader]
    sent = bytes(invite(caller="+12025550199"))

    def seconds(first: int, last: int) -> int:
        for second in range(first, last):
            many = _hot.Batch(16)
            for host in range(16):
                many.add(sent, (f"198.51.100.{host}", 5060), 0)
            engine.process(many, second * 1_000_000_000, _hot.OutBatch())
            assert read(engine) or reader != "events"
        return sys.getallocatedblocks()

    taken = seconds(1, 20)
    assert seconds(20, 60) - taken < 40
