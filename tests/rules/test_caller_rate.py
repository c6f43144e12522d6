"""caller-rate: new calls of one number, however it is written; nobody else's, and no copy, ACK or BYE."""

from __future__ import annotations

import pytest

from edge_agent import _hot
from tests.agent import (
    BETA,
    BETAS,
    CALLED,
    CLOUD,
    FOREIGN,
    OWN,
    OWN2,
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
from tests.rules.modes import MODES, mode_policy

PASS, OVER = "forward pass", "486 caller-rate"
FAST = "calls_per_second = 1000000\nburst = 1000000\nconcurrent_calls = 1000000"


def limits(per_second: float = 1.0, burst: int = 2, mode: str = "enforce", acme: str = FAST) -> str:
    rule = f'[rules.caller-rate]\nmode = "{mode}"\nper_second = {float(per_second)}\nburst = {burst}'
    return policy(acme, rules=f'{rule}\n[rules.callee-rate]\nmode = "off"')


def test_the_default_limit(agent: MakeAgent) -> None:
    """20 at once, then 5 a second; only recorded."""
    party = agent(policy(FAST, rules='[rules.callee-rate]\nmode = "off"'))
    told = [party.send(invite()) for _ in range(22)]
    assert [one.short for one in told] == [PASS] * 22
    assert [one.monitored for one in told] == [()] * 20 + [("caller-rate",)] * 2
    party.now += SECOND // 5
    assert [party.send(invite()).monitored for _ in range(2)] == [(), ("caller-rate",)]


@pytest.mark.parametrize(("per_second", "burst"), [(1, 1), (10, 3), (0.5, 2), (1000, 100), (33, 7), (0.0002, 5)])
def test_a_steady_rate_passes_for_ever(agent: MakeAgent, per_second: float, burst: int) -> None:
    party = agent(limits(per_second, burst))
    assert party.burst(invite, burst + 1) == [PASS] * burst + [OVER]
    for _ in range(50):
        party.now += int(SECOND / per_second) + 2000
        assert party.send(invite()).short == PASS
        if per_second > 0.01:
            assert party.send(invite()).short == OVER


def test_every_caller_has_its_own(agent: MakeAgent) -> None:
    party = agent(limits())
    assert party.burst(invite, 3) == [PASS, PASS, OVER]
    assert party.burst(lambda: invite(OWN2), 3) == [PASS, PASS, OVER]
    assert party.burst(lambda: invite(BETAS), 3, BETA) == [PASS, PASS, OVER]
    for last in range(10, 90):
        assert party.send(invite(f"+121255520{last}")).short == PASS


@pytest.mark.parametrize(
    "caller",
    [
        "+1-212-555-2000",
        "+1(212)555.2000",
        "12125552000",
        "2125552000",
        "01112125552000",
        "%2B12125552000",
        "+1212555%32000",
        "+12125552000;isub=7",
        "tel:+12125552000",
        "sips:+12125552000@other.example",
        '"Somebody Else" <sip:+12125552000@pbx.example>',
        '"+12125552001" <sip:12125552000@a.b.c.example:5099;user=phone>',
    ],
)
def test_a_reformatted_number_is_the_same_caller(agent: MakeAgent, caller: str) -> None:
    party = agent(limits())
    written = f"<{caller}>" if caller.startswith(("tel:", "sips:")) else caller
    assert party.burst(invite, 2) == [PASS, PASS]
    assert party.send(invite(written)).short == OVER


def test_nothing_else_of_a_call_makes_it_another_callers(agent: MakeAgent) -> None:
    party = agent(limits())
    assert party.burst(invite, 2) == [PASS, PASS]
    for other in (
        invite(uri="sip:+442071838751@cloud.example.net"),
        invite().set("Contact", "<sip:other@198.51.100.99>"),
        invite().set("User-Agent", "another/1"),
        invite(OWN, ("P-Asserted-Identity", f"<sip:{OWN2}@x>")),
        invite().set("From", f"<sip:{OWN}@pbx.example>;tag=another"),
    ):
        assert party.send(other).short == OVER


def test_who_is_anonymous_is_told_by_the_asserted_number(agent: MakeAgent) -> None:
    party = agent(limits())
    hidden = '"Anonymous" <sip:anonymous@anonymous.invalid>'
    asserted = ("P-Asserted-Identity", f"<sip:{OWN}@pbx.example>")
    assert party.burst(lambda: invite(hidden, asserted), 2) == [PASS, PASS]
    assert party.send(invite()).short == OVER
    assert party.send(invite(hidden, ("P-Asserted-Identity", f"<tel:{OWN2}>"))).short == PASS


def test_calls_without_a_number_are_not_counted_here(agent: MakeAgent) -> None:
    party = agent(limits())
    assert party.burst(lambda: inbound("<sip:anonymous@anonymous.invalid>"), 9, CLOUD) == [PASS] * 9
    assert party.burst(lambda: inbound("alice"), 9, CLOUD) == [PASS] * 9


def test_callers_behind_the_cloud(agent: MakeAgent) -> None:
    """Each upstream's callers are its own: a trunk that shows the same number isn't counted with them."""
    party = agent(limits())
    assert party.burst(inbound, 3, CLOUD) == [PASS, PASS, OVER]
    assert party.burst(lambda: inbound(FOREIGN.replace("+1", "001")), 2, CLOUD) == [PASS, PASS]  # 00 is no prefix here
    assert party.burst(lambda: inbound(FOREIGN.replace("+1", "011 1".replace(" ", ""))), 1, CLOUD) == [OVER]
    assert party.burst(lambda: inbound(OWN, OWN2), 2, CLOUD) == [PASS, PASS]
    assert party.send(invite()).short == PASS


def test_copies_are_counted_once(agent: MakeAgent) -> None:
    party = agent(limits())
    sent = invite()
    assert party.send(sent).short == PASS
    assert {party.send(sent).short for _ in range(10)} == {"forward retransmission"}
    assert party.burst(invite, 2) == [PASS, OVER]
    late = invite()
    assert [party.send(late).short for _ in range(3)] == [OVER, "486 retransmission", "486 retransmission"]


def test_a_refer_is_a_call_of_who_asks(agent: MakeAgent) -> None:
    party = agent(limits())
    refer = ("Refer-To", "<sip:+442071838751@cloud.example.net>")
    assert party.burst(lambda: request("REFER", f"sip:{CALLED}@cloud.example.net", OWN, refer), 3) == [PASS, PASS, OVER]
    assert party.send(invite()).short == OVER


def test_only_calls_are_counted(agent: MakeAgent) -> None:
    party = agent(limits())
    assert party.burst(lambda: request("OPTIONS", f"sip:{CALLED}@cloud.example.net", OWN), 9) == [PASS] * 9
    sent = invite()
    opened = party.send(sent).message
    [cookie] = opened.all("Record-Route")
    for number in range(9):
        again = request("INVITE", "sip:b@192.0.2.60", OWN, ("Route", cookie), to_tag="callee", body="v=0\r\n")
        again = again.set("CSeq", f"{number + 2} INVITE")
        assert party.send(again.set("Call-ID", sent.one("Call-ID")).set("From", sent.one("From"))).short == PASS
    assert party.burst(invite, 2) == [PASS, OVER]


def test_an_emergency_call_is_never_counted(agent: MakeAgent) -> None:
    party = agent(limits())
    assert party.burst(lambda: invite(BETAS), 3, BETA) == [PASS, PASS, OVER]
    assert party.send(dial("911", BETAS), BETA).short == "forward emergency-routed"


def resubmitted(party: Agent, proxy: bool = True) -> Message:
    """A call that the cloud challenged; how it comes again."""
    sent = invite()
    passed = party.send(sent).message
    status = "407 Proxy Authentication Required" if proxy else "401 Unauthorized"
    assert party.send(response(passed, status, "far"), CLOUD).action == "forward"
    number = sent.one("Call-ID").partition("@")[0]
    again = sent.set("CSeq", "2 INVITE").set("Via", f"SIP/2.0/UDP 198.51.100.10:5060;branch=z9hG4bKagain{number};rport")
    return again.above(("Proxy-Authorization" if proxy else "Authorization", "Digest x=y"))


@pytest.mark.parametrize("proxy", [True, False])
def test_a_resubmission_is_the_same_call_for_every_rule(agent: MakeAgent, proxy: bool) -> None:
    """The challenge's mark is taken once, though three rules ask: each of them is at its limit with the first call."""
    one = "per_second = 0.001\nburst = 1"
    rules = "\n".join(f'[rules.{rule}]\nmode = "enforce"\n{one}' for rule in ("caller-rate", "callee-rate"))
    text = policy("calls_per_second = 0.001\nburst = 1", rules=rules)
    party = agent(text)
    again = resubmitted(party, proxy)
    assert party.send(again).short == PASS
    more = again.set("CSeq", "3 INVITE").set("Via", "SIP/2.0/UDP 198.51.100.10;branch=z9hG4bKmore")
    assert party.send(more).short == "486 trunk-rate"
    party = agent(text.replace("calls_per_second = 0.001\nburst = 1", FAST))
    again = resubmitted(party, proxy)
    assert party.send(again).short == PASS
    assert party.send(more.set("Call-ID", again.one("Call-ID")).set("From", again.one("From"))).short == OVER


def test_numbers_that_meet_in_an_unkeyed_hash_gain_nothing(agent: MakeAgent) -> None:
    """Numbers chosen to fall into one bucket of a plain table: here they are scattered, and each is counted alone."""
    party = agent(limits().replace("+12125552000..+12125552099", "+12125552*"))
    chosen = [f"+12125552{n:03d}" for n in range(1000) if hash(12125552000 + n) % 8 == 0]
    for caller in chosen:
        assert party.burst(lambda caller=caller: invite(caller), 3) == [PASS, PASS, OVER]  # type: ignore[misc]
    assert party.engine.tables()["rates"]["evictions"] == 0


def test_a_full_bucket_refuses_nobody_before_the_crowd_does(agent: MakeAgent) -> None:
    """Callers without a cell of their own share what 32 callers may have; the table counts that it was full."""
    party = agent(limits(0.035, 1000))
    sent = bytes(inbound("+14150000000"))
    batch = _hot.Batch(64)
    for first in range(0, 200_000, 64):
        batch.clear()
        for n in range(first, first + 64):
            # Call-ID, branch and tag are free to be anything of their length.
            batch.add(sent.replace(b"+14150000000", b"+1415%07d" % n).replace(b"tag=from", b"tag=%07d-" % n), CLOUD)
        party.engine.process(batch, party.now, None)
    full = party.engine.tables()["rates"]["evictions"]
    told = party.engine.counters()["by_verdict"]
    assert full > 33_000
    assert abs(told["answer", "caller-rate", "caller-rate", "cloud"] - (full - 32_000)) <= 1
    # Who has a cell is counted in it all the same.
    assert party.send(inbound("+14150000000"), CLOUD).short == PASS


# Records, modes, reload


def test_event(agent: MakeAgent) -> None:
    party = agent(limits(1, 3))
    event = [party.send(invite()) for _ in range(4)][-1].event
    assert (event.action, event.rule, event.reason, event.status) == ("answer", "caller-rate", "caller-rate", 486)
    assert (event.peer, event.from_user, event.value, event.limit) == ("acme", OWN, 3, 3)


def test_modes() -> None:
    for general, trunk, whole, expected in MODES:
        acme = (
            f"{FAST}\nrules.caller-rate.per_second = 1.0\nrules.caller-rate.burst = 1\nrules.callee-rate.mode = 'off'"
        )
        party = Agent(mode_policy("caller-rate", general, trunk, whole, acme))
        party.send(invite())
        found = party.send(invite())
        # The rule's own default is to record.
        mode = "monitor" if (general, trunk, whole) == ("", "", "") else expected
        assert found.short == (OVER if mode == "enforce" else PASS), (general, trunk, whole)
        assert found.monitored == (("caller-rate",) if mode == "monitor" else ())


def test_a_trunks_own_numbers(agent: MakeAgent) -> None:
    party = agent(limits(acme=f"{FAST}\nrules.caller-rate.burst = 4"))
    assert party.burst(invite, 5) == [PASS] * 4 + [OVER]
    assert party.burst(lambda: invite(BETAS), 3, BETA) == [PASS] * 2 + [OVER]


def test_reload(agent: MakeAgent) -> None:
    """What was used stays used, and the new limit counts."""
    party = agent(limits())
    assert party.burst(invite, 3) == [PASS, PASS, OVER]
    party.reload(limits())
    assert party.burst(invite, 1) == [OVER]
    party.reload(limits(burst=4))
    assert party.burst(invite, 3) == [PASS, PASS, OVER]
    party.reload(limits(mode="off"))
    assert party.burst(invite, 3) == [PASS] * 3


def test_explain_tells_how_much_is_used_and_uses_nothing(agent: MakeAgent) -> None:
    party = agent(limits(1, 3))
    for used in range(4):
        for _ in range(3):
            steps = party.engine.explain(bytes(invite()), ("198.51.100.10", 5060), 0, party.now)
            [step] = [step for step in steps if step.rule == "caller-rate"]
            assert (step.value, step.limit, step.reason) == (used, 3, "caller-rate" if used == 3 else "")
        party.send(invite())
