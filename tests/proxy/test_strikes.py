"""Strikes: what counts as one, when they ask for a ban, and for whom none is ever asked."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest

from edge_agent import _hot
from edge_agent.policy.load import ConfigError
from tests.agent import ACME, CLOUD, NOBODY, Agent, MakeAgent, dial, inbound, invite, policy, request
from tests.proxy.message import Message

OPTIONS = b"OPTIONS sip:x SIP/2.0\r\n\r\n"
HASTY = policy(rules='[bans]\nstrikes = 3\nforget = "30s"')


def scanner() -> Message:
    return invite("x", ("User-Agent", "friendly-scanner"))


@pytest.mark.parametrize(
    ("make", "reason", "each"),
    [
        (invite, "unknown-source", 1),
        (lambda: request("REGISTER", "sip:192.0.2.1", "x"), "unknown-source", 1),
        (lambda: OPTIONS, "missing-header", 1),
        (lambda: b"\xff" * 40, "start-line", 1),
        (lambda: b"SIP/2.0 200 OK\r\n\r\n", "missing-header", 1),
        (scanner, "scanner-agent", 10),
    ],
)
def test_the_twentieth_asks(agent: MakeAgent, make: Callable[[], Message | bytes], reason: str, each: int) -> None:
    """A message is one strike, a scanner's ten; then the count starts anew."""
    party = agent()
    for _ in range(3):
        for _ in range(20 // each - 1):
            assert party.send(make(), NOBODY).action == "drop"
            assert party.strikes() == []
            party.wait(0.1)
        party.send(make(), NOBODY)
        assert party.strikes() == [f"203.0.113.66/32 {reason} 20"]


def test_the_record(agent: MakeAgent) -> None:
    party = agent()
    party.burst(scanner, 2, ("2001:db8:0:7:1::9", 5060))
    [strike] = party.engine.strikes()
    assert strike == _hot.Strike(party.now, "2001:db8:0:7::/64", "scanner", "scanner-agent", "", False, 20)
    assert party.engine.strikes() == []


def test_who_goes_on_over_his_rate_is_struck_for_that(agent: MakeAgent) -> None:
    party = agent(policy(rules="[rules.source-rate]\nper_second = 1\nburst = 1"))
    party.burst(invite, 20, NOBODY)
    assert party.strikes() == ["203.0.113.66/32 source-rate 20"]


def test_they_are_forgotten(agent: MakeAgent) -> None:
    """Three in thirty seconds: one each ten is none too many, one each four is."""
    party = agent(HASTY)
    for _ in range(50):
        party.send(invite(), NOBODY)
        party.wait(10)
    assert party.strikes() == []
    seen = 0
    for _ in range(3):
        party.send(invite(), NOBODY)
        party.wait(4)
        seen += 1
    assert (party.strikes(), seen) == (["203.0.113.66/32 unknown-source 3"], 3)


def test_one_each_step_never_asks(agent: MakeAgent) -> None:
    """The default forgets one in thirty seconds: slow strangers are left alone."""
    party = agent()
    for _ in range(200):
        party.send(invite(), NOBODY)
        party.wait(30)
    assert party.strikes() == []
    for n in range(200):
        party.send(invite(), NOBODY)
        party.wait(15)
        if party.strikes():
            break
    assert 36 <= n <= 39


@pytest.mark.parametrize("data", [b"\r\n\r\n", b"\0\0\0\0"], ids=["keep-alive", "zeroes"])
def test_keepalives_are_none(agent: MakeAgent, data: bytes) -> None:
    party = agent(HASTY)
    assert set(party.burst(lambda: data, 50, NOBODY)) <= {"drop keepalive", "drop start-line"}
    assert (party.strikes() == []) == (party.send(data, NOBODY).reason == "keepalive")


def test_an_emergency_call_is_none(agent: MakeAgent) -> None:
    """Nobody's call to 911 is told 403 within his budget, and is never held against him."""
    party = agent(HASTY)
    assert party.burst(lambda: dial("911"), 50, NOBODY) == ["403 emergency-unknown"] * 50
    assert party.strikes() == []


def test_an_emergency_call_that_gets_no_room_for_its_answer_is_none(agent: MakeAgent) -> None:
    party = agent(HASTY)
    small = (
        b"INVITE sip:911@x SIP/2.0\r\nv:SIP/2.0/UDP a;branch=z9hG4bK%d\r\nf:<sip:a>;tag=1\r\nt:<sip:b>\r\n"
        b"i:%d\r\nCSeq:1 INVITE\r\n\r\n"
    )
    number = count()
    reasons = {party.send(small % ((n := next(number)), n), NOBODY).reason for _ in range(50)}
    assert reasons <= {"reply-too-large", "emergency-unknown"}
    assert party.strikes() == []


def test_peers_never_get_any(agent: MakeAgent) -> None:
    """Whatever comes in their names."""
    party = agent(HASTY)
    for source in (ACME, CLOUD):
        for make in (scanner, lambda: b"\xff" * 40, lambda: OPTIONS, lambda: inbound(called="+12125550000"), dial_out):
            party.burst(make, 50, source)
    assert party.strikes() == []


def dial_out() -> Message:
    return invite("+19005550000")


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("198.51.100.10", []),  # acme, from a port that isn't its own
        ("198.51.100.11", []),
        ("192.0.2.60", []),
        ("192.0.2.1", []),  # ourselves
        ("198.51.100.12", ["198.51.100.12/32 unknown-source 3"]),
        ("2001:db8:a::10", []),
        ("2001:db8:a::11", ["2001:db8:a::11/128 unknown-source 3"]),  # in the /64 of a peer
        ("2001:db8:a:1::10", ["2001:db8:a:1::/64 unknown-source 3"]),
        ("2001:db8:b::7", []),  # a network of a peer's
        ("2001:db8:c::10", []),  # the contact of one
        ("2001:db8:c::11", ["2001:db8:c::11/128 unknown-source 3"]),
    ],
)
def test_nothing_with_a_peer_in_it_is_reported(host: str, asked: list[str]) -> None:
    """A stranger in a peer's name, from a port that the peer doesn't use."""
    text = HASTY.replace(
        '"198.51.100.10/32"]', '"198.51.100.10/32", "2001:db8:a::10/128", "2001:db8:b::/48"]\nports = [5060]'
    )
    text = text.replace('"198.51.100.11/32"]', '"198.51.100.11/32"]\nports = [5060]').replace(
        '["198.51.100.11:5070"]', '["[2001:db8:c::10]:5070"]'
    )
    text = text.replace(
        'domains = ["cloud.example.net"]', 'domains = ["cloud.example.net"]\nsources = ["192.0.2.62/32"]'
    )
    party = Agent(text + '\n[[listen]]\naddress = "[2001:db8:f::1]:5060"\n')
    party.burst(invite, 3, (host, 4999))
    assert party.strikes() == asked


def test_one_network_rotating_its_addresses_is_one_source(agent: MakeAgent) -> None:
    party = agent()
    for n in range(20):
        party.send(invite(), (f"2001:db8:0:1:{n:x}::{n:x}", 5060))
    assert party.strikes() == ["2001:db8:0:1::/64 unknown-source 20"]


def test_a_flood_of_single_packets_reports_nobody(agent: MakeAgent) -> None:
    """A million sources with one packet each: no report, and not a byte more."""
    party = agent()
    before = {name: table["bytes"] for name, table in party.engine.tables().items()}
    batch = _hot.Batch()
    for first in range(0, 1_000_000, 64):
        batch.clear()
        for n in range(first, first + 64):
            batch.add(b"x", (f"11.{n >> 16}.{n >> 8 & 255}.{n & 255}", 5060))
        party.now += 64 * 5_000  # 200,000 a second
        party.engine.process(batch, party.now, party.out)
    assert party.strikes() == []
    assert {name: table["bytes"] for name, table in party.engine.tables().items()} == before
    assert party.engine.counters()["strikes_dropped"] == 0


def test_who_strikes_on_in_that_flood_is_found(agent: MakeAgent) -> None:
    """Its cell gives way to no source with fewer strikes."""
    party = agent()
    batch, source = _hot.Batch(), count()
    for _ in range(200):
        for _ in range(20):
            batch.clear()
            for _ in range(64):
                n = next(source)
                batch.add(b"x", (f"11.{n >> 16}.{n >> 8 & 255}.{n & 255}", 5060))
            party.engine.process(batch, party.now, party.out)
        party.wait(0.1)
        party.send(invite(), NOBODY)
    assert len(party.strikes()) >= 8


def test_a_ring_that_nobody_reads_loses_and_counts(agent: MakeAgent) -> None:
    party = agent()
    for n in range(1_030):
        party.burst(scanner, 2, (f"10.{n >> 8}.{n & 255}.1", 5060))
    assert party.engine.counters()["strikes_dropped"] == 6
    assert [len(party.engine.strikes(400)) for _ in range(4)] == [400, 400, 224, 0]
    party.burst(scanner, 2, NOBODY)
    assert len(party.engine.strikes()) == 1


def test_reload(agent: MakeAgent) -> None:
    """What was struck stays struck, and counts under the new numbers."""
    party = agent()
    party.burst(invite, 10, NOBODY)
    party.reload(HASTY)
    assert party.strikes() == []
    party.send(invite(), NOBODY)
    assert [strike.split(" ")[0] for strike in party.strikes()] == ["203.0.113.66/32"]


@pytest.mark.parametrize("text", ["strikes = 0", "strikes = 10001", 'forget = "0s"', 'forget = "5h"', "forget = 600"])
def test_bad_settings(text: str) -> None:
    with pytest.raises(ConfigError):
        Agent(policy(rules=f"[bans]\n{text}"))
