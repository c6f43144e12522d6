# Invariant: whatever header and payload a token holds, passport.read returns within a bounded time a Passport whose
# claims have the promised types, or raises Refused; no other exception, and never a number that isn't digits.
"""Fuzz target of the PASSporT: ``python -m tests.fuzz.fuzz_passport --seconds 60 [--seed 7]``.

An input is header and payload JSON with a newline between them; the target
wraps them into a token, so that changes reach the JSON and not only base64.
"""

from __future__ import annotations

import sys

from edge_agent.stir import base64url, passport
from edge_agent.stir.identity import Identity
from edge_agent.stir.passport import Passport
from edge_agent.stir.refused import Refused
from tests.fuzz import changes

SLOWEST = 0.1
URL = "https://cr.example.net/a.pem"
SIGNATURE = base64url.encode(bytes(64))
_HEAD = b'{"alg":"ES256","ppt":"%s","typ":"passport","x5u":"https://cr.example.net/a.pem"}\n'
_REST = b'"dest":{"tn":["12125550100"]},"iat":1795640000,"orig":{"tn":"12025550143"}'
SEEDS = (
    _HEAD % b"shaken" + b'{"attest":"A",' + _REST + b',"origid":"7b1c3f0e-5a0d-4a8e-9d43-0123456789ab"}',
    _HEAD % b"div" + b'{"div":{"tn":"12125550100"},' + _REST + b"}",
    _HEAD % b"rph" + b"{" + _REST + b',"rph":{"auth":["esnet.1"]},"sph":"psap-callback"}',
    _HEAD.replace(b'"ppt":"%s",', b"") + b"{" + _REST + b"}",
)
TOKENS = (
    b'"', b"{", b"}", b"[", b"]", b":", b",", b"null", b"true", b"1e999", b"NaN", b"-0", b"9" * 30, b"\\u0000", b"\\",
    b'"tn"', b'"uri"', b'"orig"', b'"dest"', b'"iat"', b'"attest"', b"[[[[[[[[", b'"crit":[],', b"\n", b"\xff", b"+",
)  # fmt: skip


def read(token: str, head: bytes) -> Passport | None:
    kinds = [kind for kind in passport.KINDS if kind and f'"{kind}"'.encode() in head] or [""]
    try:
        return passport.read(Identity(token, URL, "ES256", kinds[0]))
    except Refused:
        return None


def check(data: bytes) -> str:
    head, _, payload = data.partition(b"\n")
    token = f"{base64url.encode(head)}.{base64url.encode(payload)}.{SIGNATURE}"
    found, slow = changes.timed(lambda: read(token, head), SLOWEST)
    if slow or found is None:
        return "slow" if slow else ""
    parties = [found.orig, found.dest, *([found.div] if found.div is not None else [])]
    if not all(set(number) <= set("0123456789*#") and number for party in parties for number in party.numbers):
        return "a number that is none"
    if type(found.iat) is not int or found.attest not in ("", "A", "B", "C") or found.kind not in passport.KINDS:
        return "a claim of another type"
    return "" if found.signed.decode() + "." + SIGNATURE == token else "what is signed is not the token"


if __name__ == "__main__":
    sys.exit(changes.main("fuzz_passport", check, SEEDS, TOKENS))
