"""The compiled engine as a typed program sees it. mypy reads this file; ``test_stub.py`` runs it too.

Each ``assert_type`` is a promise of ``edge_agent/_hot.pyi``.
"""

from __future__ import annotations

from typing import Any, assert_type

from edge_agent import _hot
from edge_agent.numbering.plans import plan
from edge_agent.policy.tables import Tables


def numbers() -> None:
    found = _hot.NumberSet(b"+12125552000..+12125552099\n+12125553000\n")
    assert_type(len(found), int)
    assert_type("12125552000" in found, bool)
    assert_type(found.single_count, int)
    assert_type(found.nbytes, int)
    assert_type(found.ranges(), list[tuple[int, int]])
    assert_type(found.singles(), list[int])
    assert_type(found.overlaps(found), str | None)
    assert_type(_hot.number_text(found.singles()[0]), str)
    try:
        _hot.NumberSet(b"nonsense")
    except _hot.NumberListError as error:
        assert_type(error.errors, list[tuple[int, str]])
    assert_type(_hot.canonical("2125552000", plan("US")), str)


def names() -> None:
    assert_type(_hot.ACTIONS, tuple[str, ...])
    assert_type(_hot.METHODS, tuple[str, ...])
    assert_type(_hot.OP_NAMES, tuple[str, ...])
    assert_type(_hot.AES_FAST, bool)


def parsing(data: bytes) -> None:
    assert_type(_hot.parse(data), dict[str, Any])
    assert_type(_hot.parse(data, pad=0x30)["kind"], Any)


def secrets(secret: bytes) -> None:
    assert_type(_hot.derive(secret, "tag"), bytes)
    assert_type(_hot.peer_id("acme"), int)


def screening(tables: Tables, data: bytes, now: int) -> None:
    engine = _hot.Engine(workers=2, rates_mib=1, transactions_mib=1, leases_mib=1, secret=bytes(32), old_secret=None)
    policy = _hot.Policy(tables)
    assert_type(policy.tables, Tables)
    engine.publish(policy)
    batch, out = _hot.Batch(slots=8), _hot.OutBatch()
    batch.add(data, ("192.0.2.60", 5060), listener=0)
    assert_type(len(batch), int)
    batch.parse()
    engine.process(batch, now, out, worker=1)
    batch.clear()
    for index in range(len(out)):
        assert_type(out[index], tuple[bytes, tuple[str, int], int])
    out.clear()
    engine.set_target("cloud", 0, False)
    assert_type(engine.counters(), dict[str, Any])
    assert_type(engine.tables(), dict[str, dict[str, int]])
    events = engine.events(limit=10)
    assert_type(events, list[_hot.Event])
    for event in events:
        assert_type(event.source, tuple[str, int])
        assert_type((event.rule, event.reason, event.monitored), tuple[str, str, bool])
    steps = engine.explain(data, ("192.0.2.60", 5060), 0, now)
    assert_type(steps, list[_hot.Step])
    assert_type(steps[-1].answer, str)
    engine.stop()
    sockets: list[tuple[int, int]] = []
    engine.pump(0, sockets)
