# Invariant: whatever the text, identity.parse returns within a bounded time a header whose parts all stand in that
# text, or raises Refused; and what it returned reads the same when it is written again.
"""Fuzz target of the Identity header: ``python -m tests.fuzz.fuzz_identity --seconds 60 [--seed 7]``."""

from __future__ import annotations

import sys

from edge_agent.stir import identity
from edge_agent.stir.identity import Identity
from edge_agent.stir.refused import Refused
from tests.fuzz import changes

SLOWEST = 0.1  # seconds; a few microseconds is what it needs
SEEDS = (
    b"eyJh.eyJi.c2ln;info=<https://cr.example.net/a.pem>;alg=ES256;ppt=shaken",
    b'..c2ln ; info = <https://cr.example.net/a.pem> ; ppt="div";alg="ES256";x;y=z',
    b"a.b.c;info=<https://a/b>" + b";p=q" * 12,
)
TOKENS = (
    b";",
    b"=",
    b'"',
    b"\\",
    b"<",
    b">",
    b"info",
    b"ppt=",
    b"alg=",
    b"..",
    b".",
    b" ",
    b"\t",
    b";info=<x>",
    b"\x00",
)


def read(text: str) -> Identity | None:
    try:
        return identity.parse(text)
    except Refused:
        return None


def check(data: bytes) -> str:
    text = data.decode("latin-1")
    found, slow = changes.timed(lambda: read(text), SLOWEST)
    if slow or found is None:
        return "slow" if slow else ""
    if found.token not in text or found.info not in text:
        return "a part that isn't in the header"
    if '"' in found.alg + found.ppt or "\\" in found.alg + found.ppt:
        return ""
    again = identity.parse(f'{found.token};info=<{found.info}>;alg="{found.alg}";ppt="{found.ppt}"')
    return "" if again == found else "reads otherwise when written again"


if __name__ == "__main__":
    sys.exit(changes.main("fuzz_identity", check, SEEDS, TOKENS))
