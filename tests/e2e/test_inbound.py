"""Calls from the cloud: to the trunk that owns the called number, and to nobody."""

from __future__ import annotations

import pytest

from tests.e2e.scene import Scene
from tests.e2e.test_calls import place

OUTSIDE = "+14158880100"


def inbound(scene: Scene, called: str = "+12125000107") -> dict[str, str]:
    return {"caller": OUTSIDE, "called": called, "domain": str(scene.at)}


@pytest.mark.parametrize(("trunk", "number"), [("acme", "+12125000107"), ("bravo", "+13125000107")])
def test_call_reaches_the_owner_of_the_number(scene: Scene, trunk: str, number: str) -> None:
    _, uas = place(
        scene.caller("uac_call", "cloud", calls=5, keys=inbound(scene, number)),
        scene.party("uas_call", trunk, calls=5),
        5,
    )
    assert uas.received("INVITE")[0].start_line.startswith(f"INVITE sip:{number}@")
    assert OUTSIDE in uas.received("INVITE")[0].header("From")


def test_customer_hangs_up(scene: Scene) -> None:
    place(scene.caller("uac_callee_bye", "cloud", keys=inbound(scene)), scene.party("uas_callee_bye", "acme"))


def test_caller_gives_up(scene: Scene) -> None:
    _, uas = place(scene.caller("uac_cancel", "cloud", keys=inbound(scene)), scene.party("uas_cancel", "acme"))
    assert uas.received("CANCEL")[0].branches == uas.received("INVITE")[0].branches


def test_reinvite_of_the_cloud(scene: Scene) -> None:
    place(scene.caller("uac_reinvite", "cloud", keys=inbound(scene)), scene.party("uas_reinvite", "acme"))


def test_early_media_of_the_customer(scene: Scene) -> None:
    place(scene.caller("uac_early", "cloud", keys=inbound(scene)), scene.party("uas_early", "acme"))


def test_busy_customer(scene: Scene) -> None:
    keys = {"ruri": f"sip:+12125000107@{scene.at}", "from": f"<sip:{OUTSIDE}@cloud.example.net>"}
    caller = scene.caller("uac_refused", "cloud", expect=486, keys={**keys, "to": f"<{keys['ruri']}>"})
    place(caller, scene.party("uas_final", "acme", expect=486, keys={"phrase": "Busy Here"}))


def test_number_of_nobody(scene: Scene) -> None:
    """404, the ACK ends here, and no customer hears of it."""
    target = f"sip:+14158880199@{scene.at}"
    keys = {"ruri": target, "from": f"<sip:{OUTSIDE}@cloud.example.net>", "to": f"<{target}>"}
    with (
        scene.silent("acme") as acme,
        scene.silent("bravo") as bravo,
        scene.caller("uac_refused", "cloud", calls=3, expect=404, keys=keys) as caller,
    ):
        result = caller.wait().require(3)
        scene.fence()
        assert acme.take() == bravo.take() == []
    assert len(result.sent("ACK")) == len(result.received("INVITE", 404)) == 3
