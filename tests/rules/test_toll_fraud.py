"""toll-fraud: what is dear; budgets of calls, minutes and money for trunk, class and caller; hours; reloads, transfers, redirections."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from edge_agent import _hot
from edge_agent.hours import tell_hours
from edge_agent.numbering.dear import HIGH_RISK, dear_prefixes
from edge_agent.policy.compile import compile_tables
from edge_agent.policy.load import load
from edge_agent.rules.toll_fraud import CLASSES, PRICES
from tests.agent import (
    BETA,
    BETAS,
    CLOUD,
    OWN,
    OWN2,
    Agent,
    Decision,
    MakeAgent,
    dial,
    inbound,
    policy,
    request,
    tables,
)
from tests.oracle.called import longest
from tests.proxy.message import response
from tests.rules.legs import place, receive
from tests.rules.modes import check_modes
from tests.rules.spellings import callees

PASS = "forward pass"
PREMIUM, ISLAND, HOME = "+19005552000", "+18765550100", "+13125550100"
MINUTE, DAY = 60.0, 86400.0
MANY = "calls_per_day = 100000\nminutes_per_day = 100000\nspend_per_day = 1000000\n"
CALLERS = "caller_calls_per_day = 100000\ncaller_minutes_per_day = 100000\ncaller_spend_per_day = 1000000\n"


def limits(text: str = "", *, acme: str = "", beta: str = "", mode: str = "enforce") -> str:
    """A policy with no limit that is met but those in ``text``."""
    keys = {line.split(" ")[0] for line in text.splitlines()}
    wide = "".join(f"{line}\n" for line in (MANY + CALLERS).splitlines() if line.split(" ")[0] not in keys)
    return policy(
        f"burst = 100000\ncalls_per_second = 100000\nconcurrent_calls = 100000\n{acme}",
        beta=beta,
        rules=f'[rules.toll-fraud]\nmode = "{mode}"\n{wide}{text}',
    )


def short(party: Agent, number: str, caller: str = OWN) -> str:
    return party.send(dial(number, caller)).short


def calls(party: Agent, number: str, times: int, caller: str = OWN) -> list[str]:
    return [short(party, number, caller) for _ in range(times)]


def cost(party: Agent, scope: str = "trunk") -> tuple[float, ...]:
    """Minutes and money."""
    return used(party, scope)[1:]


def used(party: Agent, scope: str = "trunk", trunk: str = "acme") -> tuple[float, ...]:
    """Calls, minutes, money of one budget."""
    [found] = [budget for budget in party.engine.budgets(party.now) if (budget.trunk, budget.scope) == (trunk, scope)]
    return tuple(round(value, 2) for value in found.used)


# What is dear


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("19005552000", "premium"),
        ("449098790123", "premium"),
        ("4990012345678", "premium"),
        ("37190123456", "premium"),
        ("979123456789", "premium"),
        ("4918012345", "shared-cost"),
        ("808123456789", "shared-cost"),
        ("447012345678", "personal"),
        ("15005550100", "personal"),
        ("870773111000", "satellite"),
        ("881612345678", "satellite"),
        ("88213123456", "network"),
        ("883510012345", "network"),
        ("18765550100", "high-risk"),
        ("2471234", "high-risk"),
        ("25261234567", "high-risk"),
        ("13125550100", ""),
        ("18005550100", ""),
        ("447400123456", ""),
        ("442071838750", ""),
        ("4930123456", ""),
        ("861012345678", ""),
        ("61412345678", ""),
    ],
)
def test_what_is_dear(agent: MakeAgent, number: str, kind: str) -> None:
    places = {prefix: CLASSES.index(one) + 1 for prefix, one in dear_prefixes().items()}
    found = longest(number, places)
    assert (CLASSES[found - 1] if found else "") == kind
    party = agent(limits())
    assert short(party, "+" + number) == PASS
    assert [budget.scope for budget in party.engine.budgets(party.now) if budget.scope in CLASSES] == (
        [kind] if kind else []
    )


def test_every_entry_of_our_own_has_a_class_a_reason_and_a_place() -> None:
    prefixes = [risk.prefix for risk in HIGH_RISK]
    assert len(set(prefixes)) == len(prefixes)
    assert all(risk.kind in CLASSES and len(risk.why) > 20 and risk.prefix.isdigit() for risk in HIGH_RISK)
    assert set(PRICES) == set(CLASSES) == set(_hot.DEAR_CLASSES) and tuple(_hot.DEAR_CLASSES) == CLASSES


def test_who_is_there_calls_home(agent: MakeAgent) -> None:
    """A high-risk country is none for a trunk in it; its premium numbers are dear all the same."""
    for country, at_home, dear in (("JM", ISLAND, PREMIUM), ("LV", "+37167012345", "+37190123456")):
        party = agent(limits("calls_per_day = 1", acme=f'country = "{country}"'))
        assert calls(party, at_home, 3) == [PASS] * 3
        assert calls(party, dear, 2) == [PASS, "403 toll-calls"]


@pytest.mark.parametrize("how", callees(PREMIUM))
def test_in_any_spelling(agent: MakeAgent, how: str) -> None:
    party = agent(limits("calls_per_day = 1"))
    assert [short(party, f"sip:{callees(PREMIUM)[how]}@cloud.example.net") for _ in range(2)] == [
        PASS,
        "403 toll-calls",
    ]


@pytest.mark.parametrize(
    "user", ["19005552000999", "+01119005552000", "*6719005552000", "9005552000,,1", "0019005552000"]
)
def test_what_only_a_switch_understands(agent: MakeAgent, user: str) -> None:
    party = agent(limits("calls_per_day = 1"))
    assert calls(party, f"sip:{user}@cloud.example.net", 2) == [PASS, "403 toll-calls"]


def test_the_operator_s_prefixes(agent: MakeAgent) -> None:
    """A class and a price of his own; a dear prefix that isn't; what is longer holds, known or not."""
    party = agent(limits('prefixes = ["+1312555* premium 7.5", "+1876* ordinary", "+1 (876) 555* satellite"]'))
    for number in (HOME, "+18764440100", ISLAND):
        place(party, dial(number)).up()
    party.wait(2 * MINUTE)
    assert (cost(party, "premium"), cost(party, "satellite"), cost(party)) == ((2, 15), (2, 12), (4, 27))


def test_a_file_of_prefixes_and_its_reload(tmp_path: Path) -> None:
    file = tmp_path / "rates.txt"
    file.write_text("# ours\n+1312* premium 2.50\n\n+1312555* high-risk # cheaper\r\n")
    text = limits('calls_per_day = 1\nprefixes = ["file:rates.txt"]')
    (tmp_path / "policy.toml").write_text(text)
    party = Agent(folder=tmp_path)
    assert calls(party, HOME, 2) == [PASS, "403 toll-calls"]
    file.write_text("+1313* premium\n")
    party.publish(compile_tables(load(tmp_path / "policy.toml"), 2))
    assert short(party, HOME) == PASS
    assert short(party, "+13135550100") == "403 toll-calls", "what was used stays used over a reload"


# Budgets


def test_calls_of_a_trunk(agent: MakeAgent) -> None:
    party = agent(limits("calls_per_day = 3"))
    assert calls(party, PREMIUM, 4) == [PASS, PASS, PASS, "403 toll-calls"]
    assert short(party, ISLAND, OWN2) == "403 toll-calls"
    assert short(party, HOME) == PASS
    assert party.send(dial(PREMIUM, BETAS), BETA).short == PASS
    assert used(party) == (3, 0, 0)


def test_a_day_gives_it_back_bit_by_bit(agent: MakeAgent) -> None:
    party = agent(limits("calls_per_day = 3"))
    assert calls(party, PREMIUM, 4)[-1] == "403 toll-calls"
    party.wait(DAY / 3 - 1)
    assert short(party, PREMIUM) == "403 toll-calls"
    party.wait(1.1)
    assert calls(party, PREMIUM, 2) == [PASS, "403 toll-calls"]
    party.wait(DAY)
    assert calls(party, PREMIUM, 4) == [PASS, PASS, PASS, "403 toll-calls"]


def test_calls_of_a_caller(agent: MakeAgent) -> None:
    party = agent(limits("caller_calls_per_day = 2"))
    assert calls(party, PREMIUM, 3) == [PASS, PASS, "403 toll-caller-calls"]
    assert calls(party, PREMIUM, 3, OWN2) == [PASS, PASS, "403 toll-caller-calls"]


def test_a_caller_is_the_number_however_it_is_written(agent: MakeAgent) -> None:
    party = agent(limits("caller_calls_per_day = 1"))
    assert [short(party, PREMIUM, caller) for caller in (OWN, OWN[1:], OWN[2:])] == [PASS] + [
        "403 toll-caller-calls"
    ] * 2


def test_calls_of_a_class(agent: MakeAgent) -> None:
    party = agent(limits("class_calls_per_day = { premium = 1 }"))
    assert calls(party, PREMIUM, 2) == [PASS, "403 toll-class-calls"]
    assert calls(party, ISLAND, 5) == [PASS] * 5


def test_minutes_run_from_the_answer_to_the_end(agent: MakeAgent) -> None:
    party = agent(limits("minutes_per_day = 30"))
    call = place(party, dial(PREMIUM))
    party.wait(3 * MINUTE)
    assert cost(party) == (0, 0)
    call.up()
    party.wait(10 * MINUTE)
    assert used(party)[1] == 10, "a call that is up counts as it runs"
    call.hang_up()
    party.wait(20 * MINUTE)
    assert used(party)[1] == pytest.approx(10 - 30 * 20 / 1440, abs=0.01), "and drains from then on"


def test_a_running_call_stops_the_next_one_and_goes_on(agent: MakeAgent) -> None:
    party = agent(limits("minutes_per_day = 30"))
    call = place(party, dial(PREMIUM)).up()
    party.wait(29 * MINUTE)
    assert short(party, PREMIUM) == PASS
    party.wait(1.2 * MINUTE)
    assert short(party, PREMIUM) == "403 toll-minutes"
    call.hang_up()
    assert short(party, PREMIUM) == "403 toll-minutes"


def test_money_by_class_and_prefix(agent: MakeAgent) -> None:
    """10 premium minutes at 3.00 are 30; so are 30 minutes at 1.00."""
    party = agent(limits("spend_per_day = 30"))
    call = place(party, dial(PREMIUM)).up()
    party.wait(9.9 * MINUTE)
    assert short(party, ISLAND) == PASS
    party.wait(0.2 * MINUTE)
    told = party.send(dial(ISLAND))
    assert (told.short, told.event.value, told.event.limit) == ("403 toll-spend", 3030, 3000)
    call.hang_up()
    assert used(party)[1:] == (10.1, 30.3)


def test_prices_are_a_setting(agent: MakeAgent) -> None:
    party = agent(limits("prices = { premium = 0.5 }"))
    place(party, dial(PREMIUM)).up()
    party.wait(10 * MINUTE)
    assert cost(party) == (10, 5)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("caller_minutes_per_day = 10", "toll-caller-minutes"),
        ("caller_spend_per_day = 30", "toll-caller-spend"),
        ("class_minutes_per_day = { premium = 10 }", "toll-class-minutes"),
        ("class_spend_per_day = { premium = 30 }", "toll-class-spend"),
    ],
)
def test_minutes_and_money_of_callers_and_classes(agent: MakeAgent, text: str, reason: str) -> None:
    party = agent(limits(text))
    place(party, dial(PREMIUM)).up()
    party.wait(9.9 * MINUTE)
    assert short(party, PREMIUM) == PASS
    party.wait(0.2 * MINUTE)
    assert short(party, PREMIUM) == f"403 {reason}"
    assert short(party, ISLAND, OWN2) == PASS


def test_a_lease_that_expires_ends_the_minutes(agent: MakeAgent) -> None:
    """Nobody saw a BYE: after four hours the call is over, whenever that is noticed."""
    party = agent(limits("minutes_per_day = 1200"))
    place(party, dial(PREMIUM)).up()
    party.wait(6 * 3600)
    party.engine.calls(party.now)  # collects
    [found] = [budget for budget in party.engine.budgets(party.now) if budget.scope == "trunk"]
    assert found.up == 0 and found.used[1] == pytest.approx(240 - 100, abs=0.1)


def test_calls_that_nobody_answers_cost_no_minutes(agent: MakeAgent) -> None:
    party = agent(limits("calls_per_day = 1000"))
    for status in ("486 Busy Here", "404 Not Found"):
        call = place(party, dial(PREMIUM))
        party.wait(MINUTE)
        call.answer(status)
    party.wait(MINUTE)
    assert used(party)[1:] == (0, 0)
    assert used(party)[0] == pytest.approx(2 - 3 / 1.44, abs=1)


def test_a_copy_and_a_challenged_call_count_once(agent: MakeAgent) -> None:
    party = agent(limits())
    call = place(party, dial(PREMIUM))
    assert party.send(call.sent).short == "forward retransmission"
    call.answer("407 Proxy Authentication Required", "far", ("Proxy-Authenticate", 'Digest realm="r", nonce="n"'))
    again = call.sent.set("CSeq", "2 INVITE").above(("Proxy-Authorization", 'Digest username="u", nonce="n"'))
    again = again.set("Via", call.sent.one("Via").replace("z9hG4bKnew", "z9hG4bKagain"))
    told = party.send(again)
    assert told.short == PASS
    assert used(party) == (1, 0, 0)
    party.send(response(told.message, "200 OK"), CLOUD)
    party.wait(MINUTE)
    assert cost(party) == (1, 3)


def test_a_2xx_behind_a_refusal_counts_again(agent: MakeAgent) -> None:
    """RFC 3261 §16.7 step 5: a fork's 6xx is overtaken by a 2xx; the call is up, and costs."""
    party = agent(limits())
    call = place(party, dial(PREMIUM))
    call.answer("603 Decline")
    call.up()
    party.wait(2 * MINUTE)
    assert cost(party) == (2, 6)
    call.hang_up()
    [found] = [budget for budget in party.engine.budgets(party.now) if budget.scope == "trunk"]
    assert (found.up, round(found.used[1], 2)) == (0, 2)


def test_two_far_sides_of_a_fork_are_one_call(agent: MakeAgent) -> None:
    party = agent(limits())
    call = place(party, dial(PREMIUM))
    call.answer("200 OK", "far")
    call.answer("200 OK", "other")
    party.wait(MINUTE)
    assert cost(party) == (1, 3)


def test_calls_into_the_trunk_are_no_matter(agent: MakeAgent) -> None:
    party = agent(limits("calls_per_day = 1"))
    receive(party)
    assert not party.engine.budgets(party.now)


def test_an_emergency_call_is_no_matter_for_a_budget(agent: MakeAgent) -> None:
    """Not even where the operator calls every number dear."""
    party = agent(limits('calls_per_day = 1\nprefixes = ["+1* premium"]'))
    assert party.send(dial(PREMIUM, BETAS), BETA).short == PASS
    for _ in range(3):
        assert party.send(dial("sip:+1911@cloud.example.net", BETAS), BETA).action == "forward"
        party.wait(11)
    assert party.send(dial(HOME, BETAS), BETA).short == "403 toll-calls"


def test_many_callers_have_a_bounded_table(agent: MakeAgent) -> None:
    """Those who used least give way; the trunk's own budget has every call all the same."""
    party = agent(limits().replace(f"{OWN}..+12125552099", "+1212*"))
    for number in range(5000):
        assert short(party, PREMIUM, f"+1212{2000000 + number}") == PASS
    table = party.engine.tables()["toll"]
    assert table["entries"] <= 4096 and table["evictions"] > 0
    assert round(used(party)[0]) == 5000


# Warnings and hours


def test_a_warning_is_told_once_until_it_has_drained(agent: MakeAgent) -> None:
    party = agent(limits("calls_per_day = 10"))
    told = [party.send(dial(PREMIUM)) for _ in range(11)]
    assert [one.short for one in told] == [PASS] * 10 + ["403 toll-calls"]
    assert [one.monitored for one in told] == [()] * 7 + [("toll-fraud",)] + [()] * 3
    event = told[7].event
    assert (event.finding, event.value, event.limit, event.peer) == ("toll-warning-calls", 8, 10, "acme")
    party.wait(DAY / 2)
    assert [bool(party.send(dial(PREMIUM)).monitored) for _ in range(5)] == [False, False, True, False, False]


def test_the_warning_s_share_is_a_setting(agent: MakeAgent) -> None:
    party = agent(limits("calls_per_day = 10\nwarn = 0.3"))
    assert [bool(party.send(dial(PREMIUM)).monitored) for _ in range(4)] == [False, False, True, False]


HOURS = 'business_from = "08:00"\nbusiness_until = "18:00"\nbusiness_days = ["mon", "tue", "wed", "thu", "fri"]\n'
ZONE = 'business_zone = "America/New_York"\n'


@pytest.mark.parametrize(
    ("local", "off"),
    [
        ("2026-11-27 08:00", False),
        ("2026-11-27 17:59", False),
        ("2026-11-27 18:00", True),
        ("2026-11-27 07:59", True),
        ("2026-11-28 12:00", True),
        ("2026-07-15 08:00", False),
        ("2026-07-15 07:59", True),
    ],
)
def test_outside_of_business_hours_the_budget_is_smaller(local: str, off: bool) -> None:
    text = limits(f"calls_per_day = 10\noff_hours = 0.3\n{HOURS}{ZONE}")
    party = Agent(text)
    made = _hot.Policy(tables(text))
    party.engine.publish(made)
    tell_hours(made, datetime.fromisoformat(local).replace(tzinfo=ZoneInfo("America/New_York")).timestamp())
    expected = [PASS] * 3 + ["403 toll-off-hours-calls"] * 2 if off else [PASS] * 5
    assert calls(party, PREMIUM, 5) == expected


def test_a_trunk_without_hours_is_never_off(agent: MakeAgent) -> None:
    assert not tables(limits()).business
    assert [own.zone for own in tables(limits(acme=f"rules.toll-fraud.{HOURS.splitlines()[0]}")).business] == ["UTC"]


# Modes, settings, explain


def test_modes() -> None:
    def hit(party: Agent) -> Decision:
        party.send(dial(PREMIUM))
        return party.send(dial(PREMIUM))

    own = "rules.toll-fraud.calls_per_day = 1\nrules.toll-fraud.warn = 1.0"
    check_modes(
        "toll-fraud", hit, "403 toll-calls", acme=f"{own}\nrules.toll-fraud.caller_calls_per_day = 9", default="monitor"
    )


def test_event(agent: MakeAgent) -> None:
    party = agent(limits("calls_per_day = 1\nwarn = 1.0"))
    party.send(dial(PREMIUM))
    event = party.send(dial(PREMIUM)).event
    assert (event.action, event.rule, event.status, event.reason) == ("answer", "toll-fraud", 403, "toll-calls")
    assert (event.value, event.limit) == (1, 1)


def test_a_trunk_s_own_limits_and_off(agent: MakeAgent) -> None:
    party = agent(
        limits("calls_per_day = 1", acme="rules.toll-fraud.calls_per_day = 2", beta='rules.toll-fraud.mode = "off"')
    )
    assert calls(party, PREMIUM, 3) == [PASS, PASS, "403 toll-calls"]
    assert {party.send(dial(PREMIUM, BETAS), BETA).short for _ in range(5)} == {PASS}


def test_off_everywhere_has_no_table(agent: MakeAgent) -> None:
    assert tables(policy(rules='[rules.toll-fraud]\nmode = "off"')).toll is None
    assert tables(policy()).toll is not None


def test_a_transfer_is_a_call(agent: MakeAgent) -> None:
    party = agent(limits("calls_per_day = 2"))

    def refer(number: str) -> str:
        to = ("Refer-To", f"<sip:{number}@cloud.example.net>")
        return party.send(request("REFER", f"sip:{HOME}@cloud.example.net", OWN, to)).short

    assert [refer(PREMIUM), refer(HOME), refer(ISLAND), refer(PREMIUM)] == [PASS, PASS, PASS, "403 toll-calls"]
    assert short(party, PREMIUM) == "403 toll-calls"


def redirected(party: Agent, *contacts: str) -> Decision:
    """A call into acme, whose PBX sends it elsewhere."""
    told = party.send(inbound(), CLOUD)
    lines = tuple(("Contact", f"<sip:{contact}@cloud.example.net>") for contact in contacts)
    return party.send(response(told.message, "302 Moved Temporarily").above(*lines), ("198.51.100.10", 5070))


def test_a_redirection_to_a_denied_or_dear_number_is_told_as_a_refusal(agent: MakeAgent) -> None:
    rules = '[rules.destination]\ndeny = ["+1809*"]\n[rules.toll-fraud]\nmode = "enforce"\ncalls_per_day = 1'
    party = agent(policy(rules=rules))
    assert redirected(party, HOME).message.start == "SIP/2.0 302 Moved Temporarily"
    assert redirected(party, PREMIUM).message.start == "SIP/2.0 302 Moved Temporarily"
    told = redirected(party, HOME, "+18095550100")
    assert told.message.start == "SIP/2.0 403 Destination Not Allowed" and not told.message.all("Contact")
    assert (told.short, told.peer) == ("forward destination", "acme")
    short(party, PREMIUM)
    assert redirected(party, "*6719005552000").message.start == "SIP/2.0 403 Toll Limit Reached"
    assert redirected(party, HOME).message.start == "SIP/2.0 302 Moved Temporarily"


def test_a_redirection_is_only_recorded_in_monitor_mode(agent: MakeAgent) -> None:
    party = agent(policy(rules='[rules.destination]\nmode = "monitor"\ndeny = ["+1809*"]'))
    told = redirected(party, "+18095550100")
    assert told.message.start == "SIP/2.0 302 Moved Temporarily"
    assert told.monitored == ("destination",)


# Restart


def test_what_was_used_can_be_put_back(agent: MakeAgent) -> None:
    party = agent(limits("calls_per_day = 3\ncaller_minutes_per_day = 20"))
    place(party, dial(PREMIUM)).up()
    party.wait(12 * MINUTE)
    saved = party.engine.budgets(party.now)
    assert {budget.scope for budget in saved} == {"trunk", "premium", "caller"}
    fresh = agent(limits("calls_per_day = 3\ncaller_minutes_per_day = 20"))
    assert all(fresh.engine.restore_budget(budget, fresh.now) for budget in saved)
    assert used(fresh) == used(party) and used(fresh, "caller") == used(party, "caller")
    fresh.wait(DAY / 3)
    assert used(fresh)[0] == pytest.approx(0, abs=0.02)
    assert not fresh.engine.restore_budget(saved[0]._replace(trunk="gone"), fresh.now)
    assert not fresh.engine.restore_budget(saved[0]._replace(scope="other"), fresh.now)
    with pytest.raises(ValueError, match="no number"):
        fresh.engine.restore_budget(saved[0]._replace(scope="caller", number="x"), fresh.now)
