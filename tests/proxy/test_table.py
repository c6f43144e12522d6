"""Every cell of the table of cases, with the bytes that go out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from tests.proxy.message import Message, Source, passed, response, stripped, tag
from tests.proxy.table import STATES, Cell, cells
from tests.proxy.world import (
    CLOUD,
    CONTACT,
    LIFE,
    SECOND,
    STRANGER,
    Call,
    Dialog,
    Result,
    World,
    establish,
)

ALLOW = ("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, REFER, UPDATE, PRACK")
ACCEPT = ("Accept", "application/sdp")
NOBODYS = "+12125557777"
REASONS = {
    "400": "400 Request Changed",
    "403 again": "403 Caller ID Not Allowed",
    "403": "403 Caller ID Not Allowed",
    "404 again": "404 Not Found",
    "404": "404 Not Found",
    "481": "481 Call/Transaction Does Not Exist",
    "200": "200 OK",
}
IN_DIALOG = ("re-INVITE", "ACK of 2xx", "BYE", "UPDATE", "REFER")
OF_THE_INVITE = ("INVITE", "ACK (cloud)", "CANCEL")


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@dataclass
class Scene:
    """One cell's call, in the state that the cell asks for."""

    world: World
    call: Call
    dialog: Dialog | None = None
    invite: Result | None = None

    @property
    def upstream(self) -> bool:
        return self.call.caller == CLOUD

    @property
    def other_side(self) -> Source:
        return CONTACT if self.upstream else CLOUD


def make_scene(world: World, cell: Cell) -> Scene:
    world.wait(10)
    caller = "trunk" if cell.source == "unknown" else cell.source
    if cell.request.isdigit():
        caller = {"trunk": "upstream", "upstream": "trunk"}[caller]
    call = Call.inbound() if caller == "upstream" else Call.outbound()
    if cell.state == "refused":
        call = replace(call, to_user=NOBODYS) if caller == "upstream" else replace(call, from_user=NOBODYS)
    scene = Scene(world, call)
    if cell.request in IN_DIALOG:
        scene.dialog = establish(world, call, scene.other_side)
        if cell.state == "none":
            world.wait(3600)
    elif cell.state != "none":
        first = replace(call, from_user="+12125552050") if cell.state == "changed" else call
        scene.invite = world.send(first.invite(), call.caller)
        assert scene.invite.action == ("answer" if cell.state == "refused" else "forward")
    if cell.state == "expired":
        world.now += LIFE + SECOND
    return scene


def make_request(scene: Scene, name: str) -> Message:
    call = scene.call
    if name.isdigit():
        invite = scene.invite.message if scene.invite else made_up(call)
        return response(invite, f"{name} Whatever", "callee")
    routes = scene.dialog.caller_routes if scene.dialog else ()
    method = name.split()[0].removeprefix("re-")
    if name == "INVITE":
        return call.invite()
    if name == "ACK (ours)":
        return call.request("ACK", to_tag=own_tag(scene))
    if name == "ACK (cloud)":
        return call.request("ACK", to_tag="callee")
    if name == "OPTIONS to us":
        return call.request("OPTIONS").to("sip:sbc.example.net")
    if name == "REFER new":
        return call.request("REFER").set("Refer-To", f"<sip:+442071838751@{call.agent}>")
    if name in ("CANCEL", "OPTIONS onwards"):
        return call.request(method)
    sent = call.inside(method, routes)
    return sent.set("Refer-To", f"<sip:+442071838751@{call.agent}>") if name == "REFER" else sent


def made_up(call: Call) -> Message:
    """An INVITE as the agent might have forwarded it, but never did."""
    sent = call.invite()
    return passed(sent, call.caller, "z9hG4bKea100" + "1ac6a97e" + "0" * 32)


def own_tag(scene: Scene) -> str:
    """The tag of a refusal to the same call: it says nothing of the transaction's branch."""
    refused = scene.call.request("INVITE", branch="z9hG4bKother").to("sip:+442071838750@nowhere.example")
    return tag(scene.world.send(refused, scene.call.caller).message.one("To"))


def expected_uri(scene: Scene, sent: Message) -> str:
    """A call from the cloud goes on to the contact of the number's owner; everything else as it is."""
    return sent.uri.replace("192.0.2.1:5060", "198.51.100.10:5070") if scene.upstream else sent.uri


@pytest.mark.parametrize("cell", cells(), ids=str)
def test_cell(world: World, cell: Cell) -> None:
    scene = make_scene(world, cell)
    sent = make_request(scene, cell.request)
    source = scene.other_side if cell.request.isdigit() else scene.call.caller
    if cell.source == "unknown":
        source = STRANGER
    if cell.action == "drop":
        kind = "response" if cell.request.isdigit() else "request"
        reason = {"request": "unknown-source", "response": "response-source"}[kind]
        if cell.source != "unknown":
            reason = "response-unmatched"
        world.drop(sent, source, reason)
    elif cell.action == "absorbed":
        world.drop(sent, source, "ack-absorbed")
    elif cell.action in ("pass", "again") and cell.request.isdigit():
        result = world.send(sent, source)
        assert (result.action, result.to, result.listener) == ("forward", scene.call.caller, 0)
        assert result.data == bytes(stripped(sent))
    elif cell.action in ("pass", "again"):
        check_forwarded(scene, cell, sent, source)
    else:
        extra = (ALLOW, ACCEPT) if cell.action == "200" else ()
        answer = world.answer(sent, source, REASONS[cell.action], extra=extra)
        assert (answer.reason == "retransmission") == cell.action.endswith("again")
        if scene.invite and cell.action.endswith("again"):
            assert answer.data == scene.invite.data, "a copy is answered with the same bytes"


def check_forwarded(scene: Scene, cell: Cell, sent: Message, source: Source) -> None:
    reason = "retransmission" if cell.action == "again" else "pass"
    record = cell.request in ("INVITE", "REFER new")
    to, uri = scene.other_side, expected_uri(scene, sent)
    result = scene.world.forward(sent, source, to, record=record, uri=uri, routes=(), reason=reason)
    if scene.invite and cell.request == "INVITE":
        assert result.data == scene.invite.data, "a copy goes on as the first one did"
    if cell.request in OF_THE_INVITE and cell.state != "refused":
        again = scene.world.send(scene.call.invite(), source)
        branch = again.branch if again.action == "forward" else scene.invite and scene.invite.branch
        assert result.branch == branch, "CANCEL and the ACK of a failure share the INVITE's branch (RFC 3261 §16.11)"


def test_the_table_is_whole() -> None:
    """Every request stands there for all three classes of source."""
    requests = dict.fromkeys(cell.request for cell in cells())
    for request in requests:
        found = {(cell.source, cell.state) for cell in cells() if cell.request == request}
        assert {source for source, _ in found} == {"trunk", "upstream", "unknown"}, request
        assert {state for _, state in found} >= set(STATES) - {"refused"}, request
