"""Lists of numbers, as they stand in a trunk's key or in a file, to sets of the engine. Unchanged files are read once.

The grammar of a list is the engine's; nothing here reads a number.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.errors import Problem, problem
from edge_agent.policy.merge import Document, Loc
from edge_agent.policy.settings import Trunk

if TYPE_CHECKING:
    from edge_agent._hot import NetworkSet, NumberSet

_FILE = "file:"
LINES_SHOWN = 20
"""Bad lines of one file that are told; the engine stops reading there too."""
_PAIRS_COMPARED = 50_000
"""Pairs of sets that one load compares; more than that would make reloads of large fleets of trunks slow."""

FileKey = tuple[str, int, int]
"""Path, time of change in nanoseconds, size: while these stay, so does the content."""


@dataclass
class NumberCache:
    """Sets of files that are already read. Give the same cache to every load of a process."""

    sets: dict[FileKey, NumberSet] = field(default_factory=dict)
    networks: dict[FileKey, NetworkSet] = field(default_factory=dict)

    def keep(self, used: set[FileKey], used_networks: set[FileKey]) -> None:
        """Forget the sets that the policy in force doesn't use."""
        self.sets = {key: numbers for key, numbers in self.sets.items() if key in used}
        self.networks = {key: networks for key, networks in self.networks.items() if key in used_networks}


class ListReader:
    """Reads the lists of one load; collects what is wrong with them."""

    def __init__(self, document: Document, cache: NumberCache) -> None:
        self._document = document
        self._cache = cache
        self._files: dict[Path, NumberSet | None] = {}
        self.used: set[FileKey] = set()
        self.problems: list[Problem] = []

    def sets_of(self, index: int, trunk: Trunk) -> tuple[NumberSet, ...]:
        """The sets of one trunk."""
        return self.sets_at(("trunk", index, "caller_ids"), trunk.caller_ids)

    def sets_at(self, loc: Loc, entries: list[str]) -> tuple[NumberSet, ...]:
        """The sets of one key: that of the entries in it, then one for each file."""
        files = [entry.startswith(_FILE) for entry in entries]
        inline = None
        if not all(files):
            inline = self._inline(loc, entries, files)
        named = [
            self._file((*loc, position), entry.removeprefix(_FILE))
            for position, (entry, is_file) in enumerate(zip(entries, files, strict=True))
            if is_file
        ]
        return tuple(numbers for numbers in (inline, *named) if numbers is not None)

    def _inline(self, loc: Loc, entries: list[str], files: list[bool]) -> NumberSet | None:
        from edge_agent._hot import NumberListError, NumberSet

        # A file's place stays as an empty line, so that line n is entry n - 1.
        lines = ["" if is_file else entry for entry, is_file in zip(entries, files, strict=True)]
        try:
            return NumberSet("\n".join(lines).encode())
        except NumberListError as error:
            for line, what in error.errors:
                where = (*loc, line - 1)
                file, key = self._document.file_of(where), self._document.key_of(where)
                self.problems.append(problem("list-line", file, key, what=what))
            return None

    def _file(self, loc: Loc, name: str) -> NumberSet | None:
        path = self._document.path.parent / name
        if path not in self._files:
            self._files[path] = self._read(loc, path)
        return self._files[path]

    def _read(self, loc: Loc, path: Path) -> NumberSet | None:
        from edge_agent._hot import NumberListError, NumberSet

        try:
            key, text = read_regular(path, self._cache.sets)
            self.used.add(key)
            if text is not None:
                self._cache.sets[key] = NumberSet(text)
            return self._cache.sets[key]
        except OSError as error:
            why = f"{path}: {error.strerror or error}"
            file, name = self._document.file_of(loc), self._document.key_of(loc)
            self.problems.append(problem("list-unreadable", file, name, why=why))
        except NumberListError as error:
            self._bad_lines(path, error.errors)
        return None

    def _bad_lines(self, path: Path, errors: list[tuple[int, str]]) -> None:
        for line, what in errors[:LINES_SHOWN]:
            self.problems.append(problem("list-line", str(path), f"line {line}", what=what))
        if len(errors) >= LINES_SHOWN:
            self.problems.append(problem("list-more", str(path), "", count=LINES_SHOWN))


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


def read_regular(path: Path, known: Container[FileKey]) -> tuple[FileKey, bytes | None]:
    """The file's key, and its bytes if the key is new. Never waits: a pipe or a device is refused."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError("is no regular file")
        key = (str(path), status.st_mtime_ns, status.st_size)
        return key, None if key in known else file.read()
