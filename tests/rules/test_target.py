"""target: which hosts a request may name in Request-URI, Route and Refer-To, however it writes them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.agent import (
    ACME,
    BETA,
    BETAS,
    CALLED,
    CLOUD,
    OWN,
    US,
    Agent,
    Decision,
    MakeAgent,
    inbound,
    invite,
    policy,
    request,
)
from tests.proxy.message import Header, Message, response
from tests.rules.modes import check_structural

HOST, ROUTE = "403 target-host", "403 target-route"
HEADERS, REFER, ROUTING = "403 target-headers", "403 target-refer", "403 target-routing"
PASS = "forward pass"


def call(uri: str, *more: Header) -> Decision:
    return Agent().send(invite(OWN, *more, uri=uri))


def refer(to: str, name: str = "Refer-To") -> Decision:
    return Agent().send(request("REFER", f"sip:{CALLED}@cloud.example.net", OWN, (name, to)))


@pytest.mark.parametrize(
    "host",
    [
        "cloud.example.net",
        "CLOUD.Example.NET",
        "cloud.example.net.",
        "cloud.example.net:5060",
        "cloud.example.net:5061",
        "cloud.example.net:1",
        "192.0.2.60",
        "192.0.2.60:5060",
        "192.0.2.60:5999",
        "192.0.2.1",
        "192.0.2.1:5060",
        "sbc.example.net",
        "SBC.example.net.:5070",
        "cloud.example.net;user=phone",
        "cloud.example.net;transport=udp;lr;x=y",
    ],
)
def test_hosts_that_pass(host: str) -> None:
    assert call(f"sip:{CALLED}@{host}").short == PASS
    assert call(f"sips:{CALLED}:secret@{host}").short == PASS


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "192.0.2.99",
        "192.0.2.61",  # the PSAP is not acme's upstream
        "198.51.100.10",
        "192.0.2.1:5061",  # not our port
        "[2001:db8::60]",
        "example.net",
        "evil.cloud.example.net",
        "cloud.example.net.evil.example",
        "cloud.example.net..",
        "cloud-example.net",
        "192.0.2.060",
        "192.0.2.60.",
        "0300.0.2.60",
        "0xc0.0.2.60",
        "3221226044",
        "192.0.572",
        "cloud.example.net;maddr=203.0.113.66",
        "cloud.example.net;MADDR=203.0.113.66;transport=tcp",
        "192.0.2.60;lr;maddr=192.0.2.60",
    ],
)
def test_hosts_that_don_t(host: str) -> None:
    told = call(f"sip:{CALLED}@{host}")
    assert (told.short, told.rule) == (HOST, "target")


@pytest.mark.parametrize(
    "uri",
    [
        f"sip:{CALLED}%40cloud.example.net@evil.example",
        f"sip:{CALLED};x=@evil.example".replace("x=@", "x=y@"),
        "sip:evil.example",
        "sip:cloud.example.net@evil.example",
        f"sip:{CALLED}:cloud.example.net@evil.example",
        f"SIP:{CALLED}@evil.example",
    ],
)
def test_the_host_is_what_stands_behind_the_user(uri: str) -> None:
    assert call(uri).short == HOST


@pytest.mark.parametrize("uri", ["tel:+442071838750", "tel:011442071838750", "TEL:+44-20-7183-8750"])
def test_a_tel_uri_names_no_host(uri: str) -> None:
    assert call(uri).short == PASS
    assert call(uri, ("Route", "<sip:evil.example;lr>")).short == ROUTE


@pytest.mark.parametrize(
    "headers",
    ["?Route=%3Csip:evil.example%3E", "?Subject=x", ";lr?P-Asserted-Identity=%3Ctel:911%3E", "?a=b&From=c"],
)
def test_escaped_headers(headers: str) -> None:
    """RFC 4475 §3.1.2.11: a proxy that made headers of them would be led by the nose."""
    assert call(f"sip:{CALLED}@cloud.example.net{headers}").short == HEADERS
    assert refer(f"<sip:{CALLED}@cloud.example.net{headers}>").short == HEADERS


@pytest.mark.parametrize("name", ["From", "To", "Contact", "m"])
@pytest.mark.parametrize("headers", ["?Route=%3Csip:evil.example%3E", ";x=y?Subject=x"])
def test_escaped_headers_of_other_uris(name: str, headers: str) -> None:
    """RFC 3261 §19.1.1, table 1: none of these may hold any, whoever makes the call."""
    tag = ";tag=1" if name == "From" else ""
    for sent, source in ((invite(), ACME), (inbound(), CLOUD)):
        full = "Contact" if name == "m" else name
        bad = sent.set(full, f"<sip:{OWN}@x.example{headers}>{tag}")
        bad = replace(bad, headers=tuple((name if h == full else h, value) for h, value in bad.headers))
        assert Agent().send(bad, source).short == HEADERS


def test_a_registration_s_contact_may_hold_headers(agent: MakeAgent) -> None:
    """There the registrar makes use of them; it is the upstream's to take registrations at all."""
    sent = request("REGISTER", "sip:cloud.example.net", OWN).set("Contact", "<sip:x@198.51.100.10?Route=y>")
    assert agent().send(sent).short == "405 method"


def test_escaped_headers_in_a_dialog(agent: MakeAgent) -> None:
    """In Routes beyond ours and the Contact; what From and To say, the INVITE said, and no call may hang for it."""
    party = agent()
    opened = party.send(invite()).message
    [own] = opened.all("Record-Route")

    def inside(method: str, *more: Header) -> Message:
        sent = request(method, "sip:b@192.0.2.60", OWN, ("Route", own), *more, to_tag="c")
        return sent.set("Call-ID", opened.one("Call-ID")).set("From", opened.one("From"))

    assert party.send(inside("INVITE", ("Route", "<sip:b@192.0.2.60;lr?X=y>"))).short == HEADERS
    assert party.send(inside("INVITE", ("Route", "<sip:b@192.0.2.60;lr>"))).short == PASS
    assert party.send(inside("INVITE").set("Contact", "<sip:x@198.51.100.10?Route=y>")).short == HEADERS
    assert party.send(inside("BYE").set("To", "<sip:x@y?Subject=z>;tag=c")).short == PASS
    assert party.send(inside("BYE").set("Contact", "<sip:x@198.51.100.10?Route=y>")).short == PASS


# Routing parameters of the called number

PARAMETERS = [
    f"sip:{CALLED};npdi;rn=+19005551234@cloud.example.net",
    f"sip:{CALLED};RN=+1911@cloud.example.net;user=phone",
    f"sip:{CALLED};%72n=+1911@cloud.example.net",
    f"sip:{CALLED}%3Brn=+1911@cloud.example.net",
    f"sip:{CALLED}:secret;rn=+1911@cloud.example.net",
    f"sip:{CALLED};cic=+1-0288@cloud.example.net",
    f"sip:{CALLED};tgrp=x;trunk-context=y@cloud.example.net",
    f"sip:{CALLED}@cloud.example.net;tgrp=x",
    f"sips:{CALLED}@cloud.example.net;user=phone;rn=1",
    f"tel:{CALLED};npdi;rn=+19005551234",
    f"tel:{CALLED};trunk-context=y",
]


@pytest.mark.parametrize("uri", PARAMETERS)
def test_routing_parameters(agent: MakeAgent, uri: str) -> None:
    """They lead a call elsewhere than its number says, past every rule that goes by the number."""
    told = call(uri)
    assert (told.short, told.rule) == (ROUTING, "target")
    assert refer(f"<{uri}>").short == ROUTING
    assert agent(policy('asserts = ["routing"]')).send(invite(uri=uri)).short == PASS


@pytest.mark.parametrize(
    "uri",
    [
        f"sip:{CALLED};npdi@cloud.example.net",
        f"sip:{CALLED};rnx=1;xrn=2;isub=rn;ext=5@cloud.example.net",
        f"sip:{CALLED}@cloud.example.net;user=phone;transport=udp;x=rn",
        "sip:rn@cloud.example.net",
        "sip:cloud.example.net;cic-x=1",
        f"tel:{CALLED};ext=1",
    ],
)
def test_other_parameters(uri: str) -> None:
    assert call(uri).short == PASS


def test_routing_parameters_from_the_cloud_and_in_calls(agent: MakeAgent) -> None:
    """The cloud has looked the number up. A Contact names the trunk group of who has it (RFC 4904 §5), proven or not."""
    assert Agent().send(inbound().to(f"sip:{OWN};npdi;rn=+12125550000@{US}"), CLOUD).short == PASS
    party = agent(policy('rules.dialog.mode = "off"'))
    opened = party.send(invite()).message
    [own] = opened.all("Record-Route")
    contact = "sip:+442071838750;tgrp=x;trunk-context=y@192.0.2.60"
    proven = request("INVITE", contact, OWN, ("Route", own), to_tag="c").set("Call-ID", opened.one("Call-ID"))
    proven = proven.set("From", opened.one("From"))
    assert party.send(proven).short == PASS
    assert party.send(proven.to(contact.replace("tgrp=x", "rn=+1911"))).short == ROUTING
    for method in ("INVITE", "BYE"):
        assert party.send(request(method, contact, OWN, to_tag="c")).short == PASS
    number = contact.replace("tgrp=x", "rn=+1911")
    assert party.send(request("INVITE", number, OWN, to_tag="c")).short == ROUTING
    assert party.send(request("BYE", number, OWN, to_tag="c")).short == PASS


def test_a_redirection_names_no_routing_number(agent: MakeAgent) -> None:
    party = agent()
    call = party.send(inbound(), CLOUD).message
    for parameter, start in (("rn=+19005551234", "SIP/2.0 403 "), ("tgrp=x;trunk-context=y", "SIP/2.0 302 ")):
        moved = response(call, "302 Moved Temporarily").above(
            ("Contact", f"<sip:{CALLED};{parameter}@cloud.example.net>")
        )
        assert party.send(moved, ("198.51.100.10", 5070)).message.start.startswith(start)


def test_an_emergency_call_goes_on_with_them(agent: MakeAgent) -> None:
    sent = invite(BETAS, uri="sip:911;npdi;rn=+12125550000@cloud.example.net")
    assert agent().send(sent.set("Contact", "<sip:x@198.51.100.11?Route=y>"), BETA).short == "forward emergency-routed"


# Routes


@pytest.mark.parametrize(
    "route",
    [
        "<sip:192.0.2.1;lr>",
        "<sip:192.0.2.1:5060;lr>",
        "<sip:sbc.example.net;lr>",
        "<sips:user@SBC.EXAMPLE.NET.;lr>",
        '"agent" <sip:192.0.2.1;lr>;x=y',
        "<sip:192.0.2.1;lr>, <sip:sbc.example.net;lr>",
    ],
)
def test_a_route_that_names_us_is_popped(route: str) -> None:
    passed = call(f"sip:{CALLED}@cloud.example.net", ("Route", route))
    assert passed.short == PASS
    assert not passed.message.all("Route")


@pytest.mark.parametrize(
    "routes",
    [
        ["<sip:evil.example;lr>"],
        ["<sip:192.0.2.99>"],
        ["<sip:192.0.2.60;lr>"],
        ["<sip:192.0.2.1:5061;lr>"],
        ["<sip:192.0.2.1;lr>, <sip:evil.example;lr>"],
        ["<sip:192.0.2.1;lr>", "<sip:evil.example;lr>"],
        ["<sip:evil.example;lr>", "<sip:192.0.2.1;lr>"],
        ["<sip:192.0.2.1;lr>"] + ["<sip:192.0.2.1;lr>"] * 3 + ["<sip:evil.example;lr>"],
        ["<tel:+1212>"],
    ],
)
@pytest.mark.parametrize("name", ["Route", "route", "ROUTE ", "Route\t"])
def test_other_routes_are_refused(routes: list[str], name: str) -> None:
    told = call(f"sip:{CALLED}@cloud.example.net", *[(name, route) for route in routes])
    assert (told.short, told.rule) == (ROUTE, "target")


def test_a_record_route_is_no_route() -> None:
    assert call(f"sip:{CALLED}@cloud.example.net", ("Record-Route", "<sip:proxy.acme.example;lr>")).short == PASS


# Refer-To


@pytest.mark.parametrize(
    "to",
    [
        f"<sip:{CALLED}@cloud.example.net>",
        f"sip:{CALLED}@CLOUD.example.net.",
        f"<sip:{CALLED}@192.0.2.60:5080>",
        f"<sip:{CALLED}@192.0.2.1>",
        f"<sip:{CALLED}@sbc.example.net>",
        "<sip:2000@198.51.100.10:5070>",  # the customer's own side
        f"<tel:{CALLED}>",
        f'"Transfer" <sip:{CALLED}@cloud.example.net>;method=INVITE',
    ],
)
def test_a_transfer_to_a_party_of_the_call(to: str) -> None:
    assert refer(to).short == PASS


@pytest.mark.parametrize(
    "to",
    [
        f"<sip:{CALLED}@evil.example>",
        f"sip:{CALLED}@evil.example",
        f"<sip:{CALLED}@cloud.example.net;maddr=203.0.113.66>",
        f"<sip:{CALLED}%40cloud.example.net@203.0.113.66>",
        "<http://cloud.example.net/>",
        f"<sip:{CALLED}@198.51.100.11>",  # another customer
    ],
)
@pytest.mark.parametrize("name", ["Refer-To", "r", "REFER-TO ", "R\t"])
def test_a_transfer_elsewhere(to: str, name: str) -> None:
    told = refer(to, name)
    assert (told.short, told.rule) == (REFER, "target")


def test_a_transfer_that_replaces_a_call() -> None:
    """``Replaces`` would take over somebody's call."""
    assert refer("<sip:2000@198.51.100.10?Replaces=a%40b%3Bto-tag%3D1>").short == HEADERS


# Calls from the cloud


@pytest.mark.parametrize(
    ("host", "short"),
    [
        ("192.0.2.1", PASS),
        ("192.0.2.1:5060", PASS),
        ("sbc.example.net", PASS),
        ("Sbc.Example.Net.:5062", PASS),
        ("192.0.2.1:5062", HOST),
        ("198.51.100.10", HOST),
        ("cloud.example.net", HOST),
        ("evil.example", HOST),
    ],
)
def test_calls_from_the_cloud_name_us(host: str, short: str) -> None:
    party = Agent()
    assert party.send(inbound().to(f"sip:{OWN}@{host}"), CLOUD).short == short


def test_routes_from_the_cloud() -> None:
    assert Agent().send(inbound(OWN, OWN, ("Route", "<sip:198.51.100.11;lr>")), CLOUD).short == ROUTE


# Records, modes, reload


def test_event() -> None:
    event = call("sip:9000@evil.example").event
    assert (event.action, event.rule, event.reason, event.status) == ("answer", "target", "target-host", 403)
    assert (event.peer, event.source, event.from_user, event.to_user) == ("acme", ACME, OWN, "9000")


def test_it_always_holds() -> None:
    evil = "sip:x@evil.example"
    check_structural(
        "target",
        [
            (lambda party: party.send(invite(uri=evil)), HOST),
            (lambda party: party.send(invite(OWN, ("Route", "<sip:evil.example;lr>"))), ROUTE),
        ],
    )


@pytest.mark.parametrize(
    "text",
    [
        policy(agent='mode = "monitor"'),
        policy('rules.dialog.mode = "off"'),
        policy(rules='[rules.dialog]\nmode = "off"'),
    ],
    ids=["monitor", "dialog off on the trunk", "dialog off"],
)
def test_an_invented_to_tag_is_no_way_round(agent: MakeAgent, text: str) -> None:
    """Where ``dialog`` refuses nothing, its unproven requests are new ones, and may go nowhere else than these."""
    for method in ("INVITE", "BYE", "REFER", "UPDATE"):
        for uri in ("sip:x@evil.example", f"sip:{CALLED}@cloud.example.net;maddr=203.0.113.66"):
            assert agent(text).send(request(method, uri, OWN, to_tag="invented")).short == HOST
        routed = request(
            method, f"sip:{CALLED}@cloud.example.net", OWN, ("Route", "<sip:evil.example;lr>"), to_tag="invented"
        )
        assert agent(text).send(routed).short == ROUTE


def test_the_upstream_s_own_names_only(agent: MakeAgent) -> None:
    """Another upstream's domain is no target of this trunk; a reload that adds it changes that, and keeps the counters."""
    party = agent()
    sent = invite(uri=f"sip:{CALLED}@voice.example.org")
    assert party.send(sent).short == HOST
    party.reload(policy().replace('domains = ["cloud.example.net"]', 'domains = ["voice.example.org"]'))
    assert party.send(invite(uri=sent.uri)).short == PASS
    assert party.send(invite()).short == HOST
    assert party.engine.counters()["by_verdict"]["answer", "target", "target-host", "acme"] == 2
