"""Codes of the North American plan that nobody was given, lists that say how old they are, and what is wrong with either."""

from __future__ import annotations

import os
import time
from datetime import date, timedelta
from pathlib import Path

import pytest

from edge_agent.errors import ConfigError, Problem
from edge_agent.numbering.nanpa import CodeListError, read_codes
from edge_agent.policy.load import Loaded, load
from tests.agent import policy

REPORT = b"""File Date,01/05/2026
NPA_ID,type_of_code,ASSIGNABLE,EXPLANATION,IN_SERVICE,NOTES
201,General Purpose Code,Yes,,Y,"a, b"
221,General Purpose Code,Yes,,N,
273,General Purpose Code,Yes,,N,"assigned,
not yet in service"
911,Easily Recognizable Code,No,N11 Code,N,
"""


def wrong(text: bytes) -> list[int]:
    with pytest.raises(CodeListError) as error:
        read_codes(text)
    return [line for line, _ in error.value.errors]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("223", "+223 "),
        ("212-555", "+212555 "),
        ("212 555", "+212555 "),
        ("212555", "+212555 "),
        ("212-555-1", "+2125551 "),
        ("212-5551", "+2125551 "),
        ("2125551", "+2125551 "),
        ("  212-555  2026-12-31 # until the split\r", "+212555 2026-12-31"),
        ("# nothing", ""),
        ("", ""),
    ],
)
def test_lines(line: str, wanted: str) -> None:
    assert read_codes(f"{line}\n".encode()) == f"{wanted}\n".encode()


@pytest.mark.parametrize(
    "line",
    [
        "22",
        "2233",
        "123",
        "023",
        "212-155",
        "212-055-1",
        "212-555-12",
        "2125551234",
        "+1223",
        "1-212",
        "212x",
        "²23",
        "212--555",
        "212-",
        "NPA",
        "\xff",
    ],
)
def test_bad_lines(line: str) -> None:
    assert wrong(f"223\n{line}\n224\n".encode("latin-1")) == [2]


def test_twenty_bad_lines_are_told() -> None:
    assert wrong(b"x\n" * 50) == list(range(1, 21))


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_nanpa_s_list_of_area_codes(start: bytes, ends: bytes) -> None:
    assert read_codes(start + REPORT.replace(b"\n", ends)).split() == [b"+221", b"+273", b"+911"]
    assert read_codes(REPORT.partition(b"\n")[2]).split() == [b"+221", b"+273", b"+911"]


@pytest.mark.parametrize(
    ("was", "now", "line"),
    [
        (b"IN_SERVICE", b"SERVICE", 2),
        (b"221,", b"22,", 4),
        (b"221,", b"121,", 4),
        (b"Code,Yes,,N,\n273", b"Code,Yes,,,\n273", 4),
        (b"Code,Yes,,N,\n273", b"Code,Yes,,maybe,\n273", 4),
        (b'"a, b"', b'"a, b"c', 3),
    ],
)
def test_a_list_that_is_not_as_it_should_be(was: bytes, now: bytes, line: int) -> None:
    assert wrong(REPORT.replace(was, now)) == [line]


@pytest.mark.skipif("EDGE_CORPUS" not in os.environ, reason="EDGE_CORPUS names the folder of NANPA's list")
def test_the_real_list() -> None:
    codes = read_codes(Path(os.environ["EDGE_CORPUS"], "numbers", "nanp-npa.csv").read_bytes()).split()
    assert len(codes) == 167 and {b"+211", b"+221", b"+555", b"+911", b"+371"} <= set(codes)
    assert not {b"+201", b"+223", b"+833", b"+855", b"+877", b"+521"} & set(codes), "in service"
    assert not [code for code in codes if int(code) % 2 == 0], "it says nothing of even codes"


# In the configuration


def read(folder: Path, lists: str) -> Loaded:
    (folder / "policy.toml").write_text(policy(rules=f"[lists]\n{lists}"))
    return load(folder / "policy.toml")


def refused(folder: Path, lists: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as error:
        read(folder, lists)
    return error.value.problems


def ages(loaded: Loaded) -> list[tuple[str, str]]:
    return [(Path(one.file).name, one.message) for one in loaded.notices if one.code == "list-old"]


def test_codes_of_the_key_and_of_files(tmp_path: Path) -> None:
    (tmp_path / "codes.txt").write_text("212-555\n")
    (tmp_path / "npa_report.csv").write_bytes(REPORT)
    loaded = read(tmp_path, 'nanp_unallocated = ["223", "file:codes.txt", "file:npa_report.csv"]\nold_after = "0s"\n')
    inline, codes, report = loaded.nanp_unallocated
    assert "223" in inline and "212555" in codes and "221" in report and "201" not in report


def test_every_bad_code_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "codes.txt").write_text("212-555\n1-212\n212-555 2026-13-01\n")
    problems = refused(tmp_path, 'nanp_unallocated = ["223", "file:codes.txt", "22"]\n')
    assert [(one.code, Path(one.file).name, one.key) for one in problems] == [
        ("code-line", "policy.toml", "lists.nanp_unallocated[2]"),
        ("code-line", "codes.txt", "line 2"),
    ]
    assert str(problems[0]).endswith("(write 223, 212-555 or 212-555-1, and a date behind it if it ends)")
    (tmp_path / "codes.txt").write_text("212-555\n212-555 2026-13-01\n")
    [problem] = refused(tmp_path, 'nanp_unallocated = ["file:codes.txt"]\n')
    assert problem.key == "line 2" and "'2026-13-01' is no date" in problem.message


@pytest.mark.parametrize("entry", ["", "  ", "file:", "223\\n"])
def test_entries_that_are_none(tmp_path: Path, entry: str) -> None:
    [problem] = refused(tmp_path, f'nanp_unallocated = ["{entry}"]\n')
    assert (problem.code, problem.key) == ("bad-value", "lists.nanp_unallocated[0]")


def days_ago(days: int) -> date:
    return date.today() - timedelta(days=days)


@pytest.mark.parametrize(
    ("head", "old"),
    [
        ("", False),
        ("# {old}\n", False),
        ("# numbers of {old}\n", False),
        ("# date: {old}\n", True),
        ("# Dated {old}, of the hotline's owner\n", True),
        ("#updated {old}\n", True),
        ("# our own\n#\n# As of {old}\n", True),
        ("# generated: {old}T12:00:00Z\n", True),
        ("# date: {new}\n", False),
        ("# date: 2026-13-45\n# date: {old}\n", True),
        ("+12125552001 # date: {old}\n", False),
    ],
)
def test_the_date_at_a_list_s_head(tmp_path: Path, head: str, old: bool) -> None:
    file = tmp_path / "dno.txt"
    file.write_text(head.format(old=days_ago(200), new=days_ago(3)) + "+12125552000\n")
    told = ages(read(tmp_path, 'do_not_originate = ["file:dno.txt"]\n'))
    assert told == ([("dno.txt", "200 days old, by the date at its head")] if old else [])


def test_the_time_of_change_counts_where_no_date_stands(tmp_path: Path) -> None:
    for name, text in (("a", "+12125552000\n"), ("b", f"# date: {days_ago(3)}\n+12125552001\n")):
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (time.time() - 120.5 * 86400,) * 2)
    lists = 'do_not_originate = ["file:a", "file:b", "+12125552002"]\nmay_originate = ["file:a"]\n'
    loaded = read(tmp_path, lists)
    assert ages(loaded) == [("a", "120 days old, by its time of change")]
    assert ages(read(tmp_path, lists + 'old_after = "121d"\n')) == []
    assert ages(read(tmp_path, lists + 'old_after = "0s"\n')) == []


def test_nanpa_s_own_date(tmp_path: Path) -> None:
    when = days_ago(100)
    (tmp_path / "npa.csv").write_bytes(REPORT.replace(b"01/05/2026", f"{when:%m/%d/%Y}".encode()))
    loaded = read(tmp_path, 'nanp_unallocated = ["file:npa.csv"]\n')
    assert ages(loaded) == [("npa.csv", "100 days old, by the date at its head")]
