"""rates, replay, queues, waiting: the bounded tables of the STIR service, without a thread."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.stir import waiting
from edge_agent.stir.queues import Queues
from edge_agent.stir.rates import Rates
from edge_agent.stir.replay import Replays
from edge_agent.stir.waiting import Room


@dataclass(frozen=True)
class Item:
    peer: str
    number: int = 0


# Rates


def test_a_burst_then_the_rate() -> None:
    rates = Rates(10)
    assert [rates.take("a", (2.0, 3), 100.0) for _ in range(5)] == [True, True, True, False, False]
    assert not rates.take("a", (2.0, 3), 100.49)
    assert rates.take("a", (2.0, 3), 100.5)
    assert not rates.take("a", (2.0, 3), 100.5)
    assert rates.take("b", (2.0, 3), 100.5), "another key's"


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 0.3)), max_size=200), st.integers(1, 5))
def test_never_more_than_rate_and_burst(steps: list[tuple[int, float]], burst: int) -> None:
    """In any stretch of time no key passes more than the burst and the rate times the stretch."""
    rates, now = Rates(100), 0.0
    passed: dict[int, list[float]] = {}
    for key, pause in steps:
        now += pause
        if rates.take(key, (5.0, burst), now):
            passed.setdefault(key, []).append(now)
    for times in passed.values():
        for first in range(len(times)):
            for last in range(first, len(times)):
                assert last - first + 1 <= burst + 5.0 * (times[last] - times[first]) + 1e-6


def test_a_full_table_forgets_what_stands_for_nothing_first() -> None:
    rates = Rates(8)
    for key in range(8):
        rates.take(key, (1.0, 1), 0.0)
    assert rates.take("new", (1.0, 1), 1.5) and rates.evictions == 0 and len(rates) == 1
    for key in range(20):
        rates.take(key, (0.001, 1), 2.0)
    assert len(rates) <= 8 and rates.evictions


# Replays


def test_calls_of_one_token() -> None:
    replays = Replays()
    assert [replays.again(b"t", f"call-{n}", 160.0, 3, 100.0) for n in range(5)] == [False, False, False, True, True]
    assert not replays.again(b"t", "call-0", 160.0, 3, 100.0), "the same call by another route"
    assert not replays.again(b"other", "call-9", 160.0, 3, 100.0)
    assert replays.again(b"t", "call-9", 160.0, 3, 160.0), "to the last second that it is fresh"
    assert not replays.again(b"t", "call-9", 220.0, 3, 160.1), "beyond that the signature is stale by itself"


def test_a_flood_of_tokens_is_bounded_and_counted() -> None:
    replays = Replays(limit=100)
    for number in range(500):
        replays.again(number.to_bytes(32, "big"), "call", 160.0, 3, 100.0)
    assert len(replays) == 100 and replays.evictions == 400
    for number in range(500, 520):
        replays.again(number.to_bytes(32, "big"), "call", 300.0, 3, 200.0)
    assert len(replays) <= 100 and replays.evictions == 400, "expired ones make room"


# Queues


def test_peers_take_turns() -> None:
    queues: Queues[Item] = Queues()
    for peer in "aaabbc":
        queues.put(Item(peer), 100)
    assert "".join(item.peer for item in iter(queues.take, None)) == "abcaba"
    assert len(queues) == 0 and queues.take() is None


def test_the_longest_queue_is_cut() -> None:
    queues: Queues[Item] = Queues()
    for number in range(10):
        assert queues.put(Item("flood", number), 10) is None
    assert queues.put(Item("flood", 10), 10) == Item("flood", 10)
    assert queues.put(Item("quiet"), 10) == Item("flood", 9), "the flood's last one makes room"
    assert len(queues) == 10
    served = [item.peer for item in iter(queues.take, None)]
    assert served[:2] == ["flood", "quiet"] and served.count("flood") == 9


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=300))
def test_each_item_comes_out_once(steps: list[tuple[str, bool]]) -> None:
    queues: Queues[Item] = Queues()
    put: list[Item] = []
    out: list[Item] = []
    for number, (peer, take) in enumerate(steps):
        if take:
            item = queues.take()
            out += [item] if item is not None else []
        else:
            put.append(Item(peer, number))
            left_out = queues.put(put[-1], 20)
            out += [left_out] if left_out is not None else []
        assert len(queues) <= 20
    out += list(iter(queues.take, None))
    assert sorted(out, key=lambda item: item.number) == put


# Room


def enter(room: Room[Item], peer: str, *urls: str, host: str = "", now: float = 0.0) -> list[str] | None:
    return room.enter(Item(peer), {url: host or url for url in urls}, now + 2.0, now)


def test_one_flight_for_many_calls() -> None:
    room: Room[Item] = Room(10, 100)
    assert enter(room, "a", "x") == ["x"]
    assert enter(room, "a", "x", "y") == ["y"]
    assert room.landed("x") == [Item("a")] and len(room) == 1
    assert room.landed("y") == [Item("a")] and len(room) == 0
    assert room.landed("y") == []


def test_shares() -> None:
    room: Room[Item] = Room(3, 5)
    assert all(enter(room, "a", f"a{number}") for number in range(3))
    assert enter(room, "a", "a9") is None and room.shed["peer"] == 1
    assert enter(room, "b", "b0") and enter(room, "c", "c0")
    assert enter(room, "d", "d0") is None and room.shed["total"] == 1
    assert room.landed("a0") and enter(room, "d", "d0") == ["d0"]


def test_a_host_has_a_bound_too() -> None:
    room: Room[Item] = Room(1000, 1000)
    waiting_calls = [enter(room, f"peer{number}", "same", host="h") for number in range(waiting.PER_HOST + 1)]
    assert waiting_calls[-1] is None and None not in waiting_calls[:-1] and room.shed["host"] == 1


def test_fetches_per_second() -> None:
    """Of one host, of one peer, and in all: at once, and then by the second."""
    for keys, (rate, burst) in (
        (lambda n: (f"p{n}", f"u{n}", "h"), waiting.FETCHES_PER_HOST),
        (lambda n: ("p", f"u{n}", f"h{n}"), waiting.FETCHES_PER_PEER),
        (lambda n: (f"p{n}", f"u{n}", f"h{n}"), waiting.FETCHES),
    ):
        room: Room[Item] = Room(10_000, 10_000)

        def ask(number: int, now: float, room: Room[Item] = room, keys=keys) -> bool:  # type: ignore[no-untyped-def]
            peer, url, host = keys(number)
            asked = enter(room, peer, url, host=host, now=now)
            room.landed(url)
            return asked is not None

        assert sum(ask(number, 10.0) for number in range(300)) == burst
        assert sum(ask(number, 11.0) for number in range(1000, 1300)) == rate
        assert room.shed["rate"] == 600 - burst - rate


def test_a_call_waits_two_seconds_at_most() -> None:
    room: Room[Item] = Room(10, 10)
    enter(room, "a", "x", now=0.0)
    room.enter(Item("b"), {"y": "y"}, 1.5, 0.0)  # held for half a second before
    assert room.next_end() == 1.5
    assert list(room.expired(1.4)) == []
    assert list(room.expired(1.5)) == [Item("b")]
    assert list(room.expired(2.0)) == [Item("a")]
    assert room.next_end() is None and len(room) == 0
    assert room.landed("x") == []


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sets(st.sampled_from("uvw"), min_size=1), st.integers(0, 3))))
def test_each_call_leaves_once(steps: list[tuple[str, set[str], int]]) -> None:
    room: Room[Item] = Room(6, 8)
    inside: set[int] = set()
    now = 0.0
    for number, (peer, urls, what) in enumerate(steps):
        now += 0.3
        if what and room.enter(Item(peer, number), {url: url for url in urls}, now + 1.0, now) is not None:
            inside.add(number)
        for item in [*room.landed(min(urls))] if what == 0 else [*room.expired(now)]:
            inside.remove(item.number)
        assert len(room) == len(inside) <= 8
    for item in room.expired(now + 10):
        inside.remove(item.number)
    assert not inside and not room._peers and not room._hosts and not room._by_url
