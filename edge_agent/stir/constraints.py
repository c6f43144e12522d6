"""JWT claim constraints of a certificate (RFC 8226 §8, RFC 9118): what the tokens it signs must and must not say. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_agent.stir.der import IA5_STRING, SEQUENCE, UTF8_STRING, elements, explicit, one, text

OID = "1.3.6.1.5.5.7.1.27"
ENHANCED_OID = "1.3.6.1.5.5.7.1.33"


@dataclass(frozen=True)
class ClaimConstraints:
    """Names of claims that must be there, values that a claim may have if it is there, names that must not be there."""

    must_include: tuple[str, ...] = ()
    permitted: tuple[tuple[str, tuple[str, ...]], ...] = ()
    must_exclude: tuple[str, ...] = ()

    def broken_by(self, claims: Mapping[str, Any]) -> str:
        """What the claims do wrong, or nothing."""
        for name in self.must_include:
            if name not in claims:
                return f"{name} is missing"
        for name in self.must_exclude:
            if name in claims:
                return f"{name} must not be there"
        for name, values in self.permitted:
            if name in claims and not _said(claims[name]) <= set(values):
                return f"{name} says what it may not"
        return ""


def _said(value: Any) -> set[str]:
    """What a claim says, as strings: each member of a list, each value of an object."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, Mapping):
        return set().union(*map(_said, value.values()))
    if isinstance(value, list):
        return set().union(*map(_said, value))
    return {json.dumps(value)}


def parse(data: bytes, enhanced: bool) -> ClaimConstraints:
    """Reads the extension's value, EXPLICIT tags. ValueError for what can't be read: the certificate is then no good."""
    include: tuple[str, ...] = ()
    permitted: list[tuple[str, tuple[str, ...]]] = []
    exclude: tuple[str, ...] = ()
    last = -1
    for tag, content in elements(one(data, SEQUENCE)):
        if tag <= last:
            raise ValueError("parts out of order")
        last = tag
        inner = one(content, SEQUENCE)
        if tag == explicit(0):
            include = _names(inner)
        elif tag == explicit(1):
            permitted = [_values(content) for content in _of(inner, SEQUENCE)]
        elif tag == explicit(2) and enhanced:
            exclude = _names(inner)
        else:
            raise ValueError(f"no claim constraint: {tag:#x}")
    if not (include or permitted or exclude):
        raise ValueError("constraints that say nothing")
    return ClaimConstraints(include, tuple(permitted), exclude)


def _of(data: bytes, tag: int) -> list[bytes]:
    found = list(elements(data))
    if not found or any(each != tag for each, _ in found):
        raise ValueError("not a list of one kind")
    return [content for _, content in found]


def _names(data: bytes) -> tuple[str, ...]:
    return tuple(map(text, _of(data, IA5_STRING)))


def _values(data: bytes) -> tuple[str, tuple[str, ...]]:
    parts = list(elements(data))
    if [tag for tag, _ in parts] != [IA5_STRING, SEQUENCE]:
        raise ValueError("a permitted value is a claim and its values")
    return text(parts[0][1]), tuple(map(text, _of(parts[1][1], UTF8_STRING)))
