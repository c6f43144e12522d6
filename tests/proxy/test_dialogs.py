"""Requests inside a dialog: what the cookie in our Record-Route proves, to whom, and where they go."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import pytest

from edge_agent import _hot
from tests.proxy.message import SDP, Message, Source, response, uri_in
from tests.proxy.world import (
    ACME,
    AT,
    BETA,
    CLOUD,
    CLOUD6,
    CONTACT,
    NOW,
    POLICY,
    PSAP,
    SECOND,
    SECRET,
    STRANGER,
    WEST,
    Call,
    Dialog,
    World,
    establish,
)

NEW_SECRET = bytes(reversed(SECRET))
NO_DIALOG = "481 Call/Transaction Does Not Exist"
NAT: Source = ("198.51.100.10", 41234)
ALLOW = ("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, REFER, UPDATE, PRACK")


def outbound(world: World) -> Dialog:
    return establish(world, Call.outbound(), CLOUD)


def inbound(world: World) -> Dialog:
    return establish(world, Call.inbound(), CONTACT)


def route_with(dialog: Dialog, cookie: str) -> tuple[str, ...]:
    return (dialog.caller_routes[0].replace(dialog.cookie, cookie),)


@pytest.mark.parametrize("method", ["BYE", "UPDATE", "INFO", "NOTIFY", "PRACK", "OPTIONS"])
def test_of_the_caller(method: str) -> None:
    world = World()
    for dialog, source, to in ((outbound(world), ACME, CLOUD), (inbound(world), CLOUD, CONTACT)):
        world.forward(dialog.call.inside(method, dialog.caller_routes), source, to, routes=())


@pytest.mark.parametrize("method", ["BYE", "UPDATE", "INFO", "NOTIFY", "PRACK", "OPTIONS"])
def test_of_the_callee(method: str) -> None:
    world = World()
    for dialog, source, to in ((outbound(world), CLOUD, ACME), (inbound(world), CONTACT, CLOUD)):
        back = dialog.call.inside_back(method, dialog.callee_routes, source)
        result = world.forward(back, source, to, routes=())
        assert world.send(response(result.message, "200 OK"), to).to == source


def test_a_caller_behind_nat_is_reached_where_it_called_from() -> None:
    """Contact names an address that nobody can reach; the cookie knows better."""
    world = World()
    call = Call.outbound(ACME)
    invite = world.send(call.invite().set("Contact", "<sip:me@10.0.0.5>"), NAT)
    back = call.inside_back("BYE", invite.record, CLOUD).to("sip:me@10.0.0.5")
    world.forward(back, CLOUD, NAT, routes=())


def test_a_callee_behind_nat_is_reached_by_its_contact() -> None:
    world = World()
    dialog = inbound(world)
    world.forward(dialog.call.inside("BYE", dialog.caller_routes).to("sip:me@10.0.0.5"), CLOUD, CONTACT, routes=())


def test_reinvite_from_either_side() -> None:
    world = World()
    dialog = outbound(world)
    world.forward(dialog.call.inside("INVITE", dialog.caller_routes, body=SDP), ACME, CLOUD, routes=())
    back = dialog.call.inside_back("INVITE", dialog.callee_routes, CLOUD)
    world.forward(back, CLOUD, ACME, routes=())


def test_an_identity_in_a_reinvite_is_screened() -> None:
    world = World()
    dialog = outbound(world)
    sent = dialog.call.inside("INVITE", dialog.caller_routes).set("P-Asserted-Identity", "<sip:+12125557777@x>")
    world.answer(sent, ACME, "403 Caller ID Mismatch")


def test_calls_inside_are_no_new_calls() -> None:
    """The trunk's calls per second are used up; what is inside a dialog still passes."""
    world = World()
    dialog = outbound(world)
    while world.send(Call.outbound().invite(), ACME).action == "forward":
        pass
    assert world.count("trunk-rate") == 1
    world.forward(dialog.call.inside("INVITE", dialog.caller_routes, body=SDP), ACME, CLOUD, routes=())
    world.forward(dialog.call.inside("BYE", dialog.caller_routes, cseq=3), ACME, CLOUD, routes=())


# What the cookie binds


def test_another_trunk_cant_use_it() -> None:
    world = World()
    dialog = outbound(world)
    world.answer(dialog.call.inside("BYE", dialog.caller_routes), BETA, NO_DIALOG)


def test_another_upstream_cant_use_it() -> None:
    world = World()
    dialog = outbound(world)
    result = world.send(dialog.call.inside_back("BYE", dialog.callee_routes, PSAP), PSAP)
    assert result.action == "answer"


def test_a_stranger_cant_use_it() -> None:
    world = World()
    dialog = outbound(world)
    world.drop(dialog.call.inside("BYE", dialog.caller_routes), STRANGER, "unknown-source")


def test_another_call_cant_use_it() -> None:
    world = World()
    dialog, other = outbound(world), outbound(world)
    world.answer(other.call.inside("BYE", dialog.caller_routes), ACME, NO_DIALOG)
    sent = dialog.call.inside("BYE", dialog.caller_routes)
    world.answer(sent.set("From", sent.one("From").replace("tag=caller", "tag=other")), ACME, NO_DIALOG)


def test_tags_cant_be_swapped() -> None:
    """The originating tag is the caller's: in From from the caller's side, in To from the other."""
    world = World()
    dialog = outbound(world)
    sent = dialog.call.inside("BYE", dialog.caller_routes)
    swapped = sent.set("From", sent.one("To")).set("To", sent.one("From"))
    assert world.send(swapped, ACME).message.status in (403, 481)
    back = dialog.call.inside_back("BYE", dialog.callee_routes, CLOUD)
    swapped = back.set("From", back.one("To")).set("To", back.one("From"))
    assert world.send(swapped, CLOUD).action == "answer"


def test_the_callees_tag_is_free() -> None:
    """A forked call has several: the proof is of the call, not of the branch that answered."""
    world = World()
    dialog = outbound(world)
    sent = dialog.call.inside("BYE", dialog.caller_routes)
    world.forward(sent.set("To", sent.one("To").replace("callee", "another")), ACME, CLOUD, routes=())


def test_every_bit_counts() -> None:
    world = World()
    dialog = outbound(world)
    raw = base64.urlsafe_b64decode(dialog.cookie + "==")
    for bit in range(0, len(raw) * 8, 3):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        cookie = base64.urlsafe_b64encode(flipped).decode().rstrip("=")
        world.answer(dialog.call.inside("BYE", route_with(dialog, cookie)), ACME, NO_DIALOG)


@pytest.mark.parametrize("cookie", ["", "x", "A" * 37, "A" * 38, "A" * 39, "A" * 54, "A" * 80, "%41" * 12])
def test_a_made_up_cookie_is_refused(cookie: str) -> None:
    world = World()
    dialog = outbound(world)
    routes = route_with(dialog, cookie) if cookie else (f"<sip:{AT};lr>",)
    world.answer(dialog.call.inside("BYE", routes), ACME, NO_DIALOG)


def test_a_cut_or_longer_cookie_is_refused() -> None:
    world = World()
    dialog = outbound(world)
    for cookie in (dialog.cookie[:-1], dialog.cookie + "A", dialog.cookie + "=", dialog.cookie.swapcase()):
        world.answer(dialog.call.inside("BYE", route_with(dialog, cookie)), ACME, NO_DIALOG)


def test_it_outlives_reload_and_restart() -> None:
    world = World()
    dialog = outbound(world)
    world.publish(POLICY.replace("burst = 20", "burst = 21"))
    world.wait(48 * 3600)
    for one in (world, World()):
        one.forward(dialog.call.inside("BYE", dialog.caller_routes), ACME, CLOUD, routes=())


def test_the_old_secret_still_proves() -> None:
    dialog = outbound(World())
    rotated = World(secret=NEW_SECRET, old_secret=SECRET)
    rotated.forward(dialog.call.inside("BYE", dialog.caller_routes), ACME, CLOUD, routes=())
    lost = World(secret=NEW_SECRET)
    lost.answer(dialog.call.inside("BYE", dialog.caller_routes), ACME, NO_DIALOG)


def test_the_old_secret_is_forgotten_when_its_day_is_over() -> None:
    old, rotated = outbound(World()), World(secret=NEW_SECRET, old_secret=SECRET)
    new = outbound(rotated)
    rotated.engine.forget_old_secret()
    rotated.answer(old.call.inside("BYE", old.caller_routes), ACME, NO_DIALOG)
    rotated.forward(new.call.inside("BYE", new.caller_routes), ACME, CLOUD, routes=())
    alone = World(secret=NEW_SECRET)
    alone.engine.forget_old_secret()
    alone.forward(new.call.inside("BYE", new.caller_routes), ACME, CLOUD, routes=())


def test_key_ids_may_collide() -> None:
    """A cookie names its key by one byte, so two secrets in 256 have one name."""
    same_name = bytes(32)
    assert _hot.derive(same_name, "cookie-id")[0] == _hot.derive(SECRET, "cookie-id")[0]
    dialog = outbound(World())
    rotated = World(secret=same_name, old_secret=SECRET)
    rotated.forward(dialog.call.inside("BYE", dialog.caller_routes), ACME, CLOUD, routes=())


def test_a_new_call_proves_with_the_new_secret() -> None:
    rotated = World(secret=NEW_SECRET, old_secret=SECRET)
    dialog = outbound(rotated)
    World(secret=NEW_SECRET).forward(dialog.call.inside("BYE", dialog.caller_routes), ACME, CLOUD, routes=())


def test_a_removed_trunk_has_no_dialogs() -> None:
    world = World()
    dialog = outbound(world)
    world.publish(POLICY.replace('name = "acme"', 'name = "other"'))
    world.answer(dialog.call.inside("BYE", dialog.caller_routes), ACME, NO_DIALOG)


# Next hops


EVIL = ["sip:b@203.0.113.9", "sip:b@evil.example", "sip:b@192.0.2.61", "sip:b@198.51.100.11", f"sip:b@{AT}"]


@pytest.mark.parametrize("uri", EVIL)
def test_the_next_hop_must_be_the_other_peer(uri: str) -> None:
    world = World()
    dialog = outbound(world)
    world.answer(dialog.call.inside("BYE", dialog.caller_routes).to(uri), ACME, "403 Next Hop Not Allowed")
    routes = (*dialog.caller_routes, f"<{uri};lr>")
    world.answer(dialog.call.inside("UPDATE", routes, cseq=3), ACME, "403 Next Hop Not Allowed")
    world.drop(dialog.call.inside("ACK", dialog.caller_routes, cseq=4).to(uri), ACME, "target-next-hop")


@pytest.mark.parametrize(
    "uri", ["sip:b@192.0.2.60:7000", "sip:b@192.0.2.62", "sip:b@cloud.example.net", "sip:192.0.2.60"]
)
def test_any_address_of_the_other_peer_will_do(uri: str) -> None:
    world = World()
    dialog = outbound(world)
    result = world.send(dialog.call.inside("BYE", dialog.caller_routes).to(uri), ACME)
    host, _, port = uri.removeprefix("sip:").removeprefix("b@").partition(":")
    wanted = CLOUD if host == "cloud.example.net" else (host, int(port or 5060))
    assert (result.action, result.to, result.message.uri) == ("forward", wanted, uri)


def test_routes_of_the_cloud_are_followed() -> None:
    """RFC 3261 §16.6: a loose router gets the request with its own Route on top."""
    world = World()
    dialog = outbound(world)
    inner = "<sip:192.0.2.62;lr>"
    to = ("192.0.2.62", 5060)
    world.forward(dialog.call.inside("BYE", (dialog.caller_routes[0], inner)), ACME, to, routes=(inner,))
    # Of a list, what stands behind the comma stays as it is, with its blank.
    listed = dialog.call.inside("UPDATE", (f"{dialog.caller_routes[0]}, {inner}",), cseq=3)
    world.forward(listed, ACME, to, routes=(f" {inner}",))


def test_a_strict_router_behind_us() -> None:
    """RFC 3261 §16.6 step 6: its URI becomes the Request-URI, the target goes to the end of the Routes."""
    world = World()
    dialog = outbound(world)
    sent = dialog.call.inside("BYE", (dialog.caller_routes[0], "<sip:192.0.2.62>", "<sip:192.0.2.60;lr>"))
    result = world.send(sent, ACME)
    assert (result.action, result.to) == ("forward", ("192.0.2.62", 5060))
    assert result.message.uri == "sip:192.0.2.62"
    assert result.message.all("Route") == ["<sip:192.0.2.60;lr>", "<sip:b@192.0.2.60:5060>"]
    rest = [header for header in result.message.headers if header[0] not in ("Route", "Via", "Max-Forwards")]
    assert rest == [header for header in sent.headers if header[0] not in ("Route", "Via", "Max-Forwards")]


@pytest.mark.parametrize("more", [(), ("<sip:192.0.2.62;lr>",)])
def test_a_strict_router_before_us(more: Sequence[str]) -> None:
    """RFC 3261 §16.4: our Record-Route came as the Request-URI, the target is the last Route."""
    world = World()
    dialog = outbound(world)
    ours = uri_in(dialog.caller_routes[0])
    sent = dialog.call.inside("BYE", (*more, "<sip:b@192.0.2.60:5060>")).to(ours)
    to = ("192.0.2.62", 5060) if more else CLOUD
    world.forward(sent, ACME, to, uri="sip:b@192.0.2.60:5060", routes=more)


def test_a_strict_router_before_us_cant_aim() -> None:
    world = World()
    dialog = outbound(world)
    sent = dialog.call.inside("BYE", ("<sip:b@203.0.113.9>",)).to(uri_in(dialog.caller_routes[0]))
    world.answer(sent, ACME, "403 Next Hop Not Allowed")


# What the cookie doesn't excuse


@pytest.mark.parametrize(
    ("refer_to", "status"),
    [
        ("<sip:+442071838751@cloud.example.net>", ""),
        ("<sip:+12125552002@198.51.100.10>", ""),
        ("<tel:+442071838751>", ""),
        ("<sip:x@evil.example>", "403 Refer-To Not Allowed"),
        ("<sip:x@cloud.example.net?Route=%3Csip:evil%3E>", "403 Headers In URI Not Allowed"),
        ("<sip:x@cloud.example.net;maddr=203.0.113.9>", "403 Refer-To Not Allowed"),
        ("<sip:911@cloud.example.net>", "403 Emergency Calling Not Activated"),
        ("<urn:service:sos>", "403 Emergency Calling Not Activated"),
        ("<http://cloud.example.net>", "403 Refer-To Not Allowed"),
    ],
)
def test_refer_inside(refer_to: str, status: str) -> None:
    world = World()
    dialog = outbound(world)
    sent = dialog.call.inside("REFER", dialog.caller_routes).set("Refer-To", refer_to)
    if status:
        world.answer(sent, ACME, status)
    else:
        world.forward(sent, ACME, CLOUD, routes=())


def test_the_hop_limit_holds_inside() -> None:
    world = World()
    dialog = outbound(world)
    sent = dialog.call.inside("BYE", dialog.caller_routes).set("Max-Forwards", "0")
    world.answer(sent, ACME, "483 Too Many Hops")


def test_an_unknown_method_is_refused_inside() -> None:
    world = World()
    dialog = outbound(world)
    world.answer(dialog.call.inside("MESSAGE", dialog.caller_routes), ACME, "405 Method Not Allowed", extra=(ALLOW,))
    world.answer(dialog.call.inside("JUMP", dialog.caller_routes), ACME, "501 Not Implemented")


# Dialogs of more than one branch


def test_forked_calls() -> None:
    """Each branch of the far side answers with a tag of its own; every one of them is a dialog that we have proven."""
    world, call = World(), Call.outbound()
    invite = world.send(call.invite(), ACME)
    for callee in ("one", "two", "three"):
        ok = world.send(response(invite.message, "200 OK", callee, "sip:b@192.0.2.60"), CLOUD)
        assert (ok.action, ok.to) == ("forward", ACME)
        ack = call.inside("ACK", ok.message.all("Record-Route"), cseq=1)
        ack = ack.set("To", ack.one("To").replace("callee", callee))
        world.forward(ack, ACME, CLOUD, routes=())
        bye = call.inside("BYE", ok.message.all("Record-Route"))
        world.forward(bye.set("To", bye.one("To").replace("callee", callee)), ACME, CLOUD, routes=())


# Grace: after a first start or a lost key


def unproven(method: str, number: int, source: Source = ACME) -> Message:
    sent = Call.outbound(source).inside(method, (f"<sip:lost{number}@{AT};lr>",))
    return sent


def test_grace_lets_a_few_pass() -> None:
    """5/s with a burst of 20 by default: as new requests, so their next hop is the trunk's upstream."""
    world = World(grace_until=NOW + 3600 * SECOND)
    for number in range(20):
        world.forward(unproven("BYE", number), ACME, CLOUD, routes=())
    world.answer(unproven("BYE", 20), ACME, NO_DIALOG)
    assert world.count("dialog-grace") == 1
    world.wait(0.2)
    world.forward(unproven("BYE", 21), ACME, CLOUD, routes=())


def test_grace_is_each_peers_own() -> None:
    world = World(grace_until=NOW + 3600 * SECOND)
    while world.send(unproven("BYE", 0), ACME).action == "forward":
        pass
    assert world.send(unproven("BYE", 1, BETA), BETA).action == "forward"


def test_grace_ends() -> None:
    world = World(grace_until=NOW + 3600 * SECOND)
    world.wait(3599)
    assert world.send(unproven("BYE", 0), ACME).action == "forward"
    world.wait(1)
    world.answer(unproven("BYE", 1), ACME, NO_DIALOG)


def test_grace_for_requests_of_an_upstream() -> None:
    """Their Request-URI is the customer's Contact, as every callee's is."""
    world = World(grace_until=NOW + 3600 * SECOND)
    dialog = establish(World(secret=NEW_SECRET), Call.outbound(), CLOUD)
    world.forward(dialog.call.inside_back("BYE", dialog.callee_routes, CLOUD), CLOUD, ACME, routes=())


def test_grace_proves_nothing_to_the_other_rules() -> None:
    world = World(grace_until=NOW + 3600 * SECOND)
    world.answer(unproven("BYE", 0).to("sip:b@evil.example"), ACME, "403 Target Not Allowed")
    forged = unproven("INVITE", 1).set("From", "<sip:+12125557777@x>;tag=caller")
    world.answer(forged, ACME, "403 Caller ID Not Allowed")


def test_inside_calls_of_the_other_family() -> None:
    world = World()
    dialog = establish(world, Call.outbound(WEST, "+12125554000", "[2001:db8::60]"), CLOUD6)
    sent = dialog.call.inside("BYE", dialog.caller_routes).to("sip:b@192.0.2.60")
    world.answer(sent, WEST, "403 Next Hop Not Allowed")
