"""own-number-inbound: our own numbers call from outside only where their call went out here just before."""

from __future__ import annotations

import pytest

from tests.agent import ACME, BETA, BETAS, CLOUD, FOREIGN, OWN, OWN2, Agent, MakeAgent, inbound, invite, policy
from tests.proxy.message import Header
from tests.rules.spellings import users

PASS = "forward pass"
REFUSED = "403 own-number-inbound"
STRICT = policy(rules='[rules.own-number-inbound]\nmode = "enforce"')


def passed_out(party: Agent, caller: str = OWN, called: str = BETAS, *more: Header) -> None:
    assert party.send(invite(caller, *more, uri=f"sip:{called}@cloud.example.net")).short == PASS


def test_hit(agent: MakeAgent) -> None:
    told = agent(STRICT).send(inbound(OWN, BETAS), CLOUD)
    assert (told.short, told.to) == (REFUSED, CLOUD)
    event = told.event
    assert (event.rule, event.peer, event.value, event.limit) == ("own-number-inbound", "cloud", int(OWN), int(BETAS))


def test_by_default_it_records(agent: MakeAgent) -> None:
    told = agent().send(inbound(OWN, BETAS), CLOUD)
    assert (told.short, told.monitored) == (PASS, ("own-number-inbound",))
    assert told.event.finding == "own-number-inbound"


@pytest.mark.parametrize(
    "caller", [FOREIGN, "+12125551999", "+12125552100", "reception", "<sip:anonymous@anonymous.invalid>"]
)
def test_near_miss(agent: MakeAgent, caller: str) -> None:
    """Numbers that are nobody's here."""
    told = agent(STRICT).send(inbound(caller, BETAS), CLOUD)
    assert told.action == "forward"
    assert "own-number-inbound" not in told.monitored


def test_a_call_between_customers_comes_back(agent: MakeAgent) -> None:
    party = agent(STRICT)
    passed_out(party)
    back = party.send(inbound(OWN, BETAS), CLOUD)
    assert (back.short, back.to) == (PASS, ("198.51.100.11", 5070))
    # Of a fork several legs, and no others.
    assert party.send(inbound(OWN, BETAS), CLOUD).short == PASS
    assert party.send(inbound(OWN2, BETAS), CLOUD).short == REFUSED
    assert party.send(inbound(OWN, "+12125553001"), CLOUD).short == REFUSED
    assert party.send(inbound(BETAS, OWN), CLOUD).short == REFUSED


@pytest.mark.parametrize("how", users(OWN))
def test_in_any_spelling(agent: MakeAgent, how: str) -> None:
    written = users(OWN)[how]
    assert agent(STRICT).send(inbound(f"<sip:{written}@x>", BETAS), CLOUD).short == REFUSED
    for out, back in ((OWN, f"<sip:{written}@x>"), (f"<sip:{written}@x>", OWN)):
        party = agent(STRICT)
        assert party.send(invite(out, uri=f"sip:{BETAS}@cloud.example.net")).action == "forward"
        assert party.send(inbound(back, BETAS[1:]), CLOUD).short == PASS


def test_a_mark_lasts_sixty_seconds(agent: MakeAgent) -> None:
    party = agent(STRICT)
    passed_out(party)
    party.wait(59.99)
    assert party.send(inbound(OWN, BETAS), CLOUD).short == PASS
    party.wait(0.02)
    assert party.send(inbound(OWN, BETAS), CLOUD).short == REFUSED
    passed_out(party)
    assert party.send(inbound(OWN, BETAS), CLOUD).short == PASS


def test_the_asserted_number_counts(agent: MakeAgent) -> None:
    asserted = ("P-Asserted-Identity", f"<sip:{OWN2}@x>")
    assert agent(STRICT).send(inbound(FOREIGN, BETAS, asserted), CLOUD).short == REFUSED
    party = agent(STRICT)
    passed_out(party, OWN, BETAS, asserted)
    for caller in (OWN, FOREIGN, "<sip:anonymous@anonymous.invalid>"):
        assert party.send(inbound(caller, BETAS, asserted), CLOUD).short == PASS


def test_only_what_went_out_leaves_a_mark(agent: MakeAgent) -> None:
    party = agent(STRICT)
    refused = invite(FOREIGN, uri=f"sip:{BETAS}@cloud.example.net")
    assert party.send(refused).status == 403
    assert party.send(invite(BETAS, uri=f"sip:{OWN}@cloud.example.net")).status == 403  # acme doesn't own it
    assert party.send(inbound(BETAS, OWN), CLOUD).short == REFUSED
    assert party.send(invite(BETAS, uri="sip:911@cloud.example.net"), BETA).short == "forward emergency-routed"
    assert party.send(inbound(BETAS, "911"), CLOUD).action == "answer"
    before = party.engine.tables()["marks"]["entries"]
    passed_out(party, OWN, "+442071838750")
    assert party.engine.tables()["marks"]["entries"] == before


def test_a_forwarded_call_between_three_customers(agent: MakeAgent) -> None:
    """acme calls beta, whose PBX forwards it, with acme's number, to another number of acme's."""
    party = agent(STRICT)
    passed_out(party)
    assert party.send(inbound(OWN, BETAS), CLOUD).short == PASS
    diverted = ("Diversion", f"<sip:{BETAS}@x>;reason=unconditional")
    onwards = invite(OWN, diverted, uri=f"sip:{OWN2}@cloud.example.net")
    assert party.send(onwards, BETA).short == PASS
    assert party.send(inbound(OWN, OWN2, diverted), CLOUD).short == PASS


def test_a_retransmission_is_told_the_same(agent: MakeAgent) -> None:
    party = agent(STRICT)
    sent = inbound(OWN, BETAS)
    assert party.send(sent, CLOUD).short == REFUSED
    passed_out(party)
    assert party.send(sent, CLOUD).short == "403 retransmission"


def test_modes_and_reload(agent: MakeAgent) -> None:
    party = agent(policy(rules='[rules.own-number-inbound]\nmode = "off"'))
    told = party.send(inbound(OWN, BETAS), CLOUD)
    assert (told.short, told.monitored) == (PASS, ())
    passed_out(party)  # while the rule is off it leaves no mark
    party.reload(STRICT)
    assert party.send(inbound(OWN, BETAS), CLOUD).short == REFUSED
    party.reload(policy())
    assert party.send(inbound(OWN, BETAS), CLOUD).monitored == ("own-number-inbound",)
    party.reload(policy(agent='mode = "monitor"', rules='[rules.own-number-inbound]\nmode = "enforce"'))
    assert party.send(inbound(OWN, BETAS), CLOUD).short == PASS


def test_a_number_that_changes_hands(agent: MakeAgent) -> None:
    party = agent(STRICT)
    assert party.send(inbound("+16465552000", BETAS), CLOUD).short == PASS
    party.reload(policy(owned="+16465552000", rules='[rules.own-number-inbound]\nmode = "enforce"'))
    assert party.send(inbound("+16465552000", BETAS), CLOUD).short == REFUSED
    assert party.send(inbound(OWN, BETAS), CLOUD).short == PASS


def test_calls_of_trunks_are_not_looked_at(agent: MakeAgent) -> None:
    assert agent(STRICT).send(invite(OWN), ACME).short == PASS
