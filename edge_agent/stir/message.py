"""A SIP message to what verification compares: its Identity headers and the call it makes. Pure; the engine's parser reads it.

Only for messages at rest (``edge-agent stir verify``): bytes that the parser
refuses are refused here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

from edge_agent import _hot
from edge_agent.numbering.plans import Plan
from edge_agent.stir.verify import Call

_IDENTITY, _DATE = ("identity", "y"), ("date",)


class NoCall(Exception):
    """The bytes are no request that can be verified; the text says why."""


def read(data: bytes, plan: Plan) -> tuple[list[str], Call]:
    """The values of the Identity headers in order, and the call. Numbers are read under the plan. Raises NoCall."""
    message = _hot.parse(data)
    if message["kind"] != "request":
        raise NoCall(message.get("reason") or f"a {message['kind']}, no request")
    head = data[: data.index(b"\r\n\r\n") + 2].decode("utf-8", "replace")
    dates = list(_values(head, _DATE))
    call = Call(
        caller=_caller(message, plan),
        to=_number(message["to"], plan),
        called=_number(message["uri"], plan),
        date=_seconds(dates[0]) if len(dates) == 1 else None,
    )
    return list(_values(head, _IDENTITY)), call


def _values(head: str, names: tuple[str, ...]) -> Iterator[str]:
    """Values of the header's rows, unfolded (RFC 3261 §7.3.1)."""
    for line in re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon and name.rstrip(" \t").lower() in names:
            yield value.strip(" \t")


def _caller(message: dict[str, Any], plan: Plan) -> str:
    """The asserted number, tel before sip, else From's (ATIS-1000074 §5.2.1)."""
    asserted = [uri for header, uri in message["identities"] if header == "P-Asserted-Identity"]
    for uri in sorted(asserted, key=lambda one: one["scheme"] != "tel"):
        if number := _number(uri, plan):
            return number
    return _number(message["from"], plan)


def _number(uri: dict[str, Any], plan: Plan) -> str:
    return _hot.canonical(uri["number"], plan) if uri["number"] else ""


def _seconds(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
