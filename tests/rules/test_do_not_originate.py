"""do-not-originate: a caller that never makes calls, on a trunk's list or not; numbers that may call although a list has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.policy.compile import compile_tables
from edge_agent.policy.load import ConfigError, load
from tests.agent import ACME, BETA, BETAS, CLOUD, FOREIGN, OWN, OWN2, Agent, MakeAgent, inbound, invite, policy
from tests.rules.modes import MODES, mode_policy
from tests.rules.spellings import FROM_LINES, users

HIT, PASS = "403 do-not-originate", "forward pass"
NOBODY = '"Anonymous" <sip:anonymous@anonymous.invalid>'


def listed(*numbers: str, may: tuple[str, ...] = (), rules: str = "") -> str:
    """acme's policy with those numbers on the list."""
    entries = ", ".join(f'"{number}"' for number in numbers)
    exempt = ", ".join(f'"{number}"' for number in may)
    return policy(rules=f"[lists]\ndo_not_originate = [{entries}]\nmay_originate = [{exempt}]\n{rules}")


def test_a_listed_number_calls(agent: MakeAgent) -> None:
    """Owned or not: an inbound-only number is its owner's, and still never calls."""
    party = agent(listed(OWN))
    assert party.send(invite(OWN)).short == HIT
    assert party.send(invite(OWN2)).short == PASS


@pytest.mark.parametrize(
    ("entry", "hits", "misses"),
    [
        ("+12125552000", ["+12125552000"], ["+12125552001"]),
        ("+12125552010..+12125552019", ["+12125552010", "+12125552019"], ["+12125552009", "+12125552020"]),
        ("+121255520*", ["+12125552000", "+12125552099"], []),
        ("+1212555201*", ["+12125552010", "+12125552019"], ["+12125552020"]),
    ],
)
def test_entries_and_their_edges(agent: MakeAgent, entry: str, hits: list[str], misses: list[str]) -> None:
    party = agent(listed(entry))
    assert {party.send(invite(number)).short for number in hits} == {HIT}
    assert {party.send(invite(number)).short for number in misses} <= {PASS}


@pytest.mark.parametrize("how", users(OWN))
def test_in_any_spelling(agent: MakeAgent, how: str) -> None:
    assert agent(listed(OWN)).send(invite(f"<sip:{users(OWN)[how]}@pbx.example>")).short == HIT


@pytest.mark.parametrize("how", FROM_LINES)
def test_in_any_header_line(agent: MakeAgent, how: str) -> None:
    assert agent(listed(OWN)).send(FROM_LINES[how](invite(OWN))).short == HIT


def test_the_asserted_number_counts_too(agent: MakeAgent) -> None:
    """Behind another From, and behind none."""
    party = agent(listed(OWN))
    asserted = ("P-Asserted-Identity", f"<sip:{OWN}@x>")
    assert party.send(invite(OWN2, asserted)).short == HIT
    assert party.send(invite(NOBODY, asserted)).short == HIT
    assert party.send(invite(NOBODY, ("P-Asserted-Identity", f"<sip:{OWN2}@x>"))).short == PASS


def test_who_may_call_all_the_same(agent: MakeAgent) -> None:
    """A PSAP calls back with a number that others may not show."""
    party = agent(listed("+121255520*", may=(OWN,)))
    assert party.send(invite(OWN)).short == PASS
    assert party.send(invite(OWN2)).short == HIT


def test_calls_from_the_cloud_are_only_recorded(agent: MakeAgent) -> None:
    party = agent(listed(FOREIGN))
    found = party.send(inbound(FOREIGN), CLOUD)
    assert (found.short, found.monitored) == (PASS, ("do-not-originate",))
    assert party.send(inbound("+14155552672"), CLOUD).monitored == ()
    strict = agent(listed(FOREIGN, rules='[rules.do-not-originate]\nmode = "enforce"'))
    assert strict.send(inbound(FOREIGN), CLOUD).short == HIT


def test_without_a_number_nothing_is_found(agent: MakeAgent) -> None:
    party = agent(listed("+1*", rules='[rules.caller-format]\nmode = "off"\n[rules.caller-anonymous]\nmode = "off"'))
    assert party.send(invite(NOBODY)).short == PASS


def test_an_emergency_call_is_no_matter_for_a_list(agent: MakeAgent) -> None:
    party = agent(listed(BETAS))
    assert party.send(invite(BETAS), BETA).short == HIT
    assert party.send(invite(BETAS, uri="sip:911@cloud.example.net"), BETA).short == "forward emergency-routed"


def test_event(agent: MakeAgent) -> None:
    event = agent(listed(OWN)).send(invite(OWN)).event
    assert (event.action, event.rule, event.status, event.peer) == ("answer", "do-not-originate", 403, "acme")
    assert (event.source, event.value, event.limit) == (ACME, int(OWN), 1)


@pytest.mark.parametrize(("general", "trunk", "whole", "expected"), MODES)
def test_modes(general: str, trunk: str, whole: str, expected: str) -> None:
    lists = f'[lists]\ndo_not_originate = ["{OWN}"]\n'
    found = Agent(lists + mode_policy("do-not-originate", general, trunk, whole)).send(invite(OWN))
    assert found.short == (HIT if expected == "enforce" else PASS)
    assert found.monitored == (("do-not-originate",) if expected == "monitor" else ())


def test_a_file_and_its_reload(tmp_path: Path) -> None:
    file = tmp_path / "dno.txt"
    file.write_text(f"# inbound only\n{OWN}\n")
    (tmp_path / "policy.toml").write_text(listed("file:dno.txt"))
    party = Agent(folder=tmp_path)
    assert party.send(invite(OWN)).short == HIT
    file.write_text(f"{OWN2}\n")
    party.publish(compile_tables(load(tmp_path / "policy.toml"), 2))
    assert party.send(invite(OWN)).short == PASS
    assert party.send(invite(OWN2)).short == HIT


def test_a_broken_file_is_refused_with_its_lines(tmp_path: Path) -> None:
    (tmp_path / "dno.txt").write_text(f"{OWN}\n12125552000\n+1212*5\n")
    (tmp_path / "policy.toml").write_text(listed("file:dno.txt"))
    with pytest.raises(ConfigError) as error:
        load(tmp_path / "policy.toml")
    told = [(Path(one.file).name, one.key) for one in error.value.problems]
    assert told == [("dno.txt", "line 2"), ("dno.txt", "line 3")]
