"""Markings that a customer may not assert, sent to the real daemon: the cloud sees the call, and none of them."""

from __future__ import annotations

import pytest

from tests.e2e.scene import Scene

OWN = "<sip:+12125000100@127.0.0.10>"
CLOUD = "sip:+13125550123@cloud.example.net"
VERSTAT = "verstat=TN-Validation-Passed"

# What is sent as From and as further lines; the finding in the log; what the cloud must see of it, and what it must not.
CASES: dict[str, tuple[str, list[str], str, list[str], list[str]]] = {
    "verstat": (
        f"<sip:+12125000100;{VERSTAT}@127.0.0.10;user=phone>",
        [],
        "marking-verstat",
        ["From: <sip:+12125000100@127.0.0.10;user=phone>;tag="],
        ["verstat"],
    ),
    "verstat-asserted": (
        OWN,
        [f"P-Asserted-Identity: <tel:+12125000101;VERSTAT=x;npdi>, <sip:+12125000100@h;{VERSTAT}>"],
        "marking-verstat",
        ["P-Asserted-Identity: <tel:+12125000101;npdi>, <sip:+12125000100@h>\r\n"],
        ["verstat"],
    ),
    "asserted": (
        OWN,
        ["P-Asserted-Identity: <sip:president@example.org>,\r\n <tel:+12125000100>"],
        "marking-asserted",
        ["P-Asserted-Identity: <tel:+12125000100>\r\n"],
        ["president"],
    ),
    "preferred": (OWN, [f"P-Preferred-Identity: {OWN}"], "", [], ["preferred"]),
    "preferred-anonymous": (
        '"Anonymous" <sip:anonymous@anonymous.invalid>',
        ["Privacy: id", f"P-Preferred-Identity: {OWN}"],
        "",
        [f"P-Asserted-Identity: {OWN}\r\n", "Privacy: id\r\n"],
        ["preferred"],
    ),
    "priority": (OWN, ["Priority : Emergency"], "marking-priority", [], ["priority"]),
    "charge": (OWN, ["P-Charge-Info: <sip:+12125000100@h>;npi=ISDN"], "marking-charge", [], ["p-charge-info"]),
    "own-headers": (OWN, ["X-Edge-Verdict: pass", "x-edge-Lane:1"], "marking-internal", [], ["x-edge"]),
}


@pytest.mark.parametrize("kind", CASES)
def test_the_cloud_sees_no_forged_marking(scene: Scene, kind: str) -> None:
    caller, lines, reason, there, gone = CASES[kind]
    call = f"call{list(CASES).index(kind)}"
    text = "\r\n".join(
        [
            f"INVITE {CLOUD} SIP/2.0",
            f"Via: SIP/2.0/UDP {scene.parties['acme']};rport;branch=z9hG4bK{call}",
            *lines,
            "Max-Forwards: 70",
            f"From: {caller};tag={call}",
            f"To: <{CLOUD}>",
            f"Call-ID: {call}",
            "CSeq: 1 INVITE",
            f"Contact: <sip:{scene.parties['acme']}>",
            "Content-Length: 0\r\n\r\n",
        ]
    )
    with scene.silent("cloud") as cloud, scene.silent("acme") as acme:
        acme.send(text, scene.at)
        scene.fence()
        [seen] = [message for message in cloud.take() if message.startswith("INVITE ")]
    for one in there:
        assert one in seen
    for one in gone:
        assert one not in seen.lower()
    assert seen.startswith(f"INVITE {CLOUD} SIP/2.0\r\n")
    assert seen.endswith("\r\nContent-Length: 0\r\n\r\n")
    if reason:
        assert scene.logs(f'"finding":"{reason}"')


def test_a_priority_that_must_be_authorised_is_refused(scene: Scene) -> None:
    text = (
        f"INVITE {CLOUD} SIP/2.0\r\nVia: SIP/2.0/UDP {scene.parties['acme']};rport;branch=z9hG4bKwps\r\n"
        f"Resource-Priority: wps.0\r\nMax-Forwards: 70\r\nFrom: {OWN};tag=w\r\nTo: <{CLOUD}>\r\nCall-ID: wps\r\n"
        f"CSeq: 1 INVITE\r\nContact: <sip:{scene.parties['acme']}>\r\nContent-Length: 0\r\n\r\n"
    )
    with scene.silent("cloud") as cloud, scene.silent("acme") as acme:
        acme.send(text, scene.at)
        scene.fence()
        assert [message for message in cloud.take() if message.startswith("INVITE ")] == []
        [told] = [message for message in acme.take() if "CSeq: 1 INVITE" in message]
    assert told.startswith("SIP/2.0 403 Resource Priority Not Authorised\r\n")
    assert scene.logs('"reason":"marking-resource"')
