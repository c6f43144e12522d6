"""Which messages share a transaction: the branch depends on the sender's transaction and on the way, on nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.proxy.message import Message, param
from tests.proxy.world import ACME, BETA, POLICY, SIX, Call, World

SHAPE = re.compile(
    r"z9hG4bKea1(?P<listener>[0-9a-f]{2})(?P<peer>[0-9a-f]{8})(?P<loop>[0-9a-f]{16})(?P<mac>[0-9a-f]{16})"
)


def with_via(sent: Message, old: str, new: str) -> Message:
    return sent.set("Via", sent.all("Via")[0].replace(old, new), *sent.all("Via")[1:])


def test_shape() -> None:
    world = World()
    found = SHAPE.fullmatch(world.send(Call.outbound().invite(), ACME).branch)
    assert found and found["listener"] == "00"
    found = SHAPE.fullmatch(world.send(Call.outbound(SIX, "+12125556000").invite(), SIX).branch)
    assert found and found["listener"] == "01", "the listener that the request came in at"


def test_copies_are_the_same_for_ever() -> None:
    world, call = World(), Call.outbound()
    first = world.send(call.invite(), ACME)
    for seconds in (0.5, 1, 2, 4, 8, 16, 32, 3600):
        world.wait(seconds)
        assert world.send(call.invite(), ACME).data == first.data


def test_cancel_and_failure_ack_share_the_branch_of_their_invite() -> None:
    world, call = World(), Call.outbound()
    branches = {
        world.send(sent, ACME).branch
        for sent in (call.invite(), call.request("CANCEL"), call.request("ACK", to_tag="busy"), call.invite())
    }
    assert len(branches) == 1


def test_cancel_and_ack_have_the_branch_even_without_the_entry() -> None:
    world, call = World(), Call.outbound()
    cancel = world.send(call.request("CANCEL"), ACME)
    ack = world.send(call.request("ACK", to_tag="busy"), ACME)
    invite = world.send(call.invite(), ACME)
    assert cancel.branch == ack.branch == invite.branch


OTHERS: dict[str, Callable[[Message], Message]] = {
    "branch": lambda sent: with_via(sent, "branch=z9hG4bKcall", "branch=z9hG4bKother"),
    "port": lambda sent: with_via(sent, "198.51.100.10:5060", "198.51.100.10:5061"),
    "host": lambda sent: with_via(sent, "198.51.100.10:5060", "pbx.example"),
    "call-id": lambda sent: sent.set("Call-ID", "another"),
    "cseq": lambda sent: sent.set("CSeq", "2 INVITE"),
    "request-uri": lambda sent: sent.to("sip:+442071838751@cloud.example.net"),
    "route": lambda sent: sent.above(("Route", "<sip:192.0.2.1;lr>")),
}


@pytest.mark.parametrize("part", OTHERS)
def test_another_call_has_another_branch(part: str) -> None:
    world, call = World(), Call.outbound()
    first = world.send(call.invite(), ACME)
    world.wait(60)  # so that it isn't taken for a changed copy
    second = world.send(OTHERS[part](call.invite()), ACME)
    assert second.action == "forward"
    assert second.branch != first.branch


def test_another_sender_has_another_branch() -> None:
    world, call = World(), Call.outbound()
    first = world.send(call.invite(), ACME)
    port = world.send(call.invite(), (ACME[0], 5062))
    sent = call.invite().set("From", "<sip:+12125553000@example.com>;tag=caller")
    assert len({first.branch, port.branch, world.send(sent, BETA).branch}) == 3


def test_no_via_branch_is_no_obstacle() -> None:
    """RFC 2543 clients send none, or one of their own shape."""
    world, call = World(), Call.outbound()
    for via in ("SIP/2.0/UDP 198.51.100.10:5060", "SIP/2.0/UDP 198.51.100.10:5060;branch=1"):
        invite = world.send(call.invite().set("Via", via), ACME)
        cancel = world.send(call.request("CANCEL").set("Via", via), ACME)
        assert invite.action == "forward"
        assert invite.branch == cancel.branch


def test_a_reload_keeps_the_branch() -> None:
    world, call = World(), Call.outbound()
    first = world.send(call.invite(), ACME)
    world.publish(POLICY.replace("burst = 20", "burst = 21"))
    assert world.send(call.invite(), ACME).data == first.data
    world.wait(60)
    assert world.send(call.request("CANCEL"), ACME).branch == first.branch


def test_a_restart_keeps_the_branch() -> None:
    """The cloud must know a CANCEL for its INVITE though the agent was restarted in between."""
    call = Call.outbound()
    first, second = World(), World()
    assert first.send(call.invite(), ACME).branch == second.send(call.request("CANCEL"), ACME).branch


def test_another_secret_makes_other_branches() -> None:
    call = Call.outbound()
    first, second = World(), World(secret=bytes(32))
    assert first.send(call.invite(), ACME).branch[-16:] != second.send(call.invite(), ACME).branch[-16:]


def test_the_listener_is_part_of_it() -> None:
    text = POLICY + '\n[[listen]]\naddress = "192.0.2.2:5060"\n'
    world, call = World(text), Call.outbound()
    here, there = world.send(call.invite(), ACME, 0), world.send(call.invite(), ACME, 2)
    assert param(there.message.all("Via")[0], "branch")[10:12] == "02"
    assert here.branch[-16:] != there.branch[-16:]
