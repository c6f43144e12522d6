"""Where a new request goes: Routes that name us, Request-URIs that name us, owners of called numbers, two listeners."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_agent import _hot
from edge_agent.policy.tables import Tables
from tests.proxy.message import response, uri_in
from tests.proxy.world import (
    ACME,
    AT,
    AT6,
    BETA,
    CLOUD,
    CLOUD6,
    CONTACT,
    POLICY,
    SIX,
    WEST,
    Call,
    World,
    establish,
    tables,
)

OWN = ["<sip:192.0.2.1:5060;lr>", "<sip:192.0.2.1;lr>", "<sip:sbc.example.net;lr>", '"us" <sip:sbc.example.net:5099>']


@pytest.mark.parametrize("route", [*OWN, "<sips:sbc.example.net;lr>;x=y"])
def test_a_preloaded_route_that_names_us_is_popped(route: str) -> None:
    world, call = World(), Call.outbound()
    world.forward(call.invite().above(("Route", route)), ACME, CLOUD, record=True, routes=())


@pytest.mark.parametrize(
    "rows", [OWN[:2], [f"{OWN[0]}, {OWN[2]}"], [f"{OWN[0]},{OWN[1]}", OWN[2]], [*OWN[1:3], OWN[0]]]
)
def test_several_own_routes_are_popped(rows: list[str]) -> None:
    world, call = World(), Call.outbound()
    invite = call.invite().above(*(("Route", row) for row in rows))
    world.forward(invite, ACME, CLOUD, record=True, routes=())


def test_cancel_and_ack_lose_the_same_routes() -> None:
    world, call = World(), Call.outbound()
    invite = world.send(call.invite().above(("Route", OWN[2])), ACME)
    for sent in (call.request("CANCEL"), call.request("ACK", to_tag="busy")):
        result = world.forward(sent.above(("Route", OWN[2])), ACME, CLOUD, routes=())
        assert result.branch == invite.branch


@pytest.mark.parametrize(
    "rows",
    [
        ["<sip:192.0.2.60;lr>"],
        ["<sip:proxy.example;lr>"],
        [OWN[0], "<sip:192.0.2.60;lr>"],
        [f"{OWN[0]}, <sip:proxy.example;lr>"],
        ["<sip:proxy.example;lr>", OWN[0]],
    ],
)
def test_a_foreign_route_is_refused(rows: list[str]) -> None:
    sent = Call.outbound().invite().above(*(("Route", row) for row in rows))
    World().answer(sent, ACME, "403 Route Not Allowed")


def test_record_routes_of_a_customers_proxy_stay() -> None:
    world, call = World(), Call.outbound()
    result = world.forward(call.invite().above(("Record-Route", "<sip:pbx.example;lr>")), ACME, CLOUD, record=True)
    assert result.record[1:] == ["<sip:pbx.example;lr>"], "ours stands above"


OWN_NAMES = {
    "sip:+442071838750@192.0.2.1": "sip:+442071838750@cloud.example.net",
    "sip:+442071838750@192.0.2.1:5060": "sip:+442071838750@cloud.example.net",
    "sip:+442071838750@sbc.example.net": "sip:+442071838750@cloud.example.net",
    "sip:+442071838750@sbc.example.net:5099": "sip:+442071838750@cloud.example.net",
    "sip:+442071838750@SBC.Example.NET.": "sip:+442071838750@cloud.example.net",
    "sip:+442071838750@[2001:db8::1]": "sip:+442071838750@cloud.example.net",
    "sip:+442071838750@[2001:DB8:0:0::1]:5060": "sip:+442071838750@cloud.example.net",
    "sip:+442071838750@192.0.2.1:5060;user=phone": "sip:+442071838750@cloud.example.net;user=phone",
    "sip:+442071838750;npdi:pw@192.0.2.1;user=phone;x": "sip:+442071838750;npdi:pw@cloud.example.net;user=phone;x",
    "sips:+442071838750@sbc.example.net": "sips:+442071838750@cloud.example.net",
}


@pytest.mark.parametrize("uri", OWN_NAMES)
def test_an_own_name_becomes_the_upstreams_domain(uri: str) -> None:
    world, call = World(), Call.outbound()
    world.forward(call.invite().to(uri), ACME, CLOUD, record=True, uri=OWN_NAMES[uri])


def test_cancel_and_ack_get_the_same_request_uri() -> None:
    world, call = World(), Call.outbound(agent=AT)
    wanted = "sip:+442071838750@cloud.example.net"
    invite = world.forward(call.invite(), ACME, CLOUD, record=True, uri=wanted)
    for sent in (call.request("CANCEL"), call.request("ACK", to_tag="busy")):
        assert world.forward(sent, ACME, CLOUD, uri=wanted).branch == invite.branch


def test_an_upstream_without_domains_is_named_by_its_target() -> None:
    world, call = World(), Call.outbound(WEST, "+12125554000", AT)
    world.forward(call.invite(), WEST, CLOUD6, at=AT6, record=True, uri="sip:+442071838750@[2001:db8::60]:5060")


@pytest.mark.parametrize(
    "uri",
    [
        "sip:+442071838750@cloud.example.net",
        "sip:+442071838750@cloud.example.net:7777",
        "sip:+442071838750@192.0.2.60:9",
        "sip:+442071838750;phone-context=x@cloud.example.net;user=phone",
        "tel:+44-20-7183-8750",
    ],
)
def test_the_upstreams_own_names_stay(uri: str) -> None:
    world, call = World(), Call.outbound()
    world.forward(call.invite().to(uri), ACME, CLOUD, record=True)


@pytest.mark.parametrize(
    "host",
    [
        "elsewhere.example",
        "192.0.2.61",
        "192.0.2.1:5090",
        "sub.cloud.example.net",
        "xcloud.example.net",
        "[2001:db8::60]",
    ],
)
def test_other_hosts_are_refused(host: str) -> None:
    """192.0.2.61 is another upstream's target; our own address counts with its port only."""
    World().answer(Call.outbound().invite().to(f"sip:+442071838750@{host}"), ACME, "403 Target Not Allowed")


@pytest.mark.parametrize(
    "uri", ["sip:+442071838750@192.0.2.60;maddr=203.0.113.1", "sip:+442071838750@192.0.2.1;maddr=x"]
)
def test_maddr_is_another_target(uri: str) -> None:
    World().answer(Call.outbound().invite().to(uri), ACME, "403 Target Not Allowed")


def test_headers_in_the_request_uri_are_refused() -> None:
    sent = Call.outbound().invite().to("sip:+442071838750@cloud.example.net?Route=%3Csip:x%3E")
    World().answer(sent, ACME, "403 Headers In URI Not Allowed")


# Calls from an upstream


def test_a_call_goes_to_the_owner_of_the_number() -> None:
    world = World()
    for user, to in (("+12125552001", CONTACT), ("+12125553001", BETA)):
        result = world.send(Call.inbound(user).invite(), CLOUD)
        assert (result.action, result.to, result.message.uri) == ("forward", to, f"sip:{user}@{to[0]}:{to[1]}")


@pytest.mark.parametrize("user", ["12125552001", "2125552001", "+1-212-555-2001", "+1(212)555.2001", "01112125552001"])
def test_the_number_is_read_as_people_write_it(user: str) -> None:
    world, call = World(), Call.inbound(user)
    world.forward(call.invite(), CLOUD, CONTACT, record=True, uri=f"sip:{user}@198.51.100.10:5070")


def test_user_parameters_stay() -> None:
    world, call = World(), Call.inbound()
    sent = call.invite().to("sip:+12125552001;npdi=yes@192.0.2.1:5060;user=phone")
    world.forward(sent, CLOUD, CONTACT, record=True, uri="sip:+12125552001;npdi=yes@198.51.100.10:5070;user=phone")


def test_to_a_customer_on_v6() -> None:
    world, call = World(), Call.inbound("+12125556001")
    wanted = "sip:+12125556001@[2001:db8:a::10]:5060"
    result = world.forward(call.invite(), CLOUD, SIX, at=AT6, record=True, uri=wanted)
    assert [uri_in(value).rpartition("@")[2] for value in result.record] == [f"{AT6};lr", f"{AT};lr"]


@pytest.mark.parametrize("user", ["+12125557777", "2125557777", "alice", "+999", ""])
def test_nobodys_number_is_404(user: str) -> None:
    sent = Call.inbound().invite().to(f"sip:{user}@{AT}" if user else f"sip:{AT}")
    World().answer(sent, CLOUD, "404 Not Found")


def test_a_customer_without_a_contact_is_404() -> None:
    text = POLICY.replace('contact = ["198.51.100.10:5070"]\n', "")
    World(text).answer(Call.inbound().invite(), CLOUD, "404 Not Found")


def test_an_upstream_cant_name_another_host() -> None:
    World().answer(Call.inbound().invite().to("sip:+12125552001@elsewhere.example"), CLOUD, "403 Target Not Allowed")


# Two listeners


def test_record_route_names_both_sides() -> None:
    """RFC 5658: towards the callee the side that it hears us on, towards the caller the other."""
    world, call = World(), Call.outbound(WEST, "+12125554000", "[2001:db8::60]")
    result = world.forward(call.invite(), WEST, CLOUD6, at=AT6, record=True)
    assert result.listener == 1
    cookies, sides = zip(*(uri_in(value).removeprefix("sip:").split("@") for value in result.record), strict=True)
    assert sides == (f"{AT6};lr", f"{AT};lr")
    assert len(set(cookies)) == 1, "one dialog, one proof"


def test_requests_inside_take_both_listeners() -> None:
    world = World()
    call = Call.outbound(WEST, "+12125554000", "[2001:db8::60]")
    dialog = establish(world, call, CLOUD6)
    inside = dialog.call.inside("BYE", dialog.caller_routes).to("sip:b@[2001:db8::60]")
    bye = world.forward(inside, WEST, CLOUD6, at=AT6, routes=())
    assert bye.listener == 1
    result = world.forward(call.inside_back("BYE", dialog.callee_routes, CLOUD6), CLOUD6, WEST, at=AT, routes=())
    assert result.listener == 0
    ok = world.send(response(result.message, "200 OK"), WEST)
    assert (ok.action, ok.to, ok.listener) == ("forward", CLOUD6, 1)


def ways(listeners: dict[str, tuple[int, ...]]) -> Tables:
    """The tables of two IPv4 listeners (0 and 2), with the ways to each peer's first target."""
    text = POLICY + '\n[[listen]]\naddress = "192.0.2.2:5060"\n'
    own = tables(text)
    peers = tuple(row._replace(ways=(listeners.get(row.name, ()),)) for row in own.peers)
    return replace(own, generation=2, peers=peers)


@pytest.mark.parametrize(
    ("able", "came_in", "leaves"),
    [((2,), 0, 2), ((2,), 2, 2), ((2, 0), 0, 0), ((0, 2), 2, 2), ((), 0, 0)],
    ids=["must", "is-there", "may-stay", "may-stay-too", "nobody-looked"],
)
def test_a_call_leaves_by_a_listener_that_can_send_there(able: tuple[int, ...], came_in: int, leaves: int) -> None:
    world, call = World(), Call.outbound()
    world.engine.publish(_hot.Policy(ways({"cloud": able})))
    invite = world.send(call.invite(), ACME, came_in)
    assert (invite.action, invite.listener) == ("forward", leaves)
    # The answer goes back the way that the call came.
    assert world.send(response(invite.message, "200 OK", "callee"), CLOUD, leaves).listener == came_in
    cancel = world.send(call.request("CANCEL"), ACME, came_in)
    assert (cancel.action, cancel.listener) == ("forward", leaves)


def test_a_way_over_no_listener_is_refused() -> None:
    with pytest.raises(IndexError):
        _hot.Policy(ways({"cloud": (3,)}))
