"""Calls that must be refused: each gets its answer, its ACK ends at the agent and the cloud sees nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.e2e.scene import Scene
from tests.e2e.sipp import Message, Result
from tests.e2e.wire import Flood

CLOUD = "sip:+13125550123@cloud.example.net"
OWN = "<sip:+12125000100@127.0.0.10>"


@dataclass(frozen=True)
class Refusal:
    """One request that is refused. Fields stand for the parts of the request that differ from a good call."""

    name: str
    expect: int
    reason: str  # why, as the daemon logs it
    ruri: str = CLOUD
    sender: str = OWN
    to: str = "<sip:+13125550123@cloud.example.net>"
    version: str = "SIP/2.0"
    hops: str = "70"
    agent: str = "Desk 1.0"
    body_type: str = "application/sdp"
    lines: tuple[str, ...] = ()
    method: str = "INVITE"
    party: str = "acme"
    answer: tuple[tuple[str, str], ...] = field(default=())  # header of the answer, what it holds

    def keys(self) -> dict[str, str]:
        return {
            "ruri": self.ruri,
            "from": self.sender,
            "to": self.to,
            "version": self.version,
            "hops": self.hops,
            "agent": self.agent,
            "body_type": self.body_type,
            "extra": "".join(f"\r\n{line}" for line in self.lines),
        }


def uri(number: str) -> str:
    return f"sip:{number}@cloud.example.net"


INVITES = [
    # Whose number it is
    Refusal("forged caller", 403, "caller-owned", sender="<sip:+14158880100@127.0.0.10>"),
    Refusal("another trunk's caller", 403, "caller-owned", sender="<sip:+13125000100@127.0.0.10>"),
    Refusal("caller that is no number", 403, "caller-none", sender="<sip:reception@127.0.0.10>"),
    Refusal("caller that no plan can assign", 403, "caller-plan", sender="<sip:+11115000100@127.0.0.10>"),
    Refusal(
        "asserted identity of somebody else",
        403,
        "caller-consistent",
        lines=("P-Asserted-Identity: <sip:+14158880100@127.0.0.10>",),
    ),
    Refusal(
        "remote party of somebody else",
        403,
        "caller-consistent",
        lines=("Remote-Party-ID: <sip:+14158880100@127.0.0.10>;party=calling",),
    ),
    Refusal(
        "anonymous",
        433,
        "caller-anonymous",
        sender='"Anonymous" <sip:anonymous@anonymous.invalid>',
        lines=("Privacy: id",),
    ),
    # What it is sent with, and where
    Refusal("scanner", 403, "scanner-agent", agent="friendly-scanner"),
    Refusal("foreign host", 403, "target-host", ruri="sip:+13125550123@pbx.example.org"),
    Refusal("foreign route", 403, "target-route", lines=("Route: <sip:192.0.2.7;lr>",)),
    Refusal("headers in the Request-URI", 403, "target-headers", ruri=CLOUD + "?Priority=urgent"),
    # Emergency
    Refusal("911", 403, "emergency-not-authorised", ruri=uri("911"), to="<sip:911@cloud.example.net>"),
    Refusal("112", 403, "emergency-not-authorised", ruri=uri("112")),
    Refusal("emergency service URN", 403, "emergency-not-authorised", ruri="urn:service:sos"),
    Refusal("911 of a stranger", 403, "emergency-unknown", ruri=uri("911"), party="stranger"),
    # The interface
    Refusal("no hops left", 483, "hops", hops="0"),
    Refusal("unknown scheme", 416, "scheme", ruri="nobodyknows:+13125550123"),
    Refusal(
        "proxy extension",
        420,
        "proxy-require",
        lines=("Proxy-Require: privacy-plus",),
        answer=(("Unsupported", "privacy-plus"),),
    ),
    Refusal("wrong version", 505, "version", version="SIP/7.0"),
    Refusal("body that is no call's", 415, "body-type", body_type="text/html"),
    # Dialog and form
    Refusal(
        "inside a dialog that nobody knows", 481, "dialog-proof", to="<sip:+13125550123@cloud.example.net>;tag=nowhere"
    ),
    Refusal("hop count that is no number", 400, "max-forwards", hops="many"),
    Refusal("two subjects", 400, "duplicate-header", lines=("Subject: one", "Subject: two")),
    Refusal("two content lengths", 400, "duplicate-header", lines=("l: 20",)),
    Refusal("two identities of one scheme", 400, "identity-header", lines=(f"P-Asserted-Identity: {OWN}, {OWN}",)),
    Refusal("control byte", 400, "control-byte", lines=("Subject: a\x07b",)),
]

OTHERS = [
    Refusal("REGISTER", 405, "method", method="REGISTER", answer=(("Allow", "INVITE"),)),
    Refusal("MESSAGE", 405, "method", method="MESSAGE", answer=(("Allow", "BYE"),)),
    Refusal("SUBSCRIBE", 405, "method", method="SUBSCRIBE", answer=(("Allow", "CANCEL"),)),
    Refusal("method of no standard", 501, "method-unknown", method="FROBNICATE"),
    Refusal(
        "BYE of a dialog that nobody knows",
        481,
        "dialog-proof",
        method="BYE",
        to="<sip:+13125550123@cloud.example.net>;tag=nowhere",
    ),
]


def refuse(scene: Scene, case: Refusal, calls: int = 3) -> Result:
    """Places the case's calls; each must get its answer, and neither the cloud nor the PSAP may see a byte."""
    scenario = "uac_refused" if case.method == "INVITE" else "uac_refused_request"
    with scene.silent("cloud") as cloud, scene.silent("psap") as psap:
        caller = scene.caller(
            scenario, case.party, calls=calls, keys=case.keys(), expect=case.expect, method=case.method
        )
        with caller:
            result = caller.wait().require(calls)
        scene.fence()
        assert cloud.take() == []
        assert psap.take() == []
    assert scene.logs(f'"reason":"{case.reason}"'), "the daemon gave another reason"
    return result


def replies(result: Result, case: Refusal) -> list[Message]:
    return [m for m in result.messages if not m.sent and m.status == case.expect]


@pytest.mark.parametrize("case", INVITES, ids=lambda case: case.name.replace(" ", "-"))
def test_refused_call(scene: Scene, case: Refusal) -> None:
    result = refuse(scene, case)
    assert len(result.sent("ACK")) == 3
    # ACK is never answered: there is one answer for each INVITE and no other.
    assert len(replies(result, case)) == len([m for m in result.messages if not m.sent]) == 3
    for reply in replies(result, case):
        invite = next(m for m in result.sent("INVITE") if m.header("Call-ID") == reply.header("Call-ID"))
        assert reply.header("From") == invite.header("From")
        assert reply.header("CSeq") == invite.header("CSeq")
        assert ";tag=" in reply.header("To")
        for name, holds in case.answer:
            assert holds in reply.header(name)


@pytest.mark.parametrize("case", OTHERS, ids=lambda case: case.name.replace(" ", "-"))
def test_refused_request(scene: Scene, case: Refusal) -> None:
    result = refuse(scene, case)
    for name, holds in case.answer:
        assert all(holds in reply.header(name) for reply in replies(result, case))


def test_calls_over_the_rate_of_the_trunk(scene: Scene) -> None:
    """The trunk may start one call; that one is answered, the next ones are not, and only they."""
    keys = {"caller": "+12127000100"}
    with scene.party("uas_call", "cloud") as called, scene.caller("uac_call", "tight", keys=keys) as caller:
        caller.wait().require(1)
        called.wait().require(1)
    refuse(
        scene, Refusal("over rate", 486, "trunk-rate", sender="<sip:+12127000100@127.0.0.12>", party="tight"), calls=5
    )


def test_flood_of_strangers_costs_no_call(scene: Scene) -> None:
    """Fifty INVITEs for each of the customer's, every one from another address, while his calls go on."""
    calls = 100
    with (
        scene.party("uas_call", "cloud", calls=calls) as called,
        scene.caller("uac_call", "acme", calls=calls, rate=50) as caller,
        Flood(scene.at) as flood,
    ):
        caller.wait().require(calls)
        called.wait().require(calls)
    assert flood.sent > 2000


def test_stranger_gets_no_answer(scene: Scene) -> None:
    invite = (
        f"INVITE {CLOUD} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {scene.parties['stranger']};rport;branch=z9hG4bKstranger\r\n"
        f"Max-Forwards: 70\r\nFrom: {OWN};tag=s\r\nTo: <{CLOUD}>\r\nCall-ID: stranger\r\nCSeq: 1 INVITE\r\n"
        f"Contact: <sip:{scene.parties['stranger']}>\r\nContent-Length: 0\r\n\r\n"
    )
    with scene.silent("cloud") as cloud, scene.silent("stranger") as stranger:
        for _ in range(5):
            stranger.send(invite, scene.at)
        scene.fence()
        assert stranger.take() == []
        assert cloud.take() == []
