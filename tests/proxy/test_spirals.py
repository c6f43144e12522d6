"""A request that comes through twice: a spiral is none of our business, a loop is (RFC 5393 §4)."""

from __future__ import annotations

from tests.proxy.message import Message
from tests.proxy.world import ACME, BETA, CLOUD, CONTACT, POLICY, Call, Result, World

FORWARDS = POLICY.replace('contact = ["198.51.100.10:5070"]', 'contact = ["198.51.100.10:5070"]\nforwards = "trust"')


def through(hop: Result, sent_by: str, uri: str) -> Message:
    """The message as a proxy at the other end sends it back: its own Via above ours, another Request-URI."""
    received = hop.message
    hops = str(int(received.one("Max-Forwards")) - 1)
    via = f"SIP/2.0/UDP {sent_by};branch=z9hG4bKback{received.one('Max-Forwards')};rport"
    return received.to(uri).set("Max-Forwards", hops).above(("Via", via))


def test_a_call_between_two_customers_comes_back_through_the_cloud() -> None:
    world = World()
    call = Call.outbound()
    there = world.send(call.invite().to("sip:+12125553001@cloud.example.net"), ACME)
    assert (there.action, there.to) == ("forward", CLOUD)
    back = world.send(through(there, "192.0.2.60:5060", "sip:+12125553001@192.0.2.1:5060"), CLOUD)
    assert (back.action, back.to) == ("forward", BETA)
    assert len(back.message.all("Via")) == 4
    assert len(back.record) == 2, "two dialogs' proofs, one for each pass"


def test_a_customer_calls_itself_through_the_cloud() -> None:
    world = World()
    there = world.send(Call.outbound().invite().to("sip:+12125552009@cloud.example.net"), ACME)
    back = world.send(through(there, "192.0.2.60:5060", "sip:+12125552009@192.0.2.1:5060"), CLOUD)
    assert (back.action, back.to) == ("forward", CONTACT)


def test_a_forwarded_call_spirals() -> None:
    """The cloud's call to acme is sent on by acme's PBX to another number: new Request-URI, no loop."""
    world = World(FORWARDS)
    there = world.send(Call.inbound().invite(), CLOUD)
    on = through(there, "198.51.100.10:5060", "sip:+12125553001@cloud.example.net")
    on = on.set("Diversion", "<sip:+12125552001@example.com>")
    result = world.send(on, ACME)
    assert (result.action, result.to) == ("forward", CLOUD), result.reason


def test_a_loop_is_482() -> None:
    """Two customers' PBXs forward to each other for ever: the third pass is the first one again."""
    world = World(FORWARDS)
    uri = "sip:+12125552001@192.0.2.1:5060"
    there = world.send(Call.inbound().invite().to(uri), CLOUD)
    on = through(there, "198.51.100.10:5060", "sip:+12125552001@cloud.example.net")
    second = world.send(on.set("Diversion", "<sip:+12125552001@example.com>"), ACME)
    assert second.action == "forward", second.reason
    world.answer(through(second, "192.0.2.60:5060", uri), CLOUD, "482 Loop Detected")
    assert world.count("loop") == 1


def test_a_straight_loop_is_482() -> None:
    """The cloud sends a customer's call straight back to us as the customer would."""
    world = World()
    there = world.send(Call.outbound().invite(), ACME)
    world.answer(through(there, "198.51.100.10:5060", there.message.uri), ACME, "482 Loop Detected")


def test_hops_end_what_no_loop_part_tells() -> None:
    world = World()
    sent = Call.outbound().invite().set("Max-Forwards", "2")
    there = world.send(sent.to("sip:+12125552009@cloud.example.net"), ACME)
    assert there.message.one("Max-Forwards") == "1"
    world.answer(through(there, "192.0.2.60:5060", "sip:+12125552009@192.0.2.1:5060"), CLOUD, "483 Too Many Hops")


def test_anothers_via_in_our_shape_is_no_loop() -> None:
    """Somebody may copy the shape of our branch; it takes our key to name a loop."""
    world = World()
    fake = "SIP/2.0/UDP 203.0.113.5;branch=z9hG4bKea100" + "1ac6a97e" + "0" * 32
    sent = Call.outbound().invite()
    assert world.send(sent.set("Via", *sent.all("Via"), fake), ACME).action == "forward"
