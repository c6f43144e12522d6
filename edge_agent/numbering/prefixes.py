"""Text to prefixes of E.164 numbers: one a line, "+1900*", or "*" for every number. It reads no file and decides nothing."""

from __future__ import annotations

import re

MOST = 200_000
"""Prefixes of one list; their table has 32 bytes for each."""
SHOWN = 20
"""Bad lines that are told."""
_SEPARATORS = str.maketrans("", "", " \t-.()")
_PREFIX = re.compile(r"\+([1-9][0-9]{0,14})\*?|\*", re.ASCII)


class BadPrefix(ValueError):
    """The text says what is wrong with it."""


class PrefixListError(ValueError):
    """A list with bad lines. ``errors``: (line number from 1, what is wrong), the first ones."""

    def __init__(self, errors: list[tuple[int, str]]) -> None:
        super().__init__(f"{len(errors)} bad line(s)")
        self.errors = errors


def read_prefixes(text: str) -> dict[str, int]:
    """Digits of each prefix ("" for "*") and the line where it stands first. ``#`` starts a comment; PrefixListError.

    The "*" may be left out: a number is the prefix of itself.
    """
    prefixes: dict[str, int] = {}
    errors: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        entry = line.partition("#")[0].strip()
        if not entry:
            continue
        try:
            prefixes.setdefault(read_prefix(entry), number)
        except BadPrefix as error:
            errors.append((number, str(error)))
            if len(errors) == SHOWN:
                break
    if errors:
        raise PrefixListError(errors)
    return prefixes


def read_prefix(entry: str) -> str:
    """The digits of one prefix as written; BadPrefix."""
    entry = entry.strip().translate(_SEPARATORS)
    match = _PREFIX.fullmatch(entry)
    if match is None:
        raise BadPrefix(_what(entry))
    return match[1] or ""


def write_prefix(digits: str) -> str:
    """The prefix as people write it."""
    return f"+{digits}*" if digits else "*"


def _what(entry: str) -> str:
    if any(c.isalpha() for c in entry):
        return "holds letters, no prefix of a number"
    if re.fullmatch(r"[0-9]+\*?", entry, re.ASCII):
        return "a prefix starts with + and a country code"
    return "no prefix of an E.164 number"
