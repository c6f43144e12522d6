"""Numbers: canonical form by national plan, sets of numbers, and the forms of an emergency call.

It reads each rule of the text in the order in which it stands there. It holds no plan of its own: whoever calls
it hands the plan over.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from urllib.parse import unquote_to_bytes

from tests.oracle.uri import BAD_ESCAPE, SEPARATORS, Uri, read_uri


class Plan(Protocol):
    """What is asked of a national plan; ``edge_agent.numbering.plans.Plan`` is one."""

    @property
    def country_code(self) -> int: ...
    @property
    def idd(self) -> tuple[str, ...]: ...
    @property
    def national_prefix(self) -> str: ...
    @property
    def national_lengths(self) -> frozenset[int]: ...


LONGEST = 15  # E.164 §6
SHORTEST = 4  # digits of a number that a prefix can stand for


def canonical(number: str, plan: Plan) -> str | None:
    """E.164 digits of a number as dialled in a country, None when the plan can't tell.

    Whether the digits behind a "+" are possible is a question of its own, ``possible``.
    """
    if number.startswith("+"):
        return e164(number[1:])
    code, national = str(plan.country_code), plan.national_prefix
    for prefix in sorted(plan.idd, key=len, reverse=True):
        if prefix and number.startswith(prefix) and len(number) > len(prefix):
            return e164(number[len(prefix) :])
    if national and number.startswith(national) and len(number) - len(national) in plan.national_lengths:
        return e164(code + number[len(national) :])
    if number.startswith(code) and len(number) - len(code) in plan.national_lengths:
        return e164(number)
    if len(number) in plan.national_lengths:
        return e164(code + number)
    return None


def e164(digits: str) -> str | None:
    """The digits if they can be an international number: a country code first, 15 at most (E.164 §6)."""
    return digits if 1 <= len(digits) <= LONGEST and digits[0] != "0" else None


def possible(digits: str, country_codes: Mapping[int, frozenset[int]]) -> bool:
    """Do the digits start with an assigned country code that has numbers of the remaining length?"""
    if len(digits) > LONGEST or digits.startswith("0"):
        return False
    for width in (1, 2, 3):  # country codes are prefix-free, so at most one fits
        lengths = country_codes.get(int(digits[:width] or 0))
        if lengths is not None:
            return len(digits) - width in lengths
    return False


def read_number(text: str) -> str:
    """The digits of "+" and an E.164 number; blanks and separators mean nothing. "" for anything else."""
    digits = re.sub(r"[ \t\-.()]", "", text)
    return digits[1:] if re.fullmatch(r"\+[1-9][0-9]{0,14}", digits, re.ASCII) else ""


def of_uri(uri: bytes, plan: Plan) -> str | None:
    """E.164 digits of the number in a URI, None when nobody may read one there.

    Parameters stand in the user part of a sip URI (RFC 3261 §19.1.6), behind the number of a tel URI.
    """
    read = read_uri(uri)
    if read is None or read["scheme"] not in ("sip", "sips", "tel"):
        return None
    rest = uri.partition(b":")[2]
    subscriber = rest if read["scheme"] == "tel" else rest.rpartition(b"@")[0]
    for written in subscriber.split(b";")[1:]:
        name, _, value = written.partition(b"=")
        word = re.match(rb"[A-Za-z0-9.!*_+`'~-]*%?", name)
        assert word is not None
        if word[0].endswith(b"%") or name[:2].lower() == b"m-":
            return None
        if name.lower() == b"phone-context" and not read["user"].startswith((b"+", b"%2B", b"%2b")):
            code = re.match(rb"(?:\+|%2[Bb])([0-9]*)", value)
            if code and (not code[1] or int(code[1]) != plan.country_code or len(code[1]) > 32):
                return None
    user = SEPARATORS.sub(b"", unquote_to_bytes(read["user"])) if not BAD_ESCAPE.search(read["user"]) else b""
    if re.fullmatch(rb"[0-9]{16,24}", user) and b"%" not in read["user"]:
        # As long as that only with its international prefix.
        return canonical(user.decode(), plan) if user.decode().startswith(plan.idd) else None
    return canonical(read["number"], plan) if read["number"] else None


DATED = re.compile(rb"(.*?)[ \t]+([0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ \tT].*)?)", re.DOTALL)


def end_of(text: str) -> int:
    """Wall nanoseconds at which a date, as a whole day, or a date and time is over; UTC unless it says otherwise."""
    end = datetime.fromisoformat(text.strip())
    end += timedelta(days=1) if len(text.strip()) == 10 else timedelta()
    return max(int((end if end.tzinfo else end.replace(tzinfo=UTC)).timestamp()), 1) * 10**9


class NumberSet:
    """A list of numbers as its text says: one number, range or prefix a line, in a dated list each perhaps with its end.

    A prefix covers every number of ``SHORTEST`` to ``LONGEST`` digits that starts with it.
    """

    def __init__(self, text: bytes, dated: bool = False) -> None:
        self.errors: list[int] = []  # line numbers
        self.entries: list[tuple[str, str, float]] = []  # low, high and end; a prefix has no high
        for number, raw in enumerate(text.split(b"\n"), 1):
            entry = raw.partition(b"#")[0].strip(b" \t\r")
            end = math.inf
            if dated and (found := DATED.fullmatch(entry)):
                try:
                    end = end_of(found[2].decode("ascii"))
                except (ValueError, OverflowError):
                    self.errors.append(number)
                entry = found[1]
            line = entry.decode("latin-1")
            low, dots, high = line.partition("..")
            if not line and end == math.inf:
                continue
            if low.endswith("*") and not dots:
                first, last = read_number(low[:-1]), ""
                fine = first != ""
            else:
                first, last = read_number(low), read_number(high if dots else low)
                fine = first != "" and last != "" and len(first) == len(last) and first <= last
            self.entries.append((first, last, end))
            if not fine:
                self.errors.append(number)

    def __contains__(self, digits: str) -> bool:
        return self.has(digits, 0)

    def has(self, digits: str, wall_ns: int) -> bool:
        if digits.startswith("0") or len(digits) > LONGEST:
            return False
        return any(
            wall_ns < end
            and (
                len(low) == len(digits) and low <= digits <= high
                if high
                else len(digits) >= SHORTEST and digits.startswith(low)
            )
            for low, high, end in self.entries
        )


# A service as a user part: of the second labels those that are registered.
SERVICE = re.compile(
    rb"(?:urn:service:)?(test[.:])?sos(?:\.(?:ambulance|animal-control|country-specific|ecall|fire|gas|marine|mountain"
    rb"|physician|poison|police)(?:\..*)?)?",
    re.DOTALL,
)


@dataclass(frozen=True)
class DialStrings:
    """The complete strings of digits that reach an emergency service."""

    exact: Collection[str]
    plus: Collection[str]
    tests: Collection[str]


def emergency(uri: Uri, dial: DialStrings, dialstring: bool = False, context: str = "") -> str:
    """What a Request-URI or Refer-To reaches, read as received: "sos", "test" or nothing ("").

    Only a complete string matches, and a "+" is looked at before it is dropped: +91 11 ... is New Delhi.
    ``dialstring``: the URI has user=dialstring (RFC 4967). ``context``: the digits of its phone-context; they and the
    local ones are an international number.
    """
    if uri["scheme"] == "urn":
        name = unquote_to_bytes(uri["host"]).lower()
        urn = re.match(rb"service:(test[.:])?sos(?:[.?#;]|$)", name)
        return "" if urn is None else "test" if urn[1] else "sos"
    if uri["scheme"] == "other":
        return ""
    if not uri["user"]:
        return reached(uri["host"].decode("latin-1"), dial) if uri["host"].isdigit() else ""
    user = unquote_to_bytes(uri["user"].partition(b";")[0])
    service = SERVICE.fullmatch(user.lower()) if uri["scheme"] != "tel" else None
    if service:
        return "test" if service[1] else "sos"
    # Where no letter or pause stands, a sloppy reader may drop whatever is no digit: 911! and 91/1 are 911 to it.
    bare = "" if re.search(rb"[A-Za-z+*#,;]", user) else re.sub(rb"[^0-9]", b"", user).decode()
    return by_telephone(user.decode("latin-1"), dial, dialstring, context) or reached(bare, dial, context)


def reached(digits: str, dial: DialStrings, context: str = "") -> str:
    """What a whole dial string reaches."""
    if digits.startswith("+"):
        return "sos" if digits[1:] in dial.plus else ""
    if digits in dial.exact or (context and digits and context + digits in dial.plus):
        return "sos"
    return "test" if digits in dial.tests else ""


def by_telephone(user: str, dial: DialStrings, dialstring: bool, context: str) -> str:
    """What a telephone dials for it: at each pause, all digits so far and those behind the last pause or code."""
    text = re.sub(r"[ \-.()]", "", user)
    pause = "[,;pPwWxX]" if dialstring else "[,;pPwW]"
    before, own = "", ""  # digits before the last pause or code; those behind it
    while True:
        if text[:1].isascii() and text[:1].isdigit():
            own, text = own + text[0], text[1:]
        elif text.startswith("+") and before + own == "":
            own, text = "+", text[1:]
        elif (code := re.match(r"[*#][0-9]{2}#?", text, re.ASCII)) and may_begin(before + own, text[0]):
            before, own, text = before + own, "", text[code.end() :]
        elif text == "" or re.match(pause + "|#", text):
            found = reached(before + own, dial, context)
            if found and own and reached(own, dial, context):
                return found
            if text == "" or text[0] == "#" or (before + own).startswith("+"):
                return ""
            before, own, text = before + own, "", text[1:]
        else:
            return ""


def may_begin(dialled: str, mark: str) -> bool:
    """May a service code stand behind what was dialled so far? Behind outside-line digits, if it begins with '*'."""
    return dialled == "" or (mark == "*" and dialled[0] != "+" and len(dialled) <= 4)
