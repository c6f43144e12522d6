"""Lines that lose packets: retransmissions get the first copy's verdict and no call fails."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from tests.e2e.scene import Scene
from tests.e2e.sipp import free_address
from tests.e2e.test_calls import place
from tests.e2e.wire import LossyLine

LOSS = 0.05

# A call is held until lost ACKs are made good: SIPp takes a late 200 of the INVITE for that of the BYE.
# With the seeds of the lines, 1 and 5, no call needs more than the first repeat, half a second later.
HOLD = ["-d", "1700"]


def customer_line(scene: Scene, seed: int) -> LossyLine:
    """Between a customer and the agent; the agent sees the customer's host, at the line's port."""
    host = scene.parties["acme"].host
    return LossyLine(free_address(host), free_address(host), scene.at, LOSS, seed)


async def test_calls_survive_loss_on_both_sides(scene: Scene) -> None:
    calls = 100
    answering = free_address(scene.parties["cloud"].host)
    # The agent's target is the line, behind which the cloud answers.
    far = free_address(scene.parties["cloud"].host)
    async with (
        customer_line(scene, 1) as line,
        LossyLine(scene.parties["cloud"], far, answering, LOSS, 5) as cloud_line,
    ):
        called = scene.party(
            "uas_loss",
            "cloud",
            bind=answering,
            calls=calls,
            keys={"contact": f"cloud@{scene.parties['cloud']}"},
            seconds=30,
        )
        caller = scene.caller("uac_loss", "acme", to=line.near, calls=calls, rate=50, seconds=30, arguments=HOLD)
        uac, uas = await asyncio.to_thread(place, caller, called, calls)
    assert line.lost and cloud_line.lost and uac.count("Retransmissions") and uas.count("Retransmissions")
    # All copies of an INVITE left the agent as one and the same message (RFC 3261 §16.11); the line takes a train's blanks out.
    copies = defaultdict(set)
    for invite in uas.received("INVITE"):
        copies[invite.header("Call-ID")].add(invite.text)
    assert len(copies) == calls
    assert all(len(texts) == 1 for texts in copies.values())


async def test_refusals_survive_loss(scene: Scene) -> None:
    calls = 100
    keys = {
        "ruri": "sip:+13125550123@cloud.example.net",
        "from": "<sip:+14158880100@127.0.0.10>",
        "to": "<sip:+13125550123@cloud.example.net>",
    }
    with scene.silent("cloud") as cloud:
        async with customer_line(scene, 3) as line:
            caller = scene.caller("uac_refused", "acme", to=line.near, calls=calls, rate=50, keys=keys)
            with caller:
                uac = (await asyncio.to_thread(caller.wait)).require(calls)
        scene.fence()
        assert cloud.take() == []
    assert line.lost and uac.count("Retransmissions")
    # Every copy of the answer carries the same To tag, or the customer would take them for two answers.
    tags = defaultdict(set)
    for reply in uac.received("INVITE", 403):
        tags[reply.header("Call-ID")].add(reply.header("To"))
    assert all(len(seen) == 1 for seen in tags.values())


def test_repeated_invite_counts_once(scene: Scene) -> None:
    """The cloud is silent for a second, on a trunk that may start one call: the copies pass, alike."""
    uac, uas = place(
        scene.caller("uac_call", "tight-slow", keys={"caller": "+12127020100"}),
        scene.party("uas_slow", "cloud"),
    )
    assert uac.count("Retransmissions") >= 1
    invites = uas.received("INVITE")
    assert len(invites) >= 2 and len({invite.text for invite in invites}) == 1
