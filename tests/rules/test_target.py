"""target: which hosts a request may name in Request-URI, Route and Refer-To, however it writes them."""

from __future__ import annotations

import pytest

from tests.agent import ACME, CALLED, CLOUD, OWN, Agent, Decision, MakeAgent, inbound, invite, policy, request
from tests.proxy.message import Header
from tests.rules.modes import check_structural

HOST, ROUTE = "403 target-host", "403 target-route"
HEADERS, REFER = "403 target-headers", "403 target-refer"
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
