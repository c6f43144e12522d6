"""display-name, read plainly: what a name shows, by Unicode's own words. It is slow and shares no table with the engine."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from edge_agent.numbering.skeleton import GONE, HIDDEN, fold

REAL, WHOLE, KEPT = 5, 7, 256
ALIKE = {"o": "0", "l": "1", "i": "1"}


def seen(name: str) -> tuple[str, bool]:
    """The characters that people see, separators as "-", others as "?"; and whether some are hidden."""
    text, hidden = "", False
    for character in name:
        code = ord(character)
        kind = HIDDEN if 0xE0000 <= code < 0xE1000 else fold(character) if code < 0x20000 else 0
        if kind == HIDDEN:
            hidden = True
        elif kind != GONE:
            text += chr(kind) if kind else "?"
    return text, hidden


def numbers(text: str) -> list[tuple[bool, str, int]]:
    """Groups of digits: after a plus or not, the digits with letters read as some, and how many were written as digits."""
    joined = text.replace("-", "")
    return [
        (plus == "+", "".join(ALIKE.get(c, c) for c in group), sum(c.isdigit() for c in group))
        for plus, group in re.findall(r"(\+?)([0-9oli]+)", joined)
    ]


def display(name: str, marks: list[str], own: Callable[[bool, str], bool]) -> str:
    """The reason, or nothing. ``own``: may this trunk's call show that number?"""
    text, hidden = seen(name)
    for plus, digits, real in numbers(text):
        if len(digits) >= WHOLE and real >= REAL and (len(digits) > 15 or not own(plus, digits)):
            return "display-number"
    shown = [c for c in text if c.isalnum()]
    if re.search(r"(?<![a-z0-9])sips?:[^-]", text):
        return "display-uri"
    if hidden or len(shown) >= KEPT and len([c for c in text if c != "-"]) > KEPT:
        return "display-hidden"
    return "display-mark" if any(mark in "".join(shown) for mark in marks) else ""


def is_plain(name: str) -> bool:
    """Holds nothing that a SIP message couldn't carry in a quoted string."""
    return all(unicodedata.category(c) not in ("Cc", "Cs", "Cn") and c not in '"\\' for c in name)
