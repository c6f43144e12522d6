"""trunk-rate: new calls of a customer, each counted once; nothing else of the customer is counted, nor anyone else's."""

from __future__ import annotations

import pytest

from tests.agent import (
    ACME,
    BETA,
    BETAS,
    CALLED,
    CLOUD,
    FOREIGN,
    OWN,
    SECOND,
    Agent,
    MakeAgent,
    dial,
    inbound,
    invite,
    policy,
    request,
)
from tests.proxy.message import Message, response
from tests.rules.modes import check_modes

PASS, OVER = "forward pass", "486 trunk-rate"
SLOW = policy("calls_per_second = 10\nburst = 3")


def test_the_default_limit(agent: MakeAgent) -> None:
    """40 at once, then 20 a second."""
    party = agent()
    assert party.burst(invite, 42) == [PASS] * 40 + [OVER] * 2
    party.now += SECOND // 20 - 1
    assert party.burst(invite, 1) == [OVER]
    party.now += 1
    assert party.burst(invite, 2) == [PASS, OVER]
    party.wait(1)
    assert party.burst(invite, 25).count(PASS) == 20
    party.wait(3600)
    assert party.burst(invite, 50).count(PASS) == 40


@pytest.mark.parametrize(("per_second", "burst"), [(1, 1), (10, 3), (0.5, 2), (1000, 100), (33, 7)])
def test_a_steady_rate_passes_for_ever(agent: MakeAgent, per_second: float, burst: int) -> None:
    party = agent(policy(f"calls_per_second = {float(per_second)}\nburst = {burst}"))
    assert party.burst(invite, burst + 1).count(PASS) == burst
    for _ in range(50):
        party.now += int(SECOND / per_second) + 1
        assert party.send(invite()).short == PASS
        assert party.send(invite()).short == OVER


@pytest.mark.parametrize(
    ("status", "phrase"),
    [(486, "Busy Here"), (480, "Temporarily Unavailable"), (503, "Service Unavailable"), (603, "Decline")],
)
def test_over_limit(agent: MakeAgent, status: int, phrase: str) -> None:
    party = agent(policy(f"calls_per_second = 1\nburst = 1\nover_limit = {status}"))
    party.send(invite())
    told = party.send(invite())
    assert (told.short, told.rule) == (f"{status} trunk-rate", "trunk-rate")
    assert told.message.start == f"SIP/2.0 {status} {phrase}"
    assert not told.message.all("Retry-After")
    assert told.event.status == status


def test_copies_are_counted_once(agent: MakeAgent) -> None:
    """A customer's own timers must not use up its calls, and a refused call stays refused."""
    party = agent(SLOW)
    sent = invite()
    assert party.send(sent).short == PASS
    assert {party.send(sent).short for _ in range(10)} == {"forward retransmission"}
    assert party.burst(invite, 3) == [PASS, PASS, OVER]
    late = invite()
    first = party.send(late)
    assert first.short == OVER
    party.wait(20)
    again = party.send(late)
    assert (again.short, again.data) == ("486 retransmission", first.data)
    assert party.engine.counters()["by_verdict"]["answer", "trunk-rate", "trunk-rate", "acme"] == 2


def test_only_calls_are_counted(agent: MakeAgent) -> None:
    party = agent(SLOW)
    uri = f"sip:{CALLED}@cloud.example.net"
    assert party.burst(lambda: request("OPTIONS", uri, OWN), 20) == [PASS] * 20
    assert party.burst(invite, 4) == [PASS] * 3 + [OVER]


def test_a_refer_is_a_call(agent: MakeAgent) -> None:
    party = agent(SLOW)
    uri = f"sip:{CALLED}@cloud.example.net"
    assert party.burst(lambda: request("REFER", uri, OWN), 4) == [PASS] * 3 + [OVER]


# Requests that open no call: a budget for each kind.

KINDS = {
    "REGISTER": "register",
    "OPTIONS": "options",
    "SUBSCRIBE": "subscribe",
    "MESSAGE": "message",
    "PUBLISH": "other",
}
BUDGET = "486 method-rate"


def kinds(keys: str = "", acme: str = "", mode: str = "enforce") -> str:
    """A configuration in which the cloud takes all of them."""
    methods = ", ".join(f'"{method}"' for method in ("INVITE", "ACK", "BYE", "CANCEL", "REFER", *KINDS))
    return policy(acme, cloud=f"methods = [{methods}]", rules=f'[rules.trunk-rate]\nmode = "{mode}"\n{keys}')


def other(method: str) -> Message:
    return request(method, f"sip:{CALLED}@cloud.example.net", OWN)


@pytest.mark.parametrize(
    ("method", "per_second", "burst"),
    [("REGISTER", 20, 200), ("OPTIONS", 10, 50), ("SUBSCRIBE", 10, 100), ("MESSAGE", 10, 50), ("PUBLISH", 10, 50)],
)
def test_other_requests_have_a_budget(agent: MakeAgent, method: str, per_second: int, burst: int) -> None:
    """No way to try a thousand numbers by OPTIONS, or as many passwords by REGISTER."""
    party = agent(kinds())
    assert party.burst(lambda: other(method), burst + 2) == [PASS] * burst + [BUDGET] * 2
    party.now += SECOND // per_second - 1
    assert party.burst(lambda: other(method), 1) == [BUDGET]
    party.now += 1
    assert party.burst(lambda: other(method), 2) == [PASS, BUDGET]


@pytest.mark.parametrize("method", KINDS)
def test_no_kind_takes_anothers_place(agent: MakeAgent, method: str) -> None:
    party = agent(kinds(f"{KINDS[method]}_per_second = 1.0\n{KINDS[method]}_burst = 2"))
    assert party.burst(lambda: other(method), 4) == [PASS] * 2 + [BUDGET] * 2
    for each in KINDS:
        assert party.send(other(each)).short == (BUDGET if each == method else PASS)
    assert party.burst(invite, 10) == [PASS] * 10
    party.wait(1)
    assert party.burst(lambda: other(method), 2) == [PASS, BUDGET]


def test_unknown_methods_share_the_last_budget(agent: MakeAgent) -> None:
    """Another name, or another case of one: no second budget."""
    party = agent(kinds("other_burst = 1\nother_per_second = 1.0").replace('"PUBLISH"', '"PUBLISH", "NOTIFY", "INFO"'))
    assert [party.send(other(method)).short for method in ("NOTIFY", "PUBLISH", "NOTIFY")] == [PASS, BUDGET, BUDGET]


def test_a_budget_is_the_trunks_own(agent: MakeAgent) -> None:
    keys = "options_per_second = 1.0\noptions_burst = 1"
    party = agent(kinds(keys))
    assert party.burst(lambda: other("OPTIONS"), 2) == [PASS, BUDGET]
    assert party.burst(lambda: other("OPTIONS"), 2, BETA) == [PASS, BUDGET]
    own = kinds(acme="rules.trunk-rate.options_burst = 3\nrules.trunk-rate.options_per_second = 1.0")
    party = agent(own)
    assert party.burst(lambda: other("OPTIONS"), 4) == [PASS] * 3 + [BUDGET]
    assert party.burst(lambda: other("OPTIONS"), 4, BETA) == [PASS] * 4


def test_options_to_the_agent_have_none(agent: MakeAgent) -> None:
    party = agent(kinds("options_per_second = 1.0\noptions_burst = 1"))
    assert set(party.burst(lambda: request("OPTIONS", "sip:192.0.2.1", OWN), 40)) == {"200 options-up"}
    assert party.send(other("OPTIONS")).short == PASS


def test_budgets_over_a_reload(agent: MakeAgent) -> None:
    party = agent(kinds("message_per_second = 1.0\nmessage_burst = 2"))
    assert party.burst(lambda: other("MESSAGE"), 3) == [PASS, PASS, BUDGET]
    party.reload(kinds("message_per_second = 1.0\nmessage_burst = 4"))
    assert party.burst(lambda: other("MESSAGE"), 3) == [PASS, PASS, BUDGET]


def test_budgets_follow_the_mode_of_the_rule(agent: MakeAgent) -> None:
    keys = "message_per_second = 1.0\nmessage_burst = 2"
    party = agent(kinds(keys, mode="monitor"))
    assert party.burst(lambda: other("MESSAGE"), 5) == [PASS] * 5
    assert party.engine.counters()["monitored"] == {("trunk-rate", "acme"): 3}
    assert agent(kinds(keys, mode="off")).burst(lambda: other("MESSAGE"), 9) == [PASS] * 9
    party = agent(kinds(keys))
    event = [party.send(other("MESSAGE")) for _ in range(3)][-1].event
    assert (event.rule, event.reason, event.status) == ("trunk-rate", "method-rate", 486)
    assert (event.value, event.limit) == (2, 2)


def test_cancel_ack_and_bye_of_a_call_are_never_limited(agent: MakeAgent) -> None:
    """To drop one would make the call longer."""
    party = agent(policy("calls_per_second = 1\nburst = 1"))
    sent = invite()
    opened = party.send(sent).message
    assert party.send(invite()).short == OVER
    for method in ("CANCEL", "ACK"):
        same = Message(sent.start.replace("INVITE", method), sent.headers).set("CSeq", f"1 {method}")
        assert party.send(same.set("Content-Length", "0").set("Content-Type")).short == PASS
    [cookie] = opened.all("Record-Route")
    bye = request("BYE", "sip:b@192.0.2.60", OWN, ("Route", cookie), to_tag="callee")
    assert party.send(bye.set("Call-ID", opened.one("Call-ID")).set("From", opened.one("From"))).short == PASS


def test_calls_that_other_rules_refuse_count_too(agent: MakeAgent) -> None:
    """A flood of forged calls is a flood."""
    party = agent(SLOW)
    assert party.burst(lambda: invite(FOREIGN), 4) == ["403 caller-owned"] * 3 + [OVER]


def test_what_structure_refuses_is_no_call(agent: MakeAgent) -> None:
    party = agent(SLOW)
    for broken in (invite(uri="sip:x@evil.example"), invite().set("Max-Forwards", "0"), invite().set("CSeq", "x")):
        for _ in range(5):
            assert party.send(broken).short not in (PASS, OVER)
    assert party.burst(invite, 4) == [PASS] * 3 + [OVER]


def test_every_peer_has_its_own(agent: MakeAgent) -> None:
    party = agent(SLOW)
    assert party.burst(invite, 50).count(OVER) == 47
    assert party.send(invite(BETAS), BETA).short == PASS
    assert set(party.burst(inbound, 50, CLOUD)) == {PASS}


def test_all_addresses_of_a_trunk_share_it(agent: MakeAgent) -> None:
    party = agent(SLOW.replace("198.51.100.10/32", "198.51.100.16/28"))
    told = [party.send(invite(), (f"198.51.100.{16 + n}", 5000 + n)).short for n in range(5)]
    assert told == [PASS] * 3 + [OVER] * 2


def test_an_emergency_call_passes_over_the_limit(agent: MakeAgent) -> None:
    party = agent(policy(beta="calls_per_second = 1\nburst = 1"))
    assert party.burst(lambda: invite(BETAS), 2, BETA) == [PASS, OVER]
    assert party.send(dial("911", BETAS), BETA).short == "forward emergency-routed"
    assert party.send(invite(BETAS), BETA).short == OVER
    party.wait(1)
    assert party.send(invite(BETAS), BETA).short == PASS


# A challenged call comes again with credentials: the same call (RFC 3261 §22).


def challenged(party: Agent, status: str = "407 Proxy Authentication Required") -> Message:
    """A call that the cloud answered so; the resubmission, not yet sent."""
    sent = invite()
    passed = party.send(sent).message
    assert party.send(response(passed, status, "far"), CLOUD).action == "forward"
    number = sent.one("Call-ID").partition("@")[0]
    again = sent.set("CSeq", "2 INVITE").set("Via", f"SIP/2.0/UDP 198.51.100.10:5060;branch=z9hG4bKagain{number};rport")
    return again.above(("Proxy-Authorization" if status.startswith("407") else "Authorization", "Digest x=y"))


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "401 Unauthorized"])
def test_a_resubmission_is_the_same_call(agent: MakeAgent, status: str) -> None:
    party = agent(policy("calls_per_second = 1\nburst = 1"))
    again = challenged(party, status)
    assert party.send(again).short == PASS
    assert party.send(invite()).short == OVER


def test_only_once_per_challenge(agent: MakeAgent) -> None:
    party = agent(policy("calls_per_second = 1\nburst = 1"))
    again = challenged(party)
    assert party.send(again).short == PASS
    for n in range(3, 6):
        more = again.set("CSeq", f"{n} INVITE").set("Via", f"SIP/2.0/UDP 198.51.100.10;branch=z9hG4bKmore{n}")
        assert party.send(more).short == OVER


def test_the_challenge_is_good_for_32_seconds(agent: MakeAgent) -> None:
    for seconds, short in ((31.9, PASS), (32.1, OVER)):
        party = agent(policy("calls_per_second = 0.001\nburst = 1"))
        again = challenged(party)
        party.wait(seconds)
        assert party.send(again).short == short


def test_credentials_without_a_challenge_are_a_new_call(agent: MakeAgent) -> None:
    """The header alone, another call's challenge, one that no upstream sent: each is a call like any."""
    party = agent(policy("calls_per_second = 0.001\nburst = 1"))
    again = challenged(party)
    proxy = ("Proxy-Authorization", "Digest x=y")
    for other in (
        invite(OWN, proxy),
        again.set("Call-ID", "other@x"),
        again.set("From", again.one("From") + "x"),
        again.set("Proxy-Authorization"),
    ):
        assert party.send(other).short == OVER
    party = agent(policy("calls_per_second = 0.001\nburst = 1"))
    sent = invite()
    passed = party.send(sent).message
    for source in (ACME, BETA, ("203.0.113.66", 5060)):
        assert party.send(response(passed, "407 X", "far"), source).action == "drop"
    renewed = sent.set("CSeq", "2 INVITE").set("Via", "SIP/2.0/UDP 198.51.100.10;branch=z9hG4bKnone")
    assert party.send(renewed.above(proxy)).short == OVER


def test_a_resubmission_is_screened_in_full(agent: MakeAgent) -> None:
    party = agent(SLOW)
    again = challenged(party)
    forged = again.above(("P-Asserted-Identity", f"<sip:{FOREIGN}@x>"))
    assert party.send(forged).short == "403 caller-consistent"


# Records, modes, reload


def test_event(agent: MakeAgent) -> None:
    party = agent(SLOW)
    event = [party.send(invite()) for _ in range(4)][-1].event
    assert (event.action, event.rule, event.reason, event.status) == ("answer", "trunk-rate", "trunk-rate", 486)
    assert (event.peer, event.source, event.from_user, event.value, event.limit) == ("acme", ACME, OWN, 3, 3)


def test_modes() -> None:
    check_modes("trunk-rate", lambda agent: [agent.send(invite()) for _ in range(2)][-1], OVER, acme="burst = 1")


def test_monitoring_counts_every_call_above(agent: MakeAgent) -> None:
    party = agent(policy('burst = 3\nrules.trunk-rate.mode = "monitor"'))
    assert party.burst(invite, 10) == [PASS] * 10
    assert party.engine.counters()["monitored"] == {("trunk-rate", "acme"): 7}


def test_reload(agent: MakeAgent) -> None:
    """What was used stays used, and the new limit counts."""
    party = agent(SLOW)
    assert party.burst(invite, 4) == [PASS] * 3 + [OVER]
    party.reload(SLOW)
    assert party.burst(invite, 1) == [OVER]
    party.reload(policy("calls_per_second = 10\nburst = 5"))
    assert party.burst(invite, 3) == [PASS] * 2 + [OVER]
    party.reload(policy("calls_per_second = 10\nburst = 1"))
    party.wait(0.4)
    assert party.burst(invite, 1) == [OVER]
    party.wait(0.1)
    assert party.burst(invite, 2) == [PASS, OVER]
    assert party.engine.counters()["by_verdict"]["answer", "trunk-rate", "trunk-rate", "acme"] == 5


def test_a_trunk_that_comes_back_starts_anew(agent: MakeAgent) -> None:
    party = agent(SLOW)
    assert party.burst(invite, 4)[-1] == OVER
    party.reload(SLOW.replace('name = "acme"', 'name = "newer"'))
    assert party.burst(invite, 4) == [PASS] * 3 + [OVER]
