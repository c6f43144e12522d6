"""``[lists] deny`` in the engine: dropped unread and before any limit; the longest network that is in force decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.agent import ACME, CLOUD, NOBODY, SECOND, Agent, MakeAgent, dial, invite, policy, tables
from tests.proxy.message import Source

DENIED = "drop denied"
STRANGER = "drop unknown-source"
EVERY_ADDRESS = 'sources = ["198.51.100.10/32", "0.0.0.0/0", "::/0"]'


def listed(deny: str = '"203.0.113.0/24"', allow: str = "", **more: str) -> str:
    return policy(rules=f"[lists]\ndeny = [{deny}]\nallow = [{allow}]\n", **more)


def open_to_all(deny: str, allow: str = "") -> str:
    return listed(deny, allow).replace('sources = ["198.51.100.10/32"]', EVERY_ADDRESS)


def test_hit(agent: MakeAgent) -> None:
    denied = agent(listed()).send(invite(), NOBODY)
    assert (denied.short, denied.rule, denied.peer) == (DENIED, "banned", "")
    assert denied.event.reason == "denied" and denied.event.method == "other", "it was not read"


@pytest.mark.parametrize(
    ("source", "short"),
    [
        (("203.0.113.0", 5060), DENIED),
        (("203.0.113.255", 1), DENIED),
        (("203.0.112.255", 5060), STRANGER),
        (("203.0.114.0", 5060), STRANGER),
        (("2001:db8:bad::1", 5060), DENIED),
        (("2001:db8:bad:ffff::", 5060), DENIED),
        (("2001:db8:bae::1", 5060), STRANGER),
        (("2001:db8:0:1::7", 5060), DENIED),
        (("2001:db8:0:1::8", 5060), STRANGER),
        (ACME, "forward pass"),
    ],
)
def test_near_miss(agent: MakeAgent, source: Source, short: str) -> None:
    party = agent(listed('"203.0.113.0/24", "2001:db8:bad::/48", "2001:db8:0:1::7"'))
    assert party.send(invite(), source).short == short


def test_every_ipv6_address_is_no_ipv4_address(agent: MakeAgent) -> None:
    party = agent(listed('"::/0"'))
    assert party.send(invite(), NOBODY).short == STRANGER
    assert party.send(invite(), ("2001:db8::1", 5060)).short == DENIED
    assert agent(listed('"0.0.0.0/0"')).send(invite(), NOBODY).short == DENIED


def test_a_peers_longer_network_wins(agent: MakeAgent) -> None:
    party = agent(listed('"198.51.0.0/16", "192.0.2.0/24", "0.0.0.0/0"'))
    assert party.send(invite(), ACME).short == "forward pass"
    assert party.send(invite(), CLOUD).short != DENIED
    assert party.send(invite(), ("198.51.100.12", 5060)).short == DENIED


def test_the_longest_listed_network_decides(agent: MakeAgent) -> None:
    party = agent(listed('"203.0.0.0/16", "203.0.113.66/32"', '"203.0.113.0/24", "203.0.5.5"'))
    for host, short in {
        "203.0.113.65": STRANGER,
        "203.0.113.66": DENIED,
        "203.0.112.1": DENIED,
        "203.0.5.5": STRANGER,
        "203.0.5.4": DENIED,
    }.items():
        assert party.send(invite(), (host, 5060)).short == short, host


def test_it_uses_up_no_rate(agent: MakeAgent) -> None:
    text = policy(
        rules='[lists]\ndeny = ["203.0.113.66"]\n[rules.source-rate]\nprefix_per_second = 1\nprefix_burst = 2\n'
    )
    party = agent(text)
    assert set(party.burst(invite, 50, NOBODY)) == {DENIED}
    assert party.engine.tables()["rates"]["entries"] == 0
    assert party.burst(invite, 3, ("203.0.113.67", 5060)) == [STRANGER, STRANGER, "drop prefix-rate"]


def test_emergency_calls_of_the_denied_are_dropped_and_of_trunks_routed(agent: MakeAgent) -> None:
    party = agent(listed('"0.0.0.0/0"'))
    assert party.send(dial("911"), NOBODY).short == DENIED
    assert party.send(dial("911"), ("198.51.100.11", 5060)).short == "forward emergency-routed"


def test_an_end_passes_without_a_reload(agent: MakeAgent) -> None:
    """The wall clock is asked when the policy is made, and never again."""
    end = datetime(2026, 12, 31, 18, tzinfo=UTC)
    party = agent()
    made = tables(listed('"203.0.113.66 2026-12-31T18:00Z", "203.0.113.67"'))
    ahead = int(end.timestamp()) * SECOND - party.now - 60 * SECOND
    party.publish(replace(made, wall_ahead=ahead))
    assert party.send(invite(), NOBODY).short == DENIED
    party.wait(59)
    assert party.send(invite(), NOBODY).short == DENIED
    party.wait(1)
    assert party.send(invite(), NOBODY).short == STRANGER
    assert party.send(invite(), ("203.0.113.67", 5060)).short == DENIED


def test_an_end_that_has_passed_leaves_the_wider_network_in_force(agent: MakeAgent) -> None:
    party = agent()
    made = tables(listed('"203.0.0.0/16"', '"203.0.113.66 2001-01-01"'))
    party.publish(replace(made, wall_ahead=int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * SECOND))
    assert party.send(invite(), NOBODY).short == DENIED


def test_reload(agent: MakeAgent) -> None:
    party = agent(listed())
    party.reload(policy())
    assert party.send(invite(), NOBODY).short == STRANGER
    party.reload(listed('"203.0.113.66"'))
    assert party.send(invite(), NOBODY).short == DENIED


def test_many_networks_and_lengths() -> None:
    entries = [f'"{10 + n}.{n}.0.0/{bits}"' for n, bits in enumerate(range(16, 33))]
    party = Agent(listed(", ".join(entries)))
    for n, bits in enumerate(range(16, 33)):
        assert party.send(invite(), (f"{10 + n}.{n}.0.0", 5060)).short == DENIED
        if bits > 16:
            assert party.send(invite(), (f"{10 + n}.{n}.255.255", 5060)).short == STRANGER


def test_explain_tells_it(agent: MakeAgent) -> None:
    *_, verdict = agent(listed()).engine.explain(bytes(invite()), NOBODY, 0, 1_000 * SECOND)
    assert (verdict.rule, verdict.reason, verdict.answer) == ("verdict", "denied", "drop")
