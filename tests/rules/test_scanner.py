"""scanner: names and request shapes of attack tools, and no name that real equipment has too."""

from __future__ import annotations

import pytest

from edge_agent.rules.scanner import ScannerSettings
from tests.agent import ACME, CALLED, CLOUD, NOBODY, OWN, Agent, MakeAgent, inbound, invite, policy, request
from tests.rules.modes import check_modes

AGENT, SHAPE = "403 scanner-agent", "403 scanner-shape"
PASS = "forward pass"
SWEEP = '"sipvicious" <sip:100@1.1.1.1>'


@pytest.mark.parametrize("signature", ScannerSettings().signatures)
def test_every_shipped_name(agent: MakeAgent, signature: str) -> None:
    party = agent()
    for name in (signature, signature.upper(), signature.lower(), f"x {signature}/0.3.1 (y)"):
        told = party.send(invite(OWN, ("User-Agent", name)))
        assert (told.short, told.rule) == (AGENT, "scanner")
        assert party.send(invite(OWN, ("User-Agent", name)), NOBODY).short == "drop scanner-agent"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "friendly scanner",
        "friendly-scanne",
        "sip vicious",
        "sip-cli",
        "aaaaaaa",
        "SIPp",
        "sipsak 0.9.8",
        "eyeBeam release 3015c",
        "CSipSimple_m7-22/r2330",
        "PortSIP VoIP SDK 11.2",
        "VaxSIPUserAgent/3.1",
        "MizuPhone/Z 3.1",
        "Cisco-CUCM12.5",
        "Asterisk PBX 18.10.0",
        "FreeSWITCH",
        "Grandstream GXP2170 1.0.11.35",
        "Yealink SIP-T46S 66.86.0.15",
        "Gulp",
        "smap",
    ],
)
def test_near_misses_and_real_equipment(agent: MakeAgent, name: str) -> None:
    assert agent().send(invite(OWN, ("User-Agent", name))).short == PASS


@pytest.mark.parametrize("name", ["User-Agent", "user-agent", "USER-AGENT", "User-Agent ", "user-agent\t "])
@pytest.mark.parametrize(
    "value", ["friendly-scanner", "\r\n friendly-scanner", "a\r\n\tfriendly-scanner", "a" * 7 + "svmap"]
)
def test_the_header_in_any_spelling(agent: MakeAgent, name: str, value: str) -> None:
    assert agent().send(invite(OWN, (name, value))).short == AGENT


def test_two_names_are_malformed(agent: MakeAgent) -> None:
    sent = invite(OWN, ("User-Agent", "PBX"), ("user-agent ", "friendly-scanner"))
    assert agent().send(sent).short == "400 duplicate-header"


@pytest.mark.parametrize("caller", [SWEEP, "<sip:SIPVicious@x>", "sip:friendly-scanner@x", "svwar <sip:100@x>"])
@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "REFER"])
def test_the_name_in_from(agent: MakeAgent, caller: str, method: str) -> None:
    assert agent().send(request(method, f"sip:{CALLED}@cloud.example.net", caller)).short == AGENT


def test_other_headers_don_t_name_the_sender(agent: MakeAgent) -> None:
    """Who is called, or what is said about a call, signs nobody."""
    sent = invite(OWN, ("Subject", "sipvicious"), ("X-Tool", "sipvicious")).set("To", "<sip:sipvicious@x>")
    assert agent().send(sent.to("sip:sipvicious@cloud.example.net")).short == PASS


@pytest.mark.parametrize("port", ["", ":5060", ":5999"])
def test_the_shape_of_a_sweep(agent: MakeAgent, port: str) -> None:
    sent = invite(f"<sip:100@1.1.1.1{port}>").set("To", f"<sip:100@1.1.1.1{port}>")
    told = agent().send(sent)
    assert (told.short, told.rule) == (SHAPE, "scanner")
    assert agent().send(sent, NOBODY).short == "drop scanner-shape"


@pytest.mark.parametrize(
    ("from_host", "to_host"),
    [("1.1.1.1", "192.0.2.1"), ("192.0.2.1", "1.1.1.1"), ("1.1.1.10", "1.1.1.1"), ("1.1.1.1", "1.1.1.11")],
)
def test_near_misses_of_the_shape(agent: MakeAgent, from_host: str, to_host: str) -> None:
    sent = invite(f"<sip:{OWN}@{from_host}>").set("To", f"<sip:{CALLED}@{to_host}>")
    assert agent().send(sent).short == PASS


def test_only_on_requests_of_trunks_and_strangers(agent: MakeAgent) -> None:
    assert agent().send(inbound(OWN, OWN, ("User-Agent", "friendly-scanner")), CLOUD).short == PASS


def test_a_proven_dialog_is_left_alone(agent: MakeAgent) -> None:
    party = agent()
    opened = party.send(invite()).message
    [cookie] = opened.all("Record-Route")
    inside = request("BYE", "sip:b@192.0.2.60", OWN, ("Route", cookie), ("User-Agent", "sipcli"), to_tag="callee")
    inside = inside.set("Call-ID", opened.one("Call-ID")).set("From", opened.one("From"))
    assert party.send(inside).short == PASS


def test_event(agent: MakeAgent) -> None:
    party = agent()
    event = party.send(invite(OWN, ("User-Agent", "friendly-scanner"))).event
    assert (event.action, event.rule, event.reason, event.status) == ("answer", "scanner", "scanner-agent", 403)
    assert (event.peer, event.source, event.user_agent) == ("acme", ACME, "friendly-scanner")
    assert ScannerSettings().signatures[event.value] == "friendly-scanner"
    event = party.send(invite(OWN, ("User-Agent", "friendly-scanner")), NOBODY).event
    assert (event.action, event.rule, event.status, event.peer) == ("drop", "scanner", 0, "")


def test_modes() -> None:
    check_modes("scanner", lambda agent: agent.send(invite(OWN, ("User-Agent", "friendly-scanner"))), AGENT)


@pytest.mark.parametrize(
    ("text", "short", "monitored"),
    [
        (policy(), "drop scanner-agent", ()),
        (policy(agent='mode = "monitor"'), "drop scanner-agent", ()),
        (policy(rules='[rules.scanner]\nmode = "monitor"'), "drop unknown-source", ("scanner",)),
        (policy(rules='[rules.scanner]\nmode = "off"'), "drop unknown-source", ()),
    ],
)
def test_modes_on_strangers(text: str, short: str, monitored: tuple[str, ...]) -> None:
    """Strangers are no trunk's calls, so a monitoring agent changes nothing for them; they are dropped in any mode."""
    dropped = Agent(text).send(invite(OWN, ("User-Agent", "friendly-scanner")), NOBODY)
    assert (dropped.short, dropped.monitored) == (short, monitored)


def test_reload(agent: MakeAgent) -> None:
    """A list of the operator's replaces the shipped one."""
    party = agent()
    scanner, odd = ("User-Agent", "friendly-scanner"), ("User-Agent", "Odd Tool 7")
    assert [party.send(invite(OWN, one)).short for one in (scanner, odd)] == [AGENT, PASS]
    party.reload(policy(rules='[rules.scanner]\nsignatures = ["oDD tool"]'))
    assert [party.send(invite(OWN, one)).short for one in (scanner, odd)] == [PASS, AGENT]
    assert party.engine.counters()["by_verdict"]["answer", "scanner", "scanner-agent", "acme"] == 2
