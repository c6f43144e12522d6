"""Lists of numbers, as they stand in a key or in a file, to sets of the engine. Unchanged files are read once.

The grammar of a list is the engine's (and ``numbering/nanpa.py``'s, of codes);
nothing here reads a number. Long files are compiled by a child and shared
(``numbering/compiled.py``), short ones are read here.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from edge_agent.errors import Problem, problem
from edge_agent.numbering.compiled import FOLDER, CompiledLists, ListFailed
from edge_agent.numbering.nanpa import HINT, CodeListError, read_codes
from edge_agent.policy.merge import Document, Loc
from edge_agent.policy.settings import Trunk

if TYPE_CHECKING:
    from edge_agent._hot import NetworkSet, NumberSet

_FILE = "file:"
LINES_SHOWN = 20
"""Bad lines of one file that are told; the engine stops reading there too."""
LONG_BYTES = 1 << 20
"""Above it a list is compiled by a child."""
_PAIRS_COMPARED = 50_000
"""Pairs of sets that one load compares; more than that would make reloads of large fleets of trunks slow."""
_HEAD_BYTES = 4096
_DATED = re.compile(
    r"^(?:#\s*(?:file date|dated?|as of|updated|generated)\b[\s:,]*(\d{4})-(\d{2})-(\d{2})"
    r"|File Date,(?P<month>\d{2})/(?P<day>\d{2})/(?P<year>\d{4}))",
    re.IGNORECASE | re.MULTILINE,
)

FileKey = tuple[str, int, int]
"""Path, time of change in nanoseconds, size: while these stay, so does the content."""
Kind = str
"""What a list may hold: "owned" (numbers), "listed" (numbers with ends) or "codes" (of the North American plan)."""
SetKey = tuple[FileKey, Kind]
Old = tuple[float, str]
"""The age at which a file gets a notice, and the key of [lists] that says so."""


@dataclass
class NumberCache:
    """Sets of files that are already read. Give the same cache to every load of a process."""

    sets: dict[SetKey, NumberSet] = field(default_factory=dict)
    networks: dict[FileKey, NetworkSet] = field(default_factory=dict)
    compiled: CompiledLists = field(default_factory=CompiledLists)

    def settle(self, state_dir: str) -> None:
        """Where compiled lists are, from the first load on."""
        if self.compiled.folder is None:
            self.compiled.folder = Path(state_dir) / FOLDER

    def keep(self, used: set[SetKey], used_networks: set[FileKey]) -> None:
        """Forget the sets that the policy in force doesn't use."""
        self.sets = {key: numbers for key, numbers in self.sets.items() if key in used}
        self.networks = {key: networks for key, networks in self.networks.items() if key in used_networks}
        self.compiled.keep(self.sets.values())


@dataclass(frozen=True)
class Age:
    """A file whose age is looked at."""

    path: str
    made: float
    """Wall seconds."""
    by: str
    """What says so."""
    old_after: float
    setting: str
    """The key of [lists] that ``old_after`` is."""

    def notice(self, wall: float) -> Problem | None:
        """That it is too old at that time; None while it isn't."""
        age = wall - self.made
        if age <= self.old_after:
            return None
        return problem("list-old", self.path, "", days=int(age // 86400), by=self.by, setting=self.setting)


class ListReader:
    """Reads the lists of one load; collects what is wrong with them, and what an operator should know of them."""

    def __init__(self, document: Document, cache: NumberCache) -> None:
        self._document = document
        self._cache = cache
        self._files: dict[tuple[Path, Kind], NumberSet | None] = {}
        self.ages: list[Age] = []
        self.used: set[SetKey] = set()
        self.problems: list[Problem] = []
        self.notices: list[Problem] = []

    def sets_of(self, index: int, trunk: Trunk) -> tuple[NumberSet, ...]:
        """The sets of one trunk."""
        return self.sets_at(("trunk", index, "caller_ids"), trunk.caller_ids, "owned")

    def sets_at(self, loc: Loc, entries: list[str], kind: Kind, old: Old | None = None) -> tuple[NumberSet, ...]:
        """The sets of one key: that of the entries in it, then one for each file. Files that are old get a notice."""
        files = [entry.startswith(_FILE) for entry in entries]
        inline = None
        if not all(files):
            inline = self._inline(loc, entries, files, kind)
        named = [
            self._file((*loc, position), entry.removeprefix(_FILE), kind, old)
            for position, (entry, is_file) in enumerate(zip(entries, files, strict=True))
            if is_file
        ]
        return tuple(numbers for numbers in (inline, *named) if numbers is not None)

    def _inline(self, loc: Loc, entries: list[str], files: list[bool], kind: Kind) -> NumberSet | None:
        from edge_agent._hot import NumberListError

        # A file's place stays as an empty line, so that line n is entry n - 1.
        lines = ["" if is_file else entry for entry, is_file in zip(entries, files, strict=True)]
        try:
            return _read_set("\n".join(lines).encode(), kind)
        except (NumberListError, CodeListError) as error:
            for line, what in error.errors:
                where = (*loc, line - 1)
                self.problems.append(_line(self._document.file_of(where), self._document.key_of(where), what, kind))
            return None

    def _file(self, loc: Loc, name: str, kind: Kind, old: Old | None) -> NumberSet | None:
        path = self._document.path.parent / name
        if (path, kind) not in self._files:
            self._files[path, kind] = self._read(loc, path, kind, old)
        return self._files[path, kind]

    def _read(self, loc: Loc, path: Path, kind: Kind, old: Old | None) -> NumberSet | None:
        from edge_agent._hot import NumberListError

        where = self._document.file_of(loc), self._document.key_of(loc)
        try:
            with open_regular(path) as (file_key, file):
                key = file_key, kind
                self.used.add(key)
                if key not in self._cache.sets:
                    self._cache.sets[key] = self._read_file(file, file_key, kind)
                if old is not None and old[0]:
                    self._tell_age(path, file, file_key, old)
            return self._cache.sets[key]
        except OSError as error:
            self.problems.append(unreadable(*where, path, error))
        except ListFailed as error:
            self.problems.append(problem("list-failed", *where, why=f"{path}: {error}"))
        except (NumberListError, CodeListError) as error:
            self._bad_lines(path, error.errors, kind)
        return None

    def _read_file(self, file: BinaryIO, key: FileKey, kind: Kind) -> NumberSet:
        if kind == "codes" or key[2] <= LONG_BYTES:
            return _read_set(file.read(), kind)
        compiled = self._cache.compiled
        numbers = compiled.get(file.fileno(), kind == "listed")
        self.notices += [problem("list-file", "", "", what=told) for told in compiled.told]
        compiled.told.clear()
        return numbers

    def _tell_age(self, path: Path, file: BinaryIO, key: FileKey, old: Old) -> None:
        """By the date that stands at its head, else by its time of change."""
        head = os.pread(file.fileno(), _HEAD_BYTES, 0).decode("utf-8", "replace")
        made = next(_dates(head), None)
        by = "the date at its head" if made is not None else "its time of change"
        age = Age(str(path), made if made is not None else key[1] / 1e9, by, *old)
        self.ages.append(age)
        if (notice := age.notice(time.time())) is not None:
            self.notices.append(notice)

    def _bad_lines(self, path: Path, errors: list[tuple[int, str]], kind: Kind) -> None:
        self.problems += [_line(str(path), f"line {line}", what, kind) for line, what in errors[:LINES_SHOWN]]
        if len(errors) >= LINES_SHOWN:
            self.problems.append(problem("list-more", str(path), "", count=LINES_SHOWN))


def _read_set(text: bytes, kind: Kind) -> NumberSet:
    from edge_agent._hot import NumberSet

    return NumberSet(read_codes(text) if kind == "codes" else text, kind != "owned")


def _line(file: str, key: str, what: str, kind: Kind) -> Problem:
    return (
        problem("code-line", file, key, what=what, hint=HINT)
        if kind == "codes"
        else problem("list-line", file, key, what=what)
    )


def _dates(head: str) -> Iterator[float]:
    """Wall seconds of the dates that a list's head gives itself."""
    for found in _DATED.finditer(head):
        parts = (found["year"], found["month"], found["day"]) if found["year"] else found.groups()[:3]
        try:
            yield time.mktime(date(*map(int, parts)).timetuple())
        except (ValueError, OverflowError):
            continue


def unreadable(file: str, key: str, path: object, error: OSError) -> Problem:
    """The problem of a list that can't be read."""
    hints = {
        errno.ENOENT: "the path is relative to the folder of the configuration",
        errno.EACCES: "the agent's user needs to read it, and to enter its folders",
    }
    why = f"{path}: {error.strerror or error}"
    return problem("list-unreadable", file, key, why=why, hint=hints.get(error.errno or 0, ""))


def shared_numbers(owned: dict[str, tuple[NumberSet, ...]]) -> tuple[list[tuple[str, str, str]], bool]:
    """Pairs of trunks that own the same number, with one such number; and whether every pair was compared."""
    shared: list[tuple[str, str, str]] = []
    names = list(owned)
    left = _PAIRS_COMPARED
    for position, second in enumerate(names):
        for first in names[:position]:
            left -= len(owned[first]) * len(owned[second])
            if left < 0:
                return shared, False
            number = _common(owned[first], owned[second])
            if number is not None:
                shared.append((first, second, number))
    return shared, True


def _common(first: tuple[NumberSet, ...], second: tuple[NumberSet, ...]) -> str | None:
    return next((number for one in first for other in second if (number := one.overlaps(other)) is not None), None)


@contextmanager
def open_regular(path: Path) -> Iterator[tuple[FileKey, BinaryIO]]:
    """The file and its key. Never waits: a pipe or a device is refused."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError("is no regular file")
        yield (str(path), status.st_mtime_ns, status.st_size), file


def read_regular(path: Path, known: Container[FileKey]) -> tuple[FileKey, bytes | None]:
    """The file's key, and its bytes if the key is new."""
    with open_regular(path) as (key, file):
        return key, None if key in known else file.read()
