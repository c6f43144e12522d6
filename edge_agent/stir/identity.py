"""The Identity header (RFC 8224 §4): one row's value to its token and parameters. Pure; it trusts nothing in them.

Read leniently where real equipment and the RFCs' own examples differ: a ``ppt``
or ``alg`` in quotes, blanks around ``;`` and ``=``, a missing ``alg`` (ES256 then).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from edge_agent.stir.refused import Refused

LONGEST = 16_384  # a chain of divs has one header each; one of 16 KiB is no PASSporT
PARAMETERS = 16

_TOKEN = re.compile(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+", re.ASCII)
_PARAMETER = re.compile(
    r'[ \t]*([A-Za-z0-9.!%*_+`\'~-]+)[ \t]*(?:=[ \t]*(<[^<>"\s]*>|"(?:[^"\\]|\\.)*"|[^\s;,"<>]+))?[ \t]*(?:;|$)',
    re.ASCII,
)


# What nearly every signer writes, in one look; parse() reads it in the same way, a few times slower.
_USUAL = re.compile(
    r'([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+);info=<([^<>"\s]+)>;alg=ES256(?:;ppt=(?:"([a-z]+)"|([a-z]+)))?',
    re.ASCII,
)


class Identity(NamedTuple):
    """One header. ``token`` has three parts, the first two empty in the compact form; ``ppt`` is empty when absent."""

    token: str
    info: str
    alg: str
    ppt: str

    @property
    def compact(self) -> bool:
        """Only a signature: the verifier makes the token anew from the message (RFC 8224 §4.1)."""
        return self.token.startswith("..")

    @property
    def signature(self) -> str:
        """The compact form: what ``ppi`` of a Reason names (RFC 9410 §3)."""
        return ".." + self.token.rpartition(".")[2]


def parse(value: str) -> Identity:
    """Reads one value. Refused "identity-syntax" or "identity-size"."""
    if len(value) > LONGEST:
        raise Refused("identity-size", f"{len(value)} bytes")
    if usual := _USUAL.fullmatch(value):
        return Identity(usual[1], usual[2], "ES256", usual[3] or usual[4] or "")
    token, semicolon, rest = value.strip(" \t").partition(";")
    token = token.rstrip(" \t")
    if not semicolon or not _TOKEN.fullmatch(token):
        raise Refused("identity-syntax", "no token before the parameters")
    if token.startswith(".") != token.startswith(".."):
        raise Refused("identity-syntax", "half a token")
    parameters = _parameters(rest)
    info = parameters.get("info", "")
    if not (info.startswith("<") and info.endswith(">") and len(info) > 2):
        raise Refused("identity-syntax", "no info")
    return Identity(token, info[1:-1], _plain(parameters.get("alg", "ES256")), _plain(parameters.get("ppt", "")))


def _parameters(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _PARAMETER.match(text, at)
        if match is None or len(found) == PARAMETERS:
            raise Refused("identity-syntax", "a parameter that can't be read")
        name = match[1].lower()
        if name in found:
            raise Refused("identity-syntax", f"{name} twice")
        found[name] = match[2] or ""
        at = match.end()
    return found


def _plain(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
