"""unknown-source: whom nobody configured gets no reply, whatever it sends."""

from __future__ import annotations

import pytest

from tests.agent import ACME, CLOUD, NOBODY, OWN, Agent, MakeAgent, inbound, invite, policy, request
from tests.proxy.message import Source
from tests.rules.modes import check_structural

DROP = "drop unknown-source"


@pytest.mark.parametrize(
    "method", ["INVITE", "OPTIONS", "REGISTER", "BYE", "CANCEL", "ACK", "SUBSCRIBE", "MESSAGE", "REFER", "FOO"]
)
def test_hit(agent: MakeAgent, method: str) -> None:
    for uri in ("sip:+12125552000@192.0.2.1", "sip:192.0.2.1", "sip:x@cloud.example.net", "tel:+12125552000"):
        for to_tag in ("", "x"):
            dropped = agent().send(request(method, uri, OWN, to_tag=to_tag), NOBODY)
            assert (dropped.short, dropped.rule, dropped.peer) == (DROP, "unknown-source", "")


def test_responses(agent: MakeAgent) -> None:
    party = agent()
    passed = party.send(invite()).message
    answer = "\r\n".join(["SIP/2.0 200 OK", *(f"{name}: {value}" for name, value in passed.headers if name != "Route")])
    answer = answer.replace(f"Content-Length: {len(passed.body)}", "Content-Length: 0") + "\r\n\r\n"
    assert party.send(answer.encode(), NOBODY).short == "drop response-source"
    assert party.send(answer.encode(), CLOUD).short == "forward pass"


@pytest.mark.parametrize(
    ("source", "short"),
    [
        (("198.51.100.10", 5060), "forward pass"),
        (("198.51.100.10", 1), "forward pass"),
        (("198.51.100.10", 65535), "forward pass"),
        (("198.51.100.9", 5060), DROP),
        (("198.51.100.12", 5060), DROP),
        (("10.100.51.198", 5060), DROP),
        (("0.0.0.0", 5060), DROP),
        (("255.255.255.255", 5060), DROP),
        (("127.0.0.1", 5060), DROP),
        (("192.0.2.1", 5060), DROP),
        (("::ffff:198.51.100.10", 5060), "forward pass"),  # the same host, seen on a socket for both families
        (("::198.51.100.10", 5060), DROP),
        (("64:ff9b::198.51.100.10", 5060), DROP),
        (("::", 5060), DROP),
    ],
)
def test_near_misses_of_an_address(agent: MakeAgent, source: Source, short: str) -> None:
    assert agent().send(invite(), source).short == short


def test_the_ends_of_a_network() -> None:
    text = policy().replace("198.51.100.10/32", "198.51.100.16/29")
    for last, short in ((15, DROP), (16, "forward pass"), (23, "forward pass"), (24, DROP)):
        assert Agent(text).send(invite(), (f"198.51.100.{last}", 5060)).short == short


def test_ports_of_a_trunk() -> None:
    """Where a trunk names its ports, the others are nobody's."""
    party = Agent(policy("ports = [5060, 5080]"))
    for port, short in ((5060, "forward pass"), (5080, "forward pass"), (5061, DROP), (506, DROP)):
        assert party.send(invite(), ("198.51.100.10", port)).short == short


def test_a_port_that_is_not_named_is_not_looked_up_in_a_wider_network() -> None:
    """Else a stranger on acme's host would be whoever owns the network around it."""
    text = policy("ports = [5060]").replace("198.51.100.11/32", "198.51.100.0/24")
    assert Agent(text).send(invite(), ("198.51.100.10", 5061)).short == DROP


def test_what_the_message_says_of_itself_counts_for_nothing(agent: MakeAgent) -> None:
    sent = invite().set("Via", "SIP/2.0/UDP 198.51.100.10;received=198.51.100.10;rport=5060;branch=z9hG4bKx")
    for more in (("X-Forwarded-For", "198.51.100.10"), ("Route", "<sip:198.51.100.10;lr>"), ("User-Agent", "acme")):
        assert agent().send(sent.above(more), NOBODY).short == DROP


def test_event(agent: MakeAgent) -> None:
    event = agent().send(inbound(OWN, OWN, ("User-Agent", "x/1")), NOBODY).event
    assert (event.action, event.rule, event.reason, event.status) == ("drop", "unknown-source", "unknown-source", 0)
    assert (event.peer, event.source, event.method, event.user_agent) == ("", NOBODY, "INVITE", "x/1")


def test_events_of_a_flood_are_capped_and_counted(agent: MakeAgent) -> None:
    """Twenty a second are written, the counters tell the rest."""
    party = agent()
    events = [len(party.send(invite(), NOBODY).events) for _ in range(50)]
    assert events == [1] * 20 + [0] * 30
    party.wait(1)
    assert len(party.send(invite(), NOBODY).events) == 1
    assert party.engine.counters()["by_verdict"]["drop", "unknown-source", "unknown-source", ""] == 51


def test_it_always_holds() -> None:
    check_structural("unknown-source", [(lambda party: party.send(invite(), NOBODY), DROP)])


def test_reload(agent: MakeAgent) -> None:
    """Who is configured is known from then on, who goes is nobody; the counters stay."""
    party = agent()
    assert party.send(invite(), NOBODY).short == DROP
    party.reload(policy().replace("198.51.100.10/32", "203.0.113.66/32"))
    assert party.send(invite(), NOBODY).short == "forward pass"
    assert party.send(invite(), ACME).short == DROP
    assert party.engine.counters()["by_verdict"]["drop", "unknown-source", "unknown-source", ""] == 2
