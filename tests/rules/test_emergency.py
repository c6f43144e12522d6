"""emergency: who is let through to the emergency services, by every form of their numbers and by no other number.

acme may not call them, beta may. The lane's own limits and the way of such a
call are in ``test_emergency_lane.py``.
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
    SECOND,
    Agent,
    Decision,
    MakeAgent,
    dial,
    inbound,
    invite,
    policy,
    request,
    tables,
)
from tests.proxy.message import Header, Message, Source, response
from tests.rules.dialled import CALLS, COUNTRIES, ORDINARY, TESTS
from tests.rules.modes import check_structural

REFUSED, REFER = "403 emergency-not-authorised", "403 emergency-refer"
ROUTED, TEST = "forward emergency-routed", "forward emergency-test"


@pytest.fixture(scope="module")
def party() -> Agent:
    """One agent for the tables: every call is a new one, and the lane's limits are far away."""
    return Agent(policy(rules="[rules.emergency]\nper_second = 1000000.0\nburst = 1000000"))


def call(party: Agent, uri: str, source: Source = ACME) -> Decision:
    return party.send(dial(uri, BETAS if source == BETA else OWN), source)


@pytest.mark.parametrize("uri", CALLS)
def test_calls(party: Agent, uri: str) -> None:
    refused = call(party, uri)
    assert (refused.short, refused.rule, refused.to) == (REFUSED, "emergency", ACME)
    routed = call(party, uri, BETA)
    assert (routed.short, routed.rule, routed.to) == (ROUTED, "emergency", PSAP)
    assert call(party, uri, CLOUD).short == REFUSED
    party.wait(10)
    stranger = call(party, uri, NOBODY)
    assert (stranger.short, stranger.rule) == ("403 emergency-unknown", "emergency")


@pytest.mark.parametrize("uri", TESTS)
def test_test_calls(party: Agent, uri: str) -> None:
    assert call(party, uri).short == REFUSED
    routed = call(party, uri, BETA)
    assert (routed.short, routed.to) == (TEST, PSAP)


@pytest.mark.parametrize("uri", ORDINARY)
def test_ordinary_calls(party: Agent, uri: str) -> None:
    for source in (ACME, BETA, CLOUD, NOBODY):
        party.wait(10)
        told = call(party, uri, source)
        assert told.rule != "emergency", told.short
        assert told.to != PSAP


@pytest.mark.parametrize("country", COUNTRIES)
def test_countries(country: str) -> None:
    """The numbers are those of the trunk's country."""
    calls, ordinary = COUNTRIES[country]
    setting = f'country = "{country}"'
    party = Agent(policy(setting, beta=setting))
    for uri in calls.split():
        assert (uri, call(party, uri).short) == (uri, REFUSED)
        assert (uri, call(party, uri, BETA).to) == (uri, PSAP)
    for uri in ordinary.split():
        assert (uri, call(party, uri).rule) != (uri, "emergency")
        assert call(party, uri, BETA).to != PSAP, uri


def test_the_agent_s_country_is_the_default(agent: MakeAgent) -> None:
    party = agent(policy('country = "US"', agent='country = "GB"'))
    assert call(party, "999", BETA).short == ROUTED
    assert call(party, "911", BETA).to == CLOUD
    assert call(party, "911").short == REFUSED
    assert call(party, "999").rule != "emergency"
    assert call(party, "999", NOBODY).short == "403 emergency-unknown"


@pytest.mark.parametrize(
    ("prefixes", "calls", "ordinary"),
    [
        ("[]", ["911", "112", "1911", "+1911"], ["9911", "9112", "99911", "8911"]),
        ('["8"]', ["911", "8911", "88911", "8112"], ["9911", "9112", "98911"]),
        ('["9", "81"]', ["9911", "81911", "981911", "8181911", "99911"], ["8911", "1811911"]),
    ],
)
def test_outside_line_digits(prefixes: str, calls: list[str], ordinary: list[str]) -> None:
    setting = f"emergency_prefixes = {prefixes}"
    party = Agent(policy(setting, beta=setting))
    for uri in calls:
        assert (uri, call(party, uri).short, call(party, uri, BETA).to) == (uri, REFUSED, PSAP)
    for uri in ordinary:
        assert (uri, call(party, uri).rule) == (uri, "")
        assert call(party, uri, BETA).to == CLOUD


def test_to_is_not_where_a_call_goes(party: Agent) -> None:
    sent = invite().set("To", "<sip:911@cloud.example.net>")
    assert party.send(sent).short == "forward pass"
    assert party.send(dial("911").set("To", f"<sip:{CALLED}@cloud.example.net>")).short == REFUSED


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "SUBSCRIBE", "REFER", "UPDATE", "BYE", "PUBLISH"])
def test_every_method(party: Agent, method: str) -> None:
    sent = request(method, "urn:service:sos", OWN)
    assert party.send(sent).short == REFUSED


FOLLOW = ["BYE", "PRACK", "UPDATE", "INFO"]


@pytest.mark.parametrize("method", ["INVITE", *FOLLOW, "OPTIONS"])
def test_methods_of_the_lane(party: Agent, method: str) -> None:
    """A call, what may follow one without its proof, and what the emergency upstream's `methods` list (OPTIONS by default)."""
    told = party.send(request(method, "sip:911@cloud.example.net", BETAS, to_tag="x" * (method in FOLLOW)), BETA)
    assert (told.short, told.to) == (ROUTED, PSAP)


@pytest.mark.parametrize("method", ["MESSAGE", "SUBSCRIBE", "PUBLISH", "NOTIFY", "REGISTER", "REFER", "PING"])
def test_other_methods_open_no_lane(party: Agent, method: str) -> None:
    told = party.send(request(method, "sip:911@cloud.example.net", BETAS), BETA)
    assert (told.short, told.rule) == ("405 emergency-method", "emergency")
    assert told.message.one("Allow") == "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, PRACK, INFO"


def test_texts_where_they_are_answered(agent: MakeAgent) -> None:
    psap = 'name = "psap"\nmethods = ["INVITE", "ACK", "BYE", "CANCEL", "MESSAGE", "REFER"]'
    party = agent(policy().replace('name = "psap"', psap))
    text = request("MESSAGE", "sip:911@cloud.example.net", BETAS)
    assert (party.send(text, BETA).short, party.send(text, BETA).to) == (ROUTED, PSAP)
    assert party.send(request("REFER", "tel:911", BETAS), BETA).short == "405 emergency-method"
    assert party.send(request("OPTIONS", "tel:911", BETAS), BETA).short == "405 emergency-method"


def test_only_calls_use_the_budget_of_calls(agent: MakeAgent) -> None:
    party = agent(policy(rules="[rules.emergency]\nper_second = 1\nburst = 1"))
    asked = party.burst(lambda: request("OPTIONS", "tel:911", FOREIGN), 200, BETA)
    assert (asked[0], asked[-1]) == (ROUTED, "486 trunk-rate")
    assert party.send(dial("911", FOREIGN), BETA).short == ROUTED


# Refer-To: a transfer to the emergency services is a call to them.


def refer(party: Agent, to: str, source: Source = ACME, name: str = "Refer-To") -> Decision:
    whole = to if to.partition(":")[0].lower() in ("sip", "sips", "tel", "urn") else f"sip:{to}@cloud.example.net"
    caller = BETAS if source == BETA else OWN
    return party.send(request("REFER", f"sip:{CALLED}@cloud.example.net", caller, (name, f"<{whole}>")), source)


@pytest.mark.parametrize("to", CALLS + TESTS)
def test_refer(party: Agent, to: str) -> None:
    refused = refer(party, to)
    assert (refused.short, refused.rule) == (REFER, "emergency")


@pytest.mark.parametrize("to", ["911", "9-1-1", "tel:911", "urn:service:sos", "sos"])
@pytest.mark.parametrize("name", ["refer-to", "REFER-TO ", "r", "R\t"])
def test_refer_in_any_spelling(party: Agent, to: str, name: str) -> None:
    assert refer(party, to, name=name).short == REFER


@pytest.mark.parametrize("to", ["+911126543210", "9111", "+12125550911", "x"])
def test_refer_elsewhere(party: Agent, to: str) -> None:
    assert refer(party, to).short == "forward pass"


def test_refer_of_a_trunk_that_may(party: Agent) -> None:
    """The other side would make that call, unseen here: a trunk that may call makes an INVITE of it."""
    assert refer(party, "911", BETA).short == REFER


INSIDE = ["INVITE", "UPDATE", "INFO", "REFER", "NOTIFY", "OPTIONS"]


def within(
    party: Agent, opened: Message, source: Source, method: str, uri: str, *more: Header, back: bool = False
) -> str:
    """A request in the dialog that ``opened`` began; ``back``: of the called side."""
    rows = [("Route", route) for route in opened.all("Record-Route")]
    caller = BETAS if source == BETA else OWN
    sent = request(method, uri, caller, *rows, *more, to_tag="callee").set("Call-ID", opened.one("Call-ID"))
    if not back:
        return party.send(sent.set("From", opened.one("From")), source).short
    return party.send(sent.set("From", "<sip:x@y>;tag=callee").set("To", opened.one("From")), source).short


@pytest.mark.parametrize("uri", ["sip:911@192.0.2.60", "tel:911", "urn:service:sos", "sip:sos.police@192.0.2.60"])
@pytest.mark.parametrize("method", INSIDE)
def test_an_ordinary_call_never_turns_into_an_emergency_call(party: Agent, uri: str, method: str) -> None:
    """Its far side is the cloud, which would get it unseen: an emergency call needs an INVITE of its own."""
    rule_of_urns = {"416 scheme"} if uri.startswith("urn") else set()
    for source, caller, told in ((ACME, OWN, REFUSED), (BETA, BETAS, "403 emergency-dialog")):
        opened = party.send(invite(caller), source).message
        more = [("Refer-To", f"<sip:{CALLED}@cloud.example.net>")] if method == "REFER" else []
        assert within(party, opened, source, method, uri, *more) in {told} | rule_of_urns
        assert within(party, opened, source, method, "sip:b@192.0.2.60", *more) == "forward pass"


@pytest.mark.parametrize("method", ["BYE", "PRACK"])
def test_what_ends_or_sets_up_the_call_passes(party: Agent, method: str) -> None:
    for source, caller in ((ACME, OWN), (BETA, BETAS)):
        opened = party.send(invite(caller), source).message
        assert within(party, opened, source, method, "sip:911@192.0.2.60") == "forward pass"


@pytest.mark.parametrize("source", [ACME, BETA])
def test_a_psap_that_calls_back_has_such_a_contact(party: Agent, source: Source) -> None:
    """In its call a re-INVITE towards it is an ordinary one; in another caller's call it isn't."""
    called = OWN if source == ACME else BETAS
    told = REFUSED if source == ACME else "403 emergency-dialog"
    for caller, short in (("911", "forward pass"), (FOREIGN, told)):
        opened = party.send(inbound(caller, called), CLOUD).message
        assert within(party, opened, source, "INVITE", "sip:911@192.0.2.60", back=True) == short
        assert within(party, opened, source, "BYE", "sip:911@192.0.2.60", back=True) == "forward pass"


@pytest.mark.parametrize("source", [ACME, BETA])
def test_a_to_of_the_trunk_s_own_making_shows_no_psap(party: Agent, source: Source) -> None:
    """Who called is in the cookie, since an answer writes whatever it likes before its caller's tag."""
    party.wait(1)
    told = REFUSED if source == ACME else "403 emergency-dialog"
    for caller in (FOREIGN, "+911126543210", "9111"):
        opened = party.send(inbound(caller, OWN if source == ACME else BETAS), CLOUD).message
        forged = opened.set("From", f"<sip:911@x>;tag={opened.one('From').partition(';tag=')[2]}")
        for method in ("INVITE", "UPDATE", "INFO"):
            assert within(party, forged, source, method, "sip:911@192.0.2.60", back=True) == told
            assert within(party, forged, source, method, "sip:b@192.0.2.60", back=True) == "forward pass"


@pytest.mark.parametrize("caller", ["911", "9-1-1", "112", "sos"])
def test_a_psap_is_known_by_every_form(party: Agent, caller: str) -> None:
    opened = party.send(inbound(caller, BETAS), CLOUD).message
    assert within(party, opened, BETA, "INVITE", "sip:911@192.0.2.60", back=True) == "forward pass"


# Routes behind ours: Request-URIs to come.

FURTHER = [
    ["<sip:911@cloud.example.net>"],
    ["<sip:911@192.0.2.60>"],
    ["<sip:911@192.0.2.60;lr>"],
    ["<sip:9-1-1@192.0.2.60>", "<sip:192.0.2.62;lr>"],
    ["<sip:192.0.2.60;lr>", "<sip:911@192.0.2.62>"],
    ["<sip:192.0.2.60;lr>, <sip:sos.fire@192.0.2.62;lr>"],
    ["<sip:192.0.2.60;lr>"] * 3 + ["<sip:911@192.0.2.62>"],
    ["<sip:192.0.2.60;lr>"] * 5 + ['"<a:" <SIP:9%311@192.0.2.62;lr>;x=y', "<sip:192.0.2.60;lr>"],
    ["<sip:192.0.2.60;lr>"] * 6 + ["<tel:911>"],
    ["<sip:192.0.2.60;lr>"] * 6 + ["<urn:service:sos>"],
    ["<sip:192.0.2.60;lr>"] * 6 + ["<sip:999;phone-context=+44@192.0.2.62>"],
    ["<sip:192.0.2.60;lr>,<sip:[2001:db8::1];lr>,<sip:192.0.2.62;lr>,<sip:911:x@192.0.2.62>, <sip:192.0.2.62;lr>"],
    ["<sip:192.0.2.60;lr>"] * 4 + ["<sip:urn:service:sos@192.0.2.62>"],
]


@pytest.mark.parametrize("routes", FURTHER, ids=range(len(FURTHER)))
@pytest.mark.parametrize("method", ["INVITE", "INFO", "UPDATE"])
def test_no_route_leads_the_cloud_to_a_service(party: Agent, routes: list[str], method: str) -> None:
    party.wait(1)
    more = [("Route", route) for route in routes]
    for source, caller, told in ((ACME, OWN, REFUSED), (BETA, BETAS, "403 emergency-dialog")):
        opened = party.send(invite(caller), source).message
        assert within(party, opened, source, method, "sip:b@192.0.2.60", *more) == told
        assert within(party, opened, source, "BYE", "sip:b@192.0.2.60", *more) == "forward pass"
        opened = party.send(inbound(FOREIGN, caller), CLOUD).message
        assert within(party, opened, source, method, "sip:b@192.0.2.60", *more, back=True) == told
        opened = party.send(inbound("911", caller), CLOUD).message
        assert within(party, opened, source, method, "sip:b@192.0.2.60", *more, back=True) == "forward pass"


@pytest.mark.parametrize(
    "routes",
    [
        ["<sip:192.0.2.60;lr>"] * 7,
        ["<sip:192.0.2.60>"],
        ["<sip:9111@192.0.2.60>"] * 6,
        ["<sip:+911126543210@192.0.2.60;lr>"] * 6,
        ["<sip:192.0.2.60;lr>"] * 3
        + ["<sip:[911::2];lr>", "<sip:192.0.2.60;user=911;lr>;x=911", "<sip:x@911.example>"],
    ],
    ids=range(5),
)
def test_routes_that_name_no_service(party: Agent, routes: list[str]) -> None:
    party.wait(1)
    opened = party.send(invite()).message
    more = [("Route", route) for route in routes]
    assert within(party, opened, ACME, "INVITE", "sip:b@192.0.2.60", *more) == "forward pass"


@pytest.mark.parametrize("method", ["INVITE", "INFO", "UPDATE", "REFER", "MESSAGE"])
def test_more_routes_than_are_read_end_a_call_at_most(party: Agent, method: str) -> None:
    """What the ninth names nobody has looked at."""
    more = [("Route", "<sip:192.0.2.60;lr>")] * 8
    refer = [("Refer-To", f"<sip:{CALLED}@cloud.example.net>")] if method == "REFER" else []
    opened = party.send(invite()).message
    assert within(party, opened, ACME, method, "sip:b@192.0.2.60", *more[1:], *refer) != "403 target-route"
    assert within(party, opened, ACME, method, "sip:b@192.0.2.60", *more, *refer) == "403 target-route"
    for ends in ("BYE", "PRACK"):
        assert within(party, opened, ACME, ends, "sip:b@192.0.2.60", *more) == "forward pass"


def test_a_route_that_leads_there_is_told_of(party: Agent) -> None:
    opened = party.send(invite()).message
    rows = [("Route", route) for route in (*opened.all("Record-Route"), "<sip:911@192.0.2.60>")]
    sent = request("INVITE", "sip:b@192.0.2.60", OWN, *rows, to_tag="callee").set("Call-ID", opened.one("Call-ID"))
    event = party.send(sent.set("From", opened.one("From"))).event
    assert (event.rule, event.reason, event.peer, event.lane) == (
        "emergency",
        "emergency-not-authorised",
        "acme",
        "call",
    )


def test_unproven_routes_neither(agent: MakeAgent) -> None:
    party = agent()
    party.publish(tables(policy()), grace_until=party.now + SECOND)
    for route, short in (("<sip:911@192.0.2.60>", "403 target-route"), ("<sip:192.0.2.60>", "forward pass")):
        sent = request("INVITE", "sip:b@192.0.2.60", OWN, ("Route", route), to_tag="x")
        assert party.send(sent).short == short


def test_without_its_dialog_it_is_a_new_emergency_call(party: Agent) -> None:
    for routes in ([], [("Route", "<sip:AAAA@192.0.2.1;lr>")]):
        sent = request("INVITE", "sip:911@cloud.example.net", BETAS, *routes, to_tag="x")
        assert (party.send(sent, BETA).short, party.send(sent, BETA).to) == (ROUTED, PSAP)


@pytest.mark.parametrize("uri", ["tel:911", "sip:911@cloud.example.net", "urn:service:sos.fire"])
def test_refer_inside_an_ordinary_dialog(party: Agent, uri: str) -> None:
    for source, caller in ((ACME, OWN), (BETA, BETAS)):
        opened = party.send(invite(caller), source).message
        assert within(party, opened, source, "REFER", "sip:b@192.0.2.60", ("r", f"<{uri}>")) == REFER


def test_refer_inside_an_emergency_call(party: Agent) -> None:
    """Who takes the call may hand it on to another service."""
    opened = party.send(dial("911", BETAS), BETA).message
    sent = request("REFER", "sip:pbx@198.51.100.11:5060", OWN, ("Refer-To", "<sip:911@192.0.2.61>"), to_tag="callee")
    sent = sent.set("Call-ID", opened.one("Call-ID")).set("To", opened.one("From")).set("From", "<sip:x@y>;tag=callee")
    sent = sent.set("Route", *opened.all("Record-Route")).set("Via", "SIP/2.0/UDP 192.0.2.61;branch=z9hG4bKpsap")
    assert (party.send(sent, PSAP).short, party.send(sent, CLOUD).action) == ("forward pass", "answer")


def test_inside_a_dialog(party: Agent) -> None:
    """The cookie proves where a call came from; it opens no way to the emergency services."""
    opened = party.send(invite()).message
    [cookie] = opened.all("Record-Route")

    def inside(method: str, uri: str, *more: tuple[str, str]) -> str:
        sent = request(method, uri, OWN, ("Route", cookie), *more, to_tag="callee")
        return party.send(sent.set("Call-ID", opened.one("Call-ID")).set("From", opened.one("From"))).short

    assert inside("INVITE", "sip:b@192.0.2.60") == "forward pass"
    assert inside("INVITE", "sip:911@192.0.2.60") == REFUSED
    assert inside("REFER", "sip:b@192.0.2.60", ("Refer-To", "<tel:911>")) == REFER
    assert inside("REFER", "sip:b@192.0.2.60", ("r", "<urn:service:sos>")) == REFER
    assert inside("REFER", "sip:911@192.0.2.60", ("Refer-To", f"<tel:{CALLED}>")) == REFUSED


# 3xx: a redirection to the emergency services is a transfer to them.


def redirect(
    party: Agent, sent: Message, source: Source, far: Source, *contacts: str, status: str = "302 Moved"
) -> Decision:
    """What becomes of ``far``'s answer to a call that ``source`` made."""
    answer = response(party.send(sent, source).message, status, "x")
    return party.send(answer.set("Contact", *contacts), far)


@pytest.mark.parametrize(
    "uri", ["sip:911@cloud.example.net", "tel:911", "urn:service:sos", "sip:sos.fire@x", "sip:933@x"]
)
@pytest.mark.parametrize(("trunk", "number"), [(ACME, OWN), (BETA, BETAS)])
def test_a_trunk_s_redirection_is_told_as_a_refusal(party: Agent, uri: str, trunk: Source, number: str) -> None:
    """The cloud would make that call, unseen here."""
    there = (trunk[0], 5070)
    for contacts in (
        [f"<{uri}>"],
        [f"<sip:a@x>, <{uri}>;q=0.1"],
        ["<sip:a@x>", "<sip:b@x>", f"<{uri}>"],
        ["<sip:a@x>"] * 5,
    ):
        call = inbound(FOREIGN, number)
        told = redirect(party, call, CLOUD, there, *contacts)
        assert (told.short, told.rule, told.to) == ("forward emergency-redirect", "emergency", CLOUD)
        assert told.message.start == "SIP/2.0 403 Emergency Calling Not Activated"
        assert told.message.all("Contact") == []
        assert told.message.all("Via") == [call.one("Via").replace(";rport", f";rport=5060;received={CLOUD[0]}")]
        assert [told.message.one(name) for name in ("Call-ID", "CSeq")] == [call.one("Call-ID"), call.one("CSeq")]


@pytest.mark.parametrize("status", ["300 Choices", "301 Moved", "305 Use Proxy", "380 Alternative"])
def test_every_redirection(party: Agent, status: str) -> None:
    told = redirect(party, inbound(), CLOUD, ACME, "<tel:911>", status=status)
    assert told.message.status == 403


@pytest.mark.parametrize("status", ["180 Ringing", "200 OK", "404 Not Found", "484 Incomplete", "600 Busy"])
def test_a_contact_is_no_redirection_elsewhere(party: Agent, status: str) -> None:
    told = redirect(party, inbound(), CLOUD, ACME, "<sip:911@198.51.100.10>", status=status)
    assert (told.short, told.message.start) == ("forward pass", f"SIP/2.0 {status}")


def test_other_redirections_pass_as_they_came(party: Agent) -> None:
    for contacts in (["<sip:+911126543210@x>"], ["<sip:a@x>"] * 4, ["*"]):
        told = redirect(party, inbound(), CLOUD, ACME, *contacts)
        assert (told.short, told.message.all("Contact")) == ("forward pass", contacts)


def test_the_cloud_s_redirection_is_recorded(agent: MakeAgent) -> None:
    """Who follows it comes through the lane, or is refused there."""
    party = agent()
    told = redirect(party, invite(), ACME, CLOUD, "<sip:911@cloud.example.net>")
    assert (told.short, told.monitored, told.event.finding) == ("forward pass", ("emergency",), "emergency-redirect")
    assert told.message.start == "SIP/2.0 302 Moved"
    assert party.send(dial("911")).short == REFUSED


def test_an_invented_to_tag_is_no_way_round(party: Agent) -> None:
    sent = request("INVITE", "sip:911@cloud.example.net", OWN, to_tag="x")
    assert party.send(sent).short == REFUSED


# Records, modes, reload


def test_the_answer(agent: MakeAgent) -> None:
    refused = call(agent(), "911")
    assert refused.data.startswith(b"SIP/2.0 403 Emergency Calling Not Activated\r\n")


def test_events(agent: MakeAgent) -> None:
    party = agent()
    event = call(party, "9-911").event
    assert (event.action, event.rule, event.reason) == ("answer", "emergency", "emergency-not-authorised")
    assert (event.status, event.peer, event.source, event.from_user) == (403, "acme", ACME, OWN)
    assert (event.to_user, event.value) == ("9-911", 9911)
    event = call(party, "911", BETA).event
    assert (event.action, event.rule, event.reason) == ("forward", "emergency", "emergency-routed")
    assert (event.status, event.peer, event.from_user, event.to_user) == (0, "beta", BETAS, "911")
    event = call(party, "urn:service:sos.fire", BETA).event
    assert (event.reason, event.to_user) == ("emergency-routed", "service:sos.fire")
    event = call(party, "933", BETA).event
    assert (event.reason, event.to_user) == ("emergency-test", "933")
    event = call(party, "911", NOBODY).event
    assert (event.reason, event.peer, event.source) == ("emergency-unknown", "", NOBODY)


def test_it_always_holds() -> None:
    hits = [(lambda party: call(party, "911"), REFUSED), (lambda party: call(party, "911", BETA), ROUTED)]
    check_structural("emergency", hits)


def test_reload(agent: MakeAgent) -> None:
    party = agent()
    assert call(party, "911").short == REFUSED
    party.reload(policy('emergency = "route"\nemergency_upstream = "psap"'))
    assert call(party, "911").short == ROUTED
    party.reload(policy('country = "GB"'))
    assert [call(party, uri).short for uri in ("999", "911")] == [REFUSED, "forward pass"]
    counted = party.engine.counters()["by_verdict"]
    assert counted["answer", "emergency", "emergency-not-authorised", "acme"] == 2
    assert counted["forward", "emergency", "emergency-routed", "acme"] == 1
