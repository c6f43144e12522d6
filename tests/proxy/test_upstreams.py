"""Health of upstreams: OPTIONS to us, new calls, the choice of a target, and what is never held back."""

from __future__ import annotations

import pytest

from tests.proxy.message import Source, response
from tests.proxy.world import (
    ACME,
    BETA,
    CLOUD,
    CLOUD6,
    CONTACT,
    POLICY,
    PSAP,
    SIX,
    STRANGER,
    WEST,
    Call,
    World,
    establish,
)

SECOND_TARGET: Source = ("192.0.2.62", 5060)
TWO = POLICY.replace('targets = ["192.0.2.60:5060"]', 'targets = ["192.0.2.60:5060", "192.0.2.62:5060"]')
OK = (("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, REFER, UPDATE, PRACK"), ("Accept", "application/sdp"))
DOWN = "503 Service Unavailable"
US = "sip:sbc.example.net"


@pytest.mark.parametrize(("source", "user"), [(ACME, "+12125552000"), (SIX, "+12125556000")])
def test_options_to_us(source: Source, user: str) -> None:
    world = World()
    ping = Call.outbound(source, user).request("OPTIONS").to(US)
    world.answer(ping, source, "200 OK", extra=OK)
    world.engine.set_target("cloud", 0, False)
    world.answer(ping, source, DOWN)
    world.engine.set_target("cloud", 0, True)
    world.answer(ping, source, "200 OK", extra=OK)


def test_options_of_another_upstreams_trunk() -> None:
    world = World()
    world.engine.set_target("cloud", 0, False)
    west = Call.outbound(WEST, "+12125554000", "[2001:db8::60]")
    assert world.send(west.request("OPTIONS").to(US), WEST).message.status == 200


def test_options_are_never_counted_as_calls() -> None:
    world = World()
    for _ in range(100):
        assert world.send(Call.outbound().request("OPTIONS").to(US), ACME).message.status == 200
    assert world.send(Call.outbound().invite(), ACME).action == "forward"


def test_options_of_the_cloud_and_of_strangers() -> None:
    world = World()
    world.engine.set_target("cloud", 0, False)
    ping = Call.inbound().request("OPTIONS").to("sip:192.0.2.1")
    world.answer(ping, CLOUD, "200 OK", extra=OK)
    world.drop(ping, STRANGER, "unknown-source")


def test_new_calls_while_the_upstream_is_down() -> None:
    """503 without Retry-After (RFC 3261 §21.5.4: with it the customer would leave us alone for that time)."""
    world = World()
    world.engine.set_target("cloud", 0, False)
    world.answer(Call.outbound().invite(), ACME, DOWN)
    world.answer(Call.outbound().request("OPTIONS"), ACME, DOWN)


def test_what_goes_on_while_the_upstream_is_down() -> None:
    world = World()
    dialog = establish(world, Call.outbound(), CLOUD)
    ringing = Call.outbound()
    world.send(ringing.invite(), ACME)
    world.engine.set_target("cloud", 0, False)
    world.forward(dialog.call.inside("BYE", dialog.caller_routes), ACME, CLOUD, routes=())
    world.forward(ringing.invite(), ACME, CLOUD, record=True, reason="retransmission")
    world.forward(ringing.request("CANCEL"), ACME, CLOUD)
    world.forward(ringing.request("ACK", to_tag="busy"), ACME, CLOUD)
    inbound = Call.inbound()
    uri = f"sip:{inbound.to_user}@198.51.100.10:5070"
    world.forward(inbound.invite(), CLOUD, CONTACT, record=True, uri=uri)


def test_an_emergency_call_goes_all_the_same() -> None:
    world = World()
    for upstream in ("cloud", "psap"):
        world.engine.set_target(upstream, 0, False)
    for uri in ("sip:911@cloud.example.net", "urn:service:sos"):
        sent = Call.outbound(BETA, "+12125553000").invite().to(uri)
        world.forward(sent, BETA, PSAP, record=True, reason="emergency-routed")


def test_an_emergency_call_over_all_limits() -> None:
    """Its CANCEL and ACK go the same way."""
    world = World()
    for _ in range(60):
        world.send(Call.outbound(BETA, "+12125553000").invite(), BETA)
    assert world.count("trunk-rate") > 0
    call = Call.outbound(BETA, "+12125553001")
    uri = "sip:911@cloud.example.net"
    invite = world.forward(call.invite().to(uri), BETA, PSAP, record=True, reason="emergency-routed")
    for method, its_tag in (("CANCEL", ""), ("ACK", "busy")):
        follow = world.forward(call.request(method, to_tag=its_tag).to(uri), BETA, PSAP)
        assert follow.branch == invite.branch
    reply = response(invite.message, "200 OK", "psap", "sip:psap@192.0.2.61")
    assert world.send(reply, PSAP).to == BETA
    bye = call.inside("BYE", invite.record).to("sip:psap@192.0.2.61")
    world.forward(bye, BETA, PSAP, routes=())
    back = call.inside_back("BYE", invite.record, PSAP)
    world.forward(back, PSAP, BETA, routes=())


def test_an_emergency_call_of_a_customer_without_the_route() -> None:
    world = World()
    world.engine.set_target("cloud", 0, False)
    sent = Call.outbound().invite().to("sip:911@cloud.example.net")
    world.answer(sent, ACME, "403 Emergency Calling Not Activated")


def test_the_first_live_target_is_taken() -> None:
    world = World(TWO)
    for first, second, to in ((True, True, CLOUD), (False, True, SECOND_TARGET), (True, False, CLOUD)):
        world.engine.set_target("cloud", 0, first)
        world.engine.set_target("cloud", 1, second)
        world.forward(Call.outbound().invite(), ACME, to, record=True)
    world.engine.set_target("cloud", 0, False)
    world.answer(Call.outbound().invite(), ACME, DOWN)


def test_a_transaction_stays_with_its_target() -> None:
    """Health changes while it rings: copies, CANCEL and ACK still go where the INVITE went."""
    world, call = World(TWO), Call.outbound()
    world.engine.set_target("cloud", 0, False)
    invite = world.forward(call.invite(), ACME, SECOND_TARGET, record=True)
    world.engine.set_target("cloud", 0, True)
    world.forward(call.invite(), ACME, SECOND_TARGET, record=True, reason="retransmission")
    for method, its_tag in (("CANCEL", ""), ("ACK", "busy")):
        follow = world.forward(call.request(method, to_tag=its_tag), ACME, SECOND_TARGET)
        assert follow.branch == invite.branch
    world.forward(Call.outbound().invite(), ACME, CLOUD, record=True)


def test_health_outlives_a_reload() -> None:
    world = World(TWO)
    world.engine.set_target("cloud", 0, False)
    world.publish(TWO.replace("burst = 20", "burst = 21"))
    world.forward(Call.outbound().invite(), ACME, SECOND_TARGET, record=True)
    world.publish(TWO.replace('"192.0.2.60:5060", "192.0.2.62:5060"', '"192.0.2.62:5060", "192.0.2.60:5060"'))
    world.forward(Call.outbound().invite(), ACME, SECOND_TARGET, record=True)
    world.engine.set_target("cloud", 0, False)
    world.answer(Call.outbound().invite(), ACME, DOWN)


def test_an_upstream_without_probes_is_never_down() -> None:
    world = World(POLICY.replace('name = "cloud6"', 'name = "cloud6"\nprobe_every = "0s"'))
    world.engine.set_target("cloud6", 0, False)
    west = Call.outbound(WEST, "+12125554000", "[2001:db8::60]")
    assert world.send(west.invite(), WEST).to == CLOUD6
    assert world.send(west.request("OPTIONS").to(US), WEST).message.status == 200


def test_unknown_targets_are_passed_over() -> None:
    world = World()
    for upstream, target in (("nobody", 0), ("cloud", 7), ("cloud", -1), ("acme", 0)):
        world.engine.set_target(upstream, target, False)
    assert world.send(Call.outbound().invite(), ACME).action == "forward"
    assert world.send(Call.inbound().invite(), CLOUD).action == "forward"


# Contacts of a trunk

SECOND_CONTACT: Source = ("198.51.100.11", 5072)
CONTACTS = POLICY.replace(
    'contact = ["198.51.100.10:5070"]', 'contact = ["198.51.100.10:5070", "198.51.100.11:5072"]\nprobe_every = "10s"', 1
)


def test_the_first_live_contact_is_taken() -> None:
    world = World(CONTACTS)
    for first, second, to in (
        (True, True, CONTACT),
        (False, True, SECOND_CONTACT),
        (False, False, CONTACT),
        (True, False, CONTACT),
    ):
        world.engine.set_target("acme", 0, first)
        world.engine.set_target("acme", 1, second)
        invite = Call.inbound().invite().to("sip:+12125552001@sbc.example.net")
        uri = f"sip:+12125552001@{to[0]}:{to[1]}"
        world.forward(invite, CLOUD, to, record=True, uri=uri)


def test_an_inbound_call_stays_with_its_contact() -> None:
    world, call = World(CONTACTS), Call.inbound()
    uri = "sip:+12125552001@198.51.100.11:5072"
    world.engine.set_target("acme", 0, False)
    world.forward(call.invite(), CLOUD, SECOND_CONTACT, record=True, uri=uri)
    world.engine.set_target("acme", 0, True)
    world.forward(call.invite(), CLOUD, SECOND_CONTACT, record=True, uri=uri, reason="retransmission")
    world.forward(call.request("CANCEL"), CLOUD, SECOND_CONTACT, uri=uri)


def test_contacts_that_nothing_probes_are_never_down() -> None:
    world = World(CONTACTS.replace('probe_every = "10s"', ""))
    world.engine.set_target("acme", 0, False)
    assert world.send(Call.inbound().invite(), CLOUD).to == CONTACT
