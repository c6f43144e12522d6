"""hops: a request that has no hop left, or comes round in a circle, ends here."""

from __future__ import annotations

import pytest

from tests.agent import ACME, BETA, BETAS, CLOUD, NOBODY, OWN, MakeAgent, dial, inbound, invite, policy, request
from tests.rules.modes import check_structural

HOPS, LOOP = "483 hops", "482 loop"
PASS = "forward pass"


@pytest.mark.parametrize(
    ("hops", "short"),
    [
        ("0", HOPS),
        ("000", HOPS),
        (" 0 ", HOPS),
        ("\r\n 0", HOPS),
        ("1", PASS),
        ("01", PASS),
        ("70", PASS),
        ("255", PASS),
        ("256", "400 max-forwards"),
    ],
)
def test_hops(agent: MakeAgent, hops: str, short: str) -> None:
    assert agent().send(invite().set("Max-Forwards", hops)).short == short
    assert agent().send(inbound().set("Max-Forwards", hops), CLOUD).short == short


@pytest.mark.parametrize("name", ["max-forwards", "MAX-FORWARDS", "Max-Forwards ", "mAX-fORWARDS\t"])
def test_the_name_in_any_spelling(agent: MakeAgent, name: str) -> None:
    assert agent().send(invite().set("Max-Forwards").above((name, "0"))).short == HOPS


def test_one_hop_less_goes_on(agent: MakeAgent) -> None:
    for before, after in (("70", "69"), ("1", "0"), ("255", "254")):
        assert agent().send(invite().set("Max-Forwards", before)).message.one("Max-Forwards") == after


@pytest.mark.parametrize("method", ["BYE", "REFER", "MESSAGE", "INVITE", "UNHEARD"])
def test_every_method(agent: MakeAgent, method: str) -> None:
    """Before any other finding: an answer of ours must not depend on what would have become of the request."""
    sent = request(method, "sip:x@evil.example", "nobody").set("Max-Forwards", "0")
    assert agent().send(sent).short == HOPS


def test_cancel_and_ack(agent: MakeAgent) -> None:
    party, sent = agent(), invite()
    party.send(sent)
    for method, short in (("CANCEL", HOPS), ("ACK", "drop hops")):
        again = request(method, sent.uri, OWN).set("Max-Forwards", "0")
        assert party.send(again).short == short


def test_an_emergency_call_too(agent: MakeAgent) -> None:
    assert agent().send(dial("911", BETAS).set("Max-Forwards", "0"), BETA).short == HOPS


def test_loop(agent: MakeAgent) -> None:
    """What we forwarded comes back as it was."""
    party = agent()
    passed = party.send(invite())
    told = party.send(passed.data)
    assert (told.short, told.to) == (LOOP, ACME)


def test_a_loop_over_other_proxies(agent: MakeAgent) -> None:
    party = agent()
    passed = party.send(invite()).message
    for via in ("SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKp1", "SIP/2.0/TCP p.example;branch=z9hG4bKp2;received=192.0.2.9"):
        passed = passed.above(("v", via))
    assert party.send(passed).short == LOOP


def test_a_spiral_is_no_loop(agent: MakeAgent) -> None:
    """RFC 5393 §4.2: back with another target it is another request."""
    party = agent()
    passed = party.send(invite()).message
    assert party.send(passed.to("sip:+442071838751@cloud.example.net")).short == PASS


def test_no_one_else_makes_it_look_like_a_loop(agent: MakeAgent) -> None:
    """A Via of our shape that we never wrote for this request."""
    party = agent()
    own = party.send(invite(uri="sip:+33123456789@cloud.example.net")).message.all("Via")[0]
    sent = invite()
    assert party.send(sent.set("Via", *sent.all("Via"), own)).short == PASS


def test_unknown_sources_get_no_answer(agent: MakeAgent) -> None:
    assert agent().send(invite().set("Max-Forwards", "0"), NOBODY).action == "drop"


def test_event(agent: MakeAgent) -> None:
    event = agent().send(invite().set("Max-Forwards", "0")).event
    assert (event.action, event.rule, event.reason, event.status) == ("answer", "hops", "hops", 483)
    assert (event.peer, event.source, event.from_user, event.value, event.limit) == ("acme", ACME, OWN, 0, 1)


def test_it_always_holds() -> None:
    check_structural("hops", [(lambda party: party.send(invite().set("Max-Forwards", "0")), HOPS)])


def test_reload(agent: MakeAgent) -> None:
    """``max_forwards`` is what a request without one gets."""
    party = agent()
    assert party.send(invite().set("Max-Forwards")).message.one("Max-Forwards") == "70"
    party.reload(policy(rules="[rules.hops]\nmax_forwards = 30"))
    assert party.send(invite().set("Max-Forwards")).message.one("Max-Forwards") == "30"
    assert party.send(invite()).message.one("Max-Forwards") == "69"
