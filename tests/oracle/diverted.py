"""Diversion and History-Info, read plainly: how often a call was diverted, and which entries name a station that forwarded.

Values are whole addresses in angle brackets, one each. It knows no number's owner.
"""

from __future__ import annotations

import re

PARAM = re.compile(r';\s*([^\s;=,"]+)(?:\s*=\s*("(?:[^"\\]|\\.)*"|[^;,\s"]*))?|"(?:[^"\\]|\\.)*"')


def params(value: str) -> dict[str, str]:
    """The parameters behind an address, names in small letters; of one name the first."""
    found: dict[str, str] = {}
    for match in PARAM.finditer(value[value.index(">") + 1 :]):
        if match[1]:
            found.setdefault(match[1].lower(), match[2] or "")
    return found


def count(diversions: list[str]) -> int:
    """RFC 5806: a Diversion counts as many as its counter, which has two digits at most; one that can't be is a hundred."""
    total = 0
    for value in diversions:
        counter = params(value).get("counter", "")
        total += 1 if not counter else int(counter) if re.fullmatch(r"0*[1-9][0-9]?", counter) else 100
    return total


def stations(history: list[str]) -> list[bool]:
    """RFC 7044: an entry that another was mapped from; every one where no entry tells how it came about."""
    read = [params(value) for value in history]
    if not any(entry.get("mp") or entry.get("rc") or entry.get("np") for entry in read):
        return [True] * len(history)
    mapped = {entry["mp"] for entry in read if entry.get("mp")}
    return [bool(entry.get("index")) and entry["index"] in mapped for entry in read]
