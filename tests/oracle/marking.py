"""forged-marking, read plainly: what a request claims that its sender may not, and the caller headers that go on.

Rows in, rows out, by regular expressions over the text; it shares no table with the engine. Which numbers are the
sender's own, and whether the call is anonymous, it is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple
from urllib.parse import unquote

Row = tuple[str, str]
CALLERS = ("from", "p-asserted-identity", "p-preferred-identity", "remote-party-id", "diversion", "history-info")
KNOWN = re.compile(r"(?:(?:dsn|drsn|rts|crts)(?:-[0-9]{6})?|q735|ets|wps|esnet|mcpttp|mcpttq)", re.IGNORECASE)
VALUE = re.compile(r"[\w\-!%*+`'~]+\.[\w\-.!%*+`'~]+", re.ASCII)
QUOTED = r'"(?:[^"\\]|\\.)*"'
ADDRESS = re.compile(
    rf"(?P<before>\s*(?:{QUOTED}\s*|[^<\",]*))<(?P<uri>[^>]*)>(?P<behind>(?:{QUOTED}|[^,\"])*)", re.DOTALL
)
BEHIND = re.compile(rf'({QUOTED})|;\s*([^\s;=,"]+)(?:\s*=\s*(?:{QUOTED}|[^;,\s"]+))?', re.DOTALL)
MOST = 8  # verstat parameters that are taken out


class Reading(NamedTuple):
    """``reason`` is that of a refusal, or of the first marking taken out; ``rows`` are what goes on then."""

    reason: str
    refused: bool
    rows: list[Row]


def is_verstat(name: str) -> bool:
    return unquote(name).lower().strip() == "verstat"


def clean_uri(uri: str) -> tuple[str, int]:
    """The URI without its verstat parameters, and how many stood in it (neighbours are one)."""
    head, at, rest = uri.partition("@") if uri.lower().startswith("sip") else ("", "", uri)
    count = 0
    if at:
        scheme, colon, user = head.partition(":")
        user, count = clean_params(user, "[=:]")
        head = f"{scheme}{colon}{user}"
        if not user:
            at = ""
    rest, more = clean_params(rest, "=")
    return head + at + rest, count + more


def clean_params(text: str, ends: str) -> tuple[str, int]:
    first, *params = text.split(";")
    named = [is_verstat(re.split(ends, param, maxsplit=1)[0]) for param in params]
    kept = [param for param, bad in zip(params, named, strict=True) if not bad]
    groups = sum(bad and not before for bad, before in zip(named, [False, *named], strict=False))
    return ";".join([first, *kept]), groups


def clean_behind(text: str) -> tuple[str, int]:
    out, count, at, last = "", 0, 0, -1
    for match in BEHIND.finditer(text):
        if match[2] and is_verstat(match[2]):
            out += text[at : match.start()]
            count += match.start() != last
            at = last = match.end()
    return out + text[at:], count


def clean_value(value: str) -> tuple[str, int]:
    """A whole list of addresses in angle brackets."""
    total = 0

    def one(match: re.Match[str]) -> str:
        nonlocal total
        uri, inside = clean_uri(match["uri"])
        behind, after = clean_behind(match["behind"])
        total += inside + after
        return f"{match['before']}<{uri}>{behind}"

    return ADDRESS.sub(one, value), total


def addresses(value: str) -> list[str]:
    return [match[0].strip() for match in ADDRESS.finditer(value)]


def resource(rows: Sequence[Row]) -> str:
    """The reason to refuse Resource-Priority of one who isn't authorised, or nothing."""
    values = [part.strip() for name, value in rows if name.lower() == "resource-priority" for part in value.split(",")]
    required = any(
        "resource-priority" in re.split(r"[\s,]+", value.lower()) for name, value in rows if name.lower() == "require"
    )
    spaces = [value.partition(".")[0].lower() for value in values if VALUE.fullmatch(value)]
    if any(KNOWN.fullmatch(space) for space in spaces):
        return "marking-resource"
    if values and (len(spaces) < len(values) or len(set(spaces)) < len(spaces) or len(values) > 8):
        return "marking-repeated"
    return "marking-unknown" if values and required else ""


def markings(
    rows: Sequence[Row], asserts: Collection[str], checked: Callable[[str], bool], anonymous: bool = False
) -> Reading:
    """``checked``: is the address that of a number which the agent found to be the sender's own?

    A number of a trunk's that isn't its own gets no further than another rule, so none such is handed in.
    """
    refused = "" if "Resource-Priority" in asserts else resource(rows)
    found: list[str] = []
    out: list[Row] = []
    verstats = 0
    values = [one for name, value in rows if name.lower() == "p-asserted-identity" for one in addresses(value)]
    asserted = [one for one in values if "PAI" in asserts or checked(one)]
    preferred = [one for name, value in rows if name.lower() == "p-preferred-identity" for one in addresses(value)]
    promote = anonymous and not asserted and all(map(checked, preferred))
    for name, value in rows:
        low = name.lower()
        if low.startswith("x-edge-"):
            found.append("marking-internal")
            continue
        if low == "p-asserted-identity" and "PAI" not in asserts:
            kept = [one for one in addresses(value) if checked(one)]
            if len(kept) < len(addresses(value)):
                found.append("marking-asserted")
                value = ", ".join(kept)
                if not kept:
                    continue
        if low in CALLERS and "verstat" not in asserts:
            value, count = clean_value(value)
            verstats += count
            found += ["marking-verstat"] * bool(count)
        urgent = re.match(r'"?([\w.!%*+`\'~-]*)', value, re.ASCII) if low == "priority" else None
        if urgent and urgent[1].lower() in ("emergency", "psap-callback") and "Priority" not in asserts:
            found.append("marking-priority")
            continue
        if low == "p-charge-info" and "P-Charge-Info" not in asserts:
            found.append("marking-charge")
            continue
        if low == "p-preferred-identity":
            if not promote:
                continue
            name = "P-Asserted-Identity"
        out.append((name, value))
    if verstats > MOST and not refused:
        refused = "marking-repeated"
    return Reading(refused or first(found), bool(refused), out)


ORDER = ["internal", "asserted", "verstat", "priority", "charge"]


def first(found: Collection[str]) -> str:
    return next((f"marking-{kind}" for kind in ORDER if f"marking-{kind}" in found), "")
