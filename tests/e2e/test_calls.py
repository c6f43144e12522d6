"""Calls that must pass: SIPp as customer and as cloud, the real daemon between them."""

from __future__ import annotations

import pytest

from tests.e2e.scene import Scene
from tests.e2e.sipp import Result, Sipp


def place(caller: Sipp, called: Sipp, calls: int = 1) -> tuple[Result, Result]:
    """Runs both sides to their end; both must have done all calls without a fault."""
    with called, caller:
        first = caller.wait().require(calls)
        return first, called.wait().require(calls)


def test_whole_calls(scene: Scene) -> None:
    uac, uas = place(scene.caller("uac_call", "acme", calls=20), scene.party("uas_call", "cloud", calls=20), 20)
    invite = uas.received("INVITE")[0]
    assert len(invite.branches) == 2
    assert invite.header("Max-Forwards") == "69"
    assert invite.start_line == "INVITE sip:+13125550123@cloud.example.net SIP/2.0"
    assert str(scene.at) in invite.header("Record-Route") and ";lr" in invite.header("Record-Route")
    # The address that the agent saw goes with the customer's Via (RFC 3581).
    assert f";rport={uac.sent('INVITE')[0].header('Via').split(';')[0].rpartition(':')[2]}" in invite.headers("Via")[1]
    # The customer gets its own Via back and no other.
    assert all(len(message.headers("Via")) == 1 for message in uac.received("INVITE", 200))
    for method in ("ACK", "BYE"):
        message = uas.received(method)[0]
        assert message.start_line == f"{method} sip:cloud@{scene.parties['cloud']} SIP/2.0"
        assert message.headers("Route") == []
        assert len(message.branches) == 2 and message.branches[0] != invite.branches[0]


@pytest.mark.parametrize("name", ["address", "alias"])
def test_own_name_becomes_the_domain_of_the_cloud(scene: Scene, name: str) -> None:
    domain = str(scene.at) if name == "address" else "sbc.example.net"
    caller = scene.caller("uac_call", "acme", keys={"domain": domain})
    _, uas = place(caller, scene.party("uas_call", "cloud"))
    assert uas.received("INVITE")[0].start_line == "INVITE sip:+13125550123@cloud.example.net SIP/2.0"


def test_preloaded_route_to_us_is_popped(scene: Scene) -> None:
    caller = scene.caller("uac_call", "acme", keys={"extra": f"\r\nRoute: <sip:{scene.at};lr>"})
    _, uas = place(caller, scene.party("uas_call", "cloud"))
    assert uas.received("INVITE")[0].headers("Route") == []


def test_early_media(scene: Scene) -> None:
    uac, _ = place(scene.caller("uac_early", "acme"), scene.party("uas_early", "cloud"))
    assert "m=audio" in uac.received("INVITE", 183)[0].text


def test_called_side_hangs_up(scene: Scene) -> None:
    uac, _ = place(scene.caller("uac_callee_bye", "acme"), scene.party("uas_callee_bye", "cloud"))
    bye = uac.received("BYE")[0]
    assert bye.start_line.startswith("BYE sip:+12125000100@127.0.0.10:")
    assert len(bye.branches) == 2 and bye.headers("Route") == []


def test_cancelled_call(scene: Scene) -> None:
    _, uas = place(scene.caller("uac_cancel", "acme", calls=5), scene.party("uas_cancel", "cloud", calls=5), 5)
    for invite in uas.received("INVITE"):
        # CANCEL and the ACK of the 487 are matched to the INVITE by their top branch (RFC 3261 §9.2, §17.2.3).
        for method in ("CANCEL", "ACK"):
            same = [m for m in uas.received(method) if m.header("Call-ID") == invite.header("Call-ID")]
            assert [m.branches for m in same] == [invite.branches], method
            assert same[0].start_line.split()[1] == invite.start_line.split()[1]


def test_reinvite_inside_the_call(scene: Scene) -> None:
    _, uas = place(scene.caller("uac_reinvite", "acme", calls=5), scene.party("uas_reinvite", "cloud", calls=5), 5)
    assert "a=sendonly" in uas.received("INVITE")[-1].text


def test_forked_call_both_answers_pass(scene: Scene) -> None:
    uac, uas = place(scene.caller("uac_fork", "acme"), scene.party("uas_fork", "cloud"))
    assert len({m.header("To") for m in uac.received("INVITE", 200)}) == 2
    assert len({m.header("To") for m in uas.received("ACK")}) == 2


def test_options_is_answered_here(scene: Scene) -> None:
    with (
        scene.silent("cloud") as cloud,
        scene.caller("uac_options", "acme", calls=5, keys={"target": f"sip:{scene.at}"}) as asking,
    ):
        asking.wait().require(5)
        assert cloud.take() == []


@pytest.mark.parametrize(
    ("expect", "phrase"),
    [
        (404, "Not Found"),
        (480, "Temporarily Unavailable"),
        (486, "Busy Here"),
        (500, "Server Internal Error"),
        (503, "Service Unavailable"),
        (603, "Decline"),
    ],
)
def test_busy_and_failed_calls(scene: Scene, expect: int, phrase: str) -> None:
    """The cloud's own refusal reaches the customer as it is, and the ACK reaches the cloud."""
    keys = {
        "ruri": "sip:+13125550123@cloud.example.net",
        "from": "<sip:+12125000100@127.0.0.10>",
        "to": "<sip:+13125550123@cloud.example.net>",
    }
    caller = scene.caller("uac_refused", "acme", calls=3, keys=keys, expect=expect)
    called = scene.party("uas_final", "cloud", calls=3, expect=expect, keys={"phrase": phrase})
    uac, uas = place(caller, called, 3)
    assert uac.received("INVITE", expect)[0].start_line == f"SIP/2.0 {expect} {phrase}"
    for invite in uas.received("INVITE"):
        acks = [m for m in uas.received("ACK") if m.header("Call-ID") == invite.header("Call-ID")]
        assert [ack.branches for ack in acks] == [invite.branches]


CHALLENGES = {
    401: ("Unauthorized", "WWW-Authenticate"),
    407: ("Proxy Authentication Required", "Proxy-Authenticate"),
}


def challenge(scene: Scene, party: str, caller: str, status: int) -> tuple[Result, Result]:
    phrase, header = CHALLENGES[status]
    digest = f'{header}: Digest realm="cloud.example.net", nonce="4f2a9c01", algorithm=MD5'
    return place(
        scene.caller("uac_auth", party, keys={"caller": caller}, arguments=["-au", "desk", "-ap", "secret"]),
        scene.party("uas_auth", "cloud", expect=status, keys={"phrase": phrase, "challenge": digest}),
    )


@pytest.mark.parametrize("status", CHALLENGES)
def test_challenged_call(scene: Scene, status: int) -> None:
    _, uas = challenge(scene, "acme", "+12125000100", status)
    first, second = uas.received("INVITE")
    sent = second.headers("Authorization") + second.headers("Proxy-Authorization")
    assert len(sent) == 1 and 'username="desk"' in sent[0]
    assert first.branches[0] != second.branches[0]
    assert uas.received("ACK")[0].branches == first.branches


def test_challenged_call_counts_once(scene: Scene) -> None:
    """A trunk that may start one call and no more: its second INVITE answers the challenge and still passes."""
    challenge(scene, "tight-auth", "+12127010100", 407)


@pytest.mark.parametrize("number", ["911", "9911", "112", "+1911"])
def test_emergency_of_an_authorised_trunk_reaches_the_psap(scene: Scene, number: str) -> None:
    keys = {"caller": "+13125000100", "called": number}
    with scene.silent("cloud") as cloud:
        _, psap = place(
            scene.caller("uac_call", "bravo", keys=keys),
            scene.party("uas_call", "psap"),
        )
        scene.fence()
        assert cloud.take() == []
    assert [m.method for m in psap.messages if not m.sent] == ["INVITE", "ACK", "BYE"]


def test_test_call_of_an_authorised_trunk_reaches_the_psap(scene: Scene) -> None:
    keys = {"caller": "+13125000100", "called": "933"}
    place(scene.caller("uac_call", "bravo", keys=keys), scene.party("uas_call", "psap"))


def test_a_thousand_calls_at_a_hundred_per_second(scene: Scene) -> None:
    uac, _ = place(
        scene.caller("uac_call", "acme", calls=1000, rate=100, trace=False, seconds=18),
        scene.party("uas_call", "cloud", calls=1000, trace=False, seconds=18),
        1000,
    )
    assert uac.count("OutOfCallMsgs") == uac.count("DeadCallMsgs") == 0
