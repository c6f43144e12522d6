"""One do-not-call request: what is read of a command or a file, and how long it holds. It keeps nothing.

47 CFR 64.1200(d): who asks a caller not to call is not called for five years. A
request is of one trunk's calls, or of all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import NamedTuple

from edge_agent import _hot
from edge_agent.events.record import clean
from edge_agent.numbering.plans import plan

KEEP_DAYS = 5 * 365 + 2
"""Five years, however many of them are leap years."""
KEEP_SECONDS = KEEP_DAYS * 86400.0
LIMIT = 262_144
"""Requests in all, the engine's REQUESTS."""
REASON_LIMIT = 120
SHOWN = 20
_SEPARATORS = str.maketrans("", "", " \t-.()")
_DIGITS = (7, 15)
_LINE = re.compile(
    r"(?P<number>\+?[0-9 ().-]*?[0-9)])(?:[ \t,;]+(?P<date>\d{4}-\d{2}-\d{2}))?(?:[ \t,;]+(?P<reason>[^\W\d_].*))?"
)


class BadRequest(ValueError):
    """It can't be read; the text is the line an operator reads."""


class Request(NamedTuple):
    """Digits of the number, the trunk ("": all), when it was asked (wall seconds), and in whose words why."""

    number: str
    trunk: str
    asked: float
    reason: str

    @property
    def ends(self) -> float:
        """Until when it holds, wall seconds."""
        return self.asked + KEEP_SECONDS


def read_number(text: str, country: str) -> str:
    """Canonical digits of a number as written in that country. BadRequest."""
    written = text.translate(_SEPARATORS)
    number = _hot.canonical(written, plan(country)) if re.fullmatch(r"\+?[0-9]+", written, re.ASCII) else ""
    if not _DIGITS[0] <= len(number) <= _DIGITS[1]:
        raise BadRequest(f"{clean(text, 40)!r} is no telephone number; write it as +12125550100")
    return number


def read_date(text: str, wall: float) -> float:
    """Wall seconds of a date (UTC) that isn't to come. BadRequest."""
    try:
        asked = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC).timestamp()
    except ValueError:
        raise BadRequest(f"{clean(text, 40)!r} is no date; write it as 2026-01-31") from None
    if asked > wall:
        raise BadRequest(f"{text} is yet to come; a request holds from when it was made")
    if asked + KEEP_SECONDS <= wall:
        raise BadRequest(f"{text} is more than five years ago: such a request has ended")
    return asked


def make(number: str, country: str, trunk: str, reason: str, asked: str, wall: float) -> Request:
    """A request out of its texts; ``asked`` is a date, "": now. BadRequest."""
    when = read_date(asked, wall) if asked else wall
    return Request(read_number(number, country), trunk, when, clean(reason, REASON_LIMIT))


def read_file(text: str, country: str, wall: float) -> list[tuple[str, str, str]]:
    """Number, date and reason of each entry: "+12125550100 2026-01-31 by letter". ``#`` starts a comment.

    BadRequest with every line that can't be kept, and what is wrong with it.
    """
    found: list[tuple[str, str, str]] = []
    bad: list[str] = []
    for line, written in enumerate(text.splitlines(), 1):
        entry = written.partition("#")[0].strip()
        if not entry:
            continue
        try:
            number, asked, reason = _read_line(entry)
            make(number, country, "", reason, asked, wall)
        except BadRequest as error:
            bad.append(f"line {line}: {error}")
        else:
            found.append((number, asked, reason))
    if bad:
        more = f"\nand {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        raise BadRequest("\n".join(bad[:SHOWN]) + more)
    return found


def _read_line(entry: str) -> tuple[str, str, str]:
    """Number, date and reason. BadRequest names the one that can't be told."""
    match = _LINE.fullmatch(entry)
    if match is not None:
        return match["number"], match["date"] or "", match["reason"] or ""
    number = re.match(r"\+?[0-9 ().-]*[0-9)](?=[ \t,;])", entry)
    if number is None:
        raise BadRequest(f"{clean(entry, 40)!r} doesn't begin with a telephone number; write it as +12125550100")
    rest = clean(entry[number.end() :].strip(" \t,;"), 40)
    raise BadRequest(f"{rest!r} is neither a date, written as 2026-01-31, nor a reason, which begins with a letter")


def check_trunk(trunk: str, known: Iterable[str]) -> None:
    """BadRequest unless it is "" or one of these."""
    names = list(known)
    if trunk and trunk not in names:
        raise BadRequest(f"there is no trunk {clean(trunk, 40)!r}; there are: {', '.join(names) or 'none'}")
