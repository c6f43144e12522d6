"""The emergency lane: what an emergency call is spared, what limits it all the same, and the way of its requests."""

from __future__ import annotations

import pytest

from edge_agent import _hot
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
    Agent,
    MakeAgent,
    dial,
    invite,
    policy,
    request,
)
from tests.proxy.message import Header, Message, response

ROUTED, OVER = "forward emergency-routed", "486 emergency-limit"
SMALL = "[rules.emergency]\nper_second = 1\nburst = 3"


def sos(caller: str = BETAS, uri: str = "911") -> Message:
    return dial(uri, caller)


# Spared


ANONYMOUS = "<sip:anonymous@anonymous.invalid>"


@pytest.mark.parametrize("caller", [FOREIGN, "+12125550100", "alice", "2000", ANONYMOUS, "911"])
def test_whoever_calls(agent: MakeAgent, caller: str) -> None:
    """A wrong caller ID is recorded, and helped."""
    routed = agent().send(sos(caller), BETA)
    assert (routed.short, routed.to, routed.event.caller_owned) == (ROUTED, PSAP, False)


@pytest.mark.parametrize(
    ("caller", "more", "asserted"),
    [
        (BETAS, (), ""),
        ("2125553000", (), ""),
        (BETAS, (("P-Asserted-Identity", f"<tel:{BETAS}>"),), ""),
        (BETAS, (("P-Asserted-Identity", f"<sip:{FOREIGN}@x>"),), FOREIGN),
        (ANONYMOUS, (("P-Asserted-Identity", f"<sip:{BETAS}@x>"), ("Privacy", "id")), BETAS),
        (ANONYMOUS, (("P-Preferred-Identity", f"<sip:{BETAS}@x>"),), BETAS),
        ("2000", (("P-Asserted-Identity", f"<sip:{BETAS}@x>"),), BETAS),
    ],
)
def test_a_caller_of_the_trunk_s_own(agent: MakeAgent, caller: str, more: tuple[Header, ...], asserted: str) -> None:
    event = agent().send(dial("911", caller, *more), BETA).event
    assert (event.reason, event.caller_owned, event.asserted) == ("emergency-routed", True, asserted)


@pytest.mark.parametrize("caller", [FOREIGN, ANONYMOUS])
def test_an_asserted_number_that_isn_t_the_trunk_s(agent: MakeAgent, caller: str) -> None:
    """Nor does an own one make up for a foreign From."""
    other = FOREIGN if caller == ANONYMOUS else BETAS
    event = agent().send(dial("911", caller, ("P-Asserted-Identity", f"<sip:{other}@x>")), BETA).event
    assert (event.reason, event.caller_owned, event.asserted) == ("emergency-routed", False, other)


def test_who_calls_is_told_of_refused_ones_too(agent: MakeAgent) -> None:
    party = agent()
    assert [party.send(dial("911", caller)).event.caller_owned for caller in (OWN, BETAS)] == [True, False]
    assert not party.send(dial("911", OWN), CLOUD).event.caller_owned
    assert not party.send(dial("911", OWN), NOBODY).event.caller_owned
    assert not party.send(sos().set("From", "<sip:+12125553000@x;tag"), BETA).event.caller_owned


@pytest.mark.parametrize(
    "more",
    [
        ("User-Agent", "friendly-scanner"),
        ("Proxy-Require", "x"),
        ("P-Asserted-Identity", f"<sip:{FOREIGN}@x>"),
        ("Privacy", "id"),
        ("Geolocation", "<cid:x@y>"),
        ("Content-Type", "application/pidf+xml"),
        ("Diversion", f"<sip:{FOREIGN}@x>"),
    ],
)
def test_no_rule_of_ordinary_calls(agent: MakeAgent, more: Header) -> None:
    name, value = more
    assert agent().send(sos().set(name, value), BETA).short == ROUTED


def test_over_the_trunk_s_limit(agent: MakeAgent) -> None:
    party = agent(policy(beta="calls_per_second = 1\nburst = 1"))
    assert party.burst(lambda: invite(BETAS), 100, BETA).count("486 trunk-rate") == 99
    assert party.burst(sos, 10, BETA) == [ROUTED] * 10
    # and they use nothing of it up
    party.wait(1)
    assert party.burst(lambda: invite(BETAS), 2, BETA) == ["forward pass", "486 trunk-rate"]


def test_while_the_cloud_is_down(agent: MakeAgent) -> None:
    party = agent()
    party.engine.set_target("cloud", 0, False)
    assert party.send(invite(BETAS), BETA).short == "503 upstream-down"
    assert party.send(sos(), BETA).to == PSAP


def test_while_the_psap_seems_down(agent: MakeAgent) -> None:
    """The lane fails open: a probe may be wrong, a refusal would be final."""
    party = agent()
    party.engine.set_target("psap", 0, False)
    assert (party.send(sos(), BETA).short, party.send(sos(), BETA).to) == (ROUTED, PSAP)


def test_while_others_flood(agent: MakeAgent) -> None:
    party = agent()
    party.burst(invite, 200, ACME)
    party.burst(lambda: dial("911"), 200, ACME)
    party.burst(lambda: dial("911"), 200, NOBODY)
    assert party.send(sos(), BETA).short == ROUTED


def test_while_the_agent_only_monitors(agent: MakeAgent) -> None:
    party = agent(policy(agent='mode = "monitor"'))
    assert party.send(sos(), BETA).short == ROUTED
    assert party.send(dial("911")).short == "403 emergency-not-authorised"


# Its own limits


def strangers(first: int = 5551000) -> list[str]:
    """Callers that are not beta's."""
    return [f"+1312{first + n}" for n in range(1000)]


def test_the_default_limit(agent: MakeAgent) -> None:
    """100 at once, then 10 a second; above, first calls of own callers have as much again."""
    party, callers = agent(policy(rules="[rules.emergency]\nconcurrent = 1000")), iter(strangers())
    assert party.burst(lambda: sos(next(callers)), 102, BETA) == [ROUTED] * 100 + [OVER] * 2
    party.wait(0.1)
    assert party.burst(lambda: sos(next(callers)), 2, BETA) == [ROUTED, OVER]
    owned = iter([f"+121255530{n:02}" for n in range(100)])
    assert party.burst(lambda: sos(next(owned)), 100, BETA) == [ROUTED] * 100


def test_above_the_limit_a_caller_has_one_call_in_ten_seconds(agent: MakeAgent) -> None:
    party, callers = agent(policy(rules=SMALL + "\nper_caller_seconds = 10.0")), iter(strangers())
    assert party.burst(lambda: sos(next(callers)), 4, BETA) == [ROUTED] * 3 + [OVER]
    assert party.burst(sos, 2, BETA) == [ROUTED, OVER]
    assert party.send(sos("+12125553001"), BETA).short == ROUTED
    party.wait(1)  # both budgets have one more: the stranger takes that of all
    assert party.send(sos(next(callers)), BETA).short == ROUTED
    assert party.send(sos(), BETA).short == OVER
    party.wait(9)
    assert party.burst(lambda: sos(next(callers)), 4, BETA).count(ROUTED) == 3
    assert party.send(sos(), BETA).short == ROUTED


def test_above_the_limit_an_anonymous_caller_is_who_is_asserted(agent: MakeAgent) -> None:
    party, callers = agent(policy(rules=SMALL + "\nper_caller_seconds = 10.0")), iter(strangers())
    assert party.burst(lambda: sos(next(callers)), 4, BETA) == [ROUTED] * 3 + [OVER]

    def anonymous(asserted: str) -> Message:
        return dial("911", ANONYMOUS, ("P-Asserted-Identity", f"<sip:{asserted}@x>"), ("Privacy", "id"))

    assert party.send(sos(ANONYMOUS), BETA).short == OVER
    assert party.send(anonymous(FOREIGN), BETA).short == OVER
    assert party.burst(lambda: anonymous(BETAS), 2, BETA) == [ROUTED, OVER]
    assert party.burst(sos, 1, BETA) == [OVER], "the same caller"
    assert party.send(anonymous("+12125553001"), BETA).short == ROUTED


def test_within_the_limit_a_caller_may_call_again(agent: MakeAgent) -> None:
    """Somebody who is cut off dials again at once."""
    party = agent()
    assert party.burst(sos, 5, BETA) == [ROUTED] * 5


def test_above_the_limit_is_busy_and_recorded(agent: MakeAgent) -> None:
    party, callers = agent(policy(rules=SMALL)), iter(strangers())
    over = [party.send(sos(next(callers)), BETA) for _ in range(4)][-1]
    assert over.data.startswith(b"SIP/2.0 486 Busy Here\r\n")
    assert (over.event.rule, over.event.reason, over.event.status, over.event.peer) == (
        "emergency",
        "emergency-limit",
        486,
        "beta",
    )


def test_copies_are_counted_once(agent: MakeAgent) -> None:
    party, callers = agent(policy(rules=SMALL)), iter(strangers())
    sent = sos(next(callers))
    first = party.send(sent, BETA)
    for _ in range(10):
        again = party.send(sent, BETA)
        assert (again.short, again.data, again.to, again.events) == ("forward retransmission", first.data, PSAP, ())
    assert party.burst(lambda: sos(next(callers)), 3, BETA) == [ROUTED] * 2 + [OVER]
    counted = party.engine.counters()["by_verdict"]
    assert counted["forward", "emergency", "emergency-routed", "beta"] == 3


def test_test_calls_are_limited_too(agent: MakeAgent) -> None:
    """Anyone can dial 933 all day: it must be no way to flood the gateway, nor use up what a call for help needs."""
    party = agent(policy(rules=SMALL))
    told = party.burst(lambda: sos(FOREIGN, "933"), 50, BETA)
    assert told[0] == "forward emergency-test"
    assert told.count("forward emergency-test") <= 6
    assert told[-1] == OVER
    assert party.burst(sos, 3, BETA) == [ROUTED] * 3


def test_every_trunk_has_its_own(agent: MakeAgent) -> None:
    party = agent(policy('emergency = "route"\nemergency_upstream = "psap"', rules=SMALL))
    callers = iter(strangers())
    assert party.burst(lambda: sos(next(callers)), 10, ACME).count(ROUTED) == 3
    assert party.burst(lambda: sos(next(callers)), 3, BETA) == [ROUTED] * 3


def test_reload(agent: MakeAgent) -> None:
    """What was used stays used, and the new limit counts."""
    party, callers = agent(policy(rules=SMALL)), iter(strangers())
    assert party.burst(lambda: sos(next(callers)), 4, BETA) == [ROUTED] * 3 + [OVER]
    party.reload(policy(rules=SMALL.replace("burst = 3", "burst = 5")))
    assert party.burst(lambda: sos(next(callers)), 3, BETA) == [ROUTED] * 2 + [OVER]


# The way of its requests


def same(sent: Message, method: str) -> Message:
    """ACK or CANCEL of that very INVITE."""
    start = sent.start.replace("INVITE", method)
    again = Message(start, sent.headers).set("CSeq", f"1 {method}").set("Content-Type").set("Content-Length", "0")
    return again


@pytest.mark.parametrize("uri", ["911", "sip:911@192.0.2.1", "tel:911", "urn:service:sos", "933"])
@pytest.mark.parametrize("method", ["CANCEL", "ACK"])
@pytest.mark.parametrize("later", [0, 40])
def test_cancel_and_ack_follow_their_invite(agent: MakeAgent, uri: str, method: str, later: int) -> None:
    """Also when the transaction is no longer known."""
    party, sent = agent(), sos(uri=uri)
    first = party.send(sent, BETA)
    party.wait(later)
    second = party.send(same(sent, method), BETA)
    assert (second.short, second.to) == ("forward pass", PSAP)
    assert second.message.all("Via")[0] == first.message.all("Via")[0]
    assert second.message.uri == first.message.uri


def test_the_dialog(agent: MakeAgent) -> None:
    """ACK of the 2xx, re-INVITE and BYE go to the PSAP, the PSAP's to the customer."""
    party = agent()
    opened = party.send(sos(), BETA).message
    answer = party.send(response(opened, "200 OK", "psap", "sip:desk@192.0.2.61"), PSAP)
    assert answer.action == "forward"
    [cookie] = opened.all("Record-Route")
    base = [("Route", cookie)]
    for method in ("ACK", "INVITE", "UPDATE", "BYE"):
        sent = request(method, "sip:desk@192.0.2.61", BETAS, *base, to_tag="psap")
        sent = sent.set("Call-ID", opened.one("Call-ID")).set("From", opened.one("From"))
        assert party.send(sent, BETA).to == PSAP
        turned = sent.to("sip:pbx@198.51.100.11:5060").set("From", "<sip:911@x>;tag=psap")
        turned = turned.set("To", opened.one("From")).set("Via", f"SIP/2.0/UDP 192.0.2.61;branch=z9hG4bKp{method}")
        assert party.send(turned, PSAP).to == BETA
        assert party.send(turned, CLOUD).action != "forward" or method == "ACK"


@pytest.mark.parametrize(
    "text", [policy().replace('emergency = "route"\nemergency_upstream = "psap"', ""), policy(rules=SMALL)]
)
def test_a_call_that_is_up_survives_a_reload(agent: MakeAgent, text: str) -> None:
    """Where the trunk may no longer call them, what hangs up still gets an answer or gets through, and nothing breaks."""
    party = agent()
    opened = party.send(sos(), BETA).message
    party.reload(text)
    [cookie] = opened.all("Record-Route")
    for method in ("ACK", "INVITE", "BYE"):
        for uri in ("sip:desk@192.0.2.61", "sip:desk@psap.example", "tel:911"):
            sent = request(method, uri, BETAS, ("Route", cookie), to_tag="psap")
            told = party.send(sent.set("Call-ID", opened.one("Call-ID")).set("From", opened.one("From")), BETA)
            assert told.action in ("forward", "answer", "drop")
            assert told.to in (PSAP, BETA, None)


def test_own_names_in_the_uri_are_replaced(agent: MakeAgent) -> None:
    party = agent()
    assert (
        party.send(sos(uri="sip:911@sbc.example.net:5060;user=phone"), BETA).message.uri
        == "sip:911@192.0.2.61:5060;user=phone"
    )
    assert party.send(sos(uri="urn:service:sos"), BETA).message.uri == "urn:service:sos"


def test_a_refused_call_s_ack_and_cancel_go_nowhere(agent: MakeAgent) -> None:
    party, sent = agent(), dial("911")
    assert party.send(sent).status == 403
    assert party.send(same(sent, "CANCEL")).short == "481 cancel-unmatched"
    assert party.send(same(sent, "ACK")).short == "drop ack-absorbed"
    party.wait(40)
    assert party.send(same(sent, "CANCEL")).action == "answer"
    assert party.send(same(sent, "ACK")).action == "drop"


def test_a_psap_calls_back(agent: MakeAgent) -> None:
    back = request("INVITE", f"sip:{BETAS}@192.0.2.1", "911")
    assert agent().send(back, PSAP).to == ("198.51.100.11", 5070)


# Strangers


def test_a_stranger_is_told_within_the_budget(agent: MakeAgent) -> None:
    party = agent()
    told = party.burst(lambda: dial("911"), 62, NOBODY)
    assert told == ["403 emergency-unknown"] * 60 + ["drop source-rate"] * 2


def test_a_stranger_never_gets_more_than_it_sent(agent: MakeAgent) -> None:
    """Its address may be forged: the victim would get the difference."""
    party = agent()
    least = (
        "INVITE sip:911@a SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK{n}\r\nf: <sip:a@b>;tag=a\r\nt: <sip:a@b>\r\n"
        "i: {n}\r\nCSeq: 1 INVITE\r\nX-Pad: {pad}\r\n\r\n"
    )
    answered = []
    for n in range(160):
        party.wait(1)
        sent = least.format(n=n, pad="x" * n).encode()
        told = party.send(sent, NOBODY)
        assert len(told.data) <= len(sent)
        assert told.short in ("drop reply-too-large", "403 emergency-unknown")
        assert told.to is None or told.to[0] == NOBODY[0]
        answered.append(told.action == "answer")
    assert answered[0] is False and answered[-1] is True
    assert sorted(answered) == answered


@pytest.mark.parametrize("method", ["ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER", "MESSAGE"])
def test_other_requests_of_strangers_get_nothing(agent: MakeAgent, method: str) -> None:
    assert agent().send(request(method, "sip:911@192.0.2.1", CALLED), NOBODY).action == "drop"


def test_a_broken_call_of_a_stranger_gets_nothing(agent: MakeAgent) -> None:
    assert agent().send(dial("911").set("CSeq", "x"), NOBODY).action == "drop"


def test_the_counters_of_all_that(agent: MakeAgent) -> None:
    party = agent(policy(rules=SMALL))
    party.burst(sos, 5, BETA)
    party.burst(lambda: dial("911"), 5, ACME)
    party.burst(lambda: dial("911"), 5, NOBODY)
    counted = party.engine.counters()
    assert (counted["received"], counted["forwarded"], counted["answered"], counted["dropped"]) == (15, 3, 12, 0)


def test_while_every_table_is_full() -> None:
    """Transactions, leases and marks that others filled cost an emergency call its entries, and nothing else."""
    text = policy("calls_per_second = 1000000\nburst = 1000000\nconcurrent_calls = 1000000")
    party = Agent(text)
    batch, out = _hot.Batch(64), _hot.OutBatch()
    for _ in range(700):
        batch.clear()
        for _ in range(64):
            batch.add(bytes(invite()), ACME, 0)
        party.engine.process(batch, party.now, out)
    for table in ("transactions", "leases"):
        assert party.engine.tables()[table]["evictions"] > 0, table
    told = [party.send(sos(f"+121255530{n:02}"), BETA) for n in range(50)]
    assert [(one.short, one.to) for one in told] == [(ROUTED, PSAP)] * 50
