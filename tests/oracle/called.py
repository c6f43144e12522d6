"""The called number as a switch may read it, and the longest prefix of it, read plainly. It holds no plan of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from tests.oracle.numbers import LONGEST, Plan, canonical

SERVICE_CODE = re.compile(r"[*#]\d\d#?", re.ASCII)
DIALLED = 40  # characters of a dial string that anybody looks at


def longest(digits: str, prefixes: Mapping[str, int]) -> int:
    """The value of the longest prefix of the digits; 0 if none fits."""
    fitting = [prefix for prefix in prefixes if digits.startswith(prefix)]
    return prefixes[max(fitting, key=len)] if fitting else 0


def dialled(user: str, plan: Plan) -> str:
    """Digits that a user part without a canonical number leads to, without what a switch ignores; "" for no number."""
    text = re.split(r"[,;:pPwW]", _decoded(user))[0]
    text = re.sub(r"[ \-.()]", "", text)[:DIALLED]
    code = SERVICE_CODE.match(text)
    text = text[code.end() :] if code and len(text) > 3 else text
    text = text.rstrip("#")
    if re.fullmatch(r"\+[1-9]\d*", text, re.ASCII):
        return text[1 : 1 + LONGEST]
    text = text.removeprefix("+")
    if not re.fullmatch(r"\d+", text, re.ASCII):
        return ""
    known = canonical(text, plan) if len(text) <= LONGEST else None
    return known or _cut(text, plan)


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
