"""Responses: passed only if the agent forwarded their request, to that peer, and only to that request's sender."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.proxy.message import Message, Source, response, stripped
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
    Result,
    World,
)

ELSEWHERE: Source = ("192.0.2.62", 5099)  # another address of the cloud


def ringing(world: World, call: Call | None = None) -> tuple[Call, Message]:
    """A forwarded call, and the cloud's 180 to it."""
    call = call or Call.outbound()
    invite = world.send(call.invite(), call.caller)
    assert invite.action == "forward"
    return call, response(invite.message, "180 Ringing", "callee")


def passes(world: World, reply: Message, source: Source, to: Source, listener: int = 0) -> Result:
    result = world.send(reply, source)
    assert (result.action, result.to, result.listener) == ("forward", to, listener)
    assert result.data.decode() == bytes(stripped(reply)).decode()
    return result


@pytest.mark.parametrize("status", ["100 Trying", "183 Session Progress", "200 OK", "302 Moved", "486 Busy", "603 No"])
def test_every_class_passes(status: str) -> None:
    world = World()
    _, reply = ringing(world)
    passes(world, replace(reply, start=f"SIP/2.0 {status}"), CLOUD, ACME)


@pytest.mark.parametrize("method", ["CANCEL", "OPTIONS"])
def test_responses_to_other_methods_pass(method: str) -> None:
    world, call = World(), Call.outbound()
    sent = world.send(call.request(method), ACME)
    passes(world, response(sent.message, "200 OK", "callee"), CLOUD, ACME)


def test_to_a_call_of_the_cloud() -> None:
    world, call = World(), Call.inbound()
    invite = world.send(call.invite(), CLOUD)
    passes(world, response(invite.message, "486 Busy Here", "callee"), CONTACT, CLOUD)


def test_from_any_address_of_that_peer() -> None:
    world = World()
    _, reply = ringing(world)
    passes(world, reply, ELSEWHERE, ACME)


def test_in_one_row() -> None:
    world = World()
    _, reply = ringing(world)
    top, below = reply.all("Via")
    result = world.send(reply.set("Via", f"{top}, {below}"), CLOUD)
    assert result.data == bytes(reply.set("Via", below))


def test_three_in_rows_and_lists() -> None:
    world, call = World(), Call.outbound()
    invite = call.invite()
    behind = "SIP/2.0/UDP behind.example;branch=z9hG4bKbehind"
    forwarded = world.send(invite.set("Via", *invite.all("Via"), behind), ACME)
    reply = response(forwarded.message, "200 OK", "callee")
    top, below, last = reply.all("Via")
    passes(world, reply, CLOUD, ACME)
    for vias, left in (
        ((f"{top},{below},{last}",), (f"{below},{last}",)),
        ((f"{top} , {below}", last), (below, last)),
        ((top, f"{below}, {last}"), (f"{below}, {last}",)),
    ):
        assert world.send(reply.set("Via", *vias), CLOUD).data == bytes(reply.set("Via", *left))


def test_in_compact_form() -> None:
    world = World()
    _, reply = ringing(world)
    data = bytes(reply).replace(b"Via:", b"v:")
    assert world.send(data, CLOUD).data == bytes(stripped(reply)).replace(b"Via:", b"v:")


def test_the_body_passes_untouched() -> None:
    world = World()
    _, reply = ringing(world)
    reply = replace(reply.set("Content-Length", "4"), body="v=0\n")
    passes(world, reply, CLOUD, ACME)


@pytest.mark.parametrize("at", [10, 12, 13, 19, 20, 27, 35, 36, 44, 51])
def test_a_flipped_digit_of_the_branch_is_dropped(at: int) -> None:
    """Listener, peer, loop part and MAC: each is under the MAC."""
    world = World()
    _, reply = ringing(world)
    top, below = reply.all("Via")
    start = top.index("z9hG4bK")
    digit = "0" if top[start + at] != "0" else "1"
    forged = top[: start + at] + digit + top[start + at + 1 :]
    world.drop(reply.set("Via", forged, below), CLOUD, "response-unmatched")


def test_a_replay_at_another_listener_is_dropped() -> None:
    world = World()
    _, reply = ringing(world)
    vias = [value.replace("z9hG4bKea100", "z9hG4bKea101") for value in reply.all("Via")]
    world.drop(reply.set("Via", *vias), CLOUD, "response-unmatched")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("198.51.100.10:5060", "198.51.100.10:5061"),
        ("198.51.100.10:5060", "victim.example"),
        ("branch=z9hG4bKcall", "branch=z9hG4bKother"),
        ("received=198.51.100.10", "received=203.0.113.80"),
        ("received=198.51.100.10", "received=255.255.255.255"),
        ("rport=5060", "rport=5061"),
        (";received=198.51.100.10", ""),
    ],
)
def test_another_way_back_is_dropped(old: str, new: str) -> None:
    """The way back is under the MAC: nobody can aim a response (RFC 4475 §3.3.10 names the broadcast address)."""
    world = World()
    _, reply = ringing(world)
    top, below = reply.all("Via")
    assert old in below
    result = world.send(reply.set("Via", top, below.replace(old, new)), CLOUD)
    if new == "" and result.action == "forward":
        # Without it the sent-by tells the same address.
        assert result.to == ACME
        return
    assert (result.action, result.reason) == ("drop", "response-unmatched")


@pytest.mark.parametrize(("header", "value"), [("Call-ID", "another"), ("CSeq", "2 INVITE")])
def test_another_transaction_is_dropped(header: str, value: str) -> None:
    world = World()
    _, reply = ringing(world)
    world.drop(reply.set(header, value), CLOUD, "response-unmatched")


@pytest.mark.parametrize(
    ("source", "reason"), [(BETA, "response-source"), (PSAP, "response-source"), (STRANGER, "response-source")]
)
def test_from_elsewhere_is_dropped(source: Source, reason: str) -> None:
    world = World()
    _, reply = ringing(world)
    world.drop(reply, source, reason)
    assert world.count(reason) == 1


def test_a_trunk_cant_answer_its_own_call() -> None:
    world = World()
    _, reply = ringing(world)
    world.drop(reply, ACME, "response-source")


def test_without_a_second_via_is_dropped() -> None:
    world = World()
    _, reply = ringing(world)
    world.drop(reply.set("Via", reply.all("Via")[0]), CLOUD, "response-route")


def test_with_anothers_via_on_top_is_dropped() -> None:
    world = World()
    _, reply = ringing(world)
    top, below = reply.all("Via")
    world.drop(reply.set("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx", top, below), CLOUD, "response-unmatched")


def test_to_the_broadcast_address_is_dropped() -> None:
    world, call = World(), Call.outbound()
    reply = response(call.invite().set("Via", "SIP/2.0/UDP 255.255.255.255;branch=z9hG4bKb"), "200 OK", "callee")
    world.drop(reply, CLOUD, "response-unmatched")


def test_an_unreadable_one_is_dropped() -> None:
    world = World()
    _, reply = ringing(world)
    world.drop(bytes(reply).replace(b"\r\nFrom:", b"\nFrom:"), CLOUD, "line-end")
    world.drop(bytes(reply.set("Call-ID")), CLOUD, "missing-header")


@pytest.mark.parametrize(
    ("caller", "user", "callee", "listener"),
    [
        (WEST, "+12125554000", CLOUD6, 0),
        (SIX, "+12125556000", CLOUD, 1),
    ],
)
def test_it_leaves_by_the_listener_that_its_request_came_in_at(
    caller: Source, user: str, callee: Source, listener: int
) -> None:
    world = World()
    agent = "[2001:db8::60]" if callee == CLOUD6 else "cloud.example.net"
    _, reply = ringing(world, Call.outbound(caller, user, agent))
    passes(world, reply, callee, caller, listener)


def test_two_listeners_of_one_family() -> None:
    world, call = World(POLICY + '\n[[listen]]\naddress = "192.0.2.2:5060"\n'), Call.outbound()
    invite = world.send(call.invite(), ACME, 2)
    assert (invite.action, invite.listener) == ("forward", 2)
    reply = response(invite.message, "200 OK", "callee")
    for arrives in (0, 2):
        assert world.send(reply, CLOUD, arrives).listener == 2


def test_it_passes_after_a_reload() -> None:
    world = World()
    _, reply = ringing(world)
    world.publish(POLICY.replace("burst = 20", "burst = 21"))
    passes(world, reply, CLOUD, ACME)


def test_it_passes_after_a_restart() -> None:
    _, reply = ringing(World())
    passes(World(), reply, CLOUD, ACME)


def test_it_is_dropped_once_its_peer_is_gone() -> None:
    call = Call.outbound(BETA, "+12125553000").request("INVITE").to("sip:911@cloud.example.net")
    world = World()
    invite = world.send(call, BETA)
    assert invite.to == PSAP
    world.publish(POLICY.replace('"psap"', '"psap2"').replace("192.0.2.61", "192.0.2.63"))
    world.drop(response(invite.message, "200 OK", "callee"), PSAP, "response-source")
