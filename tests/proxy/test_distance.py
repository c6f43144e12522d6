"""A trunk's distance: learnt from what proves its sender, asked of what opens something new. Nothing proven, nothing found."""

from __future__ import annotations

import pytest

from edge_agent import _hot
from tests.proxy.message import Message, Source, response
from tests.proxy.world import ACME, CLOUD, CONTACT, POLICY, STRANGER, Call, World, establish

NEAR, FAR = 60, 44


def policy(mode: str) -> str:
    text = POLICY.replace('name = "acme"\n', f'name = "acme"\ndistance = "{mode}"\n')
    return text.replace('name = "beta"\n', f'name = "beta"\ndistance = "{mode}"\n')


class Measured(World):
    """Every datagram comes from a distance."""

    def __init__(self, mode: str = "enforce") -> None:
        super().__init__(policy(mode))
        self.batch, self.out = _hot.Batch(1), _hot.OutBatch()

    def told(self, data: Message, distance: int, source: Source = ACME) -> str:
        self.batch.clear()
        self.batch.add(bytes(data), source, distance=distance)
        self.engine.process(self.batch, self.now, self.out)
        if not len(self.out):
            return "drop"
        sent, to, _ = self.out[0]
        return "forward" if to != source else str(Message.read(sent).status)

    def prove(self, distance: int) -> None:
        """A call of acme's is set up, and its ACK comes from there."""
        dialog = establish(self, Call.outbound(), CLOUD)
        ack = dialog.call.inside("ACK", dialog.caller_routes, cseq=1)
        assert self.told(ack, distance) == "forward"


def test_nothing_is_found_before_something_is_proven() -> None:
    world = Measured()
    assert [world.told(Call.outbound().invite(), distance) for distance in (NEAR, FAR, 1, 255)] == ["forward"] * 4


@pytest.mark.parametrize(
    ("distance", "told"),
    [
        (NEAR, "forward"),
        (NEAR - 1, "forward"),
        (NEAR + 1, "forward"),
        (NEAR - 2, "403"),
        (NEAR + 2, "403"),
        (0, "forward"),
    ],
)
def test_what_opens_something(distance: int, told: str) -> None:
    """One hop more or less is the same route; where the kernel says nothing, nothing is held against it."""
    world = Measured()
    world.prove(NEAR)
    assert world.told(Call.outbound().invite(), distance) == told
    assert world.count("source-hops") == (told == "403")


def test_a_forged_flood_costs_the_trunk_nothing() -> None:
    world = Measured()
    world.prove(NEAR)
    assert {world.told(Call.outbound().invite(), FAR) for _ in range(200)} == {"403"}
    assert world.told(Call.outbound().invite(), NEAR) == "forward"


def test_what_proves_teaches() -> None:
    """The route changes while a call is up: its next request comes the new way, and so do new calls."""
    world = Measured()
    dialog = establish(world, Call.outbound(), CLOUD)
    assert world.told(dialog.call.inside("ACK", dialog.caller_routes, cseq=1), NEAR) == "forward"
    assert world.told(Call.outbound().invite(), FAR) == "403"
    assert world.told(dialog.call.inside("UPDATE", dialog.caller_routes, cseq=2), FAR) == "forward"
    assert world.told(Call.outbound().invite(), FAR) == "forward"
    assert world.told(Call.outbound().invite(), NEAR) == "forward", "the old way still for a while"


def test_an_answer_and_an_absorbed_ack_teach() -> None:
    world = Measured()
    invite = world.send(Call.inbound().invite(), CLOUD)
    assert world.told(response(invite.message, "180 Ringing", "callee"), NEAR, CONTACT) == "forward"
    assert world.told(Call.outbound().invite(), FAR) == "403"
    world = Measured()
    forged = Call.outbound(user="+14155552671")
    refused = world.send(forged.invite(), ACME)
    ack = forged.request("ACK").set("To", refused.message.one("To"))
    assert world.told(ack, NEAR) == "drop"
    assert world.told(Call.outbound().invite(), FAR) == "403"


def test_nobody_teaches_without_proof() -> None:
    """Neither a new call that passes, nor a forged ACK or BYE, nor a stranger."""
    world = Measured()
    world.prove(NEAR)
    world.told(Call.outbound().request("ACK", to_tag="x"), FAR)
    world.told(Call.outbound().request("BYE", to_tag="x"), FAR)
    world.told(Call.outbound().invite(), FAR)
    world.told(Call.outbound().invite(), FAR, STRANGER)
    assert world.told(Call.outbound().invite(), FAR) == "403"


def test_it_is_forgotten_after_ten_minutes() -> None:
    world = Measured()
    world.prove(NEAR)
    world.wait(590)
    assert world.told(Call.outbound().invite(), FAR) == "403"
    world.wait(20)
    assert world.told(Call.outbound().invite(), FAR) == "forward"


def test_an_emergency_call_is_never_asked() -> None:
    world = Measured()
    call = Call.outbound(("198.51.100.11", 5060), "+12125553000")
    assert world.told(call.invite().to("sip:911@cloud.example.net"), FAR, call.caller) == "forward"
    dialog = establish(world, Call.outbound(("198.51.100.11", 5060), "+12125553000"), CLOUD)
    ack = dialog.call.inside("ACK", dialog.caller_routes, cseq=1)
    assert world.told(ack, NEAR, call.caller) == "forward"
    again = Call.outbound(("198.51.100.11", 5060), "+12125553000")
    assert world.told(again.invite(), FAR, call.caller) == "403"
    again = Call.outbound(("198.51.100.11", 5060), "+12125553000")
    assert world.told(again.invite().to("sip:911@cloud.example.net"), FAR, call.caller) == "forward"


def test_modes_and_reload() -> None:
    world = Measured("monitor")
    world.prove(NEAR)
    assert world.told(Call.outbound().invite(), FAR) == "forward"
    assert world.engine.counters()["monitored"] == {("unknown-source", "acme"): 1}
    world.publish(policy("ignore"))
    assert world.told(Call.outbound().invite(), FAR) == "forward"
    world.publish(policy("enforce"))
    assert world.told(Call.outbound().invite(), FAR) == "403"
