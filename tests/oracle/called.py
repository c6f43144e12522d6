"""The called number as a switch may read it, and the longest prefix of it, read plainly. It holds no plan of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from tests.oracle.numbers import LONGEST, Plan, canonical

SERVICE_CODE = re.compile(r"[*#]\d\d#?", re.ASCII)
DIALLED = 40  # characters of a dial string that anybody looks at
BEFORE = 6  # of them before a "+" or a pause inside the number
LONG = 11  # digits that are read in more than one way, if the plan has no number of them
ABROAD = 8  # digits of the shortest number behind an international prefix


def longest(digits: str, prefixes: Mapping[str, int]) -> int:
    """The value of the longest prefix of the digits; 0 if none fits."""
    fitting = [prefix for prefix in prefixes if digits.startswith(prefix)]
    return prefixes[max(fitting, key=len)] if fitting else 0


def dialled(user: str, plan: Plan) -> list[str]:
    """Digits that a user part without a canonical number may lead to, without what switches ignore; "" for no number.

    The first is what the plan's own country reads; then what is read behind an outside line, or elsewhere.
    """
    text = _written(user)
    plus = re.fullmatch(r"\+[1-9]\d*", text, re.ASCII) is not None
    text = text.removeprefix("+")
    if not re.fullmatch(r"\d+", text, re.ASCII):
        return [""]
    known = canonical(text, plan) if len(text) <= LONGEST else None
    first = text[:LONGEST] if plus else known or _cut(text, plan)
    return [first, *_elsewhere(text, plus, plan)]


def _written(user: str) -> str:
    """The digits, with or without "+", between an outside line or service code and what is dialled after the answer."""
    text = ""
    for sign in _decoded(user):
        if sign in ";:" or (sign in "+,pPwW" and len(text) > BEFORE) or len(text) == DIALLED:
            break
        if sign == "+":
            if not re.fullmatch(r"[\d*#+]*", text, re.ASCII):
                return ""
            text = "+"
        elif sign not in " -.(),pPwW":
            text += sign
    while (code := SERVICE_CODE.match(text)) and len(text) > 3:
        text = text[code.end() :]
    return text.rstrip("#")


def _elsewhere(text: str, plus: bool, plan: Plan) -> list[str]:
    if len(text) < LONG or (plus and len(text) <= LONGEST):
        return []
    own, national, most = [p for p in plan.idd if p], plan.national_prefix, max(plan.national_lengths)
    at_home = bool(national) and text.startswith(national)
    found = _behind(own, text[1:])
    if plan.country_code == 1 and text.startswith("101") and len(text) > LONGEST:
        rest = text[7:]
        found.append((canonical(rest, plan) if len(rest) <= LONGEST else None) or _cut(rest, plan))
    at_home = at_home and len(text) <= len(national) + most + 2
    for line in ("", text[0], 2 * text[0]):
        rest = text[len(line) :]
        if not text.startswith(line) or (line and text[0] not in "09"):
            break
        found += _behind(own, rest) + _behind(["00"], rest)
        if plus:
            continue
        if line and len(rest) <= LONGEST:
            found.append(canonical(rest, plan) or "")
        if not at_home and len(rest) > most:
            found += [_abroad(rest), *_behind(["0011"], rest), *_behind(["000", "001", "010", "011"], rest)]
    return [number for number in found if number]


def _behind(prefixes: list[str], text: str) -> list[str]:
    fitting = [prefix for prefix in prefixes if text.startswith(prefix) and len(text) > len(prefix)]
    return [_abroad(text[len(max(fitting, key=len)) :])] if fitting else []


def _abroad(text: str) -> str:
    return "" if len(text) < ABROAD or text.startswith("0") else text[:LONGEST]


def _cut(text: str, plan: Plan) -> str:
    for idd in sorted((*plan.idd, "00"), key=lambda prefix: (prefix == "00", -len(prefix))):
        if idd and text.startswith(idd) and len(text) > len(idd):
            rest = text[len(idd) :]
            return "" if rest.startswith("0") else rest[:LONGEST]
    code, national, most = str(plan.country_code), plan.national_prefix, max(plan.national_lengths)
    if national and text.startswith(national) and len(text) > most + len(national):
        return (code + text[len(national) :])[:LONGEST]
    if text.startswith(code) and len(text) > most + len(code):
        return text[:LONGEST]
    return (code + text)[:LONGEST] if len(text) > most else ""


def _decoded(user: str) -> str:
    return unquote_to_bytes(user).decode("latin-1")
