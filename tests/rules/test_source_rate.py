"""source-rate: what one stranger, and one stranger's network, may send; it never counts who is configured."""

from __future__ import annotations

from itertools import count

import pytest

from edge_agent import _hot
from tests.agent import ACME, CLOUD, NOBODY, Agent, MakeAgent, dial, inbound, invite, policy
from tests.proxy.message import Source

UNKNOWN, OVER, PREFIX = "drop unknown-source", "drop source-rate", "drop prefix-rate"
SLOW = policy(
    rules="[rules.source-rate]\nper_second = 10\nburst = 3\nprefix_per_second = 100\nprefix_burst = 8",
)


def send(party: Agent, source: Source, times: int) -> list[str]:
    return [party.send(b"OPTIONS sip:x SIP/2.0\r\n\r\n", source).reason for _ in range(times)]


def passed(party: Agent, source: Source, times: int) -> int:
    """How many were within the budgets."""
    return sum("rate" not in reason for reason in send(party, source, times))


def test_the_default_budget(agent: MakeAgent) -> None:
    """60 at once, then 30 a second."""
    party = agent()
    assert party.burst(invite, 62, NOBODY) == [UNKNOWN] * 60 + [OVER] * 2
    party.wait(0.0333)
    assert party.burst(invite, 1, NOBODY) == [OVER]
    party.wait(0.0001)
    assert party.burst(invite, 2, NOBODY) == [UNKNOWN, OVER]
    party.wait(1)
    assert passed(party, NOBODY, 100) == 30
    party.wait(60)
    assert passed(party, NOBODY, 100) == 60


def test_whatever_it_sends(agent: MakeAgent) -> None:
    """Broken messages, keep-alives and responses count as well, and one over the limit isn't even read."""
    party = agent(SLOW)
    for data in (b"\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n", b"\xff" * 1000):
        assert party.send(data, NOBODY).rule != "source-rate"
    over = party.send(invite(), NOBODY)
    assert (over.short, over.rule, over.event.call_id) == (OVER, "source-rate", "")


def test_the_port_is_no_other_source(agent: MakeAgent) -> None:
    party, port = agent(SLOW), count(1024)
    assert sum(passed(party, (NOBODY[0], next(port)), 1) for _ in range(20)) == 3


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("203.0.113.66", "203.0.113.67", 6),
        ("203.0.113.66", "::ffff:203.0.113.66", 3),
        ("2001:db8::1", "2001:db8::2", 3),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", 3),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", 6),
    ],
)
def test_what_one_source_is(agent: MakeAgent, one: str, other: str, both: int) -> None:
    """IPv4 by address, IPv6 by /64."""
    party = agent(SLOW)
    assert passed(party, (one, 5060), 10) == 3
    assert passed(party, (other, 5060), 10) == both - 3


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        ([f"203.0.113.{n}" for n in range(4)], "203.0.112.255"),
        ([f"203.0.113.{n}" for n in (0, 127, 128, 255)], "203.0.114.0"),
        ([f"2001:db8:7:{n:x}::1" for n in (0, 1, 0x100, 0xFFFF)], "2001:db8:8::1"),
        ([f"2001:db8:7:1{n:02x}::1" for n in range(4)], "2001:db8:6:100::1"),
    ],
)
def test_a_network_has_a_budget_of_its_own(agent: MakeAgent, inside: list[str], outside: str) -> None:
    """IPv4 /24, IPv6 /48: eight at once here, although each of four sources may send three."""
    party = agent(SLOW)
    reasons = [reason for host in inside for reason in send(party, (host, 5060), 4)]
    assert sum("rate" not in reason for reason in reasons) == 8
    assert reasons[-2:] == ["prefix-rate", "source-rate"] or reasons[-1] == "prefix-rate"
    assert passed(party, (outside, 5060), 4) == 3
    party.wait(0.01)
    assert passed(party, (inside[-1], 5060), 1) <= 1


def test_the_default_budget_of_a_network(agent: MakeAgent) -> None:
    party = agent()
    for host in range(8):
        assert passed(party, (f"203.0.113.{host}", 5060), 60) == 60
    assert party.burst(invite, 1, ("203.0.113.8", 5060)) == [PREFIX]


def test_nobody_configured_is_counted(agent: MakeAgent) -> None:
    party = agent(SLOW)
    assert set(party.burst(inbound, 50, CLOUD)) == {"forward pass"}
    assert "source-rate" not in {reason.split(" ")[1] for reason in party.burst(invite, 100, ACME)}


def test_a_stranger_beside_a_trunk_costs_it_nothing(agent: MakeAgent) -> None:
    """Even out of the trunk's own network."""
    party = agent()
    for host in range(20, 40):
        send(party, (f"198.51.100.{host}", 5060), 61)
    assert party.send(invite(), ACME).short == "forward pass"


def test_an_emergency_call_is_answered_within_the_budget_only(agent: MakeAgent) -> None:
    party = agent(SLOW)
    calls = [party.send(dial("911"), NOBODY).short for _ in range(5)]
    assert calls == ["403 emergency-unknown"] * 3 + [OVER] * 2


def test_event(agent: MakeAgent) -> None:
    party = agent(SLOW)
    event = [party.send(invite(), NOBODY) for _ in range(4)][-1].event
    assert (event.action, event.rule, event.reason, event.status) == ("drop", "source-rate", "source-rate", 0)
    assert (event.peer, event.source, event.from_user) == ("", NOBODY, "")


def test_a_spoofed_flood_stays_in_its_table(agent: MakeAgent) -> None:
    """More sources than there are cells: the table is full and doesn't grow, and no customer notices."""
    party = agent()
    before = party.engine.tables()["rates"]["bytes"]
    cells = before // 8
    source, batch = count(), _hot.Batch()
    while (first := next(source) * 64) < 2 * cells:
        batch.clear()
        for n in range(first, first + 64):
            batch.add(b"x", (f"11.{n >> 16}.{n >> 8 & 255}.{n & 255}", 5060))
        party.engine.process(batch, party.now, party.out)
    assert party.engine.tables()["rates"]["bytes"] == before
    assert party.engine.tables()["rates"]["evictions"] > 0
    counters = party.engine.counters()
    assert counters["by_verdict"]["drop", "source-rate", "source-table-full", ""] > 0
    assert counters["dropped"] == counters["received"]
    assert party.send(invite(), ACME).short == "forward pass"


@pytest.mark.parametrize("mode", ["off", "monitor", "enforce"])
@pytest.mark.parametrize("whole", ["enforce", "monitor"])
def test_modes(mode: str, whole: str) -> None:
    """A monitoring agent changes nothing for strangers: the rule's own mode is what counts."""
    rules = f'[rules.source-rate]\nmode = "{mode}"\nper_second = 10\nburst = 3'
    party = Agent(policy(agent=f'mode = "{whole}"', rules=rules))
    for _ in range(3):
        assert party.send(invite(), NOBODY).short == UNKNOWN
    over = party.send(invite(), NOBODY)
    assert over.short == (OVER if mode == "enforce" else UNKNOWN)
    assert over.monitored == (("source-rate",) if mode == "monitor" else ())


def test_reload(agent: MakeAgent) -> None:
    """What was used stays used, under the new budget."""
    party = agent(SLOW)
    assert passed(party, NOBODY, 10) == 3
    party.reload(SLOW)
    assert passed(party, NOBODY, 10) == 0
    party.reload(SLOW.replace("burst = 3", "burst = 5"))
    assert passed(party, NOBODY, 10) == 2
    party.reload(SLOW.replace("burst = 3", "burst = 1"))
    party.wait(0.4)
    assert passed(party, NOBODY, 1) == 0
    party.wait(0.11)
    assert passed(party, NOBODY, 10) == 1
    assert party.engine.counters()["by_verdict"]["drop", "source-rate", "source-rate", ""] == 35
