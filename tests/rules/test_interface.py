"""interface: methods, versions, schemes, extensions and bodies that the provider offers, and no others."""

from __future__ import annotations

import pytest

from tests.agent import ACME, CALLED, CLOUD, OWN, Decision, MakeAgent, inbound, invite, policy, request
from tests.rules.modes import check_modes

URI = f"sip:{CALLED}@cloud.example.net"
PASS = "forward pass"
METHOD, UNKNOWN, TYPE = "405 method", "501 method-unknown", "415 body-type"


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "REFER"])
def test_methods_that_pass(agent: MakeAgent, method: str) -> None:
    assert agent().send(request(method, URI, OWN)).short == PASS


@pytest.mark.parametrize("method", ["BYE", "UPDATE", "PRACK"])
def test_methods_that_need_a_dialog(agent: MakeAgent, method: str) -> None:
    assert agent().send(request(method, URI, OWN)).short == "481 dialog-proof"


@pytest.mark.parametrize("method", ["REGISTER", "SUBSCRIBE", "MESSAGE", "PUBLISH", "NOTIFY", "INFO"])
def test_methods_that_don_t(agent: MakeAgent, method: str) -> None:
    told = agent().send(request(method, URI, OWN))
    assert (told.short, told.rule) == (METHOD, "interface")
    allow = told.message.one("Allow")
    assert allow == "INVITE, ACK, BYE, CANCEL, OPTIONS, REFER, UPDATE, PRACK"


@pytest.mark.parametrize("method", ["invite", "Invite", "INVITES", "INVIT", "FOO", "A.b-c!%*_+`'~", "X" * 64])
def test_methods_that_nobody_knows(agent: MakeAgent, method: str) -> None:
    assert agent().send(request(method, URI, OWN)).short == UNKNOWN


def test_methods_inside_a_dialog(agent: MakeAgent) -> None:
    """NOTIFY and INFO belong to a call; without one they are not offered."""
    party = agent()
    opened = party.send(invite())
    [cookie] = opened.message.all("Record-Route")
    for method, short in (("INFO", PASS), ("NOTIFY", PASS), ("UPDATE", PASS), ("MESSAGE", METHOD), ("FOO", UNKNOWN)):
        inside = request(method, "sip:b@192.0.2.60:5080", OWN, ("Route", cookie), to_tag="callee")
        inside = inside.set("Call-ID", opened.message.one("Call-ID")).set("From", opened.message.one("From"))
        assert party.send(inside).short == short


@pytest.mark.parametrize("version", ["SIP/3.0", "SIP/2.1", "SIP/1.0", "sip/7.0", "SIP/2.00", "SIP/11.22"])
def test_version(agent: MakeAgent, version: str) -> None:
    told = agent().send(bytes(invite()).replace(b"SIP/2.0\r\nVia", version.encode() + b"\r\nVia"))
    assert (told.short, told.rule) == ("505 version", "interface")


def test_version_in_small_letters_is_the_same(agent: MakeAgent) -> None:
    assert agent().send(bytes(invite()).replace(b"SIP/2.0\r\nVia", b"sip/2.0\r\nVia")).short == PASS


@pytest.mark.parametrize(
    ("uri", "short"),
    [
        ("sip:1@cloud.example.net", PASS),
        ("SIPS:1@cloud.example.net", PASS),
        ("tel:+442071838750", PASS),
        ("Tel:+442071838750", PASS),
        ("urn:service:counseling.suicide", "416 scheme"),
        ("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "416 scheme"),
        ("http://cloud.example.net/", "416 scheme"),
        ("im:a@cloud.example.net", "416 scheme"),
        ("sipx:a@cloud.example.net", "416 scheme"),
    ],
)
def test_scheme(agent: MakeAgent, uri: str, short: str) -> None:
    assert agent().send(invite(uri=uri)).short == short


@pytest.mark.parametrize("name", ["Proxy-Require", "proxy-require", "PROXY-REQUIRE "])
def test_proxy_require(agent: MakeAgent, name: str) -> None:
    told = agent().send(invite(OWN, (name, "sec-agree, privacy"), (name, "x")))
    assert (told.short, told.rule) == ("420 proxy-require", "interface")
    assert told.message.all("Unsupported") == ["sec-agree, privacy", "x"]


@pytest.mark.parametrize("name", ["Require", "Supported", "k", "X-Proxy-Require"])
def test_what_is_asked_of_the_other_side(agent: MakeAgent, name: str) -> None:
    assert agent().send(invite(OWN, (name, "sec-agree"))).short == PASS


def with_body(
    agent: MakeAgent, content_type: str | None, body: str = "v=0\r\n", name: str = "Content-Type"
) -> Decision:
    sent = request("INVITE", URI, OWN, *([(name, content_type)] if content_type is not None else []))
    sent = sent.set("Content-Length", str(len(body)))
    return agent().send(bytes(sent) + body.encode())


@pytest.mark.parametrize(
    "content_type",
    [
        "application/sdp",
        "APPLICATION/SDP",
        "application/sdp;charset=utf-8",
        "application/sdp ; x=y",
        "\r\n application/sdp",
        "application/dtmf-relay",
        "message/sipfrag;version=2.0",
    ],
)
@pytest.mark.parametrize("name", ["Content-Type", "c", "C ", "content-type"])
def test_bodies_that_pass(agent: MakeAgent, content_type: str, name: str) -> None:
    assert with_body(agent, content_type, name=name).short == PASS


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/sdpx",
        "application/sd",
        "application /sdp",
        "application",
        "x;application/sdp",
        "text/plain;x=application/sdp",
        "application/pidf+xml",
        "",
        None,
    ],
)
def test_bodies_that_don_t(agent: MakeAgent, content_type: str | None) -> None:
    told = with_body(agent, content_type)
    assert (told.short, told.rule) == (TYPE, "interface")
    assert told.message.one("Accept") == "application/sdp"


def test_a_multipart_body_that_holds_sdp(agent: MakeAgent) -> None:
    part = "--b\r\nContent-Type: application/{}\r\n\r\nv=0\r\n--b--\r\n"
    assert with_body(agent, "multipart/mixed;boundary=b", part.format("sdp")).short == PASS
    assert with_body(agent, "Multipart/Related;boundary=b", part.format("sdp")).short == PASS
    assert with_body(agent, "multipart/mixed;boundary=b", part.format("xml")).short == TYPE


def test_no_body_has_no_type(agent: MakeAgent) -> None:
    assert with_body(agent, "text/plain", "").short == PASS
    assert with_body(agent, None, "").short == PASS


def test_the_largest_message(agent: MakeAgent) -> None:
    party = agent(policy(rules="[rules.interface]\nmax_bytes = 1024"))
    for bytes_, short in ((1024, PASS), (1025, "513 body-size")):
        sent = invite()
        sent = sent.set("X-Pad", "x" * (bytes_ - len(bytes(sent)) - len("X-Pad: \r\n")))
        assert len(bytes(sent)) == bytes_
        assert party.send(sent).short == short


def test_methods_of_the_upstream(agent: MakeAgent) -> None:
    """An upstream that names its own methods offers these and no others."""
    party = agent(policy(cloud='methods = ["INVITE", "ACK", "BYE", "CANCEL", "MESSAGE"]'))
    assert party.send(request("MESSAGE", URI, OWN)).short == PASS
    told = party.send(request("REFER", URI, OWN))
    assert (told.short, told.message.one("Allow")) == (METHOD, "INVITE, ACK, BYE, CANCEL, MESSAGE")


def test_only_on_requests_of_trunks(agent: MakeAgent) -> None:
    sent = inbound(OWN, OWN, ("Proxy-Require", "x"))
    assert agent().send(sent, CLOUD).short == PASS
    assert agent().send(request("MESSAGE", f"sip:{OWN}@192.0.2.1", OWN), CLOUD).short == PASS


def test_event(agent: MakeAgent) -> None:
    event = agent().send(request("MESSAGE", URI, OWN)).event
    assert (event.action, event.rule, event.reason, event.status) == ("answer", "interface", "method", 405)
    assert (event.peer, event.source, event.method, event.from_user) == ("acme", ACME, "MESSAGE", OWN)


def test_modes() -> None:
    check_modes("interface", lambda agent: agent.send(request("MESSAGE", URI, OWN)), METHOD)
    check_modes("interface", lambda agent: agent.send(invite(OWN, ("Proxy-Require", "x"))), "420 proxy-require")


def test_reload(agent: MakeAgent) -> None:
    party = agent()
    assert party.send(request("MESSAGE", URI, OWN)).short == METHOD
    party.reload(policy(rules='[rules.interface]\nmethods = ["INVITE", "MESSAGE"]\nbody_types = ["text/plain"]'))
    assert party.send(request("MESSAGE", URI, OWN)).short == PASS
    assert party.send(request("REFER", URI, OWN)).short == METHOD
    assert party.send(invite()).short == TYPE
    assert party.engine.counters()["by_verdict"]["answer", "interface", "method", "acme"] == 2
