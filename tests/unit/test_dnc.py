"""Do-not-call requests: what is read, the file over crashes and beside another process, the keeper, commands without an agent."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from structlog.testing import CapturingLogger

from edge_agent.cli import commands
from edge_agent.dnc.keeper import Requests
from edge_agent.dnc.requests import (
    KEEP_SECONDS,
    LIMIT,
    BadRequest,
    Request,
    check_trunk,
    make,
    read_date,
    read_file,
    read_number,
)
from edge_agent.dnc.store import FILE_NAME, RequestStore, StoreFailed, StoreFull
from edge_agent.policy.load import load
from tests.agent import OWN, Agent, dial, policy

NUMBER, OTHER = "13125550100", "13125550101"
DAY = 86400.0
WALL = 1_780_000_000.0  # 2026-05-28


# Reading


@pytest.mark.parametrize(
    ("text", "country", "number"),
    [
        ("+13125550100", "US", NUMBER),
        ("13125550100", "US", NUMBER),
        ("(312) 555-0100", "US", NUMBER),
        ("+1 312.555.0100", "GB", NUMBER),
        ("020 7183 8750", "GB", "442071838750"),
        ("011442071838750", "US", "442071838750"),
    ],
)
def test_numbers_as_people_write_them(text: str, country: str, number: str) -> None:
    assert read_number(text, country) == number


@pytest.mark.parametrize("text", ["", "911", "555", "alice", "+0312555", "+1312555010O", "+" + "1" * 16, "٣١٢٥٥٥٠١٠٠"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(BadRequest, match=r"is no telephone number; write it as \+12125550100"):
        read_number(text, "US")


def test_dates() -> None:
    wall = 1_795_000_000.0  # 2026-11-18
    assert read_date("2026-01-31", wall) == 1_769_817_600
    for text, what in (("2026-12-31", "yet to come"), ("2020-01-01", "five years ago"), ("31.1.2026", "no date")):
        with pytest.raises(BadRequest, match=what):
            read_date(text, wall)
    assert make("3125550100", "US", "acme", "by\nletter", "", wall) == Request(NUMBER, "acme", wall, "by\\x0aletter")


def test_lines_of_a_file() -> None:
    text = "# ours\n+13125550100\n\n(312) 555-0101 2026-01-31\n+1-312-555-0102;2026-02-01;by letter # 7\n3125550103, angry\r\n"
    assert read_file(text, "US", WALL) == [
        ("+13125550100", "", ""),
        ("(312) 555-0101", "2026-01-31", ""),
        ("+1-312-555-0102", "2026-02-01", "by letter"),
        ("3125550103", "", "angry"),
    ]


@pytest.mark.parametrize(
    ("entry", "wrong"),
    [
        ("letters", "'letters' doesn't begin with a telephone number; write it as +12125550100"),
        ("+1312555O1OO 2026-01-01", "'+1312555O1OO 2026-01-01' doesn't begin with a telephone number"),
        ("2026-01-31", "'2026-01-31' is no telephone number"),
        ("99 2026-01-31", "'99' is no telephone number; write it as +12125550100"),
        ("+13125550100 2026-02-30", "'2026-02-30' is no date; write it as 2026-01-31"),
        ("+13125550100 2027-01-31", "2027-01-31 is yet to come"),
        ("+13125550100 2020-01-31", "2020-01-31 is more than five years ago"),
        ("+13125550100 2026/01/31", "'2026/01/31' is neither a date, written as 2026-01-31, nor a reason"),
        ("+13125550100 2026-01-31 2nd letter", "nor a reason, which begins with a letter"),
        ("+13125550100; _x\x1b", "'_x\\\\x1b' is neither a date"),
    ],
)
def test_a_line_is_told_which_field_is_wrong(entry: str, wrong: str) -> None:
    with pytest.raises(BadRequest) as error:
        read_file(f"+13125550100\n{entry}\n+13125550101", "US", WALL)
    assert str(error.value).startswith("line 2: ") and wrong in str(error.value)


def test_every_bad_line_is_told() -> None:
    """Whatever is wrong with each; twenty of them, and how many more."""
    with pytest.raises(BadRequest) as error:
        read_file("letters\n+13125550100\n99\n+13125550100 2027-01-31\n", "US", WALL)
    assert [line.partition(":")[0] for line in str(error.value).splitlines()] == ["line 1", "line 3", "line 4"]
    with pytest.raises(BadRequest) as error:
        read_file("letters\n99\n" * 50, "US", WALL)
    assert len(str(error.value).splitlines()) == 21 and str(error.value).endswith("\nand 80 more")


def test_a_trunk_that_is_none() -> None:
    check_trunk("", [])
    check_trunk("acme", ["acme"])
    with pytest.raises(BadRequest, match="there is no trunk 'acmee'; there are: acme, beta"):
        check_trunk("acmee", ["acme", "beta"])


# The file


def test_what_was_added_is_there_after_the_process(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from edge_agent.dnc.store import RequestStore, Request\n"
        f"RequestStore(Path(sys.argv[1])).add([Request('{NUMBER}', '', 1.0, 'x')]); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == -9
    assert RequestStore(tmp_path).rows() == [Request(NUMBER, "", 1.0, "x")]
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_a_later_request_holds_longer_and_an_older_one_changes_nothing(tmp_path: Path) -> None:
    store = RequestStore(tmp_path)
    assert store.add([Request(NUMBER, "", 100.0, "first"), Request(NUMBER, "acme", 1.0, "")]) == 2
    assert store.add([Request(NUMBER, "", 50.0, "found again")]) == 0
    assert store.rows(NUMBER, "") == [Request(NUMBER, "", 100.0, "first")]
    assert store.add([Request(NUMBER, "", 200.0, "again")]) == 0
    assert store.rows(NUMBER, "") == [Request(NUMBER, "", 200.0, "again")]
    assert store.remove([(NUMBER, ""), (OTHER, "")]) == 1
    assert store.rows() == [Request(NUMBER, "acme", 1.0, "")]


def test_what_is_over_five_years_old_goes(tmp_path: Path) -> None:
    store, wall = RequestStore(tmp_path), time.time()
    store.add([Request(NUMBER, "", wall - KEEP_SECONDS, ""), Request(OTHER, "", wall - KEEP_SECONDS + 60, "")])
    assert store.clean(wall) == 1
    assert [row.number for row in store.rows()] == [OTHER]
    assert KEEP_SECONDS >= 5 * 365.25 * DAY


def test_a_full_file_takes_none_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.dnc.store.LIMIT", 3)
    store = RequestStore(tmp_path)
    store.add([Request(str(number), "", 1.0, "") for number in range(2)])
    with pytest.raises(StoreFull, match=r"3 requests are kept at most, and there are 2: put numbers .* do_not_call"):
        store.add([Request(str(number), "", 1.0, "") for number in range(5, 9)])
    assert store.count() == 2
    assert store.add([Request("7", "", 1.0, "")]) == 1


def test_another_process_s_change_is_seen_and_ones_own_is_not(tmp_path: Path) -> None:
    mine, other = RequestStore(tmp_path), RequestStore(tmp_path)
    mine.add([Request(NUMBER, "", 1.0, "")])
    assert not mine.changed()
    other.add([Request(OTHER, "", 1.0, "")])
    assert mine.changed() and not mine.changed()


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to be read" * 100, b"SQLite format 3\0" + b"x" * 500]
)
def test_a_broken_file_is_told_and_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(StoreFailed, match="requests.db: can't be used"):
        RequestStore(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == content


def test_a_file_of_another_version(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(StoreFailed, match=r"of another version \(9\)"):
        RequestStore(tmp_path)


# The keeper


class Place:
    """An engine and a keeper on one folder."""

    def __init__(self, folder: Path, wall: float | None = None) -> None:
        self.wall = wall if wall is not None else time.time()
        (folder / "policy.toml").write_text(policy(agent=f'state_dir = "{folder}"'))
        self.agent = Agent(folder=folder)
        self.log = CapturingLogger()
        loaded = load(folder / "policy.toml")
        self.keeper = Requests(self.agent.engine, loaded, self.log, lambda: self.wall)

    def call(self, number: str, caller: str = OWN) -> str:
        return self.agent.send(dial(f"+{number}", caller)).short

    def told(self) -> list[str]:
        return [str(call.args[0]) for call in self.log.calls]


ASKED, PASS = "403 do-not-call-request", "forward pass"


async def test_a_request_holds_from_the_answer_on_and_after_a_restart(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert await place.keeper.add([{"number": "(312) 555-0100"}, {"number": "+13125550100"}], "") == 1
    assert (place.call(NUMBER), place.call(OTHER)) == (ASKED, PASS)
    again = Place(tmp_path)
    assert again.call(NUMBER) == ASKED
    assert await again.keeper.remove(["3125550100", OTHER], "") == 1
    assert again.call(NUMBER) == PASS
    assert Place(tmp_path).call(NUMBER) == PASS


async def test_one_bad_number_keeps_all_out(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with pytest.raises(BadRequest):
        await place.keeper.add([{"number": NUMBER}, {"number": "x"}], "")
    with pytest.raises(BadRequest, match="there is no trunk"):
        await place.keeper.add([{"number": NUMBER}], "gone")
    assert place.call(NUMBER) == PASS and await place.keeper.listing() == []


async def test_what_another_process_writes_is_taken_over(tmp_path: Path) -> None:
    place = Place(tmp_path)
    other = RequestStore(tmp_path)
    other.add([Request(NUMBER, "acme", place.wall, ""), Request(OTHER, "beta", place.wall, "")])
    await place.keeper._look()
    assert (place.call(NUMBER), place.call(OTHER)) == (ASKED, PASS)
    other.remove([(NUMBER, "acme")])
    await place.keeper._look()
    assert place.call(NUMBER) == PASS


async def test_five_years_later(tmp_path: Path) -> None:
    place = Place(tmp_path)
    await place.keeper.add([{"number": NUMBER, "asked": "2025-01-15", "reason": "by letter"}], "")
    [row] = await place.keeper.listing("3125550100")
    assert (row["number"], row["asked"][:10], row["reason"]) == (f"+{NUMBER}", "2025-01-15", "by letter")
    place.wall += KEEP_SECONDS
    place.keeper._next_clean = 0.0
    await place.keeper._look()
    assert place.call(NUMBER) == PASS and await place.keeper.listing() == []


async def test_a_broken_file_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"no database" * 1000)
    place = Place(tmp_path)
    assert place.told() == ["requests-failed"]
    assert place.call(NUMBER) == PASS
    with pytest.raises(StoreFailed):
        await place.keeper.add([{"number": NUMBER}], "")
    assert place.call(NUMBER) == PASS, "what isn't kept isn't promised"
    (tmp_path / FILE_NAME).unlink()
    assert await place.keeper.add([{"number": NUMBER}], "") == 1
    assert place.call(NUMBER) == ASKED


def test_the_limit_is_the_engine_s(tmp_path: Path) -> None:
    assert LIMIT == Agent().engine.tables()["requests"]["bytes"] // 16


# Commands without an agent


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "edge_agent.toml"
    path.write_text(policy(agent=f'state_dir = "{tmp_path}/state"') + f'[admin]\nsocket = "{tmp_path}/control.sock"\n')
    return path


def dnc(config: Path, *arguments: object) -> Result:
    return CliRunner().invoke(commands, ["dnc", str(arguments[0]), "-c", str(config), *map(str, arguments[1:])])


def rows(config: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(dnc(config, "list", "--json").stdout)["requests"]
    return found


def test_add_list_and_remove(config: Path) -> None:
    done = dnc(config, "add", "+1 312 555 0100", "3125550101", "--reason", "by letter", "--date", "2026-01-31")
    assert (done.exit_code, done.stdout) == (0, "2 kept, 2 of them new\n")
    assert dnc(config, "add", "+13125550100", "--trunk", "acme").exit_code == 0
    assert [(row["number"], row["trunk"]) for row in rows(config)] == [
        ("+13125550100", ""),
        ("+13125550100", "acme"),
        ("+13125550101", ""),
    ]
    table = dnc(config, "list", "3125550101").stdout
    assert "+13125550101" in table and "by letter" in table and "2026-01-31" in table and "+13125550100" not in table
    assert dnc(config, "remove", "+13125550100").stdout == "1 removed\n"
    missing = dnc(config, "remove", "+13125550100")
    assert missing.exit_code == 1 and "there was no such request that holds for all trunks" in missing.stderr
    assert [row["trunk"] for row in rows(config)] == ["acme", ""]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("add", "alice"), "'alice' is no telephone number"),
        (("add", "+13125550100", "--trunk", "acmee"), "there is no trunk 'acmee'; there are: acme, beta"),
        (("add", "+13125550100", "--date", "tomorrow"), "'tomorrow' is no date"),
        (("import", "none.txt"), "none.txt: No such file or directory"),
        (("list", "alice"), "'alice' is no telephone number"),
    ],
)
def test_bad_input_is_told(config: Path, arguments: tuple[str, ...], line: str) -> None:
    done = dnc(config, *arguments)
    assert done.exit_code == 1 and line in done.stderr
    assert rows(config) == []


def test_import_is_all_or_nothing(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "asked.txt"
    good = [f"+1312{5_550_000 + number}" for number in range(5000)]
    file.write_text("\n".join([*good[:2500], "+1312555O1OO 2026-01-01", "99", *good[2500:]]))
    done = dnc(config, "import", file)
    assert done.exit_code == 1
    assert "asked.txt: line 2501: '+1312555O1OO 2026-01-01' doesn't begin with a telephone number" in done.stderr
    assert "asked.txt: line 2502: '99' is no telephone number" in done.stderr
    assert rows(config) == []
    file.write_text("\n".join(good))
    assert dnc(config, "import", file, "--trunk", "beta").stdout == "5000 kept, 5000 of them new\n"
    assert len(rows(config)) == 5000


def test_explain_knows_who_asked(config: Path, tmp_path: Path) -> None:
    message = tmp_path / "call.sip"
    message.write_bytes(bytes(dial(f"+{NUMBER}")))
    arguments = ["explain", str(message), "--source", "198.51.100.10", "-c", str(config), "--json"]
    assert json.loads(CliRunner().invoke(commands, arguments).stdout)["verdict"]["reason"] == "pass"
    assert dnc(config, "add", NUMBER, "--trunk", "acme").exit_code == 0
    assert json.loads(CliRunner().invoke(commands, arguments).stdout)["verdict"]["reason"] == "do-not-call-request"
