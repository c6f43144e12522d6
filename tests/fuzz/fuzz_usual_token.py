# Invariant: whatever the text, what the short cut of the usual Identity header reads (passport.usual) is what identity.parse
# and passport.read make of it, to the last field; and it reads nothing that they refuse.
"""Fuzz target of the usual token, with the plain reader as its oracle: ``python -m tests.fuzz.fuzz_usual_token --seconds 60``.

An input is header segment, payload JSON, signature and parameters with newlines
between them, so that changes reach the JSON, not only base64; or, without a newline, a whole value.
"""

from __future__ import annotations

import sys

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from edge_agent.stir import base64url, identity, passport
from edge_agent.stir.refused import Refused
from tests.fuzz import changes

URL = "https://cr.example.net/a.pem"
HEAD = base64url.encode(f'{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{URL}"}}'.encode())
PAYLOAD = (
    b'{"attest":"A","dest":{"tn":["12125550100"]},"iat":1795640000,"orig":{"tn":"12025550143"},'
    b'"origid":"7b1c3f0e-5a0d-4a8e-9d43-0123456789ab"}'
)
MORE = f";info=<{URL}>;alg=ES256;ppt=shaken".encode()
SIGNATURES = (bytes(64), bytes(range(64)), b"\xff" * 64, bytes(31) + b"\x80" + bytes(32))
SEEDS = (
    *(b"\n".join((HEAD.encode(), PAYLOAD, signature.hex().encode(), MORE)) for signature in SIGNATURES),
    b"\n".join((HEAD.encode(), PAYLOAD.replace(b"12025550143", b"*#0"), bytes(64).hex().encode(), MORE)),
    b"\n".join((HEAD.encode(), PAYLOAD, bytes(64).hex().encode(), MORE.replace(b"=shaken", b'="shaken"'))),
    f"{HEAD}.{base64url.encode(PAYLOAD)}.{base64url.encode(bytes(range(64)))}".encode() + MORE,
)
TOKENS = (
    b'"', b"{", b"}", b"[", b"]", b":", b",", b"null", b"0", b"00", b"-1", b"1e3", b"9" * 13, b"\\u0031", b"\\", b" ", b"\n",
    b'"tn"', b'"uri"', b'"orig"', b'"dest"', b'"iat"', b'"attest":"B"', b"#", b"*", b"+", b".", b"..", b"=", b"_", b"-", b"/",
    b";info=<x>", b";alg=ES256", b";ppt=shaken", b"<", b">", b"\t", b"\x00", b"\xff", b"\xc3\xa9", b"w", b"B", b"D",
)  # fmt: skip


def value_of(data: bytes) -> str:
    parts = data.split(b"\n", 3)
    if len(parts) < 4:
        return data.decode("utf-8", "replace")
    head, payload, signature, more = parts
    try:
        raw = bytes.fromhex(signature.decode("latin-1"))
    except ValueError:
        raw = signature
    return f"{head.decode('latin-1')}.{base64url.encode(payload)}.{base64url.encode(raw)}{more.decode('latin-1')}"


def check(data: bytes) -> str:
    passport._good_heads.setdefault(HEAD, passport.Head("shaken", URL))
    value = value_of(data)
    found = passport.usual(value)
    if found is None:
        return ""
    try:
        header = identity.parse(value)
        token = passport.read(header)
    except Refused as fault:
        return f"reads what is refused: {fault}"
    if passport.made(value, found) != (header, token):
        return "reads otherwise"
    for made, plain in zip(passport.made(value, found), (header, token), strict=True):
        if [type(part) for part in made] != [type(part) for part in plain]:
            return "another type"
    r, s = (int.from_bytes(token.signature[at : at + 32], "big") for at in (0, 32))
    return "" if found[8] == encode_dss_signature(r, s) else "another signature in DER"


if __name__ == "__main__":
    sys.exit(changes.main("fuzz_usual_token", check, SEEDS, TOKENS))
