"""What the engine knows of a caller is what plain sets and exact decay know, within the error of its sketches."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent import _hot
from tests.agent import ACME, CLOUD, SECOND, invite, tables
from tests.oracle.behaviour import Known
from tests.proxy.calls import reply
from tests.proxy.message import Source
from tests.rules.phones import Phones, patterns

FIRST = 14155550000
ENDS = (200, 404, 480, 486, 487, 503, 603, 407)
call = st.tuples(
    st.integers(0, 2),  # who calls
    st.one_of(st.integers(0, 40), st.integers(0, 3_000), st.integers(0, 3_000_000)),  # whom
    st.sampled_from(ENDS),
    st.sampled_from((0.3, 2.0, 4.0, 30.0)),  # until that
    st.sampled_from((0.5, 5.0, 7.0, 600.0)),  # talk
    st.sampled_from((0.1, 1.0, 30.0, 900.0)),  # until the next call
)


@cache
def text() -> str:
    return patterns("monitor", '[behaviour]\nforget = "30m"')


@given(st.lists(call, min_size=1, max_size=60))
@settings(max_examples=60)
def test_counts(calls: list[tuple[int, int, int, float, float, float]]) -> None:
    party = Phones(text())
    known = [Known(1800.0) for _ in range(3)]
    told: list[tuple[float, int, object]] = []
    after = 0.0
    start = party.now / SECOND
    for who, number, status, ring, talk, gap in calls:
        callee = FIRST + number
        caller = f"+121255520{who:02d}"
        end: str | int = {200: "answer", 487: "cancel"}.get(status, status)
        party.call(caller, f"+{callee}", end, after=after, ring=ring, talk=talk)
        begun = start + after
        rang = ring - 0.5 if status in (200, 480, 486, 487, 603) and ring > 0.5 else ring
        told.append((begun, who, lambda k, t=begun, c=callee: k.call(t, c)))
        told.append((begun + ring, who, lambda k, t=begun + ring, s=status, r=rang: k.end(t, s, r)))
        if status == 200:
            told.append((begun + ring + talk, who, lambda k, t=begun + ring + talk, s=talk: k.hung_up(t, s)))
        after += gap
    party.run()
    for _, who, tell in sorted(told, key=lambda one: one[0]):
        tell(known[who])  # type: ignore[operator]
    for who, plain in enumerate(known):
        plain.at(party.now / SECOND)
        found = party.engine.behaviour("acme", f"121255520{who:02d}", now=party.now)
        if found is None:
            assert not plain.seen
            continue
        for name, value in plain.counts.items():
            close = (
                pytest.approx(value, rel=0.2, abs=2.5)
                if name in ("fresh", "near")
                else pytest.approx(value, rel=0.06, abs=0.1)
            )
            assert found[name] == close, (name, found, plain.counts)


def test_four_workers_lose_nothing() -> None:
    """One caller's calls through all of them at once: what finds no lock in time is counted as such."""
    calls, workers = 1_000, 4
    engine = _hot.Engine(workers=workers, transactions_mib=16, leases_mib=4, secret=bytes(range(32)))
    engine.publish(_hot.Policy(tables(text())))
    now = 1_000_000 * SECOND

    def work(worker: int) -> None:
        batch, out = _hot.Batch(1), _hot.OutBatch()

        def put(data: bytes, source: Source) -> bytes:
            batch.clear()
            batch.add(data, source)
            engine.process(batch, now, out, worker)
            return out[0][0]

        for n in range(calls):
            callee = f"+1{415 + worker}{2_000_000 + 37 * n}"
            left = put(bytes(invite(uri=f"sip:{callee}@cloud.example.net")), ACME)
            put(reply(left, 404, "far"), CLOUD)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, range(workers)))
    dropped = engine.tables()["behaviour"]["evictions"]
    for caller in ("12125552000", ""):
        known = engine.behaviour("acme", caller, now=now)
        assert known is not None
        assert calls * workers - dropped <= known["calls"] <= calls * workers
        assert calls * workers - dropped <= known["refused"] <= calls * workers
        assert known["fresh"] == pytest.approx(known["calls"], rel=0.15)
