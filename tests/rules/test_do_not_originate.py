"""do-not-originate: a caller that never makes calls, on a trunk's list or not; numbers that may call although a list has them."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path

import pytest

from edge_agent.policy.compile import compile_tables
from edge_agent.policy.load import ConfigError, Loaded, load
from tests.agent import ACME, BETA, BETAS, CLOUD, FOREIGN, OWN, OWN2, SECOND, Agent, MakeAgent, inbound, invite, policy
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


def at(moment: str) -> int:
    """That wall time, as nanoseconds."""
    return int(datetime.fromisoformat(f"{moment}+00:00").timestamp()) * SECOND


def test_an_entry_ends_by_itself() -> None:
    """No reload: the engine's own clock ends it, to the nanosecond."""
    ahead = at("2026-01-01T00:00:00")
    loaded = loaded_from(
        listed(f"{OWN} 2026-03-31", f"{OWN2} 2026-03-31T12:00", "+12125552050..+12125552059 2026-04-30")
    )
    party = Agent(listed())
    party.publish(compile_tables(loaded, 2, wall_ahead=ahead))

    def verdicts(moment: str, less: int = 0) -> list[str]:
        party.now = at(moment) - ahead - less
        return [party.send(invite(number)).short for number in (OWN, OWN2, "+12125552055")]

    assert verdicts("2026-02-01T00:00:00") == [HIT, HIT, HIT]
    assert verdicts("2026-03-31T12:00:00", 1) == [HIT, HIT, HIT]
    assert verdicts("2026-03-31T12:00:00") == [HIT, PASS, HIT]
    assert verdicts("2026-04-01T00:00:00", 1) == [HIT, PASS, HIT]
    assert verdicts("2026-04-01T00:00:00") == [PASS, PASS, HIT]
    assert verdicts("2026-05-01T00:00:00") == [PASS, PASS, PASS]


def test_an_end_long_gone_and_one_far_away() -> None:
    party = Agent(listed())
    loaded = loaded_from(listed(f"{OWN} 1971-01-01", f"{OWN2} 9999-12-30"))
    party.publish(compile_tables(loaded, 2, wall_ahead=at("2026-01-01T00:00:00")))
    assert party.send(invite(OWN)).short == PASS
    assert party.send(invite(OWN2)).short == HIT


def test_an_exemption_ends_too() -> None:
    ahead = at("2026-01-01T00:00:00")
    party = Agent(listed())
    party.publish(compile_tables(loaded_from(listed(OWN, may=(f"{OWN} 2026-01-31",))), 2, wall_ahead=ahead))
    party.now = SECOND
    assert party.send(invite(OWN)).short == PASS
    party.now = at("2026-02-01T00:00:00") - ahead
    assert party.send(invite(OWN)).short == HIT


def loaded_from(text: str) -> Loaded:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "policy.toml")
        path.write_text(text)
        return load(path)


def test_owned_numbers_have_no_end(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(policy(owned=f"{OWN} 2026-12-31"))
    with pytest.raises(ConfigError, match="has no end: take the date away"):
        load(tmp_path / "policy.toml")


# What nobody was given


def unallocated(*codes: str, may: tuple[str, ...] = (), rules: str = "", owned: str = '+1*", "+44*') -> str:
    entries = ", ".join(f'"{code}"' for code in codes)
    exempt = ", ".join(f'"{number}"' for number in may)
    return policy(owned=owned, rules=f"[lists]\nnanp_unallocated = [{entries}]\nmay_originate = [{exempt}]\n{rules}")


GIVEN_TO_NOBODY = "403 caller-unallocated"


@pytest.mark.parametrize(
    ("code", "hits", "misses"),
    [
        ("223", ["+12232002000", "2239999999", "01112235551234"], ["+12242002000", "+12122232000", "+442232002000"]),
        ("212-555", ["+12125552000", "+12125559999"], ["+12125542000", "+12135552000", "+15552125552"]),
        ("212-555-2", ["+12125552000", "+12125552999"], ["+12125551999", "+12125553000"]),
        ("2125552", ["+12125552000"], ["+12125553000"]),
        ("212 555 2 9999-01-01", ["+12125552000"], ["+12125553000"]),
    ],
)
def test_codes_and_their_edges(agent: MakeAgent, code: str, hits: list[str], misses: list[str]) -> None:
    party = agent(unallocated(code))
    assert {party.send(invite(number)).short for number in hits} == {GIVEN_TO_NOBODY}
    assert {party.send(invite(number)).short for number in misses} == {PASS}


def test_an_unallocated_number_from_the_cloud_is_only_recorded(agent: MakeAgent) -> None:
    party = agent(unallocated("415"))
    found = party.send(inbound(FOREIGN, BETAS), CLOUD)
    assert (found.short, found.monitored) == (PASS, ("do-not-originate", "own-number-inbound"))
    assert (found.event.reason, found.event.finding) == ("pass", "caller-unallocated")
    assert party.send(inbound("+14165552671", BETAS), CLOUD).monitored == ("own-number-inbound",)


def test_a_psap_may_call_from_what_nobody_was_given(agent: MakeAgent) -> None:
    """Not listed, not allocated, not even possible: who may originate may do it all the same, from either side."""
    strict = '[rules.do-not-originate]\nmode = "enforce"\n[rules.caller-format]\nmode = "enforce"\n'
    psap, impossible = "+12125552000", "+12129115678"
    party = agent(unallocated("212", may=(psap, impossible), rules=strict))
    for number in (psap, impossible):
        assert party.send(invite(number)).short == PASS
        assert party.send(inbound(number, BETAS), CLOUD).short == PASS
    assert party.send(inbound("+12125552001", BETAS), CLOUD).short == GIVEN_TO_NOBODY
    assert party.send(inbound("+12129115679", BETAS), CLOUD).short == "403 caller-plan"


@pytest.mark.parametrize(
    "caller",
    [
        "911",
        "933",
        "411",
        "2000",
        "0",
        "5552000",
        "alice",
        "+1800FLOWERS",
        "00442071838750",
        "+0442071838750",
        "+12125552000123456",
        "112125552000",
        "%2B%2B12125552000",
        "<sip:anonymous@anonymous.invalid>",
        '"Anonymous" <sip:anonymous@anonymous.invalid>',
        "<sip:unavailable@unknown.invalid>",
        "<sip:cloud.example.net>",
        "<tel:911;phone-context=+1>",
        "<sip:2125552000;phone-context=+44@h>",
    ],
)
def test_what_is_no_number_is_on_no_list(agent: MakeAgent, caller: str) -> None:
    """Short codes, nobody, wrong formats, prefixes that weren't stripped: for other rules. Reports of false blocks name them."""
    everything = ", ".join(f'"+{digit}*"' for digit in range(1, 10))
    codes = ", ".join(f'"{npa}"' for npa in range(200, 1000))
    strict = '[rules.do-not-originate]\nmode = "enforce"\n'
    lists = f"[lists]\ndo_not_originate = [{everything}]\nnanp_unallocated = [{codes}]\n"
    party = agent(policy(rules=lists + strict))
    assert party.send(inbound(caller, BETAS), CLOUD).rule != "do-not-originate"
    assert party.send(inbound("+442071838750", BETAS), CLOUD).short == HIT, "the list holds"


def test_who_was_called_before_is_not_asked(agent: MakeAgent) -> None:
    """A number that never calls may be called, and forward."""
    party = agent(listed(OWN, rules='[rules.do-not-originate]\nmode = "enforce"\n'))
    diverted = ("Diversion", f"<sip:{OWN}@x>;reason=unconditional")
    history = ("History-Info", f"<sip:{OWN}@x>;index=1")
    assert party.send(inbound(FOREIGN, BETAS, diverted), CLOUD).short == PASS
    assert party.send(inbound(FOREIGN, BETAS, history), CLOUD).short == PASS


def test_an_invalid_asserted_number_is_found_from_either_side(agent: MakeAgent) -> None:
    asserted = ("P-Asserted-Identity", "<sip:+12129112000@x>")
    party = agent(policy(owned="+1212*"))
    assert party.send(invite(OWN, asserted)).short == "403 caller-plan"
    found = party.send(inbound(FOREIGN, BETAS, asserted), CLOUD)
    assert (found.short, found.monitored) == (PASS, ("caller-format", "own-number-inbound"))
    assert found.event.value == 12129112000


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
