"""Codes of the North American plan that nobody was given, as an operator writes them or as NANPA lists them.

A list has one code a line, then perhaps an end: an area code (``223``), a central
office code (``212-555``) or one of its blocks of a thousand (``212-555-1``). NANPA's
list of area codes (``npa_report.csv``) is taken as it is: those that are not in
service are unallocated, those that it doesn't name are left alone.

The result is a list of numbers that the engine reads, a code with a "+" before it,
line by line. Nothing here says which numbers can't exist: that is caller-format's.
"""

from __future__ import annotations

import csv
import re

LINES_SHOWN = 20

_CODE = re.compile(r"([2-9][0-9]{2})(?:[- ]?([2-9][0-9]{2})(?:[- ]?([0-9]))?)?(?=\s|$)\s*(.*)", re.DOTALL)
_REPORT = re.compile(rb"(?:\xef\xbb\xbf)?(?:File Date,[^\n]*\n)?NPA_ID,")
HINT = "write 223, 212-555 or 212-555-1, and a date behind it if it ends"


class CodeListError(ValueError):
    """A list of codes with bad lines. ``errors``: (line number from 1, what is wrong), the first twenty."""

    def __init__(self, errors: list[tuple[int, str]]) -> None:
        super().__init__(f"{len(errors)} bad line(s)")
        self.errors = errors


def read_codes(text: bytes) -> bytes:
    """The list of numbers for the engine; its lines are those of ``text``. CodeListError with every bad line."""
    return _report(text) if _REPORT.match(text) else _plain(text)


def _plain(text: bytes) -> bytes:
    lines: list[str] = []
    errors: list[tuple[int, str]] = []
    for number, raw in enumerate(text.split(b"\n"), 1):
        line = raw.partition(b"#")[0].decode("ascii", "replace").strip()
        code = _CODE.fullmatch(line)
        if line and code is None:
            errors.append((number, f"{line[:40]!r} is no code of the North American plan"))
            if len(errors) == LINES_SHOWN:
                break
        lines.append(f"+{''.join(filter(None, code.groups()[:3]))} {code[4]}" if code else "")
    if errors:
        raise CodeListError(errors)
    return "\n".join(lines).encode("ascii", "replace")


def _report(text: bytes) -> bytes:
    lines = text.decode("utf-8-sig", "replace").splitlines()
    start = 0 if lines[0].startswith("NPA_ID") else 1
    codes = [""] * start
    errors: list[tuple[int, str]] = []
    reader = csv.DictReader(lines[start:], strict=True)
    if "IN_SERVICE" not in (reader.fieldnames or ()):
        raise CodeListError([(start + 1, "a list of area codes without the column IN_SERVICE")])
    try:
        for row in reader:
            npa, service = row["NPA_ID"] or "", (row["IN_SERVICE"] or "").strip().upper()
            if not re.fullmatch(r"[2-9][0-9]{2}", npa) or service not in ("Y", "N"):
                errors.append((start + reader.line_num, "no area code with Y or N in IN_SERVICE"))
                if len(errors) == LINES_SHOWN:
                    break
            elif service == "N":
                codes.append(f"+{npa}")
    except csv.Error as error:
        errors.append((start + reader.line_num + 1, str(error)))
    if errors:
        raise CodeListError(errors)
    return "\n".join(codes).encode()
