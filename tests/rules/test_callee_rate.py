"""callee-rate: a flood of many callers on one number is held back, those who called it before go on getting through."""

from __future__ import annotations

from itertools import count

import pytest

from tests.agent import (
    ACME,
    BETA,
    BETAS,
    CALLED,
    CLOUD,
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
from tests.proxy.message import Message
from tests.rules.modes import MODES, mode_policy
from tests.rules.vouching import signing

_numbers = count()
PASS, OVER = "forward pass", "486 callee-rate"
FAST = "calls_per_second = 1000000\nburst = 1000000\nconcurrent_calls = 1000000"
HOUR = 3600


def limits(per_second: float = 5.0, burst: int = 10, mode: str = "enforce", acme: str = FAST, more: str = "") -> str:
    rule = f'[rules.callee-rate]\nmode = "{mode}"\nper_second = {float(per_second)}\nburst = {burst}\n{more}'
    return policy(acme, rules=f'{rule}\n[rules.caller-rate]\nmode = "off"')


def caller(number: int) -> str:
    return f"+1415{number + 2_000_000:07d}"


def fresh(uri: str = f"sip:{CALLED}@cloud.example.net", first: str = "+121255520") -> Message:
    """A call of acme's, each of another of its numbers."""
    return invite(f"{first}{next(_numbers) % 100:02d}", uri=uri)


def flood(party: Agent, calls: int, first: int = 0, victim: str = OWN) -> list[str]:
    """So many callers, each with one call to the victim."""
    return [party.send(inbound(caller(first + n), victim), CLOUD).short for n in range(calls)]


def test_the_default_limit(agent: MakeAgent) -> None:
    """20 at once, then 5 a second; only recorded."""
    party = agent(policy())
    told = [party.send(inbound(caller(n)), CLOUD) for n in range(22)]
    assert [one.short for one in told] == [PASS] * 22
    assert [one.monitored for one in told] == [()] * 20 + [("callee-rate",)] * 2


def test_a_flood_of_ten_thousand_callers(agent: MakeAgent) -> None:
    """In ten seconds: what the budget holds and not one more; the number beside the victim's is free."""
    party = agent(limits())
    passed = 0
    for n in range(10_000):
        passed += party.send(inbound(caller(n)), CLOUD).short == PASS
        party.now += SECOND // 1000
    assert 10 + 5 * 10 - 1 <= passed <= 10 + 5 * 10
    assert party.send(inbound(caller(1), OWN2), CLOUD).short == PASS


def test_who_called_before_gets_through(agent: MakeAgent) -> None:
    party = agent(limits())
    friends = [caller(90_000 + n) for n in range(5)]
    for friend in friends:
        party.wait(1)
        assert party.send(inbound(friend), CLOUD).short == PASS
    party.wait(HOUR)
    assert flood(party, 100).count(PASS) == 10
    for friend in friends:
        assert party.send(inbound(friend), CLOUD).short == PASS
    assert flood(party, 10, 100) == [OVER] * 10


def test_only_those_who_called_this_number(agent: MakeAgent) -> None:
    party = agent(limits())
    assert party.send(inbound(caller(90_000), OWN2), CLOUD).short == PASS
    party.wait(61)
    flood(party, 20)
    assert party.send(inbound(caller(90_000), OWN), CLOUD).short == OVER


def test_the_second_budget_is_as_large_as_the_first(agent: MakeAgent) -> None:
    party = agent(limits())
    friend = caller(90_000)
    assert party.send(inbound(friend), CLOUD).short == PASS
    party.wait(61)
    flood(party, 20)
    assert [party.send(inbound(friend), CLOUD).short for _ in range(12)] == [PASS] * 10 + [OVER] * 2
    party.wait(1)
    flood(party, 20)
    assert [party.send(inbound(friend), CLOUD).short for _ in range(7)] == [PASS] * 5 + [OVER] * 2


def test_a_flood_does_not_make_itself_known(agent: MakeAgent) -> None:
    """The callers of a flood come again: those that passed in it are no old friends for that."""
    party = agent(limits())
    flood(party, 50)
    party.wait(0.5)
    assert flood(party, 50).count(PASS) <= 10
    party = agent(limits())
    told = []
    for _ in range(20):
        party.wait(0.2)
        told += flood(party, 50)
    assert told.count(PASS) <= 10 + 5 * 4


@pytest.mark.parametrize(("hours", "known"), [(7.9, True), (8.1, False)])
def test_how_long_a_caller_is_known(agent: MakeAgent, hours: float, known: bool) -> None:
    party = agent(limits())
    party.send(inbound(caller(90_000)), CLOUD)
    party.wait(hours * HOUR)
    flood(party, 20)
    assert party.send(inbound(caller(90_000)), CLOUD).short == (PASS if known else OVER)


def test_known_hours(agent: MakeAgent) -> None:
    party = agent(limits(more="known_hours = 0.5"))
    party.send(inbound(caller(90_000)), CLOUD)
    party.wait(0.6 * HOUR)
    flood(party, 20)
    assert party.send(inbound(caller(90_000)), CLOUD).short == OVER


@pytest.mark.parametrize(
    "called",
    [
        "+44-20-7183-8750",
        "+44(20)71838750",
        "011442071838750",
        "011-44-20-7183-8750",
        "%2B442071838750",
        "+4420718387%350",
        "+442071838750;ext=5",
        "+442071838750;npdi",
        "*67+442071838750",
        "442071838750,1234",
    ],
)
def test_a_reformatted_number_is_the_same_victim(agent: MakeAgent, called: str) -> None:
    party = agent(limits(burst=2))
    assert party.burst(invite, 2) == [PASS, PASS]
    other = invite(OWN2, uri=f"sip:{called}@cloud.example.net")
    # What isn't E.164 at once is read as this plan reads it; a number without '+' or prefix is another country's.
    assert party.send(other).short == (PASS if called == "442071838750,1234" else OVER)


def test_the_to_header_and_host_are_not_looked_at(agent: MakeAgent) -> None:
    party = agent(limits(burst=2))
    assert party.burst(invite, 2) == [PASS, PASS]
    assert party.send(invite(OWN2).set("To", "<sip:+442071838799@cloud.example.net>")).short == OVER
    assert party.send(invite(OWN2, uri=f"sip:{CALLED}@192.0.2.60:5060;user=phone")).short == OVER
    assert party.send(invite(OWN2, uri=f"sip:{CALLED}@192.0.2.1")).short == OVER


def test_a_refer_is_a_call_to_whom_it_names(agent: MakeAgent) -> None:
    party = agent(limits(burst=2))

    def refer(to: str) -> Message:
        return request(
            "REFER", "sip:+442071838799@cloud.example.net", OWN, ("Refer-To", f"<sip:{to}@cloud.example.net>")
        )

    assert party.burst(lambda: refer(CALLED), 2) == [PASS, PASS]
    assert party.send(fresh()).short == OVER
    assert party.send(refer("+442071838751")).short == PASS


def test_a_name_is_no_number(agent: MakeAgent) -> None:
    party = agent(limits(burst=2))
    assert party.burst(lambda: invite(uri="sip:helpdesk@cloud.example.net"), 9) == [PASS] * 9


def test_nobodys_flood_is_somebody_elses(agent: MakeAgent) -> None:
    """Calls forged in one customer's name must not shut a number for another."""
    party = agent(limits(burst=2))
    assert party.burst(fresh, 3) == [PASS, PASS, OVER]
    assert party.burst(lambda: fresh(first=BETAS[:-2]), 3, BETA) == [PASS, PASS, OVER]


def test_copies_and_what_follows_are_not_counted(agent: MakeAgent) -> None:
    party = agent(limits(burst=2))
    sent = invite()
    opened = party.send(sent).message
    assert {party.send(sent).short for _ in range(9)} == {"forward retransmission"}
    [cookie] = opened.all("Record-Route")
    bye = request("BYE", f"sip:{CALLED}@192.0.2.60", OWN, ("Route", cookie), to_tag="callee")
    for number in range(9):
        again = bye.set("CSeq", f"{number + 2} BYE").set("Call-ID", sent.one("Call-ID"))
        assert party.send(again.set("From", sent.one("From"))).short == PASS
    assert party.burst(fresh, 2) == [PASS, OVER]


def test_an_emergency_call_is_never_counted(agent: MakeAgent) -> None:
    """Every 911 call goes to one number."""
    party = agent(limits(per_second=0.01, burst=1))
    for n in range(20):
        assert party.send(dial("911", f"+121255530{n:02d}"), BETA).short == "forward emergency-routed"


def test_known_callers_have_a_table_of_their_own(agent: MakeAgent) -> None:
    """More pairs than it holds: the oldest give way, and no other mark or rate does."""
    party = agent(limits(1_000_000, 1_000_000).replace("+12125552000..+12125552099", "+1212555*"))
    cells = party.engine.tables()["callers"]["bytes"] // 8
    first = party.engine.tables()
    for n in range(3000):
        party.send(inbound(caller(n)), CLOUD)
    after = party.engine.tables()
    assert cells == 131_072
    assert after["callers"]["bytes"] == first["callers"]["bytes"]
    assert after["callers"]["evictions"] == 0
    assert after["marks"]["evictions"] == after["rates"]["evictions"] == 0


# Attested callers

PASSED = ";verstat=TN-Validation-Passed"


def verified(number: str, text: str = PASSED) -> Message:
    """As an upstream sends it that verifies."""
    return inbound(number).set("From", f"<sip:{number}{text}@cloud.example.net;user=phone>;tag=a")


def test_who_is_attested_gets_through(agent: MakeAgent) -> None:
    party = agent(limits())
    assert flood(party, 100).count(PASS) == 10
    told = [party.send(verified(caller(500 + n)), CLOUD).short for n in range(12)]
    assert told == [PASS] * 10 + [OVER] * 2
    for text in (
        ";verstat=TN-Validation-Failed",
        ";verstat=No-TN-Validation",
        ";verstat=TN-Validation-Passed-B",
        ";x=1",
    ):
        party.wait(1)
        flood(party, 10)
        assert party.send(verified(caller(900), text), CLOUD).short == OVER
    assert party.send(verified(caller(901), ";VERSTAT=tn-validation-passed"), CLOUD).short == PASS


def test_they_take_nothing_from_those_who_called_before(agent: MakeAgent) -> None:
    party = agent(limits())
    party.send(inbound(caller(90_000)), CLOUD)
    party.wait(61)
    flood(party, 20)
    for n in range(30):
        party.send(verified(caller(500 + n)), CLOUD)
    assert party.send(inbound(caller(90_000)), CLOUD).short == PASS


def test_who_may_not_say_so_is_not_believed(agent: MakeAgent) -> None:
    party = agent(limits().replace('name = "cloud"', 'name = "cloud"\nasserts = ["PAI"]', 1))
    flood(party, 20)
    assert party.send(verified(caller(500)), CLOUD).short == OVER


@pytest.mark.parametrize("mode", ["enforce", "monitor"])
def test_a_signature_that_verifies_is_an_attestation(mode: str) -> None:
    rule = f'[rules.callee-rate]\nmode = "{mode}"\nper_second = 5\nburst = 2\n'
    with signing(rules=rule) as at:
        assert [at.agent.send(fresh()).short for _ in range(2)] == [PASS, PASS]
        good = at.send(invite(OWN), ACME, at.token("shaken"))
        assert (good.short, good.monitored) == (PASS, ())
        bad = at.send(invite(OWN2), ACME, at.token("shaken", dest="+12125550000"))
        assert bad.short == (OVER if mode == "enforce" else PASS)
        assert ("callee-rate" in bad.monitored) == (mode == "monitor")
        if mode == "enforce":
            assert (bad.event.value, bad.event.limit) == (2, 2)
        told = [at.send(invite(OWN), ACME, at.token("shaken")).short for _ in range(2)]
        assert told == [PASS, OVER if mode == "enforce" else PASS]


def test_a_bad_signature_uses_nothing_up() -> None:
    with signing(rules='[rules.callee-rate]\nmode = "enforce"\nper_second = 5\nburst = 2\n') as at:
        assert [at.agent.send(fresh()).short for _ in range(2)] == [PASS, PASS]
        for _ in range(5):
            assert at.send(invite(OWN2), ACME, at.token("shaken", dest="+12125550000")).short == OVER
        told = [at.send(invite(OWN), ACME, at.token("shaken")).short for _ in range(3)]
        assert told == [PASS, PASS, OVER]


def test_a_bad_signature_settles_all_that_waits_for_it() -> None:
    """The caller is a number of ours, which is only recorded; that it calls a flooded number still holds."""
    rule = '[rules.callee-rate]\nmode = "enforce"\nper_second = 5\nburst = 2\n[rules.caller-rate]\nmode = "off"\n'
    with signing(rules=rule) as at:
        assert flood(at.agent, 2) == [PASS, PASS]
        told = at.send(inbound(OWN2, OWN), CLOUD, at.token("shaken", orig=OWN2, dest="+12125550000"))
        assert (told.short, "own-number-inbound" in told.monitored) == (OVER, False)
        told = at.send(inbound(OWN2, OWN), CLOUD, at.token("shaken", orig=OWN2, dest=OWN))
        assert (told.short, told.monitored) == (PASS, ())


# Records, modes, reload


def test_event(agent: MakeAgent) -> None:
    party = agent(limits(1, 3))
    event = [party.send(inbound(caller(n)), CLOUD) for n in range(4)][-1].event
    assert (event.action, event.rule, event.reason, event.status) == ("answer", "callee-rate", "callee-rate", 486)
    assert (event.peer, event.to_user, event.value, event.limit) == ("cloud", OWN, 3, 3)


def test_modes() -> None:
    for general, trunk, whole, expected in MODES:
        acme = (
            f"{FAST}\nrules.callee-rate.per_second = 1.0\nrules.callee-rate.burst = 1\nrules.caller-rate.mode = 'off'"
        )
        party = Agent(mode_policy("callee-rate", general, trunk, whole, acme))
        party.send(invite())
        found = party.send(invite(OWN2))
        mode = "monitor" if (general, trunk, whole) == ("", "", "") else expected
        assert found.short == (OVER if mode == "enforce" else PASS), (general, trunk, whole)
        assert found.monitored == (("callee-rate",) if mode == "monitor" else ())


def test_reload(agent: MakeAgent) -> None:
    """What was used stays used, who is known stays known."""
    party = agent(limits())
    party.send(inbound(caller(90_000)), CLOUD)
    party.wait(61)
    flood(party, 20)
    party.reload(limits())
    assert flood(party, 3, 500) == [OVER] * 3
    assert party.send(inbound(caller(90_000)), CLOUD).short == PASS
    party.reload(limits(burst=12))
    assert flood(party, 4, 600).count(PASS) == 2


def test_explain_tells_how_much_is_used_and_uses_nothing(agent: MakeAgent) -> None:
    party = agent(limits(1, 3))

    def look(number: int) -> tuple[int, int, str]:
        steps = party.engine.explain(bytes(inbound(caller(number))), CLOUD, 0, party.now)
        [step] = [step for step in steps if step.rule == "callee-rate"]
        return step.value, step.limit, step.reason

    party.send(inbound(caller(0)), CLOUD)
    party.wait(70)
    for used in range(4):
        assert {look(50) for _ in range(3)} == {(used, 3, "callee-rate" if used == 3 else "")}
        party.send(inbound(caller(10 + used)), CLOUD)
    assert look(0) == (0, 3, "")
    party.send(inbound(caller(0)), CLOUD)
    assert look(0) == (1, 3, "")
