"""forged-marking: the emergency lane, and what goes with an INVITE: its copies, CANCEL, ACK and dialog say the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.agent import BETA, BETAS, CLOUD, FOREIGN, OWN, MakeAgent, invite, request
from tests.proxy.message import Message, response
from tests.rules.marked import (
    FORGED,
    PASS,
    REFUSED,
    VERSTAT,
    cleaned,
    found,
    names,
)


def test_an_emergency_call_is_never_refused(agent: MakeAgent) -> None:
    """What claims authority goes, what says who calls and that it is an emergency stays; recorded, not decided."""
    rows = [
        ("P-Asserted-Identity", "<sip:reception@x>"),
        ("P-Preferred-Identity", f"<tel:{FOREIGN}>"),
        ("P-Charge-Info", f"<tel:{FOREIGN}>"),
        ("Priority", "emergency"),
    ]
    forged = [("Resource-Priority", "esnet.4"), ("X-Edge-Lane", "1")]
    sent = request("INVITE", "sip:911@cloud.example.net", f"<sip:{BETAS};verstat=x@h>", *rows, *forged)
    told = agent().send(sent, BETA)
    assert (told.short, told.monitored) == ("forward emergency-routed", ("forged-marking",))
    assert told.event.finding == "marking-internal"
    assert [row for row in told.message.headers if row in rows] == rows
    assert not {"resource-priority", "x-edge-lane"} & set(names(told))
    assert told.message.one("From").startswith(f"<sip:{BETAS}@h>")
    for header in (("Priority", "psap-callback"), ("Resource-Priority", "x"), ("Resource-Priority", "wps.0")):
        told = agent().send(request("INVITE", "sip:911@cloud.example.net", BETAS, header), BETA)
        assert told.short == "forward emergency-routed"
        assert header[0].lower() not in names(told)
    plain = agent().send(request("INVITE", "sip:911@cloud.example.net", BETAS, *rows), BETA)
    assert (plain.short, plain.monitored) == ("forward emergency-routed", ())


def test_an_emergency_call_with_faults_goes_on_all_the_same(agent: MakeAgent) -> None:
    rows = [
        ("Priority", "psap-callback"),
        ("Priority", "psap-callback"),
        ("P-Asserted-Identity", "<<"),
        ("X-Edge-1", ""),
    ]
    told = agent().send(request("INVITE", "sip:911@cloud.example.net", BETAS, *rows), BETA)
    assert told.short == "forward emergency-routed"
    assert not {"priority", "x-edge-1"} & set(names(told))


# Copies, CANCEL, ACK, and what follows in the dialog


def test_copies_cancel_and_ack_say_the_same(agent: MakeAgent) -> None:
    party = agent()
    sent = invite(VERSTAT, *FORGED)
    first = party.send(sent)
    cleaned(first)
    copy = party.send(sent)
    assert (copy.short, copy.data, copy.events) == ("forward retransmission", first.data, ())
    for method in ("CANCEL", "ACK"):
        same = {"via", "from", "to", "call-id", "max-forwards", *(name.lower() for name, _ in FORGED)}
        rows = [row for row in sent.headers if row[0].lower() in same]
        follows = Message(sent.start.replace("INVITE", method), (*rows, ("CSeq", f"1 {method}")))
        if method == "ACK":
            party.send(response(first.message, "486 Busy", "far"), CLOUD)
            follows = follows.set("To", sent.one("To") + ";tag=far")
        told = party.send(follows)
        cleaned(told)
        assert (told.short, told.monitored) == (PASS, ())
        for name in ("Via", "From", "P-Asserted-Identity"):
            assert told.message.all(name) == first.message.all(name)


def test_a_copy_with_another_priority_is_another_request(agent: MakeAgent) -> None:
    party, sent = agent(), invite(OWN)
    assert party.send(sent).short == PASS
    for header in (("Resource-Priority", "ets.0"), ("Require", "resource-priority")):
        assert party.send(replace(sent, headers=(*sent.headers, header))).short == "400 request-changed"


def test_an_ack_or_cancel_brings_no_priority_in(agent: MakeAgent) -> None:
    party, sent = agent(), invite(OWN)
    party.send(sent)
    cancel = Message(sent.start.replace("INVITE", "CANCEL"), sent.headers, sent.body).set("CSeq", "1 CANCEL")
    told = party.send(cancel.set("Resource-Priority", "ets.0"))
    assert told.short == PASS
    assert "resource-priority" not in names(told)


@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "REFER", "BYE", "INFO"])
def test_in_the_dialog(agent: MakeAgent, method: str) -> None:
    party = agent()
    sent = invite(OWN)
    opened = party.send(sent).message
    party.send(response(opened, "200 OK", "far"), CLOUD)
    more = [("Refer-To", "<sip:+442071838750@cloud.example.net>")] if method == "REFER" else []
    inside = sent.set("CSeq", f"2 {method}").set("Via", sent.one("Via").replace("z9hG4bK", "z9hG4bKd"))
    inside = inside.set("To", sent.one("To") + ";tag=far").set("Route", *opened.all("Record-Route"))
    inside = replace(inside, start=f"{method} sip:b@192.0.2.60 SIP/2.0").set(
        "From", sent.one("From").replace("@", ";verstat@")
    )
    marked = replace(inside, headers=(*inside.headers, *more, *FORGED))
    told = party.send(marked)
    cleaned(told)
    assert told.message.one("From") == sent.one("From")
    screened = method in ("INVITE", "UPDATE", "REFER")
    assert found(told) == ("marking-internal" if screened else "")
    again = marked.set("Via", sent.one("Via").replace("z9hG4bK", "z9hG4bKe")).set("CSeq", f"3 {method}")
    told = party.send(replace(again, headers=(*again.headers, ("Resource-Priority", "ets.0"))))
    if screened:
        assert told.short == REFUSED
    else:
        cleaned(told)
        assert "resource-priority" not in names(told)
