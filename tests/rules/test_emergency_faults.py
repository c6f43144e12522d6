"""An emergency call that breaks the grammar where it doesn't matter: passed for who may make it, refused for all others.

Every soft fault of ``faulty.py`` in the lane and outside of it, every core
fault in both; alone and together; in the dialog and in responses.
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
    PSAP,
    Agent,
    Decision,
    MakeAgent,
    dial,
    inbound,
    invite,
    policy,
    request,
)
from tests.proxy.message import Header, Message, Source, param, passed, response, stripped
from tests.rules.faulty import CORE, SOFT, with_

ROUTED = "forward emergency-routed"
FAR = "sip:desk@192.0.2.61"


@pytest.fixture(scope="module")
def party() -> Agent:
    """One agent for the tables: every call is a new one, and the lane's limits are far away."""
    return Agent(policy(rules="[rules.emergency]\nper_second = 1000000.0\nburst = 1000000\nconcurrent = 1000000"))


def sos(uri: str = "911", caller: str = BETAS) -> Message:
    return dial(uri, caller)


def ours(out: Decision) -> str:
    return param(out.message.all("Via")[0], "branch")


# The call


@pytest.mark.parametrize("fault", SOFT)
@pytest.mark.parametrize("uri", ["911", "urn:service:sos", "933"])
def test_soft_in_the_lane(party: Agent, fault: str, uri: str) -> None:
    """It goes on as it came, and the event names the fault."""
    reason, change = SOFT[fault]
    sent = change(sos(uri))
    party.wait(1)
    out = party.send(sent, BETA)
    assert (out.action, out.rule, out.to, out.monitored) == ("forward", "emergency", PSAP, ("malformed",))
    assert (out.event.monitored, out.event.finding) == (True, reason)
    assert (out.event.from_user, out.event.method) == (BETAS, "INVITE")
    own = [row for row in out.message.all("Record-Route") if row not in sent.all("Record-Route")]
    first, *more = sent.all("Max-Forwards")
    if not (first.isdigit() and int(first) < 256):
        first = "71"  # unreadable: it goes on as if it had been absent
    wanted = passed(sent.set("Route").set("Max-Forwards", first), BETA, ours(out), own)
    assert out.data == bytes(with_(*[("max-forwards", hops) for hops in more])(wanted))


@pytest.mark.parametrize("fault", SOFT)
def test_soft_outside_the_lane(party: Agent, fault: str) -> None:
    """For a trunk that may not call, for any other call, for the cloud and for strangers it is what it always was."""
    reason, change = SOFT[fault]
    refused = f"400 {reason}"
    party.wait(1)
    for sent, source in (
        (sos(), ACME),
        (sos(), CLOUD),
        (sos(), PSAP),
        (invite(BETAS), BETA),
        (invite(), ACME),
        (inbound(), CLOUD),
        (request("OPTIONS", "sip:192.0.2.1", BETAS), BETA),
        (sos("+911126543210"), BETA),
    ):
        told = party.send(change(with_body_type(sent)), source)
        assert (told.short, told.rule, told.monitored) == (refused, "malformed", ()), sent.start
        assert (told.event.monitored, told.event.finding) == (False, "")
    party.wait(10)
    assert party.send(change(sos()), NOBODY).short == f"drop {reason}"


def with_body_type(sent: Message) -> Message:
    """A fault is a header that doubles one of an INVITE's."""
    return sent if sent.all("Content-Type") else sent.set("Content-Type", "application/sdp")


# A Request-URI that is one without its parameters.

CUT = [
    ("tel:911;", "tel:911"),
    ("tel:911p22;=x", "tel:911p22"),
    ("tel:911;phone-context=", "tel:911"),
    ("sip:911@pbx.example;", "sip:911@pbx.example"),
    ("sip:911@192.0.2.1;", "sip:911@192.0.2.61:5060"),
    ("sip:911;x=y@pbx.example;;user=phone", "sip:911;x=y@pbx.example"),
    ("sips:9-1-1@[2001:db8::1]:5061;lr;x=%zz", "sips:9-1-1@[2001:db8::1]:5061"),
    ("sip:sos.fire@x;a=b;c=?x=y", "sip:sos.fire@x"),
    ("sip:911;", "sip:911"),
]


@pytest.mark.parametrize(("written", "left"), CUT)
def test_unreadable_uri_parameters_are_left_out(party: Agent, written: str, left: str) -> None:
    party.wait(1)
    sent = sos(written)
    out = party.send(sent, BETA)
    assert (out.short, out.to, out.monitored) == (ROUTED, PSAP, ("malformed",))
    assert (out.message.uri, out.event.finding, out.event.lane) == (left, "request-uri", "call")
    for method in ("ACK", "CANCEL"):
        follows = Message(sent.start.replace("INVITE", method), sent.headers).set("CSeq", f"1 {method}")
        told = party.send(follows.set("Content-Type").set("Content-Length", "0"), BETA)
        assert (told.action, told.to, told.message.uri) == ("forward", PSAP, left)


@pytest.mark.parametrize("written", [written for written, _ in CUT])
def test_everybody_else_is_refused_for_them(party: Agent, written: str) -> None:
    party.wait(1)
    for source in (ACME, CLOUD):
        told = party.send(sos(written), source)
        assert (told.short, told.rule, told.event.lane) == ("400 request-uri", "malformed", "call")
    ordinary = written.replace("911", "9111").replace("9-1-1", "9-1-1-1").replace("sos", "soss")
    told = party.send(sos(ordinary), BETA)
    assert (told.short, told.event.lane) == ("400 request-uri", "")
    party.wait(10)
    assert party.send(sos(written), NOBODY).short == "drop request-uri"


def test_what_else_becomes_of_them(agent: MakeAgent) -> None:
    written = "sip:911@192.0.2.1;"
    urn = policy().replace('name = "psap"', 'name = "psap"\nemergency_uri = "urn"')
    assert agent(urn).send(sos(written), BETA).message.uri == "urn:service:sos"
    text = policy('emergency = "redirect"\nemergency_upstream = "psap"')
    assert agent(text).send(sos(written)).message.one("Contact") == "<sip:911@192.0.2.61:5060>"
    for core in ("sip:911@;", "tel:;911", "sip:;911@x;", "sip:911@x:0;"):
        assert agent().send(sos(core), BETA).short == "400 request-uri"


@pytest.mark.parametrize("fault", CORE)
@pytest.mark.parametrize("soft", ["", "unreadable Contact", "two Subject"])
def test_core_everywhere(party: Agent, fault: str, soft: str) -> None:
    """A core fault ends it in the lane too, alone or behind a soft one; the first of all is the reason."""
    reason, change = CORE[fault]
    sent = sos() if not soft else SOFT[soft][1](sos())
    first = {reason, SOFT[soft][0]} if soft else {reason}
    told = party.send(change(sent), BETA)
    assert (told.action, told.monitored) == ("answer", ())
    assert told.reason in first
    assert told.status == (505 if told.reason == "version" else 400)
    assert party.send(change(sent), ACME).reason == told.reason
    party.wait(10)
    assert party.send(change(sent), NOBODY).short == f"drop {told.reason}"


def test_all_soft_faults_at_once(party: Agent) -> None:
    sent = sos()
    party.wait(1)
    for fault, (_, change) in SOFT.items():
        if not fault.startswith("base64") and "Max-Forwards" not in fault and fault != "two s":
            sent = change(sent)
    sent = SOFT["base64 Call-ID"][1](SOFT["base64 From tag"][1](SOFT["base64 branch"][1](sent)))
    out = party.send(sent, BETA)
    assert (out.short, out.to, out.event.finding) == (ROUTED, PSAP, "via")


def test_no_half_read_caller_counts(agent: MakeAgent) -> None:
    """What names callers isn't read at all then; the lane asks From alone."""
    out = agent().send(with_(("P-Asserted-Identity", f"<tel:{FOREIGN}>, <sip:a@>"))(sos()), BETA)
    assert (out.short, out.monitored) == (ROUTED, ("malformed",))


def test_a_copy_is_a_copy(agent: MakeAgent) -> None:
    party, sent = agent(), SOFT["unreadable Contact"][1](sos())
    first = party.send(sent, BETA)
    again = party.send(sent, BETA)
    assert (again.short, again.data, again.to, again.events) == ("forward retransmission", first.data, PSAP, ())
    assert party.send(with_(("Diversion", "x@@"))(sent), BETA).short == "400 request-changed"


def test_the_lane_s_limits_hold(agent: MakeAgent) -> None:
    party = agent(policy(rules="[rules.emergency]\nper_second = 1\nburst = 2"))
    change = SOFT["two User-Agent"][1]
    told = [party.send(change(sos(caller=f"+1312555{n}")), BETA) for n in range(1000, 1004)]
    assert [one.short for one in told] == [ROUTED] * 2 + ["486 emergency-limit"] * 2


def test_without_the_route_it_is_refused_again(agent: MakeAgent) -> None:
    party, change = agent(), SOFT["unreadable Contact"][1]
    assert party.send(change(sos()), BETA).short == ROUTED
    party.reload(policy().replace('emergency = "route"\nemergency_upstream = "psap"', ""))
    assert party.send(change(sos()), BETA).short == "400 contact"


# Routes


@pytest.mark.parametrize(
    "routes",
    [
        ["<sip:evil.example;lr>"],
        ["<sip:192.0.2.1;lr>"],
        ["<sip:192.0.2.1;lr>, <sip:evil.example;lr>"],
        ["<sip:192.0.2.1;lr>", "<sip:evil.example>"],
        ["<sip:nypd@example.com; lr>"],
        ["<sip:r1;lr>,<sip:r2;lr>,<sip:r3;lr>,<sip:r4;lr>,<sip:r5;lr>", "<sip:r6;lr>"],
        ["x", "<sip:192.0.2.1;lr>", "<"],
        ["<sip:a;lr>"] * 40,
    ],
)
@pytest.mark.parametrize("apart", [False, True])
def test_no_route_leads_past_the_psap(party: Agent, routes: list[str], apart: bool) -> None:
    """Whatever Routes an emergency call carries, it goes to its upstream, and none goes along: CANCEL and ACK alike."""
    plain = sos()
    rows: list[Header] = [("Route", route) for route in routes]
    if apart:
        rows = [row for route in rows for row in (("X-Before", "x"), route)]
    sent = with_(*rows)(plain).above(("route", routes[0]))
    bare = with_(*[row for row in rows if row[0] != "Route"])(plain)
    out = party.send(sent, BETA)
    [own] = out.message.all("Record-Route")
    assert (out.short, out.to) == (ROUTED, PSAP)
    assert out.data == bytes(passed(bare, BETA, ours(out), [own]))
    for method in ("CANCEL", "ACK"):
        follows = Message(sent.start.replace("INVITE", method), sent.headers).set("CSeq", f"1 {method}")
        follows = follows.set("Content-Type").set("Content-Length", "0")
        again = party.send(follows, BETA)
        assert (again.action, again.to, ours(again), again.message.all("Route")) == ("forward", PSAP, ours(out), [])


def test_others_keep_to_their_routes(party: Agent) -> None:
    foreign = with_(("Route", "<sip:evil.example;lr>"))
    assert party.send(foreign(invite(BETAS)), BETA).short == "403 target-route"
    assert party.send(foreign(sos()), ACME).short == "403 emergency-not-authorised"


# What follows the call


def opened(party: Agent, change: str = "unreadable Contact") -> Message:
    return party.send(SOFT[change][1](sos()), BETA).message


def inside(call: Message, method: str, uri: str = FAR) -> Message:
    rows = [("Route", route) for route in call.all("Record-Route")]
    sent = request(method, uri, BETAS, *rows, to_tag="psap")
    return sent.set("Call-ID", call.one("Call-ID")).set("From", call.one("From"))


def turned(sent: Message, call: Message, method: str) -> Message:
    """The PSAP's request in the same dialog."""
    sent = sent.to("sip:pbx@198.51.100.11:5060").set("From", "<sip:911@x>;tag=psap").set("To", call.one("From"))
    return sent.set("Via", f"SIP/2.0/UDP 192.0.2.61;branch=z9hG4bKp{method};rport")


@pytest.mark.parametrize("fault", ["unreadable Contact", "two asserted", "two User-Agent", "base64 branch"])
@pytest.mark.parametrize("method", ["ACK", "INVITE", "UPDATE", "BYE", "PRACK", "INFO"])
def test_the_dialog_is_spared_too(party: Agent, fault: str, method: str) -> None:
    """An ACK that is dropped for its Contact would end the call after half a minute."""
    party.wait(1)
    call, change = opened(party), SOFT[fault][1]
    out = party.send(change(inside(call, method)), BETA)
    assert (out.short, out.to, out.monitored, out.event.finding) == (
        "forward pass",
        PSAP,
        ("malformed",),
        SOFT[fault][0],
    )
    back = party.send(change(turned(inside(call, method), call, method)), PSAP)
    assert (back.short, back.to) == ("forward pass", BETA)
    answer = response(out.message, "200 OK", "psap", FAR)
    if method != "ACK":
        told = party.send(SOFT["unreadable Contact"][1](answer), PSAP)
        assert (told.short, told.to) == ("forward pass", BETA)


def test_base64_names_work_all_through(party: Agent) -> None:
    """Call-ID, tag and branch that end in '=' stand in every message of the call."""
    sent = sos()
    party.wait(1)
    for fault in ("base64 Call-ID", "base64 From tag", "base64 branch"):
        sent = SOFT[fault][1](sent)
    call = party.send(sent, BETA)
    answer = response(call.message, "200 OK", "psap", FAR)
    back = party.send(answer, PSAP)
    assert (back.short, back.to, back.data) == ("forward pass", BETA, bytes(stripped(answer)))
    assert (back.monitored, back.event.finding) == (("malformed",), "via")
    for method in ("ACK", "INVITE", "BYE"):
        assert party.send(inside(call.message, method), BETA).to == PSAP
        assert party.send(turned(inside(call.message, method), call.message, method), PSAP).to == BETA


def test_a_route_inside_the_dialog_must_be_readable(party: Agent) -> None:
    """There it has a say in the way."""
    call = opened(party)
    sent = inside(call, "INVITE")
    for more in (with_(("Route", "<sip:a@>")), with_(("Route", "<sip:192.0.2.61;lr>, x"))):
        assert party.send(more(sent), BETA).short == "400 route"
        assert party.send(with_(("m", "x"), ("s", "x"), ("s", "x"))(more(sent)), BETA).short == "400 route"


def test_an_ordinary_dialog_isn_t_spared(party: Agent) -> None:
    call = party.send(invite(BETAS), BETA).message
    change = SOFT["two asserted"][1]
    sent = inside(call, "INVITE", "sip:b@192.0.2.60")
    assert party.send(sent, BETA).short == "forward pass"
    assert party.send(change(sent), BETA).short == "400 identity-header"
    assert party.send(change(inside(call, "ACK", "sip:b@192.0.2.60")), BETA).short == "drop identity-header"
    assert party.send(change(inside(call, "INVITE", "sip:911@192.0.2.60")), BETA).short == "400 identity-header"


@pytest.mark.parametrize("source", [PSAP, CLOUD, NOBODY])
@pytest.mark.parametrize("lane", [True, False])
def test_responses(party: Agent, source: Source, lane: bool) -> None:
    """A response of the lane says so in its branch, which nobody else can write."""
    call = party.send(sos() if lane else invite(BETAS), BETA)
    change = SOFT["unreadable Contact"][1]
    right = PSAP if lane else CLOUD
    told = party.send(change(response(call.message, "180 Ringing", "x")), source)
    assert told.short == ("forward pass" if lane and source == right else "drop contact")
    if source == right:
        assert party.send(response(call.message, "180 Ringing", "x"), source).short == "forward pass"
        for broken in ("missing", "forged"):
            answer = change(response(call.message, "200 OK", "x"))
            if broken == "missing":
                answer = answer.set("CSeq")
            else:
                answer = Message(answer.start, tuple((n, v.replace("ea10", "ea18")) for n, v in answer.headers))
            assert party.send(answer, source).action == ("forward" if lane and broken == "forged" and
                                                          "ea18" in str(call.data) else "drop")  # fmt: skip


def test_called_number_of_no_emergency(party: Agent) -> None:
    """To is not where a call goes."""
    sent = SOFT["unreadable Contact"][1](invite(BETAS).set("To", "<sip:911@x>"))
    assert party.send(sent, BETA).short == "400 contact"
    assert party.send(sos().set("To", f"<sip:{CALLED}@x>"), BETA).short == ROUTED
