"""forged-marking: verstat, which says that a number was verified, wherever it may be written."""

from __future__ import annotations

import pytest

from tests.agent import ACME, CLOUD, FOREIGN, OWN, MakeAgent, inbound, invite, policy
from tests.rules.marked import (
    PASSED,
    assert_clean,
    found,
    told_verstat,
)

URI = f"sip:{OWN}@pbx.example"
PLACES = {
    "user": f"<sip:{OWN};verstat={PASSED}@pbx.example>",
    "user, user=phone": f"<sip:{OWN};verstat={PASSED}@pbx.example;user=phone>",
    "among user parameters": f"<sip:{OWN};npdi;verstat={PASSED};isub=1@pbx.example>",
    "no value": f"<sip:{OWN};verstat@pbx.example>",
    "empty value": f"<sip:{OWN};verstat=@pbx.example>",
    "before a password": f"<sip:{OWN};verstat={PASSED}:secret@pbx.example>",
    "URI parameter": f"<sip:{OWN}@pbx.example;verstat={PASSED}>",
    "among URI parameters": f"<sip:{OWN}@pbx.example;user=phone;verstat={PASSED};x=1>",
    "URI parameter of a host and port": f"<sip:{OWN}@[2001:db8::1]:5070;verstat={PASSED}>",
    "behind the URI": f"<{URI}>;verstat={PASSED}",
    "behind the URI, with blanks": f"<{URI}> ; verstat = {PASSED} ;x=y",
    "behind the URI, quoted": f'<{URI}>;verstat="a;b\\" , c";x="y;verstat=z"',
    "without brackets": f"{URI};verstat={PASSED}",
    "tel": f"<tel:{OWN};verstat={PASSED}>",
    "tel, among others": f"<tel:{OWN};npdi;VERSTAT={PASSED};ext=1>",
    "capitals": f"<sip:{OWN};VerStat={PASSED}@pbx.example>",
    "twice": f"<sip:{OWN};verstat=a;verstat=b@pbx.example>",
    "everywhere": f"<sip:{OWN};verstat=a;x=1;verstat=b@h;verstat=c>;verstat=d;e=f;verstat",
    "a display name with one": f'"a;verstat=b" <sip:{OWN};verstat=c@h>',
}


# A name with escapes makes the number none to the caller rules, so of a trunk no such call passes.
ESCAPED = {
    "escaped": f"<sip:{OWN};%76erstat={PASSED}@pbx.example>",
    "escaped capitals": f"<sip:{OWN};%56%45%52%53%54%41%54={PASSED}@pbx.example>",
    "escaped, URI parameter": f"<sip:{OWN}@pbx.example;ver%73tat={PASSED}>",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ["From", "P-Asserted-Identity", "Remote-Party-ID", "Diversion", "History-Info"])
def test_verstat_in_any_place(agent: MakeAgent, name: str, place: str) -> None:
    value = PLACES[place]
    sent = invite(value) if name == "From" else invite(OWN, (name, value))
    told = agent().send(sent)
    assert found(told) == "marking-verstat"
    assert not told_verstat(told.data.partition(b"\r\n\r\n")[0])
    assert_clean(sent, told)
    left = told.message.one(name)
    assert OWN in left
    for sign in '<"':
        assert left.count(sign) == value.count(sign) - (3 if sign == '"' and "quoted" in place else 0)
    if name == "From":
        assert left.endswith(sent.one("From")[-6:])  # its tag


@pytest.mark.parametrize("place", ESCAPED)
@pytest.mark.parametrize("name", ["From", "P-Asserted-Identity"])
def test_verstat_with_escapes(agent: MakeAgent, name: str, place: str) -> None:
    party = agent(policy(cloud='asserts = ["PAI"]'))
    value = ESCAPED[place].replace(OWN, FOREIGN)
    sent = inbound(value) if name == "From" else inbound(FOREIGN, OWN, (name, value))
    told = party.send(sent, CLOUD)
    assert told.action == "forward"
    assert "forged-marking" in told.monitored
    assert not told_verstat(told.data.partition(b"\r\n\r\n")[0])
    assert_clean(sent, told)
    own = invite(ESCAPED[place]) if name == "From" else invite(OWN, (name, ESCAPED[place]))
    if "URI parameter" not in place:
        assert agent().send(own).status == 403


@pytest.mark.parametrize("place", PLACES)
def test_verstat_of_who_verifies(agent: MakeAgent, place: str) -> None:
    for party, source in ((agent(policy('asserts = ["verstat"]')), ACME), (agent(), CLOUD)):
        sent = invite(PLACES[place]) if source == ACME else inbound(PLACES[place].replace(OWN, FOREIGN))
        told = party.send(sent, source)
        assert found(told) == ""
        assert told.message.one("From") == sent.one("From")


def test_verstat_where_nothing_else_stands(agent: MakeAgent) -> None:
    """What goes on can still be read."""
    party = agent(policy(cloud="asserts = []"))
    for user, left in ((";verstat=x", ""), (";verstat=x;verstat", ""), (";verstat=x;a=b", ";a=b@")):
        told = party.send(inbound(f"<sip:{user}@h.example>"), CLOUD)
        assert "forged-marking" in told.monitored
        assert told.message.one("From").startswith(f"<sip:{left}h.example>;tag=")


def test_eight_are_taken_out_more_are_refused(agent: MakeAgent) -> None:
    for many in (1, 8):
        told = agent().send(invite(f"<sip:{OWN}{';verstat=a;x=1' * many}@h>"))
        assert found(told) == "marking-verstat"
        assert not told_verstat(told.data)
    told = agent().send(invite(f"<sip:{OWN}{';verstat=a;x=1' * 9}@h>"))
    assert told.short == "400 marking-repeated"
    assert found(agent().send(invite(f"<sip:{OWN}{';verstat=a' * 60}@h>"))) == "marking-verstat"
