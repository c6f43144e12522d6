"""trunk-calls: how many calls of a trunk may be up at once; what ends one, and all that doesn't."""

from __future__ import annotations

from dataclasses import replace

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
    SECOND,
    US,
    MakeAgent,
    dial,
    invite,
    policy,
    request,
    tables,
)
from tests.proxy.message import Header, Message, response
from tests.rules.legs import CONTACT, Call, out, place, receive
from tests.rules.modes import check_modes

PASS, OVER = "forward pass", "486 trunk-calls"
ONE, TWO = policy("concurrent_calls = 1"), policy("concurrent_calls = 2")


# The limit


def test_the_default_limit(agent: MakeAgent) -> None:
    party = agent(policy("calls_per_second = 1000\nburst = 1000"))
    assert party.burst(invite, 302) == [PASS] * 300 + [OVER] * 2


@pytest.mark.parametrize("limit", [1, 2, 40])
def test_so_many_and_no_more(agent: MakeAgent, limit: int) -> None:
    party = agent(policy(f"concurrent_calls = {limit}\nburst = 1000"))
    calls = [place(party) for _ in range(limit)]
    assert party.burst(invite, 2) == [OVER] * 2
    calls[0].answer("486 Busy Here")
    assert party.burst(invite, 2) == [PASS, OVER]
    assert out(party) == limit


@pytest.mark.parametrize(
    ("status", "phrase"),
    [(486, "Busy Here"), (480, "Temporarily Unavailable"), (503, "Service Unavailable"), (603, "Decline")],
)
def test_over_limit(agent: MakeAgent, status: int, phrase: str) -> None:
    party = agent(policy(f"concurrent_calls = 1\nover_limit = {status}"))
    place(party)
    told = party.send(invite())
    assert (told.short, told.rule) == (f"{status} trunk-calls", "trunk-calls")
    assert told.message.start == f"SIP/2.0 {status} {phrase}"


def test_copies_are_counted_once_and_told_the_same(agent: MakeAgent) -> None:
    party = agent(TWO)
    call = place(party)
    assert {party.send(call.sent).short for _ in range(10)} == {"forward retransmission"}
    assert out(party) == 1
    place(party)
    late = invite()
    first = party.send(late)
    assert first.short == OVER
    call.answer("486 Busy Here")
    again = party.send(late)
    assert (again.short, again.data) == ("486 retransmission", first.data)
    assert party.send(invite()).short == PASS


def test_the_copy_of_a_passed_call_is_the_same_bytes(agent: MakeAgent) -> None:
    """The cookie names the lease, and still every copy is the first one."""
    party = agent(TWO)
    for sent in (invite(), invite(uri="sip:alice@cloud.example.net")):
        assert party.send(sent).data == party.send(sent).data


def test_every_trunk_has_its_own(agent: MakeAgent) -> None:
    party = agent(ONE)
    assert party.burst(invite, 2) == [PASS, OVER]
    assert set(party.burst(lambda: invite(BETAS), 20, BETA)) == {PASS}
    assert (out(party), out(party, "beta")) == (1, 20)


def test_calls_into_the_trunk_are_shown_and_free(agent: MakeAgent) -> None:
    party = agent(ONE)
    calls = [receive(party) for _ in range(5)]
    assert party.engine.calls(party.now)["acme"] == {"out": 0, "in": 5, "emergency": 0, "limit": 1}
    assert party.burst(invite, 2) == [PASS, OVER]
    calls[0].answer("486 Busy Here")
    assert party.engine.calls(party.now)["acme"]["in"] == 4
    assert party.send(invite()).short == OVER


def test_only_calls_count(agent: MakeAgent) -> None:
    """What another rule refuses was never up, and other requests open no call."""
    party = agent(ONE)
    uri = f"sip:{CALLED}@cloud.example.net"
    assert party.send(invite(FOREIGN)).short == "403 caller-owned"
    assert party.send(dial("911")).status == 403
    assert party.send(request("OPTIONS", uri, OWN)).short == PASS
    assert party.send(request("REFER", uri, OWN)).short == PASS
    assert out(party) == 0
    assert party.burst(invite, 2) == [PASS, OVER]
    assert party.send(request("OPTIONS", uri, OWN)).short == PASS


def test_a_call_that_is_up_is_never_ended(agent: MakeAgent) -> None:
    party = agent(TWO)
    calls = [place(party).up() for _ in range(2)]
    party.reload(ONE)
    assert party.send(invite()).short == OVER
    for method in ("INVITE", "UPDATE", "INFO", "BYE"):
        calls[0].inside(method)


# What ends a call


@pytest.mark.parametrize("status", ["302 M", "403 F", "404 N", "408 T", "486 B", "487 T", "500 S", "503 U", "603 D"])
def test_a_final_refusal(agent: MakeAgent, status: str) -> None:
    party = agent(ONE)
    call = place(party)
    call.answer("180 Ringing")
    assert party.send(invite()).short == OVER
    for _ in range(3):
        call.answer(status)
    assert party.burst(invite, 2) == [PASS, OVER]


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("status", ["200 OK", "202 Accepted", "481 Gone"])
def test_a_bye_that_is_taken(agent: MakeAgent, status: str, back: bool) -> None:
    """By either side; its copies end nothing more."""
    party = agent(ONE)
    call = place(party).up()
    bye = call.inside("BYE", back=back)
    assert party.send(invite()).short == OVER
    for _ in range(3):
        bye.answer(status)
    assert party.burst(invite, 2) == [PASS, OVER]


@pytest.mark.parametrize("back", [False, True])
def test_a_call_into_the_trunk_ends_too(agent: MakeAgent, back: bool) -> None:
    party = agent()
    call = receive(party).up()
    assert party.engine.calls(party.now)["acme"]["in"] == 1
    call.inside("BYE", back=back).answer("200 OK")
    assert party.engine.calls(party.now)["acme"]["in"] == 0


def test_cancel_frees_nothing_but_its_487_does(agent: MakeAgent) -> None:
    party = agent(ONE)
    call = place(party)
    cancel = Message(call.sent.start.replace("INVITE", "CANCEL"), call.sent.headers).set("CSeq", "1 CANCEL")
    passed = party.send(cancel.set("Content-Length", "0").set("Content-Type"))
    assert passed.short == PASS
    assert party.send(invite()).short == OVER
    assert party.send(response(passed.message, "200 OK", "far"), CLOUD).short == PASS
    assert party.send(invite()).short == OVER
    call.answer("487 Request Terminated")
    assert party.send(invite()).short == PASS


def test_a_challenged_call_comes_again(agent: MakeAgent) -> None:
    party = agent(ONE)
    call = place(party)
    for status, name in (("407 P", "Proxy-Authorization"), ("401 U", "Authorization")):
        call.answer(status)
        assert out(party) == 0
        again = call.sent.set("CSeq", f"{status[2]}1 INVITE").set("Via", f"SIP/2.0/UDP x;branch=z9hG4bK{status[:3]}")
        call = place(party, again.above((name, "Digest x=y")))
        call = replace(call, sent=again)
        assert out(party) == 1
    call.up()
    assert party.send(invite()).short == OVER
    call.hang_up()
    assert out(party) == 0


def test_a_fork_before_the_agent_is_one_call(agent: MakeAgent) -> None:
    """Even at the limit: it is the call that is counted."""
    party = agent(ONE)
    call = place(party)
    twin = place(party, call.sent.set("Via", "SIP/2.0/UDP x;branch=z9hG4bKtwin"))
    assert out(party) == 1
    twin.answer("482 Merged")
    twin.answer("482 Merged")
    assert party.send(invite()).short == OVER
    call.answer("486 Busy Here")
    assert out(party) == 0


def test_the_next_number_of_a_hunt_is_a_call_of_its_own(agent: MakeAgent) -> None:
    party = agent(TWO)
    call = place(party)
    other = call.sent.to("sip:+442071838799@cloud.example.net").set("Via", "SIP/2.0/UDP x;branch=z9hG4bKnext")
    second = place(party, other)
    assert out(party) == 2
    call.answer("503 Unavailable")
    second.up()
    assert out(party) == 1


def test_two_answers_of_a_fork_are_hung_up_one_by_one(agent: MakeAgent) -> None:
    party = agent(ONE)
    call = place(party)
    call.answer("200 OK", "one")
    call.answer("200 OK", "two")
    assert out(party) == 1
    call.inside("BYE", "one").answer("200 OK")
    call.answer("200 OK", "one")  # late, and it was hung up
    assert party.send(invite()).short == OVER
    call.inside("BYE", "two", back=True).answer("481 Gone")
    assert out(party) == 0


def test_after_its_answer_the_same_call_again_is_a_second_one(agent: MakeAgent) -> None:
    """Or one lease would carry any number of calls."""
    party = agent(ONE)
    call = place(party).up()
    again = call.sent.set("CSeq", "2 INVITE").set("Via", "SIP/2.0/UDP x;branch=z9hG4bKagain")
    assert party.send(again).short == OVER


# What ends by itself


def test_one_that_nobody_answers(agent: MakeAgent) -> None:
    """200 s from the last INVITE or ringing."""
    party = agent(ONE)
    call = place(party)
    party.wait(199)
    call.answer("180 Ringing")
    party.wait(199.9)
    assert party.send(invite()).short == OVER
    party.wait(0.2)
    assert party.send(invite()).short == PASS


@pytest.mark.parametrize(
    ("expires", "seconds"),
    [((), 4 * 3600), ((("Session-Expires", "1800;refresher=uac"),), 2700), ((("x", "90"),), 135), ((("x", "1"),), 135)],
)
def test_one_that_was_never_hung_up(agent: MakeAgent, expires: tuple[Header, ...], seconds: int) -> None:
    party = agent(ONE)
    place(party).up(*expires)
    party.wait(seconds - 0.1)
    assert party.send(invite()).short == OVER
    party.wait(0.2)
    assert party.send(invite()).short == PASS


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_refresh_keeps_it(agent: MakeAgent, method: str, back: bool) -> None:
    party = agent(ONE)
    call = place(party).up(("Session-Expires", "100"))
    for _ in range(3):
        party.wait(140)
        call.inside(method, back=back).answer("200 OK", ("Session-Expires", "100"))
    party.wait(140)
    call.inside(method, back=back).answer("488 Not Acceptable", ("Session-Expires", "100"))
    party.wait(9.9)
    assert party.send(invite()).short == OVER
    party.wait(0.2)
    assert party.send(invite()).short == PASS


# Ways round it


def test_a_bye_alone_frees_nothing(agent: MakeAgent) -> None:
    party = agent(ONE)
    call = place(party).up()
    for _ in range(3):
        call.inside("BYE")
    assert party.send(invite()).short == OVER


@pytest.mark.parametrize("status", ["100 T", "401 U", "403 F", "404 N", "408 T", "500 S", "503 U", "600 B"])
def test_a_refused_bye_frees_nothing(agent: MakeAgent, status: str) -> None:
    party = agent(ONE)
    place(party).up().inside("BYE").answer(status)
    assert party.send(invite()).short == OVER


def test_a_bye_of_no_dialog_frees_nothing(agent: MakeAgent) -> None:
    """Forged tags: the far side says 481, to a dialog that isn't there."""
    party = agent(ONE)
    call = place(party).up()
    call.inside("BYE", "forged").answer("481 Gone")
    call.inside("BYE", "near").answer("200 OK")
    assert party.send(invite()).short == OVER
    [route] = call.passed.all("Record-Route")
    forged = request("BYE", "sip:b@192.0.2.60", OWN, ("Route", route), to_tag="far")
    assert party.send(forged.set("Call-ID", call.sent.one("Call-ID"))).short == "481 dialog-proof"


def test_forged_answers_free_nothing(agent: MakeAgent) -> None:
    """From a stranger, from the trunk itself, or with another branch, Call-ID or CSeq."""
    party = agent(ONE)
    call = place(party)
    busy = response(call.passed, "486 Busy Here", "far")
    for source in (NOBODY, ACME, BETA, PSAP):
        assert party.send(busy, source).action == "drop"
    via, own = busy.all("Via")
    mac = via[:-1] + ("0" if via[-1] != "0" else "1")
    for wrong in (busy.set("Via", mac, own), busy.set("Call-ID", "x@y"), busy.set("CSeq", "2 INVITE")):
        assert party.send(wrong, CLOUD).action == "drop"
    assert party.send(invite()).short == OVER
    call.up()
    bye = call.inside("BYE")
    for source in (NOBODY, ACME, BETA):
        bye.answer("200 OK", source=source)
    assert party.send(invite()).short == OVER


def test_another_trunks_bye_frees_nothing(agent: MakeAgent) -> None:
    party = agent(policy("concurrent_calls = 1"))
    call = place(party).up()
    [route] = call.passed.all("Record-Route")
    bye = request("BYE", "sip:b@192.0.2.60", BETAS, ("Route", route), to_tag="far")
    bye = bye.set("Call-ID", call.sent.one("Call-ID")).set("From", call.sent.one("From"))
    assert party.send(bye, BETA).short == "481 dialog-proof"
    assert party.send(invite()).short == OVER


def test_a_trunk_that_answers_for_its_callee_ends_its_own_leg_only(agent: MakeAgent) -> None:
    """A call out of acme and back into it: each leg ends by its own answers."""
    party = agent(ONE)
    call = place(party, invite(uri="sip:+12125552009@cloud.example.net"))
    back = call.passed.to(f"sip:+12125552009@{US}").above(("Via", "SIP/2.0/UDP 192.0.2.60;branch=z9hG4bKback"))
    passed = party.send(back.above(("Record-Route", "<sip:192.0.2.60;lr>")), CLOUD)
    assert passed.short == PASS
    both = party.engine.calls(party.now)["acme"]
    assert (both["out"], both["in"]) == (1, 1)
    assert party.send(response(passed.message, "486 Busy Here", "far"), CONTACT).short == PASS
    both = party.engine.calls(party.now)["acme"]
    assert (both["out"], both["in"]) == (1, 0)
    assert party.send(invite()).short == OVER


# Emergency calls


def test_emergency_calls_are_outside_the_limit(agent: MakeAgent) -> None:
    party = agent(policy(beta="concurrent_calls = 1"))
    assert party.burst(lambda: invite(BETAS), 2, BETA) == [PASS, OVER]
    sent = dial("911", BETAS)
    told = party.send(sent, BETA)
    assert told.short == "forward emergency-routed"
    counted = party.engine.calls(party.now)["beta"]
    assert (counted["out"], counted["emergency"]) == (1, 1)
    call = Call(party, sent, told.message, BETA, PSAP)
    call.answer("486 Busy Here")
    assert party.engine.calls(party.now)["beta"]["emergency"] == 0


def test_the_lane_has_a_limit_of_its_own(agent: MakeAgent) -> None:
    """Strangers' calls above it are refused, first calls of own callers go on."""
    party = agent(policy(rules="[rules.emergency]\nconcurrent = 3"))
    routed, over = "forward emergency-routed", "486 emergency-limit"
    strangers = (f"+13125550{n}" for n in range(100, 200))
    sent = dial("911", next(strangers))
    told = party.send(sent, BETA)
    call = Call(party, sent, told.message, BETA, PSAP)
    assert party.burst(lambda: dial("911", next(strangers)), 4, BETA) == [routed] * 2 + [over] * 2
    assert party.send(dial("911", BETAS), BETA).short == routed
    call.answer("486 Busy Here")
    assert party.send(dial("911", next(strangers)), BETA).short == over, "an own caller's call came on top"
    party.wait(201)
    assert party.burst(lambda: dial("911", next(strangers)), 4, BETA) == [routed] * 3 + [over]


def test_a_test_call_is_no_call_of_the_lane(agent: MakeAgent) -> None:
    party = agent()
    assert party.send(dial("urn:service:test.sos", BETAS), BETA).short == "forward emergency-test"
    assert party.engine.calls(party.now)["beta"]["emergency"] == 0


# Records, modes, reload


def test_event(agent: MakeAgent) -> None:
    party = agent(TWO)
    event = [party.send(invite()) for _ in range(3)][-1].event
    assert (event.action, event.rule, event.reason, event.status) == ("answer", "trunk-calls", "trunk-calls", 486)
    assert (event.peer, event.source, event.from_user, event.value, event.limit) == ("acme", ACME, OWN, 2, 2)


def test_modes() -> None:
    hits = "concurrent_calls = 1"
    check_modes("trunk-calls", lambda agent: [agent.send(invite()) for _ in range(2)][-1], OVER, acme=hits)


@pytest.mark.parametrize("mode", ["monitor", "off"])
def test_who_only_watches_counts_and_refuses_nobody(agent: MakeAgent, mode: str) -> None:
    party = agent(policy(f'concurrent_calls = 3\nrules.trunk-calls.mode = "{mode}"'))
    assert party.burst(invite, 10) == [PASS] * 10
    assert out(party) == 10
    found = {("trunk-calls", "acme"): 7} if mode == "monitor" else {}
    assert party.engine.counters()["monitored"] == found
    party.reload(policy("concurrent_calls = 11"))
    assert party.burst(invite, 2) == [PASS, OVER]


def test_reload(agent: MakeAgent) -> None:
    """Calls that are up stay counted, and the new limit holds for the next."""
    party = agent(TWO)
    calls = [place(party).up() for _ in range(2)]
    party.reload(TWO)
    assert party.send(invite()).short == OVER
    party.reload(policy("concurrent_calls = 3"))
    assert party.burst(invite, 2) == [PASS, OVER]
    party.reload(ONE)
    for call in calls:
        call.hang_up()
    assert (out(party), party.send(invite()).short) == (1, OVER)


def test_explain_changes_nothing(agent: MakeAgent) -> None:
    party = agent(ONE)
    sent = bytes(invite())
    for full in (False, True):
        step = next(s for s in party.engine.explain(sent, ACME, 0, party.now) if s.rule == "trunk-calls")
        assert (step.applies, step.reason, step.value, step.limit) == (True, "trunk-calls" if full else "", full, 1)
        assert out(party) == full
        party.send(invite())


def test_a_re_invite_of_a_lost_dialog_is_no_new_call(agent: MakeAgent) -> None:
    """In the time of grace: the call is up, so it is counted, and never refused for it."""
    party = agent(ONE)
    party.publish(tables(ONE), grace_until=party.now + 60 * SECOND)
    place(party)
    sent = invite()
    sent = sent.set("To", f"{sent.one('To')};tag=far")
    assert party.send(sent).short == PASS
    assert out(party) == 2


def test_other_ports_and_names_of_the_trunk(agent: MakeAgent) -> None:
    """An answer finds its lease by the trunk, not by the port in a Via."""
    party = agent(ONE.replace('sources = ["198.51.100.10/32"]', 'sources = ["198.51.100.10/32"]\nports = [5060]'))
    sent = invite()
    call = place(party, sent.set("Via", "SIP/2.0/UDP 198.51.100.10:5099;branch=z9hG4bKport"))
    call.answer("486 Busy Here")
    assert out(party) == 0


def test_restart_forgets(agent: MakeAgent) -> None:
    """Leases live in memory: after a restart calls that are up are no longer counted, and their ends change nothing."""
    party = agent(ONE)
    call = place(party).up()
    fresh = agent(ONE)
    assert out(fresh) == 0
    Call(fresh, call.sent, call.passed).hang_up()
    assert out(fresh) == 0
    assert isinstance(fresh.engine, _hot.Engine)
