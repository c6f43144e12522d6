"""do-not-call: a callee on a list, or who asked; for all trunks and for one; in any spelling, overdialled, and in transfers."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from edge_agent.policy.compile import compile_tables
from edge_agent.policy.lists import NumberCache
from edge_agent.policy.load import ConfigError, load
from tests.agent import (
    ACME,
    BETA,
    BETAS,
    CLOUD,
    OWN,
    SECOND,
    Agent,
    Decision,
    MakeAgent,
    dial,
    inbound,
    policy,
    request,
)
from tests.proxy.message import response
from tests.rules.legs import place
from tests.rules.modes import check_modes
from tests.rules.spellings import callees

HIT, ASKED, PASS = "403 do-not-call", "403 do-not-call-request", "forward pass"
LISTED, BESIDE = "+13125550100", "+13125550102"
DAY = 86400


def listed(*numbers: str, acme: str = "", beta: str = "", more: str = "") -> str:
    entries = ", ".join(f'"{number}"' for number in numbers)
    return policy(acme, beta=beta, rules=f"[lists]\ndo_not_call = [{entries}]\n{more}")


def test_nothing_listed_nothing_found(agent: MakeAgent) -> None:
    assert agent(policy()).send(dial(LISTED)).short == PASS


@pytest.mark.parametrize(
    ("entry", "hits", "misses"),
    [
        (LISTED, [LISTED], ["+13125550101", "+13125550099"]),
        ("+13125550110..+13125550119", ["+13125550110", "+13125550119"], ["+13125550109", "+13125550120"]),
        ("+1312555*", ["+13125550000", "+13125559999"], ["+13125560000", "+13125549999"]),
        ("+442071838750", ["+442071838750"], ["+442071838751", "+44207183875"]),
    ],
)
def test_entries_and_their_edges(agent: MakeAgent, entry: str, hits: list[str], misses: list[str]) -> None:
    party = agent(listed(entry))
    assert {party.send(dial(number)).short for number in hits} == {HIT}
    assert {party.send(dial(number)).short for number in misses} == {PASS}


def test_every_class_of_trunk_and_who_is_let_off(agent: MakeAgent) -> None:
    """A list holds for all; the trunk's own mode decides, not its class."""
    for kind in ("conversational", "telemarketing", "wholesale"):
        assert agent(listed(LISTED, acme=f'class = "{kind}"')).send(dial(LISTED)).short == HIT
    party = agent(listed(LISTED, acme='rules.do-not-call.mode = "off"'))
    assert party.send(dial(LISTED)).short == PASS
    assert party.send(dial(LISTED, BETAS), BETA).short == HIT
    assert party.send(inbound(LISTED), CLOUD).short == PASS


@pytest.mark.parametrize("how", callees(LISTED))
def test_in_any_spelling(agent: MakeAgent, how: str) -> None:
    party = agent(listed(LISTED))
    assert party.send(dial(f"sip:{callees(LISTED)[how]}@cloud.example.net")).short == HIT


@pytest.mark.parametrize(
    "user",
    [
        "13125550100999",
        "3125550100999",
        "+131255501009",
        "+13125550100999",
        "+131255501009999999999",
        "011131255501009999999",
        "0013125550100",
        "*6713125550100",
        "%2A67+13125550100",
        "+13125550100,,123",
        "13125550100#",
        "+1(312)555-0100;ext=7",
    ],
)
def test_what_only_a_switch_understands(agent: MakeAgent, user: str) -> None:
    """Digits behind a whole number lead to that number: they get nobody past a list."""
    party = agent(listed(LISTED))
    assert party.send(dial(f"sip:{user}@cloud.example.net")).short == HIT
    assert party.send(dial(f"sip:{user.replace('0100', '0199')}@cloud.example.net")).short == PASS


def test_a_possible_number_is_no_other_one_s(agent: MakeAgent) -> None:
    """German numbers have many lengths: the longer one isn't the shorter one overdialled."""
    party = agent(listed("+4930123456"))
    assert party.send(dial("+4930123456")).short == HIT
    assert party.send(dial("+49301234567")).short == PASS


@pytest.mark.parametrize("user", ["alice", "100", "0", "*97", "+", "3125550"])
def test_what_is_no_number_is_on_no_list(agent: MakeAgent, user: str) -> None:
    assert agent(listed(*(f"+{digit}*" for digit in range(1, 10)))).send(
        dial(f"sip:{user}@cloud.example.net")
    ).rule != ("do-not-call")


def test_a_transfer_is_a_new_call(agent: MakeAgent) -> None:
    party = agent(listed(LISTED))
    refer = ("Refer-To", f"<sip:{LISTED}@cloud.example.net>")
    assert party.send(request("REFER", f"sip:{BESIDE}@cloud.example.net", OWN, refer)).short == HIT
    fine = ("Refer-To", f"<sip:{BESIDE}@cloud.example.net>")
    assert party.send(request("REFER", f"sip:{BESIDE}@cloud.example.net", OWN, fine)).short == PASS


def test_a_transfer_inside_a_call(agent: MakeAgent) -> None:
    party = agent(listed(LISTED))
    call = place(party).up()
    [route] = call.passed.all("Record-Route")
    for to, expected in ((BESIDE, PASS), (LISTED, HIT)):
        refer = request("REFER", f"sip:{LISTED}@{CLOUD[0]}", OWN, ("Route", route), to_tag="far")
        refer = refer.set("Call-ID", call.sent.one("Call-ID")).set("From", call.sent.one("From"))
        refer = refer.set("To", "<sip:callee@x>;tag=far").above(("Refer-To", f"<sip:{to}@cloud.example.net>"))
        assert party.send(refer).short == expected, to


@pytest.mark.parametrize(
    "user", ["913125550100", "9,13125550100", "9+13125550100", "++13125550100", "99011442071838750"]
)
def test_behind_an_outside_line(agent: MakeAgent, user: str) -> None:
    party = agent(listed(LISTED, "+442071838750"))
    assert party.send(dial(f"sip:{user}@cloud.example.net")).short == HIT


def test_a_redirection_is_told_as_a_refusal(agent: MakeAgent) -> None:
    """Of the cloud's call, by the trunk: each Contact as a Request-URI of the trunk's own."""
    for text, start, monitored in (
        (listed(LISTED), "SIP/2.0 403 ", ()),
        (listed(LISTED, more='[rules.do-not-call]\nmode = "monitor"'), "SIP/2.0 302 ", ("do-not-call",)),
        (listed(BESIDE), "SIP/2.0 302 ", ()),
    ):
        party = agent(text)
        call = party.send(inbound(), CLOUD).message
        moved = response(call, "302 Moved Temporarily").above(("Contact", f"<sip:{LISTED}@cloud.example.net>"))
        told = party.send(moved, ("198.51.100.10", 5070))
        assert told.message.start.startswith(start) and told.monitored == monitored
        assert bool(told.message.all("Contact")) == (start == "SIP/2.0 302 ")


def test_a_to_tag_proves_no_call(agent: MakeAgent) -> None:
    party = agent(listed(LISTED, acme='rules.dialog.mode = "off"'))
    for number, expected in ((LISTED, HIT), (BESIDE, PASS)):
        assert party.send(request("INVITE", f"sip:{number}@cloud.example.net", OWN, to_tag="far")).short == expected


def test_an_emergency_call_is_no_matter_for_a_list(agent: MakeAgent) -> None:
    party = agent(listed("+1*", "+2*", "+9*"))
    party.engine.request("1911")
    for uri in ("911", "+1911", "9911"):
        assert party.send(dial(f"sip:{uri}@cloud.example.net", BETAS), BETA).short == "forward emergency-routed"


def test_event(agent: MakeAgent) -> None:
    event = agent(listed(LISTED)).send(dial(f"sip:{LISTED}999@cloud.example.net")).event
    assert (event.action, event.rule, event.status, event.peer) == ("answer", "do-not-call", 403, "acme")
    assert (event.source, event.value, event.limit) == (ACME, int(LISTED), 1)


def test_modes() -> None:
    def hit(party: Agent) -> Decision:
        party.engine.request(LISTED[1:])
        return party.send(dial(LISTED))

    check_modes("do-not-call", hit, ASKED)


def test_an_entry_ends_by_itself(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(listed(f"{LISTED} 2026-03-31", BESIDE))
    party = Agent()
    ahead = 1_767_225_600 * SECOND  # 2026-01-01
    party.publish(compile_tables(load(tmp_path / "policy.toml"), 2, wall_ahead=ahead))
    party.now = 89 * DAY * SECOND
    assert (party.send(dial(LISTED)).short, party.send(dial(BESIDE)).short) == (HIT, HIT)
    party.now = 90 * DAY * SECOND
    assert (party.send(dial(LISTED)).short, party.send(dial(BESIDE)).short) == (PASS, HIT)


# Files


def test_a_file_and_its_reload(tmp_path: Path) -> None:
    file = tmp_path / "dnc.txt"
    file.write_text(f"# national list\n{LISTED}\n")
    (tmp_path / "policy.toml").write_text(listed("file:dnc.txt"))
    party = Agent(folder=tmp_path)
    assert party.send(dial(LISTED)).short == HIT
    file.write_text(f"{BESIDE}\n")
    party.publish(compile_tables(load(tmp_path / "policy.toml"), 2))
    assert (party.send(dial(LISTED)).short, party.send(dial(BESIDE)).short) == (PASS, HIT)


@pytest.mark.parametrize("lines", [300, 120_000])
def test_a_broken_line_in_the_middle_is_told_and_loses_nothing(tmp_path: Path, lines: int) -> None:
    """Of a short list and of one that a child compiles: the load says which line, and the running policy screens on."""
    good = [f"+1312{2000000 + number}" for number in range(lines)]
    file = tmp_path / "dnc.txt"
    file.write_text("\n".join([*good, LISTED]) + "\n")
    (tmp_path / "policy.toml").write_text(
        listed("file:dnc.txt").replace("[agent]", f'[agent]\nstate_dir = "{tmp_path}"')
    )
    cache = NumberCache()
    party = Agent(folder=tmp_path)
    party.publish(compile_tables(load(tmp_path / "policy.toml", cache), 2))
    file.write_text("\n".join([*good[: lines // 2], "+1312555O1OO", *good[lines // 2 :], BESIDE]) + "\n")
    with pytest.raises(ConfigError) as error:
        load(tmp_path / "policy.toml", cache)
    [told] = error.value.problems
    assert (Path(told.file).name, told.key) == ("dnc.txt", f"line {lines // 2 + 1}")
    assert {party.send(dial(number)).short for number in (LISTED, good[0], good[-1])} == {HIT}
    assert party.send(dial(BESIDE)).short == PASS


@pytest.mark.parametrize(
    ("head", "age", "days", "by"),
    [
        ("# date: {}\n", 0, 40, "the date at its head"),
        ("", 40, 40, "its time of change"),
        ("", 32, 32, "its time of change"),
        ("", 30, 0, ""),
        ("# date: {}\n", 400, 0, ""),
    ],
)
def test_an_old_list_gets_a_notice(tmp_path: Path, head: str, age: int, days: int, by: str) -> None:
    """31 days by default, by the date that it gives itself or by its time of change."""
    dated = 40 if days else 5
    written = time.strftime("%Y-%m-%d", time.localtime(time.time() - dated * DAY - 60))
    file = tmp_path / "dnc.txt"
    file.write_text(head.format(written) + f"{LISTED}\n")
    os.utime(file, (time.time() - age * DAY - 60,) * 2)
    (tmp_path / "policy.toml").write_text(listed("file:dnc.txt", more='[rules.do-not-call]\nmode = "enforce"\n'))
    loaded = load(tmp_path / "policy.toml")
    told = [str(notice) for notice in loaded.notices if notice.code == "list-old"]
    hint = "(load a newer one, or set [lists] do_not_call_old_after)"
    assert told == ([f"{file}: {days} days old, by {by} {hint}"] if days else [])
    [known] = loaded.ages
    assert known.notice(time.time() + 100 * DAY * (head == "")) is not None or not days


def test_the_age_is_a_setting(tmp_path: Path) -> None:
    (tmp_path / "dnc.txt").write_text(f"# date: 2020-01-01\n{LISTED}\n")
    for setting, expected in (("0s", 0), ("3000d", 0), ("1d", 1)):
        (tmp_path / "policy.toml").write_text(listed("file:dnc.txt", more=f'do_not_call_old_after = "{setting}"'))
        found = [notice for notice in load(tmp_path / "policy.toml").notices if notice.code == "list-old"]
        assert len(found) == expected


def test_trunks_that_a_list_may_surprise_are_named(tmp_path: Path) -> None:
    def told(text: str) -> list[str]:
        (tmp_path / "policy.toml").write_text(text)
        return [notice.message for notice in load(tmp_path / "policy.toml").notices if notice.code == "list-wide"]

    what = "holds for trunks of other classes than telemarketing too: "
    assert told(listed(LISTED)) == [what + "acme, beta"]
    assert told(listed(LISTED, acme='class = "telemarketing"')) == [what + "beta"]
    assert told(listed(LISTED, acme='rules.do-not-call.mode = "off"')) == [what + "beta"]
    assert told(listed(LISTED, more='[rules.do-not-call]\nmode = "enforce"')) == []
    assert told(policy()) == []


# Requests


def test_a_request_holds_at_once_for_all_trunks_or_for_one(agent: MakeAgent) -> None:
    party = agent(policy())
    assert party.engine.request(LISTED[1:]) and party.engine.request(BESIDE[1:], "acme")
    told = {n: (party.send(dial(n)).short, party.send(dial(n, BETAS), BETA).short) for n in (LISTED, BESIDE)}
    assert told == {LISTED: (ASKED, ASKED), BESIDE: (ASKED, PASS)}
    assert party.engine.unrequest(LISTED[1:]) and not party.engine.unrequest(LISTED[1:])
    assert not party.engine.unrequest(BESIDE[1:]) and party.engine.unrequest(BESIDE[1:], "acme")
    assert {party.send(dial(number)).short for number in (LISTED, BESIDE)} == {PASS}
    assert party.engine.tables()["requests"]["entries"] == 0


def test_a_reload_keeps_requests(agent: MakeAgent) -> None:
    party = agent(policy())
    party.engine.request(LISTED[1:], "acme")
    party.reload(listed(BESIDE))
    assert (party.send(dial(LISTED)).short, party.send(dial(BESIDE)).short) == (ASKED, HIT)


def test_requests_beside_a_plain_set(agent: MakeAgent) -> None:
    """Put in, taken out and asked for in any order, also twice: the table is the set."""
    engine = agent(policy()).engine
    kept: set[tuple[str, str]] = set()
    for turn in range(60_000):
        one = (str(13_125_550_000 + turn * 7919 % 5003), ("", "acme", "beta")[turn % 3])
        if turn * 31 % 7 < 4:
            assert engine.request(*one)
            kept.add(one)
        else:
            assert engine.unrequest(*one) == (one in kept)
            kept.discard(one)
    assert engine.tables()["requests"]["entries"] == len(kept)
    assert all(engine.unrequest(*one) for one in kept)


def test_the_table_of_requests_is_bounded(agent: MakeAgent) -> None:
    party = agent(policy())
    taken = sum(party.engine.request(str(10_000_000_000 + number)) for number in range(263_000))
    table = party.engine.tables()["requests"]
    assert taken == table["entries"] <= 262_144 and table["evictions"] == 263_000 - taken
    assert taken > 262_000
    assert party.send(dial("+10000000000")).short == ASKED


@pytest.mark.parametrize("number", ["", "123", "+13125550100", "1" * 16, "12a4", "١٢٣٤٥"])
def test_what_is_no_number_is_no_request(agent: MakeAgent, number: str) -> None:
    with pytest.raises(ValueError, match="no number"):
        agent(policy()).engine.request(number)
