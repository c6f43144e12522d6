"""Long lists of numbers: compiled by a child into files that are mapped, shared, checked, made anew and tidied away."""

from __future__ import annotations

import os
import random
import shutil
import stat
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent._hot import NumberListError, NumberSet
from edge_agent.errors import ConfigError
from edge_agent.numbering import compiled
from edge_agent.numbering.compiled import CompiledLists, ListFailed
from edge_agent.policy import lists
from edge_agent.policy.compile import compile_policy
from edge_agent.policy.load import Loaded, NumberCache, load
from edge_agent.policy.swap import try_out
from tests.agent import policy

PACKED_11 = 11 << 54


def number(n: int) -> str:
    return f"1212{n:07d}"


def text_of(count: int, seed: int = 7) -> bytes:
    """A list in no order, with comments, doubles, ranges and a prefix."""
    chance = random.Random(seed)
    lines = [f"+{number(chance.randrange(5_000_000))}" for _ in range(count)]
    lines[::97] = ["# a comment" for _ in lines[::97]]
    lines[::89] = [f"+1646{n:07d}..+1646{n + 5:07d}" for n in range(0, 20 * len(lines[::89]), 20)]
    return ("\n".join([*lines, *lines[:50], "+1718555*"]) + "\n").encode()


@pytest.fixture
def source(tmp_path: Path) -> Iterator[int]:
    """An open list."""
    (tmp_path / "list.txt").write_bytes(text_of(3_000))
    descriptor = os.open(tmp_path / "list.txt", os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def keeper(folder: Path) -> CompiledLists:
    made = CompiledLists(folder)
    made.keeping = True
    return made


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


def same(one: NumberSet, other: NumberSet) -> bool:
    return (one.ranges(), sorted(one.singles())) == (other.ranges(), sorted(other.singles()))


def test_a_child_makes_what_this_process_would(tmp_path: Path, source: int) -> None:
    numbers = keeper(tmp_path / "lists").get(source, False)
    here = NumberSet(text_of(3_000))
    assert numbers.in_file and not here.in_file and same(numbers, here) and len(numbers) == len(here)
    asked = b"".join(struct.pack("=Q", PACKED_11 | 12_120_000_000 + n) for n in range(0, 5_000_000, 101))
    assert numbers.count(asked) == here.count(asked) > 0
    assert numbers.count(asked, apart=True) == here.count(asked)


def test_the_file_is_ours_alone_and_named_by_its_content(tmp_path: Path, source: int) -> None:
    made = keeper(tmp_path / "state" / "lists")
    made.get(source, False)
    [file] = files(tmp_path / "state" / "lists")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert len(file.stem) == 64 and file.suffix == ".numbers"
    made.get(source, True)
    assert len(files(file.parent)) == 2, "the same text as a list with ends is another list"
    assert made.told == []


def test_a_file_that_is_there_is_mapped(tmp_path: Path, source: int, monkeypatch: pytest.MonkeyPatch) -> None:
    first = keeper(tmp_path).get(source, False)
    monkeypatch.setattr(subprocess, "run", _no_child)
    later = keeper(tmp_path)
    again = later.get(source, False)
    assert again is not first and same(again, first)
    assert later.get(source, False) is again, "mapped once"
    reader = CompiledLists(tmp_path)
    assert same(reader.get(source, False), first), "who keeps nothing reads it all the same"


def _no_child(*_: object, **__: object) -> None:
    raise AssertionError("a child was started")


@pytest.mark.parametrize("folder", [None, "gone"])
def test_without_a_folder_nothing_is_written(tmp_path: Path, source: int, folder: str | None) -> None:
    before = files(tmp_path)
    numbers = CompiledLists(tmp_path / folder if folder else None).get(source, False)
    assert numbers.in_file and number(0)[:4] == "1212" and len(numbers) > 2_000
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    "why",
    ["no folder", "full"],
)
def test_no_room_for_the_file(tmp_path: Path, source: int, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list holds all the same, and an operator is told."""
    folder = tmp_path / "lists"
    if why == "no folder":
        folder.write_text("a file")
    else:
        run, calls = CompiledLists._run, []

        def full(self: CompiledLists, *what: object) -> None:
            calls.append(what)
            if len(calls) == 1:
                raise ListFailed("No space left on device")
            run(self, *what)  # type: ignore[arg-type]

        monkeypatch.setattr(CompiledLists, "_run", full)
    made = keeper(folder)
    assert same(made.get(source, False), NumberSet(text_of(3_000)))
    [told] = made.told
    assert "can't be kept" in told and str(folder) in told
    assert why == "no folder" or files(folder) == [], "nothing half made is left"


def damage(file: Path, how: str) -> None:
    content = bytearray(file.read_bytes())
    if how == "empty":
        content = bytearray()
    elif how == "head alone":
        content = content[:192]
    elif how == "cut":
        content = content[:-8]
    elif how == "longer":
        content += bytes(8)
    elif how == "a bit":
        content[len(content) // 2] ^= 4
    elif how == "zeros":
        content = bytearray(len(content))
    elif how == "magic":
        content[0] ^= 1
    elif how == "open to others":
        file.chmod(0o666)
    elif how == "a link":
        file.rename(file.with_name("elsewhere"))
        file.symlink_to("elsewhere")
        return
    elif how == "a pipe":
        file.unlink()
        os.mkfifo(file)
        return
    file.write_bytes(content)


@pytest.mark.parametrize(
    "how",
    ["empty", "head alone", "cut", "longer", "a bit", "zeros", "magic", "open to others", "a link", "a pipe"],
)
def test_a_damaged_file_is_made_anew(tmp_path: Path, source: int, how: str) -> None:
    folder = tmp_path / "lists"
    keeper(folder).get(source, False)
    [file] = files(folder)
    damage(file, how)
    looker = CompiledLists(folder)
    assert same(looker.get(source, False), NumberSet(text_of(3_000)))
    made = keeper(folder)
    assert same(made.get(source, False), NumberSet(text_of(3_000)))
    assert len(made.told) == len(looker.told) == (how != "a link"), made.told
    assert same(keeper(folder).get(source, False), NumberSet(text_of(3_000)))
    assert stat.S_IMODE(file.lstat().st_mode) == 0o600


def test_another_lists_file_under_its_name_is_found_out(tmp_path: Path, source: int) -> None:
    folder = tmp_path / "lists"
    keeper(folder).get(source, False)
    [file] = files(folder)
    (tmp_path / "other").write_bytes(text_of(500, seed=8))
    with open(tmp_path / "other", "rb") as other:
        keeper(folder).get(other.fileno(), False)
    [second] = [one for one in files(folder) if one != file]
    shutil.copy(second, file)
    made = keeper(folder)
    assert same(made.get(source, False), NumberSet(text_of(3_000)))
    assert "of another list" in made.told[0]


@pytest.mark.parametrize("seed", range(40))
def test_sizes_in_the_head_lead_nowhere(tmp_path: Path, source: int, seed: int) -> None:
    """Whatever stands in head and tables: refused, or asked without a step outside. (Sanitizers watch.)"""
    folder = tmp_path / "lists"
    keeper(folder).get(source, False)
    [file] = files(folder)
    chance = random.Random(seed)
    content = bytearray(file.read_bytes())
    for _ in range(chance.randrange(1, 4)):
        place = chance.randrange(96, 176) if seed % 2 else chance.randrange(192, len(content))
        value = chance.choice((0, 1, 2**16, 2**32, 2**61, 2**64 - 1, chance.getrandbits(64)))
        content[place & ~7 : (place & ~7) + 8] = struct.pack("=Q", value)
    try:
        numbers = NumberSet.mapped(bytes(content), bytes.fromhex(file.stem))
    except ValueError:
        return
    asked = b"".join(struct.pack("=Q", PACKED_11 | 12_120_000_000 + n) for n in range(0, 5_000_000, 997))
    assert 0 <= numbers.count(asked, 1) <= len(asked) // 8


def test_a_set_without_an_empty_slot_ends_its_search() -> None:
    """A file could say that every bucket has more behind it: the search is as long as its head says, no longer."""
    head = b"EANUMS1\2" + bytes(56) + bytes(32)
    words = struct.pack("=Q", 1 << 63 | 77) * 16
    sizes = struct.pack("=6Q", 192 + 128, 2, 1, 16, 0, 0)
    with pytest.raises(ValueError, match="another format"):
        NumberSet.mapped(head[:6] + bytes(2) + head[8:] + sizes + bytes(48) + words, bytes(32))
    numbers = NumberSet.mapped(head + sizes + bytes(48) + words, bytes(32))
    assert "12125550100" not in numbers


def test_bad_lines_are_told_by_the_child(tmp_path: Path) -> None:
    file = tmp_path / "bad.txt"
    file.write_bytes(text_of(2_000) + b"bogus\n+1212555\n+2..+1\n")
    lines = file.read_bytes().count(b"\n")
    with open(file, "rb") as opened, pytest.raises(NumberListError) as error:
        keeper(tmp_path / "lists").get(opened.fileno(), False)
    assert [line for line, _ in error.value.errors] == [lines - 2, lines]
    assert files(tmp_path / "lists") == []


def test_a_list_that_changes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes(text_of(2_000))
    digest = compiled._digest

    def then_changed(source: int, dated: bool) -> str:
        found = digest(source, dated)
        file.write_bytes(text_of(2_000, seed=9))
        return found

    monkeypatch.setattr(compiled, "_digest", then_changed)
    with open(file, "rb") as opened, pytest.raises(ListFailed, match="changed while it was read"):
        CompiledLists().get(opened.fileno(), False)


def test_a_child_that_dies(tmp_path: Path, source: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(ListFailed, match="ended with 1"):
        CompiledLists().get(source, False)


def test_a_list_too_large(tmp_path: Path) -> None:
    with open(tmp_path / "huge", "wb+") as huge:
        huge.truncate(compiled.LONGEST_BYTES + 1)
        with pytest.raises(ListFailed, match="4 GiB"):
            CompiledLists().get(huge.fileno(), False)


def test_the_child_holds_no_list(tmp_path: Path) -> None:
    """Its memory is the table and an interpreter: neither the text nor the numbers beside it."""
    file = tmp_path / "list.txt"
    with open(file, "w") as written:
        written.writelines(f"+1{2_000_000_000 + 7 * n}\n" for n in range(1_000_000))
    measure = (
        "import resource, sys\n"
        "from edge_agent.numbering import compiler\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "source, out = open(sys.argv[1], 'rb'), open(sys.argv[2], 'wb+')\n"
        "seen = compiler.digest_of(False)\n"
        "seen.update(source.read1(0) or b'')\n"
        "compiler.read_all(source.fileno(), lambda text, n, last: seen.update(bytes(text[:n])) or n)\n"
        "compiler.compile_list(source.fileno(), out.fileno(), seen.hexdigest(), False)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", measure, file, tmp_path / "out"], capture_output=True, check=True)
    table = (tmp_path / "out").stat().st_size / 1024
    assert table < 10_100, "ten bytes a number"
    assert int(done.stdout) < table + 6 * 1024, "KiB"


# In the configuration


@pytest.fixture
def long_from_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is a long one."""
    monkeypatch.setattr(lists, "LONG_BYTES", -1)


def read(folder: Path, text: str, cache: NumberCache | None = None) -> Loaded:
    (folder / "policy.toml").write_text(text)
    return load(folder / "policy.toml", cache)


def configured(folder: Path, *entries: str) -> str:
    written = ", ".join(f'"{entry}"' for entry in entries)
    return policy(agent=f'state_dir = "{folder}/state"', rules=f"[lists]\ndo_not_originate = [{written}]\n")


def serving() -> NumberCache:
    cache = NumberCache()
    cache.compiled.keeping = True
    return cache


@pytest.mark.usefixtures("long_from_one")
def test_files_that_no_policy_uses_are_tidied_away(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("+12125552000\n")
    (tmp_path / "b.txt").write_text("+12125552001\n")
    cache, folder = serving(), tmp_path / "state" / "lists"
    old = read(tmp_path, configured(tmp_path, "file:a.txt"), cache)
    [first] = files(folder)
    (folder / f"{'0' * 64}.123.new").write_text("left by one that was killed")
    (folder / f"{'0' * 64}.numbers").write_text("of a policy before")
    (folder / "README").write_text("not ours")
    new = read(tmp_path, configured(tmp_path, "file:b.txt"), cache)
    [second] = [file for file in files(folder) if file.name != "README"]
    assert second != first
    # The old policy's mapping outlives the file's name.
    assert "12125552000" in old.do_not_originate[0] and "12125552001" in new.do_not_originate[0]
    try_out(compile_policy(old, 1))


@pytest.mark.usefixtures("long_from_one")
def test_a_reload_takes_nothing_twice(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("+12125552000\n")
    cache, text = serving(), configured(tmp_path, "file:a.txt")
    first = read(tmp_path, text, cache).do_not_originate[0]
    assert read(tmp_path, text, cache).do_not_originate[0] is first
    os.utime(tmp_path / "a.txt", ns=(1, 1))
    touched = read(tmp_path, text + 'old_after = "0s"\n', cache).do_not_originate[0]
    assert touched is first, "another time of change, the same content"
    (tmp_path / "a.txt").write_text("bogus\n")
    with pytest.raises(ConfigError, match="no E.164 number"):
        read(tmp_path, text, cache)
    (tmp_path / "a.txt").write_text("+12125552000\n")
    assert read(tmp_path, text, cache).do_not_originate[0] is first, "a refused configuration forgets nothing"


@pytest.mark.usefixtures("long_from_one")
def test_who_only_checks_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("+12125552000\n")
    loaded = read(tmp_path, configured(tmp_path, "file:a.txt"))
    assert loaded.do_not_originate[0].in_file and not (tmp_path / "state").exists()


@pytest.mark.usefixtures("long_from_one")
def test_what_went_wrong_beside_the_list_is_a_notice(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("+12125552000\n")
    (tmp_path / "state").write_text("a file")
    loaded = read(tmp_path, configured(tmp_path, "file:a.txt"), serving())
    [told] = [notice for notice in loaded.notices if notice.code == "list-file"]
    assert "made at each start" in told.message and "12125552000" in loaded.do_not_originate[0]


@pytest.mark.usefixtures("long_from_one")
def test_a_compiler_that_fails_is_no_fault_of_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("+12125552000\n")
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(ConfigError) as error:
        read(tmp_path, configured(tmp_path, "file:a.txt"))
    [problem] = error.value.problems
    assert (problem.code, problem.key) == ("list-failed", "lists.do_not_originate[0]") and "a.txt" in problem.message
