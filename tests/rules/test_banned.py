"""banned: who is on the ban list is dropped unread; a peer never is, whatever the list says."""

from __future__ import annotations

import time
from ipaddress import ip_network

import pytest

from tests.agent import (
    ACME,
    BETA,
    BETAS,
    CLOUD,
    NOBODY,
    SECOND,
    Agent,
    Decision,
    MakeAgent,
    dial,
    inbound,
    invite,
    policy,
)
from tests.proxy.message import Source
from tests.rules.modes import check_structural

BANNED, UNKNOWN = "drop banned", "drop unknown-source"


def banned(party: Agent, host: str) -> bool:
    return party.send(invite(), (host, 5060)).short == BANNED


def test_hit(agent: MakeAgent) -> None:
    """For as long as it is meant to, and to the nanosecond."""
    party = agent()
    assert party.ban("203.0.113.66/32", 60)
    assert party.send(invite(), NOBODY).short == BANNED
    party.now += 60 * SECOND - 1
    assert party.send(b"anything", NOBODY).short == BANNED
    party.now += 1
    assert party.send(invite(), NOBODY).short == UNKNOWN


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("203.0.113.66/32", ["203.0.113.66", "::ffff:203.0.113.66"], ["203.0.113.67", "203.0.113.2", "::203.0.113.66"]),
        ("203.0.113.0/24", ["203.0.113.0", "203.0.113.255"], ["203.0.112.255", "203.0.114.0", "3.113.0.203"]),
        ("2001:db8::7/128", ["2001:db8::7"], ["2001:db8::8", "2001:db8::", "::7"]),
        ("2001:db8:1:2::/64", ["2001:db8:1:2::", "2001:db8:1:2:ffff:ffff:ffff:ffff"], ["2001:db8:1:3::"]),
        ("2001:db8:1:200::/56", ["2001:db8:1:200::1", "2001:db8:1:2ff::1"], ["2001:db8:1:300::", "2001:db8:1:1ff::"]),
        ("2001:db8:1::/48", ["2001:db8:1::1", "2001:db8:1:ffff::1"], ["2001:db8:2::1", "2001:db8::1"]),
    ],
)
def test_lengths(agent: MakeAgent, network: str, inside: list[str], outside: list[str]) -> None:
    party = agent()
    assert party.ban(network, 60)
    assert all(banned(party, host) for host in inside)
    assert not any(banned(party, host) for host in outside)
    assert party.engine.lift(network)
    assert not any(banned(party, host) for host in inside)
    assert not party.engine.lift(network)


@pytest.mark.parametrize(
    "network",
    [
        "203.0.113.0/25",
        "0.0.0.0/0",
        "2001:db8::/32",
        "2001:db8::/120",
        "203.0.113.1/24",
        "cloud.example.net",
        "",
        "::/0",
    ],
)
def test_other_networks_are_refused(agent: MakeAgent, network: str) -> None:
    engine = agent().engine
    with pytest.raises(ValueError, match="."):
        engine.ban(network, 1 << 62)
    with pytest.raises(ValueError, match="."):
        engine.lift(network)


def test_a_peer_is_never_banned(agent: MakeAgent) -> None:
    """A list that names one is a mistake that must not cost a call."""
    party = agent()
    for network in ("198.51.100.10/32", "198.51.100.0/24", "192.0.2.0/24"):
        assert party.ban(network, 60)
    assert party.send(invite(), ACME).short == "forward pass"
    assert party.send(dial("911", "+12125553000"), BETA).short == "forward emergency-routed"
    assert party.send(inbound(), CLOUD).short == "forward pass"
    assert banned(party, "198.51.100.9")


def test_it_comes_before_every_budget(agent: MakeAgent) -> None:
    """A banned source's packets use nothing up, and are no strikes."""
    party = agent(policy(rules="[rules.source-rate]\nper_second = 1\nburst = 2\n[bans]\nstrikes = 3"))
    party.ban("203.0.113.66/32", 60)
    assert party.burst(invite, 50, NOBODY) == [BANNED] * 50
    assert party.strikes() == []
    party.engine.lift("203.0.113.66/32")
    assert party.burst(invite, 3, NOBODY) == [UNKNOWN, UNKNOWN, "drop source-rate"]
    assert party.strikes() == ["203.0.113.66/32 source-rate 3"]


def test_its_emergency_call_is_dropped_unread(agent: MakeAgent) -> None:
    """Nobody's emergency call would only be told 403; who is banned isn't read, so isn't told."""
    party = agent()
    assert party.send(dial("911"), NOBODY).short == "403 emergency-unknown"
    party.ban("203.0.113.66/32", 60)
    seen = party.send(dial("911"), NOBODY)
    assert (seen.short, seen.event.call_id) == (BANNED, "")


def test_who_is_on_the_allow_list_is_never_banned(agent: MakeAgent) -> None:
    """And is never reported; a stranger all the same."""
    party = agent(policy(rules='[lists]\nallow = ["203.0.113.66"]\n[bans]\nstrikes = 3'))
    party.ban("203.0.113.0/24", 60)
    assert party.burst(invite, 9, NOBODY) == [UNKNOWN] * 9
    assert banned(party, "203.0.113.67")
    assert party.strikes() == []


def test_event(agent: MakeAgent) -> None:
    """It says how many seconds are left."""
    party = agent()
    party.ban("203.0.113.0/24", 60)
    party.wait(20)
    event = party.send(invite(), NOBODY).event
    assert (event.action, event.rule, event.reason, event.peer, event.value) == ("drop", "banned", "banned", "", 40)


def test_explain_tells(agent: MakeAgent) -> None:
    party = agent()
    party.ban("203.0.113.66/32", 60)
    assert party.engine.explain(bytes(invite()), NOBODY, 0, party.now)[-1].reason == "banned"


def test_it_always_holds() -> None:
    def hit(party: Agent) -> Decision:
        party.ban("203.0.113.0/24", 60)
        return party.send(invite(), NOBODY)

    check_structural("banned", [(hit, BANNED)])


def test_a_reload_keeps_bans_and_lets_a_new_customer_in(agent: MakeAgent) -> None:
    party = agent()
    party.ban("203.0.113.0/24", 60)
    party.reload(policy().replace("198.51.100.10/32", "203.0.113.66/32"))
    assert party.send(invite(), NOBODY).short == "forward pass"
    assert banned(party, "203.0.113.67")
    party.reload(policy())
    assert party.send(invite(), NOBODY).short == BANNED


@pytest.mark.parametrize("evasion", [1, 5060, 65535])
def test_another_port_or_listener_is_no_way_round(agent: MakeAgent, evasion: int) -> None:
    party = agent()
    party.ban("203.0.113.66/32", 60)
    source: Source = (NOBODY[0], evasion)
    assert party.send(invite().set("Via", "SIP/2.0/UDP 198.51.100.10;branch=z9hG4bKx"), source).short == BANNED


def test_what_is_listed(agent: MakeAgent) -> None:
    """Live ones, each once, with the last end that was set. Ends are of the machine's clock."""
    engine, now = agent().engine, time.monotonic_ns()
    wanted = {f"203.0.113.{n}/32": now + (60 + n) * SECOND for n in range(9)} | {"2001:db8::/56": now + 99 * SECOND}
    for network, until in wanted.items():
        assert engine.ban(network, 1 << 61)
        assert engine.ban(network, until)
    assert dict(engine.bans()) == wanted
    assert len(engine.bans()) == engine.tables()["bans"]["entries"] == len(wanted)
    engine.ban("203.0.113.3/32", now)
    assert not engine.lift("203.0.113.3/32")
    assert len(engine.bans()) == len(wanted) - 1


def test_a_full_table_refuses(agent: MakeAgent) -> None:
    """65,536 entries in memory that never grows; what has expired makes room."""
    party = agent()
    table = party.engine.tables()["bans"]
    networks = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}/32" for n in range(66_000)]
    soon = time.monotonic_ns() + 600 * SECOND
    done = [party.engine.ban(network, soon if n % 2 else 1 << 61) for n, network in enumerate(networks)]
    assert 64_000 < sum(done) <= 65_536
    full = party.engine.tables()["bans"]
    assert (full["bytes"], full["evictions"]) == (table["bytes"], len(done) - sum(done))
    refused = next(network for network, taken in zip(networks, done, strict=True) if not taken)
    for n, network in enumerate(networks):
        if n % 2 and done[n]:
            soon = time.monotonic_ns() + SECOND // 10
            assert party.engine.ban(network, soon)
    while time.monotonic_ns() <= soon:
        assert party.engine.ban(networks[0], 1 << 61)  # one that stands there already is no new one
        time.sleep(0.05)
    assert party.engine.ban(refused, 1 << 61)
    assert banned(party, str(ip_network(refused).network_address))
    for _ in range(64):
        party.engine.strikes()
    assert len(party.engine.bans()) < 34_000


def test_unused_lengths_are_not_looked_up_again(agent: MakeAgent) -> None:
    """A list that was lifted or has expired costs nothing: seen in what is listed, and by who passes."""
    party = agent()
    for round_ in range(300):
        assert party.ban(f"203.0.113.{round_ % 256}/32", 60)
        assert party.engine.lift(f"203.0.113.{round_ % 256}/32")
    assert party.engine.tables()["bans"]["entries"] == 0
    assert not banned(party, "203.0.113.5")


def test_a_peer_is_held_by_force_alone(agent: MakeAgent) -> None:
    """A trunk that an operator shuts out: nothing of it passes but an emergency call that it may make, and what is in that call."""
    party = agent()
    for source in (ACME, BETA, CLOUD):
        assert party.ban(f"{source[0]}/32", 600)
    assert party.send(invite()).short == "forward pass"
    for source in (ACME, BETA, CLOUD):
        assert party.ban(f"{source[0]}/32", 60, forced=True)
    assert party.send(invite()).short == party.send(inbound(), CLOUD).short == BANNED
    assert party.send(dial("sip:911@cloud.example.net")).short == BANNED, "not authorised"
    emergency = party.send(invite(BETAS, uri="sip:911@cloud.example.net"), BETA)
    assert emergency.short == "forward emergency-routed"
    assert party.send(invite(BETAS), BETA).short == BANNED
    # Others never notice, and the ban ends by itself, by a lift, or by a ban without force.
    assert party.send(invite(), NOBODY).short == UNKNOWN
    assert party.engine.lift(f"{BETA[0]}/32")
    assert party.send(invite(BETAS), BETA).short == "forward pass"
    assert party.ban(f"{CLOUD[0]}/32", 600)
    assert party.send(inbound(), CLOUD).short == "forward pass"
    party.wait(60)
    assert party.send(invite()).short == "forward pass"
