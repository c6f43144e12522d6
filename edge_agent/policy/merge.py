"""The configuration file and its drop-ins to one tree, which remembers the file of every key.

``conf.d/*.toml`` beside the file are merged over it in the order of their
names: tables by key, [[listen]] by address, [[upstream]] and [[trunk]] by name;
any other value replaces the one before. Nothing here knows what a key means.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_agent.errors import Problem, problem

Loc = tuple[str | int, ...]

_DROP_INS = "conf.d"


@dataclass
class Document:
    """The merged tree, as TOML gives it."""

    path: Path
    data: dict[str, Any] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    origin: dict[Loc, str] = field(default_factory=dict)
    """The file of each key; below a list or a plain value nothing is noted."""

    def file_of(self, loc: Loc) -> str:
        """The file that wrote the key, or the table that it should stand in."""
        for length in range(len(loc), 0, -1):
            if loc[:length] in self.origin:
                return self.origin[loc[:length]]
        return str(self.path)

    def key_of(self, loc: Loc) -> str:
        """The key as people read it: "trunk[acme].contact[0]"."""
        text = ""
        section = str(loc[0]) if loc else ""
        for position, part in enumerate(loc):
            if isinstance(part, int):
                label = _label(section, self.data.get(section), part) if position == 1 else ""
                text += f"[{label or part}]"
            else:
                text += f".{part}" if text else part
        return text


def read_files(path: Path) -> tuple[Document, list[Problem]]:
    """The merged configuration, and what couldn't be read of it."""
    document = Document(path)
    problems: list[Problem] = []
    for file in (path, *_drop_ins(path, problems)):
        try:
            table = tomllib.loads(file.read_bytes().decode())
        except OSError as error:
            problems.append(problem("file-unreadable", str(file), "", why=error.strerror or error))
        except UnicodeDecodeError as error:
            why = f"byte {error.start + 1} is no UTF-8"
            problems.append(problem("not-toml", str(file), "", why=why, hint="save it as UTF-8"))
        except tomllib.TOMLDecodeError as error:
            problems.append(problem("not-toml", str(file), "", why=error, hint=""))
        except RecursionError:
            problems.append(problem("not-toml", str(file), "", why="nested too deeply", hint=""))
        else:
            document.files.append(file)
            _merge_table(document, (), document.data, table, str(file))
    return document, problems


def _drop_ins(path: Path, problems: list[Problem]) -> list[Path]:
    folder = path.parent / _DROP_INS
    try:
        return sorted(file for file in folder.iterdir() if file.suffix == ".toml")
    except FileNotFoundError:
        return []
    except OSError as error:
        problems.append(problem("file-unreadable", str(folder), "", why=error.strerror or error))
        return []


def _merge_table(document: Document, loc: Loc, into: dict[str, Any], table: dict[str, Any], file: str) -> None:
    for key, value in table.items():
        here = (*loc, key)
        document.origin.setdefault(here, file)
        if isinstance(value, dict):
            if not isinstance(into.get(key), dict):
                into[key] = {}
                document.origin[here] = file
            _merge_table(document, here, into[key], value, file)
        elif _is_tables(value):
            if not _is_tables(into.get(key)):
                into[key] = []
                document.origin[here] = file
            _merge_tables(document, here, into[key], value, file)
        else:
            into[key] = value
            document.origin[here] = file


def _merge_tables(document: Document, loc: Loc, into: list[Any], tables: list[dict[str, Any]], file: str) -> None:
    # Entries of the same file never merge with each other: two trunks of one name are a mistake to report.
    earlier = {identity: index for index, entry in enumerate(into) if (identity := _identity(loc[0], entry))}
    for table in tables:
        index = earlier.get(_identity(loc[0], table) or ())
        if index is None:
            index = len(into)
            into.append({})
            document.origin[(*loc, index)] = file
        _merge_table(document, (*loc, index), into[index], table, file)


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(entry, dict) for entry in value)


def _identity(section: object, entry: dict[str, Any]) -> tuple[str, ...]:
    """What says that an entry of a drop-in means one that is there already; empty: nothing does."""
    if section == "listen":
        parts = (entry.get("transport", "udp"), entry.get("address"))
    else:
        parts = ("", entry.get("name"))
    return tuple(map(str, parts)) if isinstance(parts[1], str) else ()


def _label(section: str, entries: object, index: int) -> str:
    """Name or address of an entry, for people."""
    entry = entries[index] if isinstance(entries, list) and index < len(entries) else None
    label = entry.get("address" if section == "listen" else "name") if isinstance(entry, dict) else None
    return label if isinstance(label, str) and label.isprintable() else ""
