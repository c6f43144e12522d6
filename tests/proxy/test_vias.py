"""What the agent makes of the sender's topmost Via and of Max-Forwards, and where answers go."""

from __future__ import annotations

import pytest

from tests.proxy.message import Message, Source, response
from tests.proxy.world import ACME, AT, AT6, CLOUD, SIX, Call, World

NAT: Source = ("198.51.100.10", 40000)
# Topmost Via as sent, and as it goes on, from 198.51.100.10 port 40000 (RFC 3261 §18.2.1, RFC 3581 §4).
VIAS = {
    "rport": ("198.51.100.10:5060;branch=z9hG4bK1;rport", ";branch=z9hG4bK1;rport=40000;received=198.51.100.10"),
    "rport-first": ("198.51.100.10:5060;rport;branch=z9hG4bK1", ";rport=40000;branch=z9hG4bK1;received=198.51.100.10"),
    "upper-case": ("198.51.100.10:5060;RPORT;branch=z9hG4bK1", ";RPORT=40000;branch=z9hG4bK1;received=198.51.100.10"),
    "blanks": (
        "198.51.100.10:5060 ; rport ; branch=z9hG4bK1",
        " ; rport=40000 ; branch=z9hG4bK1;received=198.51.100.10",
    ),
    "forged-rport": (
        "198.51.100.10:5060;rport=99;branch=z9hG4bK1",
        ";rport=40000;branch=z9hG4bK1;received=198.51.100.10",
    ),
    "forged-received": (
        "198.51.100.10:5060;received=203.0.113.9;branch=z9hG4bK1;rport",
        ";received=198.51.100.10;branch=z9hG4bK1;rport=40000",
    ),
    "forged-received-no-rport": (
        "198.51.100.10:5060;branch=z9hG4bK1;received=203.0.113.9",
        ";branch=z9hG4bK1;received=198.51.100.10",
    ),
    "forged-received-v6": (
        "198.51.100.10:5060;branch=z9hG4bK1;received=[2001:db8::bad]",
        ";branch=z9hG4bK1;received=198.51.100.10",
    ),
    "forged-both": (
        "pbx.example;received=203.0.113.9;rport=7;branch=z9hG4bK1",
        ";received=198.51.100.10;rport=40000;branch=z9hG4bK1",
    ),
    "own-address": ("198.51.100.10:5060;branch=z9hG4bK1", ";branch=z9hG4bK1"),
    "own-address-no-port": ("198.51.100.10;branch=z9hG4bK1", ";branch=z9hG4bK1"),
    "other-address": ("10.0.0.5:5060;branch=z9hG4bK1", ";branch=z9hG4bK1;received=198.51.100.10"),
    "name": ("pbx.example;branch=z9hG4bK1", ";branch=z9hG4bK1;received=198.51.100.10"),
    "v6-sent-by": ("[2001:db8::5]:5062;branch=z9hG4bK1", ";branch=z9hG4bK1;received=198.51.100.10"),
}
VIAS_V6 = {
    "rport": ("[2001:db8:a::10]:5060;rport;branch=z9hG4bK1", ";rport=5060;branch=z9hG4bK1;received=2001:db8:a::10"),
    "own-address": ("[2001:db8:a::10]:5060;branch=z9hG4bK1", ";branch=z9hG4bK1"),
    "written-otherwise": ("[2001:DB8:A:0:0:0:0:10]:5060;branch=z9hG4bK1", ";branch=z9hG4bK1"),
    "forged": ("[2001:db8:a::11];received=::1;branch=z9hG4bK1", ";received=2001:db8:a::10;branch=z9hG4bK1"),
    "forged-v4": ("10.0.0.5;received=10.0.0.5;branch=z9hG4bK1", ";received=2001:db8:a::10;branch=z9hG4bK1"),
    "name": ("pbx.example;branch=z9hG4bK1", ";branch=z9hG4bK1;received=2001:db8:a::10"),
}


def seen(vias: dict[str, tuple[str, str]]) -> list[object]:
    found: list[object] = []
    for name, (sent, rest) in vias.items():
        sent_by = sent.partition(" ")[0].partition(";")[0]
        found.append(pytest.param(f"SIP/2.0/UDP {sent}", f"SIP/2.0/UDP {sent_by}{rest}", id=name))
    return found


@pytest.mark.parametrize(("sent", "wanted"), seen(VIAS))
def test_via_is_told_the_truth(sent: str, wanted: str) -> None:
    world, call = World(), Call.outbound()
    behind = "SIP/2.0/UDP 10.9.9.9;rport;received=1.2.3.4"
    invite = call.invite().set("Via", sent, behind)
    assert world.send(invite, NAT).message.all("Via")[1:] == [wanted, behind]
    refused = call.invite().set("Via", sent, behind).to("sip:x@elsewhere.example")
    assert world.send(refused, NAT).message.all("Via") == [wanted, behind]


@pytest.mark.parametrize(("sent", "wanted"), seen(VIAS_V6))
def test_via_is_told_the_truth_over_v6(sent: str, wanted: str) -> None:
    world, call = World(), Call.outbound(SIX, "+12125556000")
    assert world.send(call.invite().set("Via", sent), SIX).message.all("Via")[1:] == [wanted]


def test_only_the_first_value_of_a_list_is_touched() -> None:
    world, call = World(), Call.outbound()
    invite = call.invite().set("Via", "SIP/2.0/UDP a.example;rport;branch=z9hG4bK1 , SIP/2.0/UDP b.example;rport")
    seen_at = "SIP/2.0/UDP a.example;rport=40000;branch=z9hG4bK1;received=198.51.100.10 , SIP/2.0/UDP b.example;rport"
    assert world.send(invite, NAT).message.all("Via")[1:] == [seen_at]


def test_compact_and_folded_headers_stay_as_they_are() -> None:
    world, call = World(), Call.outbound()
    data = bytes(call.invite()).replace(b"Via: SIP/2.0/UDP ", b"v :SIP / 2.0 / UDP\r\n ").replace(b"From:", b"f:")
    result = world.send(data, ACME)
    assert result.action == "forward"
    assert b"\r\nv :SIP / 2.0 / UDP\r\n 198.51.100.10:5060;branch=" in result.data
    assert b";rport=5060;received=198.51.100.10\r\n" in result.data
    assert b'\r\nf: "Caller"' in result.data


@pytest.mark.parametrize(
    ("via", "to"),
    [
        ("198.51.100.10:5062;branch=z9hG4bK1;rport", NAT),
        ("198.51.100.10:5062;branch=z9hG4bK1", (ACME[0], 5062)),
        ("198.51.100.10;branch=z9hG4bK1", (ACME[0], 5060)),
        ("10.0.0.5:5064;branch=z9hG4bK1", (ACME[0], 5064)),
        ("pbx.example:5064;branch=z9hG4bK1;received=203.0.113.9;rport=9", NAT),
    ],
)
def test_answers_and_responses_go_to_the_true_sender(via: str, to: Source) -> None:
    """RFC 3261 §18.2.2, RFC 3581 §4: the address is the packet's; the port too where the sender asked for that."""
    world, call = World(), Call.outbound()
    invite = call.invite().set("Via", f"SIP/2.0/UDP {via}")
    forwarded = world.send(invite, NAT)
    assert world.send(response(forwarded.message, "180 Ringing", "callee"), CLOUD).to == to
    assert world.send(invite.to("sip:x@elsewhere.example").set("CSeq", "9 INVITE"), NAT).to == to


@pytest.mark.parametrize(("sent", "goes_on"), [("70", "69"), ("1", "0"), ("255", "254"), ("0070", "69"), ("10", "9")])
def test_max_forwards_goes_down(sent: str, goes_on: str) -> None:
    world, call = World(), Call.outbound()
    assert world.send(call.invite().set("Max-Forwards", sent), ACME).message.all("Max-Forwards") == [goes_on]


def test_max_forwards_is_added() -> None:
    world, call = World(), Call.outbound()
    world.forward(call.invite().set("Max-Forwards"), ACME, CLOUD, record=True)
    assert world.send(call.request("CANCEL").set("Max-Forwards"), ACME).message.all("Max-Forwards") == ["70"]


def used_up(method: str) -> Message:
    to_tag = "callee" if method == "ACK" else ""
    return Call.outbound().request(method, to_tag=to_tag).set("Max-Forwards", "0")


@pytest.mark.parametrize("method", ["INVITE", "CANCEL", "OPTIONS", "REFER", "UPDATE"])
def test_no_hops_left(method: str) -> None:
    sent = used_up(method)
    if method == "REFER":
        sent = sent.set("Refer-To", "<sip:+442071838751@cloud.example.net>")
    World().answer(sent, ACME, "483 Too Many Hops")


def test_ack_without_hops_is_dropped() -> None:
    World().drop(used_up("ACK"), ACME, "hops")


@pytest.mark.parametrize("agent", [AT, "sbc.example.net", "192.0.2.1"])
def test_options_to_us_need_no_hops(agent: str) -> None:
    sent = used_up("OPTIONS").to(f"sip:{agent}")
    assert World().send(sent, ACME).message.status == 200


def test_options_to_us_over_v6() -> None:
    sent = Call.outbound(SIX, "+12125556000").request("OPTIONS").to(f"sip:{AT6}").set("Max-Forwards", "0")
    result = World().send(sent, SIX)
    assert (result.message.status, result.to, result.listener) == (200, SIX, 1)
