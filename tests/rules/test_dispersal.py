"""dispersal, and what all patterns share: a score of several blocks a caller, or a trunk that changes callers; 603+."""

from __future__ import annotations

import random
import re
from itertools import count

import pytest

from edge_agent.policy.load import ConfigError
from tests.agent import (
    ACME,
    BETA,
    CALLED,
    CLOUD,
    FOREIGN,
    OWN,
    OWN2,
    PSAP,
    MakeAgent,
    dial,
    inbound,
    invite,
    policy,
    request,
)
from tests.proxy.calls import headers, reply
from tests.rules.modes import MODES
from tests.rules.phones import FAST, PASS, REDRESS, RULES, Phones, first_refused, fixed, patterns, walk

HOUR = 3600


def share(callees: list[str]) -> float:
    """The share of new numbers that the engine sees in those calls."""
    party = Phones()
    party.play(fixed(iter(callees)), len(callees), 0.1)
    known = party.known()
    return float(known["fresh"]) / float(known["calls"])  # type: ignore[arg-type]


# What is counted


@pytest.mark.parametrize(("calls", "distinct"), [(100, 100), (1000, 1000), (1000, 100), (1000, 10), (5000, 5000)])
def test_new_numbers(calls: int, distinct: int) -> None:
    """Within the error of a sketch of 512 bits, at any number of them."""
    draw = random.Random(calls)
    numbers = [f"+1415{draw.randrange(2_000_000, 10_000_000)}" for _ in range(distinct)]
    assert share([numbers[n % distinct] for n in range(calls)]) == pytest.approx(distinct / calls, rel=0.12, abs=0.02)


@pytest.mark.parametrize(
    "same", [CALLED, "011442071838750", "+44-20-7183-8750", "%2B442071838750", CALLED + ";npdi", "*67" + CALLED]
)
def test_a_reformatted_number_is_not_new(same: str) -> None:
    assert share([CALLED, same] * 20) == pytest.approx(1 / 40)


def test_a_name_counts_by_its_text() -> None:
    assert share(["helpdesk", "reception"] * 20) == pytest.approx(2 / 40)


def test_the_pattern_is_a_share() -> None:
    """Default: 0.4 of the calls."""
    for new, there in ((25, True), (15, False)):
        party = Phones()
        fresh = walk(14155550000, 1000)
        callees = [next(fresh) if n % 50 < new else CALLED for n in range(300)]
        party.play(fixed(iter(callees)), 300, 1)
        assert ("dispersal" in party.known()["patterns"]) is there  # type: ignore[operator]


def test_copies_and_resubmissions_are_one_call() -> None:
    party = Phones()
    sent = invite()
    out = party.put(sent)
    for _ in range(5):
        party.put(sent)
    party.put(reply(out, 401, "far", "WWW-Authenticate: Digest nonce=x\r\n"), CLOUD)
    again = sent.set("CSeq", "2 INVITE").set("Authorization", 'Digest username="a", nonce="x"')
    party.put(again.set("Via", sent.one("Via").replace("branch=", "branch=z9hG4bKagain").replace("againz9hG4bK", "a")))
    assert (party.known()["calls"], party.known()["ends"]) == (1, 0)


def test_forged_answers_count_nothing() -> None:
    party = Phones()
    out = party.put(invite())
    party.put(reply(out, 404, "far"), BETA)
    party.put(re.sub(rb"(branch=z9hG4bKea1\w{40})\w\w", rb"\g<1>zz", reply(out, 404, "far")), CLOUD)
    assert party.known()["ends"] == 0
    for _ in range(3):
        party.put(reply(out, 404, "far"), CLOUD)
    assert (party.known()["ends"], party.known()["refused"]) == (1, 1)


def test_the_clouds_own_trouble_is_nobodys() -> None:
    party = Phones()
    party.play(fixed(walk(), end=503, ring=1), 150)
    assert (party.known()["calls"] > 0, party.known()["ends"]) == (True, 0)  # type: ignore[operator]


# What is never counted


def test_emergency_calls_neither_count_nor_are_blocked() -> None:
    party = Phones(patterns().replace('name = "beta"', f'name = "beta"\n{FAST}'))
    beta = "+12125553000"
    for _ in range(200):
        party.wait(1)
        out = party.put(dial("911", beta), BETA)
        assert party.put(reply(out, 404, "far"), PSAP).startswith(b"SIP/2.0 404")
    assert party.engine.behaviour("beta", beta[1:], now=party.now) is None
    assert party.engine.behaviour("beta", now=party.now)["calls"] == 0  # type: ignore[index]
    for n in range(300):
        callee, how = next(party.dialler())
        party.call(beta, callee, after=n, source=BETA, **how)  # type: ignore[arg-type]
    assert "603" in party.run()
    assert party.send(invite(beta), BETA).status == 603
    assert party.send(dial("911", beta), BETA).short == "forward emergency-routed"


def test_calls_from_the_cloud_and_inside_dialogs() -> None:
    party = Phones()
    party.play(party.dialler(), 250)
    sent = invite(OWN2)
    out = party.put(sent)
    party.put(reply(out, 200, "far"), CLOUD)
    party.play(party.dialler(), 150, caller=OWN2)
    assert [party.send(invite(who)).status for who in (OWN, OWN2)] == [603, 603]
    [cookie] = headers(out, b"Record-Route")
    again = request("INVITE", "sip:callee@192.0.2.60", OWN2, ("Route", cookie), to_tag="far")
    again = again.set("From", sent.one("From")).set("To", f"{sent.one('To')};tag=far").set("CSeq", "2 INVITE")
    assert party.send(again.set("Call-ID", sent.one("Call-ID"))).short == PASS
    assert party.send(inbound(FOREIGN, OWN), CLOUD).short == PASS


# Scores


def test_a_dialler_is_found() -> None:
    party = Phones()
    told = party.play(party.dialler(), 400)
    assert 115 <= first_refused(told) <= 130 and set(told[130:]) == {"603"}
    assert party.known()["patterns"] == ("dispersal", "short-calls", "low-answer")
    assert party.play(fixed(iter([CALLED] * 20)), 20, caller=OWN2) == [PASS] * 20


@pytest.mark.parametrize(
    "weights", [{"dispersal": "weight = 39", "low_answer": "weight = 30"}, {"short_calls": "weight = 29"}]
)
def test_one_less_is_no_block(weights: dict[str, str]) -> None:
    party = Phones(patterns(more="", **({"low_answer": "weight = 40", "dispersal": "weight = 30"} | weights)))
    assert first_refused(party.play(party.dialler(), 300)) == -1


def test_learning() -> None:
    """Nothing is held against a caller before so many calls, and before so long."""
    for more, least, most in (
        ('[behaviour]\nlearn = "0s"\ncalls = 30', 30, 60),
        ('[behaviour]\nlearn = "5m"\ncalls = 30', 300, 312),
        ('[behaviour]\nlearn = "0s"\ncalls = 200', 200, 310),
    ):
        party = Phones(patterns(more=more))
        assert least <= first_refused(party.play(party.dialler(), 500)) <= most, more


def test_a_score_is_forgotten() -> None:
    """After a quarter of an hour, by halves; what was counted too, so that it is learnt anew after some hours."""
    party = Phones()
    party.play(party.dialler(), 300)
    party.wait(700)
    assert party.send(invite()).status == 603
    party.wait(400)
    assert party.send(invite()).short == PASS
    party.wait(8 * HOUR)
    assert first_refused(party.play(party.dialler(), 100)) == -1
    assert float(party.known()["calls"]) < 102  # type: ignore[arg-type]


def test_short_calls_and_dispersal_do_not_do() -> None:
    party = Phones()
    told = party.play(((party.anybody(), {"end": "answer", "talk": 3}) for _ in count()), 400)
    assert first_refused(told) == -1
    assert party.known()["score"] == 70


def test_short_calls_never_decide_alone() -> None:
    for more in ("weight = 1000", 'weight = 1000\nshare = 0.0\nseconds = "60s"'):
        party = Phones(patterns(short_calls=more))
        assert first_refused(party.play(fixed(iter([CALLED] * 400), talk=3), 400)) == -1
        assert party.known()["score"] == 1000


# Trunks


def test_a_trunk_that_changes_callers() -> None:
    """Each of its callers makes a few calls; the trunk is found, and then all of it is refused."""
    party = Phones()
    told = party.play(party.dialler(), 1500, caller=lambda n: f"+1212555{2000 + n % 1000}")
    assert 300 <= first_refused(told) <= 700
    assert party.known("")["patterns"] == ("dispersal", "short-calls", "low-answer")
    assert party.send(invite(OWN2)).status == 603


def test_one_bad_caller_is_not_its_trunks_fault() -> None:
    """A small office; one of its phones is taken over. Its trunk goes on, however long that tries."""
    party = Phones()
    regulars = [party.anybody() for _ in range(30)]
    for n in range(400):
        party.call(OWN2, party.random.choice(regulars), after=20 * n, talk=90)
    for n in range(4000):
        callee, how = next(party.dialler())
        party.call(OWN, callee, after=2000 + n, **how)  # type: ignore[arg-type]
    told = party.run()
    assert told.count("603") > 3000
    assert party.send(invite(OWN2)).short == PASS
    assert party.known("")["patterns"] == ()


def test_callers_found_one_after_the_other() -> None:
    """Four are found: then it is the trunk that changes callers."""
    party = Phones()
    for n in range(12):
        party.play(party.dialler(), 200, 0.8, caller=f"+121255530{n:02d}")
    assert party.send(invite(OWN2)).status == 603


def test_who_says_no_name_counts_with_the_trunk() -> None:
    party = Phones(patterns(acme=f"{FAST}\nrules.caller-anonymous.mode = 'off'"))
    party.play(party.dialler(), 100, caller='"Anonymous" <sip:anonymous@anonymous.invalid>')
    assert party.known("")["calls"] > 90  # type: ignore[operator]


# Room


def test_a_flood_of_callers_evicts_no_other_trunks() -> None:
    party = Phones(
        patterns().replace('name = "beta"', f'name = "beta"\n{FAST}').replace("+12125553000..", "+12125553000..")
    )
    beta = "+12125553000"
    for n in range(300):
        callee, how = next(party.dialler())
        party.call(beta, callee, after=n, source=BETA, **how)  # type: ignore[arg-type]
    assert "603" in party.run()
    size = party.engine.tables()["behaviour"]
    for n in range(20_000):
        party.put(invite(f"+1212555{n % 10_000:04d}"))
    after = party.engine.tables()["behaviour"]
    assert after["bytes"] == size["bytes"] and after["evictions"] > size["evictions"]
    assert party.send(invite(beta), BETA).status == 603


def test_a_heavy_caller_outlasts_a_flood_of_its_own_trunk() -> None:
    """Space-saving: those with few calls give way first."""
    party = Phones(patterns(more="[behaviour]\ntrunk_calls = 1000000"))
    dialler = party.dialler()
    for n in range(300):
        callee, how = next(dialler)
        party.call(OWN, callee, after=n, **how)  # type: ignore[arg-type]
        for k in range(40):
            party.call(f"+1212555{(40 * n + k) % 10_000:04d}", CALLED, "answer", after=n + k / 100)
    party.run()
    assert party.send(invite()).status == 603


# The answer


def test_603_plus() -> None:
    """Exactly as ATIS-1000099 has it; the same for every copy; the id stands in the event."""
    party = Phones(patterns(more="").replace(REDRESS, REDRESS + 'tel = "+12125550100"\nemail = "help@example.net"\n'))
    party.play(party.dialler(), 250)
    party.engine.events(100_000)
    sent = invite()
    found = party.send(sent)
    assert found.data.startswith(b"SIP/2.0 603 Network Blocked\r\n")
    [reason] = headers(found.data, b"Reason")
    [(rest, name)] = re.findall(r"^(.*);id=([A-Za-z0-9_-]{16})\";location=LN$", reason)
    text = "v=analytics1;url=https://example.net/redress;tel=+12125550100;email=help@example.net"
    assert rest == f'SIP;cause=603;text="{text}'
    assert found.event.id == name
    assert (found.event.reason, found.event.value, found.event.limit) == ("dispersal", 110, 100)
    assert party.send(sent).data == found.data
    other = party.send(invite())
    assert other.event.id != name


def test_other_answers_have_no_reason_header(agent: MakeAgent) -> None:
    party = agent(policy("calls_per_second = 1\nburst = 1\nover_limit = 603"))
    party.send(invite())
    found = party.send(invite())
    assert found.status == 603 and b"Network Blocked" not in found.data and not headers(found.data, b"Reason")


# Records, modes, reload


def test_a_warning_once_a_minute() -> None:
    party = Phones(patterns("monitor", "[behaviour]\nwarn = 70\nblock = 1000"))
    party.play(party.dialler(), 250)
    party.engine.events(100_000)
    party.wait(61)
    seen = [party.send(invite()) for _ in range(3)]
    party.wait(61)
    seen += [party.send(invite()) for _ in range(3)]
    assert [len(one.events) for one in seen] == [1, 0, 0, 1, 0, 0]
    event = seen[3].event
    assert (event.action, event.monitored, event.finding, event.value) == ("forward", True, "behaviour", 110)
    assert seen[3].monitored == ("dispersal", "low-answer", "short-calls")


def test_by_default_it_is_recorded() -> None:
    party = Phones(policy(FAST, owned="+1212555*"))
    told = party.play(party.dialler(), 300)
    assert first_refused(told) == -1
    found = party.send(invite())
    assert (found.short, found.monitored) == (PASS, ("dispersal", "low-answer", "short-calls"))


def test_modes() -> None:
    """Of one rule, the others recording: what it finds is refused only if the rules in enforce mode make the score."""
    for general, trunk, whole, expected in MODES:
        text = patterns(
            "monitor", dispersal="weight = 100", acme=FAST + (f'\nrules.dispersal.mode = "{trunk}"' if trunk else "")
        )
        text = text.replace(
            '[rules.dispersal]\nmode = "monitor"\n', f'[rules.dispersal]\nmode = "{general or "monitor"}"\n'
        )
        if whole:
            text = text.replace("[agent]", f'[agent]\nmode = "{whole}"')
        if (general, trunk, whole) == ("", "", ""):
            expected = "monitor"
        if general == "" and not trunk:
            expected = "monitor"
        party = Phones(text)
        party.play(party.dialler(), 200)
        found = party.send(invite())
        assert found.short == ("603 dispersal" if expected == "enforce" else PASS), (general, trunk, whole)
        # One without the other two weighs 70.
        assert ("dispersal" in found.monitored) is (expected == "monitor"), (general, trunk, whole)


def test_enforced_alone_it_does_not_decide() -> None:
    """Two others only record: with them the score would be 110, and that is recorded; without them it is 40."""
    text = patterns("monitor").replace('[rules.dispersal]\nmode = "monitor"', '[rules.dispersal]\nmode = "enforce"')
    party = Phones(text)
    told = party.play(party.dialler(), 300)
    assert first_refused(told) == -1
    assert party.send(invite()).monitored == ("low-answer", "short-calls")


def test_off_counts_nothing() -> None:
    party = Phones(patterns("off"))
    party.play(party.dialler(), 100)
    assert party.engine.tables()["behaviour"]["entries"] == 0
    assert party.known("")["calls"] == 0


def test_reload() -> None:
    """What is known stays known; the weights are the new ones at once."""
    party = Phones()
    party.play(party.dialler(), 300)
    party.reload(patterns())
    assert party.send(invite()).status == 603
    party.reload(patterns(dispersal="weight = 20"))
    assert party.send(invite()).short == PASS
    party.reload(patterns("monitor"))
    assert party.send(invite()).short == PASS
    party.reload(patterns())
    assert party.send(invite()).status == 603


def test_a_trunk_that_goes_leaves_nothing_behind() -> None:
    """Its slot, and so its counts, are another's only once they are empty."""
    party = Phones()
    party.play(party.dialler(), 300)
    party.reload(patterns().replace('name = "acme"', 'name = "other"'))
    assert party.engine.behaviour("other", now=party.now)["calls"] == 0  # type: ignore[index]
    assert party.send(invite()).short == PASS


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("where", ["rules", "trunk"])
def test_enforcing_needs_somebody_to_turn_to(rule: str, where: str) -> None:
    acme = f'rules.{rule}.mode = "enforce"' if where == "trunk" else ""
    rules = f'[rules.{rule}]\nmode = "enforce"' if where == "rules" else ""
    with pytest.raises(
        ConfigError, match=r"nobody is named whom the wrongly blocked can turn to \(set url, tel or email"
    ):
        Phones(policy(acme, rules=rules))
    for contact in ('tel = "+12125550100"', 'email = "help@example.net"'):
        Phones(policy(acme, rules=f"{rules}\n[redress]\n{contact}"))


def test_explain_tells_the_score_and_changes_nothing() -> None:
    party = Phones()
    party.play(party.dialler(), 300)
    before = party.known()
    steps = {step.rule: step for step in party.engine.explain(bytes(invite()), ACME, 0, party.now)}
    assert [steps[rule].reason for rule in RULES] == ["dispersal", "", "short-calls", "low-answer", ""]
    assert {(steps[rule].value, steps[rule].limit) for rule in RULES} == {(110, 100)}
    assert steps["verdict"].answer == "answer 603 Network Blocked"
    assert party.known() == before


# Evasion


@pytest.mark.parametrize("padding", [1, 2])
def test_calls_to_a_number_of_ones_own_in_between(padding: int) -> None:
    """Answered and long, so that the shares look better: it takes more than one for each."""
    party = Phones()
    dialler = party.dialler()

    def mixed(n: int) -> tuple[str, dict[str, object]]:
        return next(dialler) if n % (padding + 1) == 0 else (CALLED, {"end": "answer", "talk": 40})

    told = party.play((mixed(n) for n in count()), 900)
    # Half of it: still ever new numbers, and many that don't exist no more. It is a quarter: of that nothing is left.
    assert ("dispersal" in party.known()["patterns"]) is (padding == 1)  # type: ignore[operator]
    assert first_refused(told) == -1


def test_each_number_twice() -> None:
    """A, A, B, B: half of the calls are to new numbers."""
    party = Phones()
    twice = (call for callee, how in party.dialler() for call in ((callee, how), (callee, how)))
    assert 0 < first_refused(party.play(twice, 500)) < 260


def test_slowly() -> None:
    """A call in 50 s: what is forgotten in between is less than what comes."""
    party = Phones()
    assert 50 <= first_refused(party.play(party.dialler(), 200, 50)) <= 120


@pytest.mark.parametrize("spelling", ["+12125552000", "12125552000", "2125552000", "+1-212-555-2000", "%2B12125552000"])
def test_a_caller_reformatted_is_the_same(spelling: str) -> None:
    party = Phones()
    party.play(party.dialler(), 250)
    assert party.send(invite(spelling)).status == 603


def test_one_call_id_for_all() -> None:
    """A leg is of one called number: another one is another call."""
    party = Phones()
    dialler = party.dialler()
    for n in range(300):
        callee, how = next(dialler)
        sent = invite(uri=f"sip:{callee}@cloud.example.net").set("Call-ID", "one@pbx.example")
        party.call(OWN, callee, after=n, first=sent.set("From", f"<sip:{OWN}@pbx.example>;tag=one"), **how)  # type: ignore[arg-type]
    assert "603" in party.run()


def test_refer_is_a_call() -> None:
    party = Phones()
    for n in range(40):
        to = f"<sip:+1415555{n:04d}@cloud.example.net>"
        party.put(request("REFER", f"sip:{CALLED}@cloud.example.net", OWN, ("Refer-To", to)))
    # Of forty numbers among 512 bits one or two meet another's by chance, nine once in 50,000 runs.
    assert (party.known()["calls"], party.known()["near"]) == (40, pytest.approx(39, abs=8))
    party.play(party.dialler(), 250)
    to = f"<sip:{CALLED}@cloud.example.net>"
    assert party.send(request("REFER", f"sip:{CALLED}@cloud.example.net", OWN, ("Refer-To", to))).status == 603
