"""calling-hours: whom a telemarketing trunk may call when: zones of numbers, edges of the hours, daylight saving, settings."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from edge_agent import _hot
from edge_agent.hours import keep_hours, tell_hours
from edge_agent.numbering.zones import UNKNOWN, closed, missing, zoning
from edge_agent.policy.compile import compile_tables
from edge_agent.policy.load import ConfigError, load
from tests.agent import BETA, BETAS, CLOUD, OWN, Agent, Decision, dial, inbound, policy, request, tables
from tests.rules.modes import check_modes
from tests.rules.spellings import callees

HIT, PASS = "403 calling-hours", "forward pass"
CLASS = 'class = "telemarketing"'
NEW_YORK, CHICAGO, LOS_ANGELES = "+12125552000", "+13125552000", "+12135552000"


def at(text: str, zone: str = "America/New_York") -> float:
    """Wall seconds of a local time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


NOON = at("2026-11-28 12:00")


class Clocked(Agent):
    """An agent whose engine was told what time it is."""

    def __init__(self, text: str, wall: float = NOON) -> None:
        super().__init__(text)
        self.policy = _hot.Policy(tables(text))
        self.engine.publish(self.policy)
        self.set(wall)

    def set(self, wall: float) -> None:
        tell_hours(self.policy, wall)

    def call(self, number: str) -> str:
        return self.send(dial(number)).short


@pytest.mark.parametrize(
    ("local", "expected"),
    [("07:59", HIT), ("08:00", PASS), ("20:59", PASS), ("21:00", HIT), ("00:00", HIT), ("03:30", HIT)],
)
@pytest.mark.parametrize("day", ["2026-01-15", "2026-07-15"])
def test_the_edges_of_the_day(local: str, expected: str, day: str) -> None:
    party = Clocked(policy(CLASS), at(f"{day} {local}"))
    assert party.call(NEW_YORK) == expected


def test_it_is_the_callee_s_time() -> None:
    """08:30 in New York is half past seven in Chicago, half past five in Los Angeles."""
    party = Clocked(policy(CLASS), at("2026-11-28 08:30"))
    assert [party.call(number) for number in (NEW_YORK, CHICAGO, LOS_ANGELES)] == [PASS, HIT, HIT]
    party.set(at("2026-11-28 21:30"))
    assert [party.call(number) for number in (NEW_YORK, CHICAGO, LOS_ANGELES)] == [HIT, PASS, PASS]


def test_only_this_class_of_trunk() -> None:
    night = at("2026-11-28 03:00")
    for text in (policy(), policy('class = "conversational"')):
        assert Clocked(text, night).call(NEW_YORK) == PASS
    party = Clocked(policy(CLASS), night)
    assert party.call(NEW_YORK) == HIT
    assert party.send(dial(NEW_YORK, BETAS), BETA).short == PASS
    assert party.send(inbound(), CLOUD).short == PASS


def test_another_class_may_ask_for_it() -> None:
    """A mode for all trunks makes telemarketers of none; one of the trunk's own holds."""
    night = at("2026-11-28 03:00")
    assert Clocked(policy(rules='[rules.calling-hours]\nmode = "enforce"'), night).call(NEW_YORK) == PASS
    assert Clocked(policy('rules.calling-hours.mode = "enforce"'), night).call(NEW_YORK) == HIT


def test_daylight_saving_begins_and_ends() -> None:
    party = Clocked(policy(CLASS))
    for before, after in (("2026-03-07", "2026-03-08"), ("2026-10-31", "2026-11-01")):
        for day in (before, after):
            for local, expected in (("07:59", HIT), ("08:00", PASS), ("20:59", PASS), ("21:00", HIT)):
                party.set(at(f"{day} {local}"))
                assert party.call(NEW_YORK) == expected, (day, local)
    # Arizona has none: the same hour of New York is another one there.
    for day, expected in (("2026-01-15", PASS), ("2026-07-15", HIT)):
        party.set(at(f"{day} 10:30"))
        assert party.call("+14805552000") == expected


def test_where_a_number_may_be_in_several_zones_all_must_be_awake() -> None:
    """Toll-free numbers, area codes on a border of zones and those laid over them, a country's mobile numbers."""
    party = Clocked(policy(CLASS), at("2026-11-28 12:00"))
    assert party.call("+18005552000") == HIT
    party.set(at("2026-11-28 18:00"))
    assert party.call("+18005552000") == PASS
    for area in ("850", "448", "208", "986", "701"):
        party.set(at("2026-11-28 07:30", "America/Los_Angeles" if area in ("208", "986") else "America/Denver"))
        early = at("2026-11-28 08:15", "America/New_York" if area in ("850", "448") else "America/Chicago")
        party.set(early if area in ("850", "448", "701") else at("2026-11-28 08:15", "America/Denver"))
        assert party.call(f"+1{area}5552000") == HIT, area
    party.set(at("2026-11-28 08:30", "Australia/Sydney"))
    assert party.call("+61412345678") == HIT
    party.set(at("2026-11-28 15:00", "Australia/Sydney"))
    assert party.call("+61412345678") == PASS


def test_what_is_nowhere_is_never_called() -> None:
    """A satellite's number and a country code that nobody has; an extension is in the trunk's country."""
    for wall in (NOON, at("2026-11-28 18:00")):
        party = Clocked(policy(CLASS), wall)
        assert {party.call(number) for number in ("+870773111000", "+99912345678")} == {HIT}
    assert Clocked(policy(CLASS), at("2026-11-28 18:00")).call("sip:4711@cloud.example.net") == PASS
    assert Clocked(policy(CLASS), at("2026-11-28 12:00")).call("sip:4711@cloud.example.net") == HIT


@pytest.mark.parametrize("how", callees(NEW_YORK))
def test_in_any_spelling(how: str) -> None:
    party = Clocked(policy(CLASS), at("2026-11-28 07:00"))
    uri = f"sip:{callees(NEW_YORK)[how]}@cloud.example.net"
    assert party.send(dial(uri)).short == HIT
    party.set(at("2026-11-28 09:00"))
    assert party.send(dial(uri)).short == PASS


def test_a_transfer_is_a_new_call() -> None:
    party = Clocked(policy(CLASS), at("2026-11-28 08:30"))
    to = ("Refer-To", f"<sip:{LOS_ANGELES}@cloud.example.net>")
    assert party.send(request("REFER", f"sip:{NEW_YORK}@cloud.example.net", OWN, to)).short == HIT


def test_a_to_tag_proves_no_call() -> None:
    party = Clocked(policy(f'{CLASS}\nrules.dialog.mode = "off"'), at("2026-11-28 08:30"))
    for number, expected in ((LOS_ANGELES, HIT), (NEW_YORK, PASS)):
        assert party.send(request("INVITE", f"sip:{number}@cloud.example.net", OWN, to_tag="far")).short == expected


def test_an_emergency_call_knows_no_hour() -> None:
    party = Clocked(policy(beta=CLASS), at("2026-11-28 03:00"))
    assert party.send(dial("sip:911@cloud.example.net", BETAS), BETA).short == "forward emergency-routed"


def test_event() -> None:
    event = Clocked(policy(CLASS), at("2026-11-28 03:00")).send(dial(NEW_YORK)).event
    assert (event.action, event.rule, event.status, event.peer) == ("answer", "calling-hours", 403, "acme")
    assert event.value == int(NEW_YORK)


def test_modes() -> None:
    """Before anybody has told the time it is closed everywhere."""

    def hit(party: Agent) -> Decision:
        return party.send(dial(NEW_YORK))

    check_modes("calling-hours", hit, HIT, acme=CLASS)


def test_other_hours_for_all_and_for_one() -> None:
    general = '[rules.calling-hours]\nfrom = "09:30"\nuntil = "17:00"'
    party = Clocked(policy(CLASS, beta=f'{CLASS}\nrules.calling-hours.until = "18:00"', rules=general))
    told = {}
    for local in ("09:29", "09:30", "16:59", "17:00", "17:59", "18:00"):
        party.set(at(f"2026-11-27 {local}"))
        told[local] = party.call(NEW_YORK), party.send(dial(NEW_YORK, BETAS), BETA).short
    assert told == {
        "09:29": (HIT, HIT),
        "09:30": (PASS, PASS),
        "16:59": (PASS, PASS),
        "17:00": (HIT, PASS),
        "17:59": (HIT, PASS),
        "18:00": (HIT, HIT),
    }


def test_the_operator_s_zone_of_a_prefix() -> None:
    rules = '[rules.calling-hours.zones]\n"+1212555*" = "Pacific/Honolulu"'
    party = Clocked(policy(CLASS, rules=rules), NOON)
    assert party.call(NEW_YORK) == HIT
    assert party.call("+12125562000") == PASS


def test_a_reload_keeps_the_time(tmp_path: Path) -> None:
    """A policy that is told before it is published screens by the hours from its first call on."""
    party = Clocked(policy(CLASS), NOON)
    (tmp_path / "policy.toml").write_text(policy(CLASS, rules='[rules.calling-hours]\nuntil = "11:00"'))
    fresh = _hot.Policy(compile_tables(load(tmp_path / "policy.toml"), 2))
    tell_hours(fresh, NOON)
    assert party.call(NEW_YORK) == PASS
    party.engine.publish(fresh)
    assert party.call(NEW_YORK) == HIT


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('from = "8:00"', 'rules.calling-hours.from: is no time of day (write "08:00", from "00:00" to "24:00")'),
        ('until = "24:01"', 'rules.calling-hours.until: is no time of day (write "08:00", from "00:00" to "24:00")'),
        ('from = "21:00"', 'rules.calling-hours.from: the hours end before they begin (set "from" to an earlier'),
        (
            'zones = {"+1" = "America/NewYork"}',
            "'America/NewYork' is no time zone (did you mean \"America/New_York\"?)",
        ),
        ('zones = {"+1" = "Mars"}', "'Mars' is no time zone ("),
        ('zones = {"1" = "Europe/Rome"}', "rules.calling-hours.zones.1: a prefix starts with + and a country code"),
    ],
)
def test_bad_settings_are_told(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "policy.toml").write_text(policy(CLASS, rules=f"[rules.calling-hours]\n{text}"))
    with pytest.raises(ConfigError) as error:
        load(tmp_path / "policy.toml")
    assert len(error.value.problems) == 1 and line in str(error.value)


def test_a_zone_is_no_trunk_s_own(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(policy(f'{CLASS}\nrules.calling-hours.zones = {{"+1" = "Europe/Rome"}}'))
    with pytest.raises(ConfigError, match="write it in"):
        load(tmp_path / "policy.toml")


def test_a_host_without_zones_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.policy.checks.missing", lambda classes: "America/Adak")
    (tmp_path / "policy.toml").write_text(policy())
    load(tmp_path / "policy.toml")
    (tmp_path / "policy.toml").write_text(policy(CLASS))
    with pytest.raises(ConfigError, match="America/Adak.*install the package tzdata"):
        load(tmp_path / "policy.toml")


def test_every_zone_of_the_metadata_is_known_here() -> None:
    known = zoning({})
    assert missing(known.classes) == ""
    assert missing((("America/New_York", "No/Where"),)) == "No/Where"
    assert known.classes[UNKNOWN] == () and UNKNOWN not in known.prefixes.values()
    assert len(known.classes) < 8192


@pytest.mark.parametrize("wall", [-1e18, 0.0, 1e18])
def test_a_clock_gone_mad_stops_nothing(wall: float) -> None:
    classes = zoning({}).classes
    assert len(closed(classes, 480, 1260, wall)) == (len(classes) + 7) // 8


async def test_the_minute_task_follows_clock_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """It works out the present time each turn, whatever the clock did since the last, and sleeps to the next minute."""
    party = Clocked(policy(CLASS), at("2026-11-28 03:00"))
    walls = iter([at("2026-11-28 12:00:30"), at("2026-11-28 03:00:00"), at("2026-11-28 12:00:59.5")])
    told: list[str] = []
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        told.append(party.call(NEW_YORK))
        slept.append(round(seconds, 2))
        if len(slept) == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr("edge_agent.hours.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await keep_hours(lambda: party.policy, lambda: next(walls))
    assert told == [PASS, HIT, PASS]
    assert slept == [30.05, 60.05, 0.55]
