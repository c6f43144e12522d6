"""What rules in monitor mode would have refused: counted once for each call, and again when it is answered."""

from __future__ import annotations

from dataclasses import replace

from tests.proxy.message import response
from tests.proxy.world import ACME, CLOUD, CONTACT, POLICY, Call, Result, World, establish

# A caller that acme doesn't own is only recorded; all else is judged as ever.
RECORDED = POLICY.replace('name = "acme"', 'name = "acme"\nrules = { caller-owned = { mode = "monitor" } }')
FOREIGN = "+13125550000"
MANY = 50


def found(world: World) -> dict[tuple[str, str, str], tuple[int, int]]:
    return world.engine.findings()


def end(world: World, call: Call, status: str) -> Result:
    """The call goes on and ends so."""
    invite = world.send(call.invite(), call.caller)
    assert invite.action == "forward", invite
    return world.send(response(invite.message, status, "callee"), CLOUD)


def test_calls_and_answers() -> None:
    world = World(RECORDED)
    establish(world, Call.outbound(), CLOUD)
    end(world, Call.outbound(), "486 Busy Here")
    establish(world, Call.outbound(user=FOREIGN), CLOUD)
    end(world, Call.outbound(user=FOREIGN), "486 Busy Here")
    end(world, Call.outbound(user=FOREIGN), "404 Not Found")
    assert found(world) == {("acme", "from", ""): (5, 2), ("acme", "from", "caller-owned"): (3, 1)}


def test_a_call_counts_once() -> None:
    """However often its INVITE, its 200 and a second far side's 200 come."""
    world = World(RECORDED)
    call = Call.outbound(user=FOREIGN)
    invite = world.send(call.invite(), call.caller)
    for _ in range(3):
        assert world.send(call.invite(), call.caller).reason == "retransmission"
    for callee in ("callee", "callee", "fork", "callee"):
        world.send(response(invite.message, "200 OK", callee, call.answerer), CLOUD)
    assert found(world)["acme", "from", "caller-owned"] == (1, 1)


def test_what_is_refused_is_no_call_that_went_on() -> None:
    world = World()
    assert world.send(Call.outbound(user=FOREIGN).invite(), ACME).reason == "caller-owned"
    assert found(world) == {}


def test_an_answer_that_nobody_asked_for_counts_nothing() -> None:
    world = World(RECORDED)
    call = Call.outbound(user=FOREIGN)
    invite = world.send(call.invite(), call.caller)
    forged = response(invite.message, "200 OK", "callee")
    forged = forged.set("Via", forged.all("Via")[0].replace("z9hG4bKea1", "z9hG4bKea2"), *forged.all("Via")[1:])
    assert world.send(forged, CLOUD).action == "drop"
    assert found(world)["acme", "from", "caller-owned"] == (1, 0)


def test_calls_to_a_trunk_are_its_own_row() -> None:
    world = World()
    call = replace(Call.inbound(), from_user="+12125552005")  # one of ours, from outside
    invite = world.send(call.invite(), CLOUD)
    assert invite.action == "forward"
    world.send(response(invite.message, "200 OK", "callee", call.answerer), CONTACT)
    told = found(world)
    assert told["acme", "to", ""] == (1, 1)
    assert told["acme", "to", "own-number-inbound"] == (1, 1)


def test_a_reload_keeps_the_counts() -> None:
    world = World(RECORDED)
    for _ in range(3):
        establish(world, Call.outbound(user=FOREIGN), CLOUD)
    before = found(world)
    world.publish(RECORDED + "\n")
    assert found(world) == before
    world.publish(POLICY)
    assert found(world) == before, "what it found while it was in monitor mode"


def test_many_calls() -> None:
    world = World(RECORDED.replace("calls_per_second = 10\nburst = 20", "calls_per_second = 1000\nburst = 1000"))
    for number in range(MANY):
        call = Call.outbound(user=FOREIGN if number % 2 else "+12125552000")
        assert end(world, call, "480 Temporarily Unavailable").action == "forward"
    assert found(world)["acme", "from", ""] == (MANY, 0)
    assert found(world)["acme", "from", "caller-owned"] == (MANY // 2, 0)
