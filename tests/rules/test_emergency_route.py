"""What is written for an emergency call: the 302 of a trunk that is redirected, the service URN, a default location.

And what is never sent on: headers that a URI carries.
"""

from __future__ import annotations

import pytest

from tests.agent import (
    ACME,
    BETA,
    BETAS,
    CALLED,
    CLOUD,
    FOREIGN,
    NOBODY,
    OWN,
    PSAP,
    Decision,
    MakeAgent,
    dial,
    inbound,
    invite,
    policy,
    request,
)
from tests.proxy.message import Message, answered, response, tag
from tests.rules.faulty import SOFT

REDIRECT = 'emergency = "redirect"\nemergency_upstream = "psap"'
REDIRECTED, REFUSED = "302 emergency-redirected", "403 emergency-not-authorised"
ROUTED = "forward emergency-routed"
URN = policy().replace('name = "psap"', 'name = "psap"\nemergency_uri = "urn"')
LOCATION = "https://lis.example/held/acme?site=7"
LOCATED = policy(beta=f'emergency_location = "{LOCATION}"')


def same(sent: Message, method: str) -> Message:
    """ACK or CANCEL of that very INVITE."""
    again = Message(sent.start.replace("INVITE", method), sent.headers).set("CSeq", f"1 {method}")
    return again.set("Content-Type").set("Content-Length", "0")


# redirect


@pytest.mark.parametrize(
    ("dialled", "user"),
    [
        ("911", "911"),
        ("9-1-1", "9-1-1"),
        ("sip:911;phone-context=+1@192.0.2.1;user=phone", "911"),
        ("tel:911", "911"),
        ("tel:911#;phone-context=+1", "911%23"),
        ("*67911", "*67911"),
        ("%2A67911", "%2A67911"),
        ("sip:911", "911"),
        ("sos", "sos"),
        ("sos.fire", "sos.fire"),
        ("urn:service:sos", "sos"),
        ("URN:SERVICE:SOS.Police.municipal", "sos.police.municipal"),
        ("urn:service:sos?=%3Cx%3E", "sos"),
        ("urn:service:sos.fire%3Bx", "sos"),
        ("933", "933"),
        ("urn:service:test.sos.fire", "test.sos.fire"),
        ("tel:" + "9-" * 40 + "1-1", ""),
        ("tel:(" + "-" * 80 + ")911", "sos"),
    ],
)
def test_the_contact_is_the_same_call_at_the_psap(agent: MakeAgent, dialled: str, user: str) -> None:
    party, sent = agent(policy(REDIRECT)), dial(dialled)
    told = party.send(sent)
    if not user:
        assert told.rule != "emergency"
        return
    assert (told.short, told.rule, told.to) == (REDIRECTED, "emergency", ACME)
    wanted = answered(
        sent, ACME, "302 Moved Temporarily", tag(told.message.one("To")), [("Contact", f"<sip:{user}@192.0.2.61:5060>")]
    )
    assert told.data.decode() == bytes(wanted).decode()
    # Who follows it is read by the same matcher: nothing was lost on the way.
    assert agent().send(dial(f"sip:{user}@192.0.2.61:5060", BETAS), BETA).rule == "emergency"


def test_a_v6_psap(agent: MakeAgent) -> None:
    text = policy(REDIRECT).replace('targets = ["192.0.2.61:5060"]', 'targets = ["[2001:db8::61]:5070"]')
    text += '\n[[listen]]\naddress = "[2001:db8::1]:5060"\n'
    assert agent(text).send(dial("911")).message.one("Contact") == "<sip:911@[2001:db8::61]:5070>"


def test_its_ack_ends_here_and_copies_are_alike(agent: MakeAgent) -> None:
    text = policy(REDIRECT).replace('["192.0.2.61:5060"]', '["192.0.2.61:5060", "192.0.2.63:5062"]')
    party, sent = agent(text), dial("911")
    party.engine.set_target("psap", 0, False)
    first = party.send(sent)
    assert first.message.one("Contact") == "<sip:911@192.0.2.63:5062>"
    party.engine.set_target("psap", 0, True)
    again = party.send(sent)
    assert (again.data, again.short, again.events) == (first.data, "302 retransmission", ())
    ack = same(sent, "ACK").set("To", first.message.one("To"))
    assert party.send(ack).short == "drop ack-absorbed"
    assert party.send(same(sent, "ACK")).short == "drop ack-absorbed"
    assert party.send(same(sent, "CANCEL")).short == "481 cancel-unmatched"
    assert party.send(sent.set("From", f"<sip:{OWN}@x>;tag=y")).short == REDIRECTED
    party.reload(policy())
    assert party.send(sent).message.all("Contact") == []


def test_while_the_psap_seems_down(agent: MakeAgent) -> None:
    party = agent(policy(REDIRECT))
    party.engine.set_target("psap", 0, False)
    assert party.send(dial("911")).message.one("Contact") == "<sip:911@192.0.2.61:5060>"


@pytest.mark.parametrize(
    ("method", "short"),
    [("OPTIONS", REDIRECTED), ("MESSAGE", REFUSED), ("SUBSCRIBE", REFUSED), ("BYE", REFUSED), ("REFER", REFUSED)],
)
def test_methods(agent: MakeAgent, method: str, short: str) -> None:
    assert agent(policy(REDIRECT)).send(request(method, "tel:911", OWN)).short == short


def test_texts_where_they_are_answered(agent: MakeAgent) -> None:
    text = policy(REDIRECT).replace('name = "psap"', 'name = "psap"\nmethods = ["INVITE", "ACK", "BYE", "MESSAGE"]')
    assert agent(text).send(request("MESSAGE", "tel:911", OWN)).short == REDIRECTED
    assert agent(text).send(request("OPTIONS", "tel:911", OWN)).short == REFUSED


def test_only_that_trunk(agent: MakeAgent) -> None:
    party = agent(policy(REDIRECT))
    assert party.send(dial("911", BETAS), BETA).short == ROUTED
    assert party.send(dial("911"), CLOUD).short == REFUSED
    assert party.send(dial("911"), NOBODY).short == "403 emergency-unknown"
    assert party.send(invite()).short == "forward pass"


def test_whatever_the_trunk_used_up(agent: MakeAgent) -> None:
    party = agent(policy(REDIRECT + "\ncalls_per_second = 1\nburst = 1"))
    party.burst(invite, 50)
    assert party.burst(lambda: dial("911", FOREIGN), 50) == [REDIRECTED] * 50
    assert party.send(SOFT["unreadable Contact"][1](dial("911"))).short == REDIRECTED


def test_transfers_and_dialogs_stay_refused(agent: MakeAgent) -> None:
    party = agent(policy(REDIRECT))
    sent = request("REFER", f"sip:{CALLED}@cloud.example.net", OWN, ("Refer-To", "<tel:911>"))
    assert party.send(sent).short == "403 emergency-refer"
    opened = party.send(invite()).message
    rows = [("Route", route) for route in opened.all("Record-Route")]
    turned = request("INVITE", "sip:911@192.0.2.60", OWN, *rows, to_tag="callee").set("Call-ID", opened.one("Call-ID"))
    assert party.send(turned.set("From", opened.one("From"))).short == "403 emergency-dialog"


def test_a_redirection_is_an_event(agent: MakeAgent) -> None:
    event = agent(policy(REDIRECT)).send(dial("9911")).event
    assert (event.action, event.rule, event.reason, event.status) == (
        "answer",
        "emergency",
        "emergency-redirected",
        302,
    )
    assert (event.lane, event.peer, event.to_user) == ("call", "acme", "9911")


# The mark


@pytest.mark.parametrize(
    ("dialled", "uri"),
    [
        ("911", "urn:service:sos"),
        ("sip:911@192.0.2.1:5060;user=phone", "urn:service:sos"),
        ("tel:911;phone-context=+1", "urn:service:sos"),
        ("*67911", "urn:service:sos"),
        ("sip:911@x?Subject=y", "urn:service:sos"),
        ("sos", "urn:service:sos"),
        ("SOS.Fire", "urn:service:sos.fire"),
        ("sos.police.%6Dunicipal", "urn:service:sos.police.municipal"),
        ("sos.fire.%0d%0aX", "urn:service:sos"),
        ("sip:urn:service:sos.poison@pbx.example", "urn:service:sos.poison"),
        ("urn:service:sos.country-specific.de.110", "urn:service:sos.country-specific.de.110"),
        ("URN:service:SOS", "URN:service:SOS"),
        ("933", "urn:service:test.sos"),
        ("test.sos.fire", "urn:service:test.sos.fire"),
    ],
)
@pytest.mark.parametrize("later", [0, 40])
def test_marked_with_the_service_urn(agent: MakeAgent, dialled: str, uri: str, later: int) -> None:
    """INVITE, copy, CANCEL and the ACK of a failure alike, also when the transaction is no longer known."""
    party, sent = agent(URN), dial(dialled, BETAS)
    first = party.send(sent, BETA)
    assert (first.action, first.to, first.message.uri) == ("forward", PSAP, uri)
    assert party.send(sent, BETA).data == first.data
    party.wait(later)
    for method in ("CANCEL", "ACK"):
        after = party.send(same(sent, method), BETA)
        assert (after.action, after.to, after.message.start) == ("forward", PSAP, f"{method} {uri} SIP/2.0")
        assert after.message.all("Via")[0] == first.message.all("Via")[0]


def test_nothing_else_changes_with_the_mark(agent: MakeAgent) -> None:
    sent = dial("911", BETAS)
    plain, marked = agent().send(sent, BETA).data, agent(URN).send(sent, BETA).data
    assert marked == plain.replace(b"INVITE sip:911@cloud.example.net SIP", b"INVITE urn:service:sos SIP", 1)


def test_in_the_dialog_the_far_side_s_contact_stays(agent: MakeAgent) -> None:
    party = agent(URN)
    opened = party.send(dial("911", BETAS), BETA).message
    rows = [("Route", route) for route in opened.all("Record-Route")]
    for method in ("ACK", "INVITE", "BYE"):
        sent = request(method, "sip:911@192.0.2.61", BETAS, *rows, to_tag="psap")
        told = party.send(sent.set("Call-ID", opened.one("Call-ID")).set("From", opened.one("From")), BETA)
        assert (told.to, told.message.uri) == (PSAP, "sip:911@192.0.2.61")
    # Without its proof it isn't known whose request it is: what a dialog asks is never marked.
    told = party.send(request("BYE", "sip:911@192.0.2.61", BETAS, to_tag="psap"), BETA)
    assert (told.to, told.message.uri) == (PSAP, "sip:911@192.0.2.61")


def test_other_calls_are_never_marked(agent: MakeAgent) -> None:
    party = agent(URN)
    assert party.send(invite(BETAS), BETA).message.uri == f"sip:{CALLED}@cloud.example.net"
    assert party.send(dial("911")).short == REFUSED


# The location


def test_a_default_location_where_the_call_has_none(agent: MakeAgent) -> None:
    party, sent = agent(LOCATED), dial("911", BETAS)
    told = party.send(sent, BETA)
    assert told.message.all("Geolocation") == [f"<{LOCATION}>"]
    assert told.message.all("Geolocation-Routing") == ["yes"]
    assert told.event.location == (LOCATION, True)
    assert party.send(sent, BETA).data == told.data
    plain = agent().send(sent, BETA)
    added = f"Geolocation: <{LOCATION}>\r\nGeolocation-Routing: yes\r\n".encode()
    assert told.data.replace(added, b"", 1) == plain.data
    assert plain.event.location == ("", False)
    for method in ("CANCEL", "ACK"):
        assert party.send(same(sent, method), BETA).message.all("Geolocation") == []


@pytest.mark.parametrize(
    ("name", "value", "location"),
    [
        ("Geolocation", "<cid:alice@example.com>", "cid:alice@example.com"),
        ("geolocation ", "<https://lis.example/a>, <cid:b@x>", "https://lis.example/a"),
        ("GEOLOCATION", "broken", ""),
        ("Geolocation", "", ""),
        ("Geolocation", "<", ""),
        ("Geolocation", "<" + "x" * 900, "x" * 224),
    ],
)
def test_a_call_s_own_location_stays(agent: MakeAgent, name: str, value: str, location: str) -> None:
    """Usable or not: a default one in its place would send help elsewhere, and 424 would refuse a call for help."""
    told = agent(LOCATED).send(dial("911", BETAS, (name, value)), BETA)
    assert told.short == ROUTED
    assert [v for header, v in told.message.headers if header.strip().lower() == "geolocation"] == [value]
    assert told.message.all("Geolocation-Routing") == []
    assert told.event.location == (location, False)


def test_its_word_on_routing_stays(agent: MakeAgent) -> None:
    told = agent(LOCATED).send(dial("911", BETAS, ("Geolocation-Routing", "no")), BETA)
    assert told.message.all("Geolocation-Routing") == ["no"]
    assert told.message.all("Geolocation") == [f"<{LOCATION}>"]


def test_calls_alone_get_it(agent: MakeAgent) -> None:
    party = agent(LOCATED)
    assert party.send(dial("933", BETAS), BETA).message.all("Geolocation") == [f"<{LOCATION}>"]
    assert party.send(request("OPTIONS", "tel:911", BETAS), BETA).message.all("Geolocation") == []
    opened = party.send(dial("911", BETAS), BETA).message
    rows = [("Route", route) for route in opened.all("Record-Route")]
    again = request("INVITE", "sip:911@192.0.2.61", BETAS, *rows, to_tag="psap").set("Call-ID", opened.one("Call-ID"))
    assert party.send(again.set("From", opened.one("From")), BETA).message.all("Geolocation") == []
    assert party.send(invite(BETAS), BETA).message.all("Geolocation") == []


def test_a_reload_changes_mark_and_location(agent: MakeAgent) -> None:
    party = agent(URN)
    assert party.send(dial("911", BETAS), BETA).message.uri == "urn:service:sos"
    party.reload(LOCATED)
    told = party.send(dial("911", BETAS), BETA).message
    assert (told.uri, told.all("Geolocation")) == ("sip:911@cloud.example.net", [f"<{LOCATION}>"])


def test_the_longest_names_fit(agent: MakeAgent) -> None:
    """What is put in has room in whatever configuration."""
    name = ".".join(["x" * 60] * 4)
    text = LOCATED.replace(LOCATION, "https://" + "y" * 190).replace("https://" + "y" * 190, "https:" + "y" * 190)
    text = text.replace('address = "192.0.2.1:5060"', f'address = "192.0.2.1:5060"\nadvertise = "{name}:65535"')
    text = text.replace('targets = ["192.0.2.61:5060"]', f'targets = ["192.0.2.61:5060"]\ndomains = ["{name}"]')
    told = agent(text).send(dial(f"sip:911@{name}:65535", BETAS), BETA)
    assert (told.short, told.message.uri) == (ROUTED, f"sip:911@{name}")


# Headers that a URI carries


def redirected(party: Decision, *contacts: str) -> Message:
    return response(party.message, "302 Moved", "x").set("Contact", *contacts)


@pytest.mark.parametrize(
    ("dialled", "uri"),
    [
        ("sip:911@evil.example?Route=%3Csip:x%3E", "sip:911@evil.example"),
        ("sip:911@192.0.2.1;user=phone?Subject=a&Priority=b", "sip:911@192.0.2.61:5060;user=phone"),
        ("sip:911?x=y", "sip:911"),
        ("sip:sos@[2001:db8::1]:5070;lr?Call-Info=x", "sip:sos@[2001:db8::1]:5070;lr"),
    ],
)
def test_an_emergency_call_goes_on_without_them(agent: MakeAgent, dialled: str, uri: str) -> None:
    party, sent = agent(), dial(dialled, BETAS)
    for one in (sent, sent, same(sent, "CANCEL"), same(sent, "ACK")):
        told = party.send(one, BETA)
        assert (told.action, told.to, told.message.uri) == ("forward", PSAP, uri)


@pytest.mark.parametrize("method", ["ACK", "CANCEL", "BYE", "INVITE"])
def test_nor_does_anything_in_a_dialog(agent: MakeAgent, method: str) -> None:
    party = agent()
    opened = party.send(invite()).message
    rows = [("Route", route) for route in opened.all("Record-Route")]
    sent = request(method, "sip:b@192.0.2.60?Replaces=x", OWN, *rows, to_tag="callee")
    told = party.send(sent.set("Call-ID", opened.one("Call-ID")).set("From", opened.one("From")))
    if told.action == "forward":
        assert told.message.uri == "sip:b@192.0.2.60"
    else:
        assert told.short == "403 target-headers"
    assert (told.action == "forward") == (method in ("ACK", "CANCEL"))


def test_refer_to_with_headers_is_refused_everywhere(agent: MakeAgent) -> None:
    party = agent()
    to = ("Refer-To", f"<sip:{CALLED}@cloud.example.net?Replaces=a%3Bto-tag%3Db>")
    for monitor in (False, True):
        party.reload(policy(agent='mode = "monitor"' * monitor))
        sent = request("REFER", f"sip:{CALLED}@cloud.example.net", OWN, to)
        assert party.send(sent).short == "403 target-headers"
        opened = party.send(invite()).message
        rows = [("Route", route) for route in opened.all("Record-Route")]
        inside = request("REFER", "sip:b@192.0.2.60", OWN, *rows, to, to_tag="callee")
        inside = inside.set("Call-ID", opened.one("Call-ID")).set("From", opened.one("From"))
        assert party.send(inside).short == "403 target-headers"


@pytest.mark.parametrize(
    ("contacts", "left"),
    [
        (["<sip:a@x?P-Asserted-Identity=%3Ctel:+1%3E>"], ["<sip:a@x>"]),
        (["<sip:a@x;y=z?b=c&d=e>;q=0.5, <sip:f@g>"], ["<sip:a@x;y=z>;q=0.5, <sip:f@g>"]),
        (
            ["<sip:a@x?b=c>", "<sips:d@[2001:db8::1]:5061?e=f>;expires=3"],
            ["<sip:a@x>", "<sips:d@[2001:db8::1]:5061>;expires=3"],
        ),
        (
            ["<sip:a@x?b=c>, <sip:a@x?b=c>,<sip:a@x?b=c> , <sip:a@x?b=c>"],
            ["<sip:a@x>, <sip:a@x>,<sip:a@x> , <sip:a@x>"],
        ),
    ],
)
@pytest.mark.parametrize("inward", [False, True])
def test_a_redirection_s_uris_go_on_without_them(
    agent: MakeAgent, contacts: list[str], left: list[str], inward: bool
) -> None:
    party = agent()
    asked = party.send(inbound(FOREIGN, OWN), CLOUD) if inward else party.send(invite())
    told = party.send(redirected(asked, *contacts), ACME if inward else CLOUD)
    assert (told.short, told.message.all("Contact")) == ("forward pass", left)


# Where a To names them


def test_to_is_recorded(agent: MakeAgent) -> None:
    party = agent()
    told = party.send(invite().set("To", "<sip:911@cloud.example.net>"))
    assert (told.short, told.monitored, told.event.finding) == ("forward pass", ("emergency",), "emergency-to")
    assert told.event.lane == ""
    for to in (
        "<sip:9111@x>",
        "<sip:+911126543210@x>",
        "<sip:alice@x>",
        "<sip:sos.team@x>",
        "<sip:x>",
        "<mailto:911@x>",
    ):
        assert party.send(invite().set("To", to)).monitored == ()
    assert party.send(inbound().set("To", "<sip:911@x>"), CLOUD).monitored == ()


@pytest.mark.parametrize("to", ["911#", "*67911", "sos", "sip:9p911@x", "tel:911;phone-context=+1", "urn:service:sos"])
def test_to_in_any_form(agent: MakeAgent, to: str) -> None:
    party, uri = agent(), to if ":" in to else f"sip:{to}@x"
    told = party.send(invite().set("To", f"<{uri}>"))
    assert (told.short, told.monitored, told.event.finding) == ("forward pass", ("emergency",), "emergency-to")
