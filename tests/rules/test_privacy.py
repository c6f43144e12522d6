"""An asserted identity stays in the trust domain when its caller asks for it; what responses may not assert ends here (RFC 3325)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.agent import (
    ACME,
    BETA,
    BETAS,
    CLOUD,
    FOREIGN,
    OWN,
    OWN2,
    PSAP,
    Agent,
    Decision,
    inbound,
    invite,
    policy,
    request,
)
from tests.proxy.message import Header, Message, response
from tests.rules.marked import names
from tests.rules.vouching import TAG, signing

PASS = "forward pass"
ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'
PAI: Header = ("P-Asserted-Identity", f"<sip:{FOREIGN}@cloud.example.net>")
TRUSTED = 'asserts = ["PAI"]'


def private(value: str = "id", caller: str = ANONYMOUS, *more: Header) -> Message:
    return inbound(caller, OWN, PAI, ("Privacy", value), *more)


# Calls


@pytest.mark.parametrize("value", ["id", "ID", "id;critical", "user;id", "header; id ;session", "critical;\r\n id"])
def test_hit(value: str) -> None:
    told = Agent().send(private(value), CLOUD)
    assert told.short == PASS and told.monitored == ()
    assert told.message.all("P-Asserted-Identity") == []
    assert told.message.all("Privacy") == [value.replace("\r\n", "")] or told.message.one("Privacy")
    assert told.message.body == private().body


@pytest.mark.parametrize("value", ["none", "user", "header;session", "history", "idx", "x-id", ""])
def test_near_miss(value: str) -> None:
    told = Agent().send(private(value), CLOUD)
    assert told.message.all("P-Asserted-Identity") == [PAI[1]]


def test_without_privacy_it_stays() -> None:
    assert Agent().send(inbound(ANONYMOUS, OWN, PAI), CLOUD).message.all("P-Asserted-Identity") == [PAI[1]]


def test_a_trunk_inside_the_trust_domain_is_told() -> None:
    assert Agent(policy(TRUSTED)).send(private(), CLOUD).message.all("P-Asserted-Identity") == [PAI[1]]


@pytest.mark.parametrize("mode", ["off", "monitor", "enforce"])
def test_it_is_no_rule_s(mode: str) -> None:
    at = Agent(policy(rules=f'[rules.forged-marking]\nmode = "{mode}"'))
    assert at.send(private(), CLOUD).message.all("P-Asserted-Identity") == []


def test_spellings_and_rows() -> None:
    """Evasion: a second row, another case, a list of two, folding."""
    rows = [("p-asserted-identity ", f"<sip:{FOREIGN}@x>"), ("P-ASSERTED-IDENTITY", f"<tel:{FOREIGN}>")]
    for privacy in ([("Privacy", "user"), ("Privacy", "id")], [("privacy ", "\r\n id")]):
        told = Agent().send(inbound(ANONYMOUS, OWN, *rows, *privacy), CLOUD)
        assert told.short == PASS and "p-asserted-identity" not in names(told)
    told = Agent().send(
        inbound(ANONYMOUS, OWN, ("P-Asserted-Identity", f"<sip:{FOREIGN}@x>,\r\n <tel:{FOREIGN}>"), ("Privacy", "id")),
        CLOUD,
    )
    assert told.short == PASS and "p-asserted-identity" not in names(told)


def test_identity_stays() -> None:
    """RFC 8224 §11."""
    value = "a.b.c;info=<https://cr.example.net/a.pem>"
    assert Agent().send(private("id", ANONYMOUS, ("Identity", value)), CLOUD).message.all("Identity") == [value]


def test_towards_the_cloud_it_stays() -> None:
    """That is inside; and who calls anonymously must be known there."""
    own = ("P-Asserted-Identity", f"<sip:{OWN}@pbx.example>")
    told = Agent().send(invite(ANONYMOUS, own, ("Privacy", "id")))
    assert told.short == PASS and own in told.message.headers


def test_the_screen_reads_it_before() -> None:
    at = Agent(policy(rules='[rules.own-number-inbound]\nmode = "enforce"'))
    own = ("P-Asserted-Identity", f"<sip:{OWN2}@cloud.example.net>")
    assert at.send(inbound(ANONYMOUS, OWN, own, ("Privacy", "id")), CLOUD).short == "403 own-number-inbound"


@pytest.mark.parametrize(("caller", "marked"), [(ANONYMOUS, False), (FOREIGN, True), ("+14155550199", False)])
def test_what_is_verified_is_told_of_that_number_only(caller: str, marked: bool) -> None:
    """The mark of a hidden number is no other's."""
    with signing(TAG, rules='[rules.caller-format]\nmode = "off"') as at:
        token = at.token("shaken", FOREIGN, OWN)
        told = at.send(private("id", caller), CLOUD, token)
        assert told.short == PASS and "p-asserted-identity" not in names(told)
        assert ("verstat=TN-Validation-Passed" in told.message.one("From")) == marked
        assert told.data.count(b"verstat") == marked


def test_copies_cancel_and_dialog() -> None:
    at, sent = Agent(), private()
    first = at.send(sent, CLOUD)
    assert at.send(sent, CLOUD).data == first.data
    cancel = Message(sent.start.replace("INVITE", "CANCEL"), sent.headers).set("CSeq", "1 CANCEL")
    cancel = cancel.set("Content-Type").set("Content-Length", "0")
    assert "p-asserted-identity" not in names(at.send(cancel, CLOUD))
    at.send(response(first.message, "200 OK", "far"), ACME)
    inside = sent.set("CSeq", "2 INVITE").set("Via", sent.one("Via").replace("z9hG4bK", "z9hG4bKd"))
    inside = inside.set("To", sent.one("To") + ";tag=far").set("Route", *first.message.all("Record-Route"))
    told = at.send(replace(inside, start="INVITE sip:b@198.51.100.10 SIP/2.0"), CLOUD)
    assert told.short == PASS and "p-asserted-identity" not in names(told)


def test_who_calls_back_from_an_emergency_service_is_shown() -> None:
    at = Agent()
    told = at.send(request("INVITE", "sip:911@cloud.example.net", BETAS), BETA)
    at.send(response(told.message, "200 OK", "psap"), PSAP)
    back = at.send(inbound(ANONYMOUS, BETAS, PAI, ("Privacy", "id")), CLOUD)
    assert back.short == "forward emergency-callback" and PAI in back.message.headers


def test_reload() -> None:
    at = Agent()
    for text, shown in (("", False), (TRUSTED, True), ("", False)):
        at.reload(policy(text))
        assert (PAI in at.send(private(), CLOUD).message.headers) == shown


# Responses


def answered(at: Agent, *headers: Header, status: str = "200 OK", outbound: bool = False) -> Decision:
    """A response with these headers to a new call."""
    call = at.send(invite() if outbound else inbound(), ACME if outbound else CLOUD)
    reply = response(call.message, status, "far")
    reply = replace(reply, headers=(*reply.headers[:-1], *headers, reply.headers[-1]))
    return at.send(reply, CLOUD if outbound else ACME)


@pytest.mark.parametrize("status", ["180 Ringing", "200 OK", "486 Busy Here"])
def test_a_response_to_a_private_one(status: str) -> None:
    """From inside to a trunk: what whoever answered asked to keep."""
    told = answered(Agent(), PAI, ("Privacy", "id"), status=status, outbound=True)
    assert told.action == "forward" and "p-asserted-identity" not in names(told)
    assert PAI in answered(Agent(), PAI, status=status, outbound=True).message.headers
    assert PAI in answered(Agent(policy(TRUSTED)), PAI, ("Privacy", "id"), status=status, outbound=True).message.headers


@pytest.mark.parametrize(
    ("value", "left"),
    [
        (f"<sip:{OWN}@pbx.example>", f"<sip:{OWN}@pbx.example>"),
        (f"<sip:{FOREIGN}@pbx.example>", ""),
        ("<sip:reception@pbx.example>", ""),
        (f"<sip:reception@pbx.example>, <tel:{OWN2}>", f"<tel:{OWN2}>"),
        (f"<sip:{OWN}@pbx.example>, <tel:{FOREIGN}>", f"<sip:{OWN}@pbx.example>"),
        (f"<sip:{OWN};verstat=TN-Validation-Passed@pbx.example>", f"<sip:{OWN}@pbx.example>"),
    ],
)
def test_who_a_trunk_says_that_answered(value: str, left: str) -> None:
    """Its own numbers go on, others and names don't; recorded, and the call goes on."""
    told = answered(Agent(), ("P-Asserted-Identity", value))
    assert told.action == "forward"
    assert told.message.all("P-Asserted-Identity") == ([left] if left else [])
    assert told.monitored == (() if left == value else ("forged-marking",))
    whole = answered(Agent(policy('asserts = ["PAI", "verstat"]')), ("P-Asserted-Identity", value))
    assert whole.message.all("P-Asserted-Identity") == [value] and whole.monitored == ()


@pytest.mark.parametrize("mode", ["off", "monitor", "enforce"])
def test_modes_of_responses(mode: str) -> None:
    at = Agent(policy(rules=f'[rules.forged-marking]\nmode = "{mode}"'))
    told = answered(at, PAI, ("X-Edge-1", "x"), ("P-Charge-Info", f"<tel:{OWN}>"))
    assert ("p-asserted-identity" in names(told)) == (mode != "enforce") == ("x-edge-1" in names(told))
    assert ("p-charge-info" in names(told)) == (mode != "enforce")
    assert told.monitored == (() if mode == "off" else ("forged-marking",))


def test_an_upstream_without_the_right_says_nothing_of_who_answered() -> None:
    told = answered(Agent(policy(cloud="asserts = []")), PAI, outbound=True)
    assert told.action == "forward" and "p-asserted-identity" not in names(told)


def test_what_the_agent_wrote_into_from_comes_back_as_it_is() -> None:
    """A response has the From of the request that it answers: nobody takes part in it (RFC 3261 §8.2.6.2)."""
    at = Agent(policy(TAG))
    call = at.send(inbound(), CLOUD)
    assert "verstat=No-TN-Validation" in call.message.one("From")
    told = at.send(response(call.message, "200 OK", "far"), ACME)
    assert told.message.one("From") == call.message.one("From") and told.monitored == ()


def test_responses_of_an_emergency_call_are_let_be() -> None:
    at = Agent(policy(cloud="asserts = []"))
    call = at.send(request("INVITE", "sip:911@cloud.example.net", BETAS), BETA)
    reply = response(call.message, "200 OK", "psap")
    reply = replace(reply, headers=(*reply.headers[:-1], PAI, ("Privacy", "id"), ("X-Edge-1", "x"), reply.headers[-1]))
    told = at.send(reply, PSAP)
    assert {PAI, ("X-Edge-1", "x")} <= set(told.message.headers)
