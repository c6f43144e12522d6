"""caller-format: a caller's number that can't exist. Every number here is on the trunk's list, so no other rule speaks."""

from __future__ import annotations

import pytest

from tests.agent import ACME, BETA, CLOUD, FOREIGN, OWN, Agent, MakeAgent, inbound, invite, policy
from tests.rules.modes import check_modes, mode_policy
from tests.rules.spellings import FROM_LINES, users

NONE, LENGTH = "403 caller-none", "403 caller-length"
COUNTRY, PLAN = "403 caller-country", "403 caller-plan"
PASS = "forward pass"
# acme owns every number there is.
ALL = 'caller_ids = ["+1*", "+2*", "+3*", "+4*", "+5*", "+6*", "+7*", "+8*", "+9*"]'
EVERYTHING = policy().replace(f'caller_ids = ["{OWN}..+12125552099"]', ALL)
FICTION = "+12125550100"


@pytest.mark.parametrize(
    ("caller", "short"),
    [
        # E.164: length, country code
        ("+12125552000", PASS),
        ("+1212555200", LENGTH),
        ("+121255520000", LENGTH),
        ("+1", LENGTH),
        ("+123456789012345", LENGTH),
        ("+1234567890123456", LENGTH),
        ("1" * 40, LENGTH),
        ("+442071838750", PASS),
        ("+4420718387501", LENGTH),
        ("+3312345678", LENGTH),
        ("+33123456789", PASS),
        ("+331234567890", LENGTH),
        ("+0123456789", LENGTH),
        ("0", LENGTH),
        ("+2101234567", COUNTRY),  # no such country code
        ("+999123456789", COUNTRY),
        ("+8823456789012", PASS),  # a network without a country
        # a short number can't call
        ("911", LENGTH),
        ("411", LENGTH),
        ("2000", LENGTH),
        ("+1911", LENGTH),
        # NANP: area code [2-9][0-8]X, no N11, 37X and 96X set aside
        ("+10125552000", PLAN),
        ("+11125552000", PLAN),
        ("+12005552000", PASS),
        ("+12195552000", PASS),
        ("+12905552000", PLAN),
        ("+12995552000", PLAN),
        ("+12115552000", PLAN),
        ("+19115552000", PLAN),
        ("+13695552000", PASS),
        ("+13705552000", PLAN),
        ("+13795552000", PLAN),
        ("+13805552000", PASS),
        ("+19595552000", PASS),
        ("+19605552000", PLAN),
        ("+19695552000", PLAN),
        ("+19705552000", PASS),
        # exchange [2-9]XX, no N11 but behind a toll-free code
        ("+12120552000", PLAN),
        ("+12121992000", PLAN),
        ("+12122002000", PASS),
        ("+12122112000", PLAN),
        ("+12129112000", PLAN),
        ("+12129122000", PASS),
        ("+18002112000", PASS),
        ("+18882112000", PASS),
        ("+18222112000", PLAN),
        # 555-0100 to 555-0199 are fiction
        ("+12125550099", PASS),
        ("+12125550100", PLAN),
        ("+12125550199", PLAN),
        ("+12125550200", PASS),
        ("+12125540100", PASS),
        # no number at all
        ("alice", NONE),
        ("+1800FLOWERS", NONE),
        ("+1212555200O", NONE),
        ("*67", NONE),
        ("%00", NONE),
    ],
)
def test_numbers(agent: MakeAgent, caller: str, short: str) -> None:
    assert agent(EVERYTHING).send(invite(caller)).short == short


@pytest.mark.parametrize("how", users(FICTION))
def test_an_impossible_number_in_any_spelling(agent: MakeAgent, how: str) -> None:
    assert agent(EVERYTHING).send(invite(f"<sip:{users(FICTION)[how]}@pbx.example>")).short == PLAN


@pytest.mark.parametrize("how", FROM_LINES)
def test_an_impossible_number_in_any_header_line(agent: MakeAgent, how: str) -> None:
    assert agent(EVERYTHING).send(FROM_LINES[how](invite(FICTION))).short == PLAN


@pytest.mark.parametrize(
    ("country", "caller", "short"),
    [
        ("GB", "02071838750", PASS),
        ("GB", "2071838750", PASS),
        ("GB", "00442071838750", PASS),
        ("GB", "442071838750", PASS),
        ("GB", "0012125552000", PASS),
        ("GB", "0012125550100", PLAN),
        ("GB", "001212555200", LENGTH),
        ("DE", "03012345678", PASS),
        ("DE", "004930123456", PASS),
        ("DE", "+493012", PASS),
        ("DE", "0001", LENGTH),
        ("FR", "0123456789", PASS),
        ("FR", "01234567890", LENGTH),
        ("AU", "0011442071838750", PASS),
        ("AU", "0291234567", PASS),
        ("MX", "5512345678", PASS),
        ("MX", "551234567", LENGTH),
    ],
)
def test_under_the_plan_of_the_trunk(agent: MakeAgent, country: str, caller: str, short: str) -> None:
    text = EVERYTHING.replace(ALL, f'{ALL}\ncountry = "{country}"')
    assert agent(text).send(invite(caller)).short == short


def test_the_longest_dialled_number(agent: MakeAgent) -> None:
    """E.164's 15 digits are those behind the international prefix."""
    party = agent(EVERYTHING)
    assert party.send(invite("011" + "4915112345678")).short == PASS
    assert party.send(invite("+491511234567890")).short == party.send(invite("011491511234567890")).short
    assert party.send(invite("0114915112345678901")).short == LENGTH


def test_the_asserted_number_of_an_anonymous_call(agent: MakeAgent) -> None:
    """Nobody in From: then the number behind it must be a possible one."""
    party = agent(EVERYTHING)
    nobody = '"Anonymous" <sip:anonymous@anonymous.invalid>'
    assert party.send(invite(nobody, ("P-Asserted-Identity", f"<sip:{OWN}@x>"))).short == PASS
    assert party.send(invite(nobody, ("P-Asserted-Identity", f"<sip:{FICTION}@x>"))).short == PLAN
    assert party.send(invite(nobody, ("P-Asserted-Identity", "<tel:+1-212-555-0100>"))).short == PLAN


def test_event(agent: MakeAgent) -> None:
    event = agent(EVERYTHING).send(invite(FICTION)).event
    assert (event.action, event.rule, event.reason, event.status) == ("answer", "caller-format", "caller-plan", 403)
    assert (event.peer, event.source, event.from_user, event.value) == ("acme", ACME, FICTION, int(FICTION))


def test_modes() -> None:
    check_modes("caller-format", lambda agent: agent.send(invite(FICTION)), PLAN, owned=FICTION)


def test_calls_from_the_cloud_are_only_recorded(agent: MakeAgent) -> None:
    party = agent()
    assert party.send(inbound(FOREIGN), CLOUD).monitored == ()
    found = party.send(inbound(FICTION), CLOUD)
    assert (found.short, found.monitored) == (PASS, ("caller-format",))
    assert (found.event.peer, found.event.monitored, found.event.action) == ("cloud", True, "forward")
    assert found.event.value == int(FICTION)
    assert party.engine.counters()["monitored"] == {("caller-format", "cloud"): 1}


@pytest.mark.parametrize(
    ("general", "whole", "short", "monitored"),
    [
        ("enforce", "", PLAN, False),
        ("enforce", "monitor", PASS, True),
        ("monitor", "", PASS, True),
        ("off", "", PASS, False),
    ],
)
def test_modes_on_calls_from_the_cloud(general: str, whole: str, short: str, monitored: bool) -> None:
    found = Agent(mode_policy("caller-format", general, "", whole)).send(inbound(FICTION), CLOUD)
    assert (found.short, bool(found.monitored)) == (short, monitored)


def test_off_for_one_trunk_alone(agent: MakeAgent) -> None:
    party = agent(policy('rules.caller-format.mode = "off"', owned=FICTION))
    assert party.send(invite(FICTION)).short == PASS
    assert party.send(invite(FICTION), BETA).short == PLAN


def test_reload(agent: MakeAgent) -> None:
    party = agent(EVERYTHING)
    assert party.send(invite("02071838750")).short == LENGTH
    party.reload(EVERYTHING.replace(ALL, f'{ALL}\ncountry = "GB"'))
    assert party.send(invite("02071838750")).short == PASS
    assert party.engine.counters()["by_verdict"]["answer", "caller-format", "caller-length", "acme"] == 1
