"""Numbers of trunks: entries in the file and lists beside it, what is wrong with them, and reading them once."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from edge_agent.errors import ConfigError, Problem
from edge_agent.policy import checks, lists
from edge_agent.policy.load import Loaded, NumberCache, load

HEAD = """
[[listen]]
address = "127.0.0.1:5060"
[[upstream]]
name = "cloud"
targets = ["127.0.0.1:5080"]
"""


@pytest.fixture(autouse=True)
def ample_receive_buffers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "rmem_max"
    file.write_text("67108864\n")
    monkeypatch.setattr(checks, "RMEM_MAX", file)


def trunk(name: str, source: str, *entries: str) -> str:
    written = ", ".join(f'"{entry}"' for entry in entries)
    return f"""
[[trunk]]
name = "{name}"
sources = ["{source}"]
upstream = "cloud"
contact = ["{source}:5060"]
caller_ids = [{written}]
"""


def read(folder: Path, *trunks: str, cache: NumberCache | None = None) -> Loaded:
    file = folder / "edge_agent.toml"
    file.write_text(HEAD + "".join(trunks))
    return load(file, cache)


def refused(folder: Path, *trunks: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as error:
        read(folder, *trunks)
    return error.value.problems


def test_one_set_of_entries_and_one_for_each_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("# ours\n+12125550110\n\n+1 (212) 555-0111\n")
    (tmp_path / "b.txt").write_text("+12125550120..+12125550129\n")
    entries = ("+12125550100", "file:a.txt", "+1646555*", "file:b.txt")
    inline, first, second = read(tmp_path, trunk("acme", "192.0.2.1", *entries)).numbers["acme"]
    assert "12125550100" in inline and "16465550199" in inline and "12125550110" not in inline
    assert "12125550110" in first and "12125550111" in first and len(first) == 2
    assert "12125550129" in second and "12125550130" not in second


def test_a_trunk_with_files_alone_has_no_set_of_entries(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("+12125550110\n")
    assert len(read(tmp_path, trunk("acme", "192.0.2.1", "file:a.txt")).numbers["acme"]) == 1


def test_paths_are_relative_to_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "etc"
    (folder / "conf.d").mkdir(parents=True)
    (folder / "a.txt").write_text("+12125550110\n")
    (folder / "conf.d" / "acme.toml").write_text(trunk("acme", "192.0.2.1", "file:a.txt"))
    monkeypatch.chdir(tmp_path)
    (numbers,) = read(folder).numbers["acme"]
    assert "12125550110" in numbers


def test_wrong_entries_are_named_by_their_place(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("+12125550110\n")
    problems = refused(tmp_path, trunk("acme", "192.0.2.1", "+12125550100", "file:a.txt", "2125550100", "+1..+2*"))
    assert [(problem.code, problem.key) for problem in problems] == [
        ("list-line", "trunk[acme].caller_ids[2]"),
        ("list-line", "trunk[acme].caller_ids[3]"),
    ]


def test_wrong_lines_are_named_by_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"+12125550110\r\n# fine\nbogus\n\n+12125550120..+12125550119\n\xff\n")
    problems = refused(tmp_path, trunk("acme", "192.0.2.1", "file:a.txt"))
    assert [(problem.file, problem.key) for problem in problems] == [(str(file), f"line {line}") for line in (3, 5, 6)]


def test_a_wholly_wrong_file_is_told_in_twenty_lines(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("bogus\n" * 1000)
    problems = refused(tmp_path, trunk("acme", "192.0.2.1", "file:a.txt"))
    assert [problem.code for problem in problems] == ["list-line"] * 20 + ["list-more"]
    assert "20 bad lines" in problems[-1].message


def test_a_wrong_file_of_two_trunks_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("bogus\n")
    problems = refused(tmp_path, trunk("a", "192.0.2.1", "file:a.txt"), trunk("b", "192.0.2.2", "file:a.txt"))
    assert len(problems) == 1


def test_a_file_that_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "shut").write_text("+12125550110\n")
    problems = refused(tmp_path, trunk("acme", "192.0.2.1", "file:pipe", "file:folder", "file:gone", "file:/dev/zero"))
    assert [(problem.code, problem.key) for problem in problems] == [
        ("list-unreadable", f"trunk[acme].caller_ids[{place}]") for place in range(4)
    ]
    assert "no regular file" in problems[0].message and "No such file" in problems[2].message


def test_the_hint_is_about_what_went_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [absent] = refused(tmp_path, trunk("acme", "192.0.2.1", "file:gone.txt"))
    assert "relative to the folder" in absent.hint
    (tmp_path / "a.txt").write_text("+12125550100\n")

    def refuse(path: object, *_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    [forbidden] = refused(tmp_path, trunk("acme", "192.0.2.1", "file:a.txt"))
    assert "the agent's user needs to read it" in forbidden.hint


def test_unchanged_files_are_read_once(tmp_path: Path) -> None:
    cache = NumberCache()
    file = tmp_path / "a.txt"
    file.write_text("+12125550110\n")
    acme = trunk("acme", "192.0.2.1", "file:a.txt")
    (first,) = read(tmp_path, acme, cache=cache).numbers["acme"]
    (again,) = read(tmp_path, acme, cache=cache).numbers["acme"]
    assert again is first
    file.write_text("+12125550111\n")
    os.utime(file, ns=(1, 1))
    (changed,) = read(tmp_path, acme, cache=cache).numbers["acme"]
    assert "12125550111" in changed and "12125550110" not in changed
    assert list(cache.sets.values()) == [changed], "what no trunk uses is forgotten"


def test_two_trunks_share_the_set_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("+12125550110\n")
    numbers = read(tmp_path, trunk("a", "192.0.2.1", "file:a.txt"), trunk("b", "192.0.2.2", "file:a.txt")).numbers
    assert numbers["a"][0] is numbers["b"][0]


def test_a_refused_configuration_forgets_nothing(tmp_path: Path) -> None:
    """The policy in force still uses its lists."""
    cache = NumberCache()
    (tmp_path / "a.txt").write_text("+12125550110\n")
    acme = trunk("acme", "192.0.2.1", "file:a.txt")
    (first,) = read(tmp_path, acme, cache=cache).numbers["acme"]
    with pytest.raises(ConfigError):
        read(tmp_path, trunk("acme", "192.0.2.1"), "burst = -1\n", cache=cache)
    (again,) = read(tmp_path, acme, cache=cache).numbers["acme"]
    assert again is first


def test_numbers_of_two_trunks_are_noticed(tmp_path: Path) -> None:
    loaded = read(
        tmp_path,
        trunk("a", "192.0.2.1", "+12125550100..+12125550149"),
        trunk("b", "192.0.2.2", "+12125550149", "+12125550199"),
        trunk("c", "192.0.2.3", "+12125550150"),
    )
    (notice,) = loaded.notices
    assert (notice.code, notice.key) == ("numbers-shared", "trunk[b].caller_ids")
    assert notice.message == "+12125550149 is also a number of trunk 'a'"


def test_too_many_trunks_to_compare_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "_PAIRS_COMPARED", 2)
    many = [trunk(f"t{n}", f"192.0.2.{n}", f"+1212555010{n}") for n in range(1, 4)]
    assert [notice.code for notice in read(tmp_path, *many).notices] == ["numbers-unchecked"]


@pytest.mark.parametrize("text", ["", "# none left\n\n"], ids=["empty", "comments"])
def test_a_list_without_a_number_is_noticed(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    [notice] = read(tmp_path, trunk("acme", "192.0.2.1", "file:a.txt")).notices
    assert (notice.code, notice.key) == ("no-numbers", "trunk[acme].caller_ids")
    assert read(tmp_path, trunk("acme", "192.0.2.1", "file:a.txt", "+12125550100")).notices == ()
