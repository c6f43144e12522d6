"""The call-back window: who called an emergency service, and got an answer, can be called back whatever the rules say."""

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
from tests.proxy.message import Message, Source, response

BACK = "forward emergency-callback"
HOUR_HALF = 1800
# What would stop a PSAP that calls back from a number that nobody can have.
STRICT = """
[lists]
do_not_originate = ["+14155552671"]
[rules.do-not-originate]
mode = "enforce"
[rules.caller-format]
mode = "enforce"
"""
RATES = """
[rules.callee-rate]
mode = "enforce"
per_second = 1
burst = 1
[rules.caller-rate]
mode = "enforce"
per_second = 1
burst = 1
"""
BETAS2 = "+12125553001"


def call(party: Agent, caller: str = BETAS, uri: str = "911", *more: tuple[str, str]) -> Message:
    """An emergency call of beta's as it went on."""
    told = party.send(dial(uri, caller, *more), BETA)
    assert told.to == PSAP
    return told.message


def answer(party: Agent, sent: Message, status: str = "200 OK", source: Source = PSAP) -> Decision:
    return party.send(response(sent, status, "desk", "sip:desk@192.0.2.61"), source)


def back(party: Agent, to: str = BETAS, caller: str = FOREIGN, source: Source = CLOUD) -> str:
    return party.send(inbound(caller, to), source).short


def opened(party: Agent, caller: str = BETAS) -> None:
    assert answer(party, call(party, caller)).action == "forward"


def test_half_an_hour(agent: MakeAgent) -> None:
    party = agent(policy(rules=STRICT))
    assert back(party) == "403 do-not-originate"
    opened(party)
    assert back(party) == BACK
    assert back(party, BETAS2) == "403 do-not-originate"
    party.wait(HOUR_HALF - 1)
    assert back(party) == BACK
    party.wait(2)
    assert back(party) == "403 do-not-originate"


@pytest.mark.parametrize("caller", ["911", "+10000000000", "alice", "anonymous", FOREIGN])
def test_whoever_calls_back_and_however_often(agent: MakeAgent, caller: str) -> None:
    """A PSAP's number may be none that a plan has, and it calls again and again."""
    party = agent(policy(rules=STRICT + RATES))
    assert "486" in " ".join(back(party, caller=caller) for _ in range(3)) or back(party, caller=caller).startswith(
        "403"
    )
    opened(party)
    for source in (CLOUD, PSAP):
        assert [back(party, caller=caller, source=source) for _ in range(20)] == [BACK] * 20
    party.wait(1)
    told = party.send(inbound(caller, BETAS), CLOUD)
    assert (told.to, told.event.reason) == (("198.51.100.11", 5070), "emergency-callback")


def test_while_the_agent_sheds_calls(agent: MakeAgent) -> None:
    party = agent(policy())
    opened(party)
    for _ in range(3):
        party.engine.set_load(1.0, party.now)
        party.wait(0.2)
    party.engine.set_load(1.0, party.now)
    told = [back(party, BETAS2) for _ in range(200)]
    assert "503 overload" in told
    assert [back(party) for _ in range(200)] == [BACK] * 200


@pytest.mark.parametrize("number", ["2125553000", "12125553000", "+1-212-555-3000", "0112125553000"])
def test_every_spelling_of_the_number(agent: MakeAgent, number: str) -> None:
    if number.startswith("011"):
        number = "01112125553000"
    party = agent(policy(rules=STRICT))
    opened(party, number)
    assert back(party) == BACK
    assert back(party, number) == BACK


@pytest.mark.parametrize(
    "status", ["100 Trying", "180 Ringing", "183 Progress", "302 Moved", "404 No", "486 Busy", "503 No", "600 No"]
)
def test_no_other_answer_opens_it(agent: MakeAgent, status: str) -> None:
    party = agent(policy(rules=STRICT))
    answer(party, call(party), status)
    assert back(party) == "403 do-not-originate"


def test_no_test_call_opens_it(agent: MakeAgent) -> None:
    party = agent(policy(rules=STRICT))
    for uri in ("933", "urn:service:test.sos"):
        assert answer(party, call(party, uri=uri)).action == "forward"
    assert back(party) == "403 do-not-originate"


def test_nothing_inside_its_dialog_opens_it(agent: MakeAgent) -> None:
    """Or a test call's re-INVITE would."""
    party = agent(policy(rules=STRICT))
    sent = call(party, uri="933")
    answer(party, sent)
    rows = [("Route", route) for route in sent.all("Record-Route")]
    for uri in ("sip:desk@192.0.2.61", "sip:911@192.0.2.61"):
        again = request("INVITE", uri, BETAS, *rows, to_tag="desk").set("Call-ID", sent.one("Call-ID"))
        inside = party.send(again.set("From", sent.one("From")), BETA)
        assert inside.to == PSAP
        assert answer(party, inside.message).action == "forward"
    assert back(party) == "403 do-not-originate"


def test_no_other_method_opens_it(agent: MakeAgent) -> None:
    party = agent(policy(rules=STRICT))
    for method in ("OPTIONS", "BYE", "INFO"):
        sent = party.send(request(method, "tel:911", BETAS, to_tag="x" * (method != "OPTIONS")), BETA)
        assert answer(party, sent.message).action == "forward"
    assert back(party) == "403 do-not-originate"


def test_an_ordinary_call_opens_none(agent: MakeAgent) -> None:
    party = agent(policy(rules=STRICT))
    answer(party, party.send(invite(BETAS), BETA).message, source=CLOUD)
    assert back(party) == "403 do-not-originate"


@pytest.mark.parametrize("source", [CLOUD, ACME, BETA, ("203.0.113.66", 5060)])
def test_nobody_else_s_answer_opens_it(agent: MakeAgent, source: Source) -> None:
    party = agent(policy(rules=STRICT))
    assert answer(party, call(party), source=source).action == "drop"
    assert back(party) == "403 do-not-originate"


@pytest.mark.parametrize("what", ["mac", "listener", "loop", "peer", "Call-ID", "cseq", "window"])
def test_no_forged_answer_opens_it(agent: MakeAgent, what: str) -> None:
    """In the PSAP's name as well: only who saw our branch can answer."""
    party = agent(policy(rules=STRICT))
    sent = call(party, uri="933" if what == "window" else "911")
    reply = response(sent, "200 OK", "desk")
    via = reply.headers[0][1]
    at = via.index("z9hG4bK")
    places = {"mac": 40, "listener": 11, "loop": 25, "peer": 14, "window": 10}
    if what in places:
        k = at + places[what]
        # "window" makes a test call's answer say that it is a call's.
        via = via[:k] + ("8" if what == "window" else "0" if via[k] != "0" else "1") + via[k + 1 :]
        reply = replace(reply, headers=(("Via", via), *reply.headers[1:]))
    elif what == "Call-ID":
        reply = reply.set("Call-ID", "other@x")
    else:
        reply = reply.set("CSeq", "2 INVITE")
    assert party.send(reply, PSAP).action == "drop"
    assert back(party) == "403 do-not-originate"


def test_the_asserted_caller_can_be_called_back(agent: MakeAgent) -> None:
    """From may be withheld, or an extension's; the PSAP sees who is asserted."""
    party = agent(policy(rules=STRICT))
    for caller in ("<sip:anonymous@anonymous.invalid>", BETAS2, "2000"):
        sent = call(party, caller, "911", ("P-Asserted-Identity", f"<tel:{BETAS}>"))
        answer(party, sent)
        assert back(party) == BACK
        party.wait(HOUR_HALF + 1)
        assert back(party) == "403 do-not-originate"


def test_only_numbers_of_the_trunk_itself(agent: MakeAgent) -> None:
    """Nobody opens a window for somebody else's number."""
    party = agent(policy(rules=STRICT))
    for caller in (OWN, FOREIGN):
        sent = call(party, caller, "911", ("P-Asserted-Identity", f"<sip:{OWN}@x>"))
        answer(party, sent)
    assert back(party, OWN) == "403 do-not-originate"


def test_only_so_many_of_a_trunk(agent: MakeAgent) -> None:
    lane = "[rules.emergency]\ncallbacks = 3\nconcurrent = 1000\nper_second = 1000\nburst = 1000"
    party = agent(policy('emergency = "route"\nemergency_upstream = "psap"', rules=STRICT + lane))
    for last in range(10):
        opened(party, f"+1212555300{last}")
    told = [back(party, f"+1212555300{last}", "911") for last in range(10)]
    assert told[:3] == [BACK] * 3 and BACK not in told[3:]
    # Who has one may renew it, another trunk has its own, and with time there are new ones.
    party.wait(HOUR_HALF - 10)
    opened(party, "+12125553000")
    party.wait(20)
    assert back(party, "+12125553000") == BACK
    sent = party.send(dial("911", OWN), ACME)
    answer(party, sent.message)
    assert back(party, OWN) == BACK
    opened(party, "+12125553009")
    assert back(party, "+12125553009") == BACK


def test_it_opens_no_way_that_isn_t_there(agent: MakeAgent) -> None:
    """Structure holds, in-dialog requests need their proof, and trunks are judged as ever."""
    party = agent(policy(rules=STRICT))
    opened(party)
    assert party.send(request("INVITE", f"sip:{BETAS}@evil.example", FOREIGN), CLOUD).short == "403 target-host"
    assert party.send(request("INVITE", f"sip:{BETAS}@192.0.2.1", FOREIGN, to_tag="x"), CLOUD).reason == "dialog-proof"
    assert party.send(inbound(FOREIGN, BETAS).set("Max-Forwards", "0"), CLOUD).short == "483 hops"
    assert party.send(invite(FOREIGN, uri=f"sip:{BETAS}@cloud.example.net"), ACME).short == "403 caller-owned"
    assert party.send(request("MESSAGE", f"sip:{BETAS}@192.0.2.1", FOREIGN), CLOUD).reason != "emergency-callback"


def test_copies_and_explain(agent: MakeAgent) -> None:
    party = agent(policy(rules=STRICT))
    opened(party)
    sent = inbound(FOREIGN, BETAS)
    first = party.send(sent, CLOUD)
    again = party.send(sent, CLOUD)
    assert (again.short, again.data, again.events) == ("forward retransmission", first.data, ())
    steps = party.engine.explain(bytes(inbound(FOREIGN, BETAS)), CLOUD, 0, party.now)
    assert steps[-1].reason == "emergency-callback"
    assert not [step.rule for step in steps if step.rule == "do-not-originate" and step.applies]


def test_settings_and_reload(agent: MakeAgent) -> None:
    party = agent(policy(rules=STRICT + "[rules.emergency]\ncallback_seconds = 0"))
    opened(party)
    assert back(party) == "403 do-not-originate"
    party.reload(policy(rules=STRICT + "[rules.emergency]\ncallback_seconds = 60"))
    opened(party)
    party.reload(policy(rules=STRICT))
    party.wait(59)
    assert back(party) == BACK
    party.wait(2)
    assert back(party) == "403 do-not-originate"
    # A trunk that lost its route: its answer opens nothing any more.
    sent = call(party)
    party.reload(policy(rules=STRICT).replace('emergency = "route"\nemergency_upstream = "psap"', ""))
    answer(party, sent)
    assert back(party) == "403 do-not-originate"
