"""The leases of calls: exact through 10,000 mixed endings, with two workers, over reloads, and in fixed memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest

from edge_agent import _hot
from edge_agent.policy.tables import Tables
from tests.oracle.leases import ENDED, SECOND, UP
from tests.proxy.calls import CALLED, NUMBERS, Bed, Leg, engine, play
from tests.proxy.message import Source
from tests.proxy.test_tables import Flood, in_parallel
from tests.proxy.world import ACME, NOW, POLICY, tables

RATE = "calls_per_second = 10\nburst = 20"
WIDE = "calls_per_second = 1000000\nburst = 1000000\nconcurrent_calls = {}"
BUDGETS = """
[rules.dialog]
dialog_per_second = 1000.0
dialog_burst = 1000
ack_per_second = 100000.0
ack_burst = 100000
"""


def limited(calls: int = 1_000_000) -> Tables:
    """Acme may have so many calls, as fast as it likes."""
    return tables(POLICY.replace(RATE, WIDE.format(calls)) + BUDGETS)


def bed(seed: int = 0, workers: int = 1, calls: int = 1_000_000) -> Bed:
    return Bed(engine(_hot.Policy(limited(calls)), workers), seed)


def some(kind: str, bed: Bed, number: int, called: str = "") -> Leg:
    return Leg(bed, kind, f"some{number}@x", "near", called or (NUMBERS[0] if kind == "in" else CALLED))


def test_ten_thousand_mixed_endings() -> None:
    """The count is the law's after every datagram, and nothing is left when all that was lost has expired."""
    party = bed(3261)
    play(party, 10_000)
    party.now += UP + SECOND
    party.check()
    left = party.engine.calls(party.now)["acme"]
    assert (left["out"], left["in"]) == (0, 0)
    assert party.engine.tables()["leases"]["evictions"] == 0


def test_two_workers_count_as_one() -> None:
    """Each has its own calls; some time later nothing is left."""
    made = engine(_hot.Policy(limited()), 2)
    beds = [Bed(made, worker + 1, worker) for worker in range(2)]
    in_parallel(*(partial(play, party, 1500, alone=False) for party in beds))
    beds[0].check(beds[1])
    beds[0].now += UP + SECOND
    assert {made.calls(beds[0].now)["acme"][kind] for kind in ("out", "in")} == {0}


def test_two_workers_end_one_call() -> None:
    """The two branches of each call are refused, copied and refused again by both workers at once."""
    made = engine(_hot.Policy(limited()), 2)
    beds = [Bed(made, worker, worker) for worker in range(2)]
    invites = [[some("out", beds[0], number).invite() for number in range(400)] for _ in beds]
    assert made.calls(beds[0].now)["acme"]["out"] == 400

    def refuse(worker: int) -> None:
        for first, second in zip(*invites, strict=True):
            for invite in (first, second, first):
                replace(invite, leg=replace(invite.leg, bed=beds[worker])).answer(486, "far")

    in_parallel(partial(refuse, 0), partial(refuse, 1))
    assert made.calls(beds[0].now)["acme"]["out"] == 0


INVITE = (
    b"INVITE sip:+442071838750@cloud.example.net SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.10;branch=z9hG4bKflood%d\r\n"
    b"From: <sip:+12125552000@x>;tag=1\r\nTo: <sip:+442071838750@x>\r\nCall-ID: flood%d\r\nCSeq: 1 INVITE\r\n"
    b"Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


def flood(first: int, count: int) -> Iterator[tuple[bytes, Source]]:
    return ((INVITE % (number, number), ACME) for number in range(first, first + count))


@pytest.mark.parametrize("limit", [1, 100, 997])
def test_two_workers_share_the_limit(limit: int) -> None:
    """However their calls mix, not one passes above it."""
    made = engine(_hot.Policy(limited(limit)), 2)
    floods = [Flood(made, worker) for worker in range(2)]
    in_parallel(*(partial(party.run, flood(at * 10_000, 1280), NOW) for at, party in enumerate(floods)))
    assert sum(party.forwarded for party in floods) == limit
    counters = made.counters()["by_verdict"]
    assert counters["answer", "trunk-calls", "trunk-calls", "acme"] == 2560 - limit
    assert made.calls(NOW)["acme"]["out"] == limit


# The table


def test_memory_is_fixed_and_nobody_is_refused_for_want_of_room() -> None:
    """Ten times more calls than leases: all pass, those that found no room uncounted, and that is told."""
    made = engine(_hot.Policy(limited()))
    room = (2 << 20) // 512 * 7
    party = Flood(made)
    party.run(flood(0, 10 * room), NOW)
    assert party.forwarded == 10 * room
    counted = made.calls(NOW)["acme"]["out"]
    assert counted == room
    assert made.tables()["leases"]["evictions"] == 9 * room
    assert made.tables()["leases"]["bytes"] == (2 << 20) * (1 + _hot.STORY_SHARE)
    assert made.calls(NOW + 200 * SECOND)["acme"]["out"] == 0


def test_one_calls_names_are_no_way_round_the_limit() -> None:
    """Leases of one Call-ID and tag share a bucket: when they fill it, that trunk's next such call is refused."""
    party = bed(calls=1000)
    here = some("out", party, 1)
    for number in range(7):
        here.invite(number + 1, called=f"+4420718387{number:02}")
    with pytest.raises(AssertionError):
        here.invite(9, called="+442071838799")
    [(_, count)] = [(key, n) for key, n in party.engine.counters()["by_verdict"].items() if key[0] == "answer"]
    assert count == 1
    assert party.engine.calls(party.now)["acme"]["out"] == 7
    some("out", party, 2).invite()


def test_the_ended_give_way() -> None:
    """An ended lease is kept for its late copies, and never takes the place of a call."""
    party = bed(calls=1000)
    here = some("out", party, 1)
    for number in range(30):
        here.invite(number + 1, called=f"+4420718387{number:02}").answer(486, "far")
    assert party.engine.calls(party.now)["acme"]["out"] == 0
    assert party.engine.tables()["leases"]["evictions"] == 0


def test_what_expired_is_collected_without_a_question() -> None:
    """Slices of the table with each batch: a few seconds of any traffic see all of it."""
    party = bed()
    flood_ = Flood(party.engine)
    flood_.run(flood(0, 500), party.now)
    party.now += 201 * SECOND
    for _ in range(4096 // 16 + 1):
        party.now += 5_000_000
        party.batch.clear()
        party.batch.add(b"\r\n\r\n", ACME)
        party.engine.process(party.batch, party.now, party.out)
    # calls() would collect by itself; the limit's own counter is seen in what a refusal says.
    party.engine.publish(_hot.Policy(replace(limited(1), generation=2)))
    some("out", party, 1).invite()
    assert party.engine.counters()["by_verdict"].get(("answer", "trunk-calls", "trunk-calls", "acme"), 0) == 0


def test_a_copy_after_the_end_changes_nothing() -> None:
    """Of anything, at any time after."""
    party = bed()
    invite = some("out", party, 1).invite()
    invite.answer(200, "far")
    bye = invite.inside("BYE", "far")
    bye.answer(200)
    for later in (0, ENDED - SECOND, 2 * SECOND, UP):
        party.now += later
        invite.answer(180, "far")
        invite.answer(200, "far")
        bye.answer(200)
        assert party.engine.calls(party.now)["acme"]["out"] == 0


# Peers come and go


def test_a_slot_that_another_trunk_gets_is_empty() -> None:
    """With 1,024 peers the slots run out; who comes then inherits no call."""
    one = limited(2)
    peers = one.peers
    acme = next(number for number, peer in enumerate(peers) if peer.name == "acme")
    fill = tuple(peers[acme]._replace(name=f"fill{number}", numbers=()) for number in range(1024 - len(peers)))
    made = engine(_hot.Policy(replace(one, peers=peers + fill)))
    party = Bed(made, 0)
    for number in range(2):
        some("out", party, number).invite().answer(200, "far")
    some("in", party, 9).invite().answer(200, "far")
    assert made.calls(party.now)["acme"]["out"] == 2
    renamed = (*peers[:acme], peers[acme]._replace(name="newer"), *peers[acme + 1 :])
    made.publish(_hot.Policy(replace(one, peers=renamed + fill, generation=2)))
    assert {made.calls(party.now)["newer"][kind] for kind in ("out", "in")} == {0}
    for number in range(10, 12):
        some("out", party, number).invite()
    assert made.calls(party.now)["newer"]["out"] == 2


def test_leases_outlive_a_reload_and_a_missing_trunk() -> None:
    """A call of a trunk that a reload took away is remembered when it comes back."""
    party = bed(calls=5)
    invites = [some("out", party, number).invite() for number in range(2)]
    for invite in invites:
        invite.answer(200, "far")
    one = limited(5)
    acme = next(number for number, peer in enumerate(one.peers) if peer.name == "acme")
    other = (*one.peers[:acme], one.peers[acme]._replace(name="other"), *one.peers[acme + 1 :])
    party.engine.publish(_hot.Policy(replace(one, peers=other, generation=2)))
    assert "acme" not in party.engine.calls(party.now)
    party.engine.publish(_hot.Policy(replace(one, generation=3)))
    assert party.engine.calls(party.now)["acme"] == {"out": 2, "in": 0, "emergency": 0, "limit": 5}
    invites[0].inside("BYE", "far").answer(200)
    assert party.engine.calls(party.now)["acme"]["out"] == 1
