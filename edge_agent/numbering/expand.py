"""A regular expression of phonenumbers' metadata to the finite list of digit strings it matches, or that its matches begin with.

The engine compares whole strings and runs no regular expressions, so the
metadata is written out at load. A pattern without an end is refused, never cut.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from itertools import product
from typing import Any

# The parser behind ``re`` (no public name, hence the import by string): its tree
# is far safer to walk than the text of a pattern.
_sre: Any = importlib.import_module("re._parser")
_op: Any = importlib.import_module("re._constants")

_ANY = "x"
LIMIT = 5_000
"""Twice what the longest one needs: China's international prefixes, 2,101 strings."""


def expand(pattern: str, limit: int = LIMIT) -> tuple[str, ...]:
    """Every string that ``pattern`` matches as a whole, sorted. ValueError if they are endless or above ``limit``."""
    return tuple(sorted(_sequence(_sre.parse(pattern), limit)))


def beginnings(pattern: str, limit: int = LIMIT) -> tuple[str, ...]:
    """The shortest strings of which any digits make a match of ``pattern``, as far as lengths allow; sorted.

    "900[2-4]\\d{6}" has 9002, 9003 and 9004. ValueError as in ``expand``.
    """
    # A letter, since no pattern of numbers has one, keeps what may be any digit from being written out.
    found = {string.rstrip(_ANY) for string in _sequence(_sre.parse(pattern.replace(r"\d", _ANY)), limit)}
    while any(_ANY in string for string in found):
        written = {string.replace(_ANY, digit, 1) for string in found if _ANY in string for digit in "0123456789"}
        found = _within({string for string in found if _ANY not in string} | written, limit)
    return tuple(sorted(one for one in found if not any(one[:n] in found for n in range(len(one)))))


def _sequence(nodes: Iterable[tuple[Any, Any]], limit: int) -> set[str]:
    strings = {""}
    for op, argument in nodes:
        strings = _join(strings, _node(op, argument, limit), limit)
    return strings


def _node(op: Any, argument: Any, limit: int) -> set[str]:
    if op is _op.LITERAL:
        return {chr(argument)}
    if op is _op.IN:
        return {character for item in argument for character in _class_item(*item)}
    if op is _op.BRANCH:
        return {string for branch in argument[1] for string in _sequence(branch, limit)}
    if op is _op.SUBPATTERN:
        return _sequence(argument[3], limit)
    if op in (_op.MAX_REPEAT, _op.MIN_REPEAT):
        low, high, nodes = argument
        return _repeat(low, high, nodes, limit)
    raise ValueError(f"a pattern with {op} has no finite list of strings")


def _class_item(op: Any, argument: Any) -> Iterable[str]:
    if op is _op.LITERAL:
        return (chr(argument),)
    if op is _op.RANGE:
        low, high = argument
        return map(chr, range(low, high + 1))
    if op is _op.CATEGORY and argument is _op.CATEGORY_DIGIT:
        return "0123456789"
    raise ValueError(f"a character class with {op} has no finite list of strings")


def _repeat(low: int, high: int, nodes: Any, limit: int) -> set[str]:
    if high is _op.MAXREPEAT:
        raise ValueError("a pattern without an end has no finite list of strings")
    part = _sequence(nodes, limit)
    strings: set[str] = set()
    run = {""}
    for count in range(high + 1):
        if count >= low:
            strings = _within(strings | run, limit)
        run = _join(run, part, limit)
    return strings


def _join(heads: set[str], tails: set[str], limit: int) -> set[str]:
    return _within({head + tail for head, tail in product(heads, tails)}, limit)


def _within(strings: set[str], limit: int) -> set[str]:
    if len(strings) > limit:
        raise ValueError(f"a pattern of more than {limit} strings")
    return strings
