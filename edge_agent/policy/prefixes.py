"""Deny and allow lists of called prefixes, as they stand in [rules.destination] and at trunks, to one table a trunk.

The grammar of a line is ``numbering/prefixes.py``'s. Trunks with equal lists share a table.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.errors import Problem, problem
from edge_agent.numbering.prefixes import MOST, SHOWN, PrefixListError, read_prefixes, write_prefix
from edge_agent.policy.draft import Draft
from edge_agent.policy.lists import read_regular, unreadable
from edge_agent.policy.merge import Document, Loc
from edge_agent.rules import RuleSettings
from edge_agent.rules.destination import DestinationSettings

if TYPE_CHECKING:
    from edge_agent._hot import Prefixes

_FILE = "file:"
ALLOW, DENY = 1, 2
"""Values in a table, the engine's PREFIX_ALLOW and PREFIX_DENY."""

Verdicts = dict[str, int]


class PrefixReader:
    """Reads the prefixes of one load; collects what is wrong with them."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._files: dict[Path, dict[str, int] | None] = {}
        self.problems: list[Problem] = []

    def destinations(self, draft: Draft) -> dict[str, Prefixes]:
        """The table of each trunk that is denied something."""
        from edge_agent._hot import Prefixes

        general = self._verdicts(("rules", "destination"), draft.rules.get("destination"))
        tables: dict[frozenset[tuple[str, int]], Prefixes] = {}
        found: dict[str, Prefixes] = {}
        for index, trunk in draft.trunk.items():
            own = self._verdicts(("trunk", index, "rules", "destination"), trunk.rules.get("destination"))
            verdicts = {**general, **own}
            if DENY in verdicts.values():
                key = frozenset(verdicts.items())
                if key not in tables:
                    tables[key] = Prefixes(verdicts)
                found[trunk.name] = tables[key]
        return found

    def _verdicts(self, loc: Loc, settings: RuleSettings | None) -> Verdicts:
        if not isinstance(settings, DestinationSettings):
            return {}
        allowed = self._places((*loc, "allow"), settings.allow)
        denied = self._places((*loc, "deny"), settings.deny)
        both = [prefix for prefix in denied if prefix in allowed]
        for prefix in both[:SHOWN]:
            file, key = denied[prefix]
            other = ": ".join(allowed[prefix])
            self.problems.append(problem("prefix-both", file, key, prefix=write_prefix(prefix), place=other))
        return {**dict.fromkeys(allowed, ALLOW), **dict.fromkeys(denied, DENY)}

    def _places(self, loc: Loc, entries: list[str]) -> dict[str, tuple[str, str]]:
        """The prefixes of one key, each with the file and the key or line where it stands."""
        places: dict[str, tuple[str, str]] = {}
        for position, entry in enumerate(entries):
            here = (*loc, position)
            file, key = self._document.file_of(here), self._document.key_of(here)
            if entry.startswith(_FILE):
                path = self._document.path.parent / entry.removeprefix(_FILE)
                for prefix, line in (self._file(file, key, path) or {}).items():
                    places.setdefault(prefix, (str(path), f"line {line}"))
                continue
            try:
                places.update(dict.fromkeys(read_prefixes(entry), (file, key)))
            except PrefixListError as error:
                self.problems.append(problem("prefix-line", file, key, what=error.errors[0][1]))
        if len(places) > MOST:
            file, key = self._document.file_of(loc), self._document.key_of(loc)
            self.problems.append(problem("prefix-many", file, key, most=f"{MOST:,}"))
            return {}
        return places

    def _file(self, file: str, key: str, path: Path) -> dict[str, int] | None:
        if path not in self._files:
            self._files[path] = self._read(file, key, path)
        return self._files[path]

    def _read(self, file: str, key: str, path: Path) -> dict[str, int] | None:
        try:
            text = read_regular(path, ())[1] or b""
            return read_prefixes(text.decode("utf-8", "replace"))
        except OSError as error:
            self.problems.append(unreadable(file, key, path, error))
        except PrefixListError as error:
            self.problems += [
                problem("prefix-line", str(path), f"line {line}", what=what) for line, what in error.errors
            ]
            if len(error.errors) == SHOWN:
                self.problems.append(problem("list-more", str(path), "", count=SHOWN))
        return None
