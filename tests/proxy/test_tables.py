"""The state tables under attack: fixed memory, each peer's own share, limits shared by all workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from edge_agent import _hot
from tests.oracle.tables import Limiter
from tests.proxy.message import Source
from tests.proxy.world import ACME, BETA, CLOUD, NOW, POLICY, SECOND, SECRET, STRANGER, Call, World, tables

MANY = "concurrent_calls = 1000000"
WIDE = POLICY.replace("calls_per_second = 10\nburst = 20", f"calls_per_second = 100000\nburst = 100000\n{MANY}")
ENTRIES = (1 << 20) // 32  # of a transaction cache of 1 MiB
CELLS = (1 << 20) // 8  # of a rate table of 1 MiB
INVITE = (
    b"INVITE sip:+442071838750@cloud.example.net SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.10;branch=z9hG4bKflood%d\r\n"
    b"From: <sip:+12125552000@x>;tag=1\r\nTo: <sip:+442071838750@x>\r\nCall-ID: flood%d\r\nCSeq: 1 INVITE\r\n"
    b"Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


class Flood:
    """Datagrams in full batches, as fast as they come."""

    def __init__(self, engine: _hot.Engine, worker: int = 0) -> None:
        self.engine, self.worker = engine, worker
        self.batch, self.out = _hot.Batch(), _hot.OutBatch()
        self.forwarded = 0

    def run(self, packets: Iterator[tuple[bytes, Source]], now: int) -> None:
        for data, source in packets:
            self.batch.add(data, source)
            if len(self.batch) == 64:
                self.flush(now)
        self.flush(now)

    def flush(self, now: int) -> None:
        self.engine.process(self.batch, now, self.out, self.worker)
        self.forwarded += sum(self.out[at][0].startswith(b"INVITE") for at in range(len(self.out)))
        self.batch.clear()


def calls(first: int, count: int) -> Iterator[tuple[bytes, Source]]:
    return ((INVITE % (number, number), ACME) for number in range(first, first + count))


def resident() -> int:
    """Bytes of memory of its own that this process holds; pages of files come and go as the kernel likes."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon:")]
    return int(line.split()[1]) * 1024


# The transaction cache


def test_a_flood_pushes_out_its_own_entries() -> None:
    """Acme floods with four times as many calls as the cache holds; every live call of the others is still known."""
    world = World(WIDE)
    others = [(Call.outbound(BETA, "+12125553000"), BETA) for _ in range(40)]
    others += [(Call.inbound(), CLOUD) for _ in range(100)]
    for call, source in others:
        assert world.send(call.invite(), source).reason == "pass"
    Flood(world.engine).run(calls(0, 4 * ENTRIES), world.now + SECOND)
    world.wait(2)
    for call, source in others:
        assert world.send(call.invite(), source).reason == "retransmission"
    evictions = world.engine.tables()["transactions"]["evictions"]
    assert evictions >= 3 * ENTRIES - len(others)


def test_the_newest_of_a_flood_are_still_known() -> None:
    """The oldest give way first."""
    world = World(WIDE)
    flood = Flood(world.engine)
    for second in range(8):
        flood.run(calls(second * ENTRIES // 4, ENTRIES // 4), world.now + second * SECOND)
    world.wait(8)
    last = 2 * ENTRIES - 1
    known = [world.send(INVITE % (last - n, last - n), ACME).reason for n in range(200)]
    assert known.count("retransmission") >= 190


def test_memory_is_bounded() -> None:
    """Not a page more after a flood of calls, of copies and of strangers."""
    world = World(WIDE, now=time.monotonic_ns())
    flood = Flood(world.engine)
    flood.run(calls(0, 1000), world.now)
    flood.run(strangers(0, 1000), world.now)
    before, tables_before = resident(), world.engine.tables()
    flood.run(calls(1000, 2 * ENTRIES), world.now)
    flood.run(strangers(1000, CELLS // 2), world.now)
    grown = resident() - before
    assert grown < 256 * 1024, grown
    after = world.engine.tables()
    leases = int((1 << 19) * (1 + _hot.STORY_SHARE))
    halves = (("marks", CELLS // 2, 1 << 19), ("leases", CELLS // 2, leases))
    for name, capacity, size in (("transactions", ENTRIES, 1 << 20), ("rates", CELLS, 1 << 20), *halves):
        assert after[name]["bytes"] == tables_before[name]["bytes"] == size
        assert after[name]["entries"] <= capacity


# Rates


def strangers(first: int, count: int) -> Iterator[tuple[bytes, Source]]:
    data = INVITE % (0, 0)
    base = int(IPv4Address("11.0.0.0"))
    return ((data, (str(IPv4Address(base + number * 257)), 5060)) for number in range(first, first + count))


def test_spoofed_sources_fill_cells_and_nothing_else() -> None:
    """A full bucket refuses strangers and counts it; customers have cells of their own."""
    world = World(WIDE, now=time.monotonic_ns())
    Flood(world.engine).run(strangers(0, CELLS), world.now)
    state = world.engine.tables()["rates"]
    assert state["evictions"] > 0
    assert world.count("source-table-full") > 0
    assert world.send(Call.outbound().invite(), ACME).action == "forward"
    assert world.send(Call.inbound().invite(), CLOUD).action == "forward"


def test_a_strangers_flood_is_not_even_parsed() -> None:
    world = World()
    reasons = [world.send(INVITE % (n, n), STRANGER).reason for n in range(100)]
    assert reasons == ["unknown-source"] * 60 + ["source-rate"] * 40
    world.wait(1)
    assert [world.send(b"x" * 20, STRANGER).reason for _ in range(31)].count("source-rate") == 1


def test_one_network_has_one_budget() -> None:
    """480 messages at once from a /24 by default, whatever its addresses do."""
    world = World()
    passed = 0
    for host in range(1, 255):
        for _ in range(3):
            passed += world.send(b"x" * 20, (f"203.0.113.{host}", 5060)).reason != "prefix-rate"
    assert passed == 480
    assert world.send(b"x" * 20, ("203.0.114.1", 5060)).reason != "prefix-rate"


def test_a_v6_source_is_its_64() -> None:
    world = World()
    reasons = [world.send(b"x" * 20, (f"2001:db8:beef:1::{n:x}", 5060)).reason for n in range(1, 101)]
    assert reasons.count("source-rate") == 40
    assert world.send(b"x" * 20, ("2001:db8:beef:2::1", 5060)).reason != "source-rate"


# Limits shared by workers


def in_parallel(*jobs: Callable[[], None]) -> None:
    errors: list[BaseException] = []

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - told to the main thread below
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@pytest.mark.parametrize("rate", [(10, 20), (3, 1), (1000, 500)])
def test_two_workers_share_a_trunks_limit(rate: tuple[int, int]) -> None:
    """However their calls mix, together they pass exactly what one limiter would."""
    per_second, burst = rate
    text = POLICY.replace(
        "calls_per_second = 10\nburst = 20", f"calls_per_second = {per_second}\nburst = {burst}\n{MANY}"
    )
    engine = _hot.Engine(workers=2, rates_mib=1, transactions_mib=4, leases_mib=1, secret=SECRET)
    engine.publish(_hot.Policy(tables(text)))
    floods = [Flood(engine, worker) for worker in range(2)]
    limiter = Limiter(per_second, burst)
    wanted, number, now = 0, 0, NOW
    for gap in (0, 100_000_000, 1, 333_000_000, SECOND, 5 * SECOND):
        now += gap
        each = 640
        in_parallel(*(partial(flood.run, calls(number + at * each, each), now) for at, flood in enumerate(floods)))
        number += 2 * each
        wanted += sum(limiter.hit("acme", now) for _ in range(2 * each))
        assert sum(flood.forwarded for flood in floods) == wanted
    counters = engine.counters()
    assert counters["received"] == counters["forwarded"] + counters["answered"] == number
    assert counters["forwarded"] == wanted


def test_two_workers_share_a_strangers_limit() -> None:
    """A race lost may cost a stranger a message; it never gives him one."""
    engine = _hot.Engine(workers=2, rates_mib=1, transactions_mib=1, leases_mib=1, secret=SECRET)
    engine.publish(_hot.Policy(tables()))
    packets = [(b"x" * 20, STRANGER)] * 640
    in_parallel(*(partial(Flood(engine, worker).run, iter(packets), NOW) for worker in range(2)))
    verdicts = engine.counters()["by_verdict"]
    over = sum(count for (_, _, reason, _), count in verdicts.items() if reason == "source-rate")
    assert engine.counters()["received"] == engine.counters()["dropped"] == 1280
    assert 50 <= 1280 - over <= 60


def test_policies_are_swapped_under_load() -> None:
    """Each batch sees one whole policy; nothing is lost or counted twice."""
    engine = _hot.Engine(workers=2, rates_mib=1, transactions_mib=4, leases_mib=1, secret=SECRET)
    narrow, wide = tables(), tables(WIDE)
    engine.publish(_hot.Policy(wide))
    floods = [Flood(engine, worker) for worker in range(2)]
    running = threading.Event()

    def swap() -> None:
        for generation in range(2, 40):
            engine.publish(_hot.Policy(replace((narrow, wide)[generation % 2], generation=generation)))
        running.set()

    def load(worker: int) -> None:
        at = worker * 10**6
        while not running.is_set():
            floods[worker].run(calls(at, 640), NOW)
            at += 640

    in_parallel(swap, lambda: load(0), lambda: load(1))
    counters = engine.counters()
    assert counters["received"] == counters["forwarded"] + counters["answered"] + counters["dropped"]
    assert counters["forwarded"] == sum(flood.forwarded for flood in floods)
    assert counters["dropped"] == 0
