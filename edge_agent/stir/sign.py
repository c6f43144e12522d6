"""Makes Identity headers (RFC 8224 §4, RFC 8588). Pure: the caller brings key, time and what the rules established.

Never decides an attestation: A is for who knows the caller and that the number is
the caller's, B for who knows the caller, C for what only passed through.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from edge_agent.stir import base64url
from edge_agent.stir.passport import signing_input


class BadKey(Exception):
    """The key can't sign; the text is the line an operator reads."""


def load_key(pem: bytes) -> EllipticCurvePrivateKey:
    """The private key of curve P-256 in a PEM text without password. Raises BadKey."""
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadKey(f"no private key in PEM form that can be read: {error}") from None
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise BadKey("a key of curve P-256 is needed (ES256)")
    return key


def shaken(key: EllipticCurvePrivateKey, x5u: str, orig: str, dest: str, attest: str, origid: UUID, iat: int) -> str:
    """The header value that vouches for caller ``orig`` towards ``dest``, both digits without "+"."""
    claims = {"attest": attest, "dest": {"tn": [dest]}, "iat": iat, "orig": {"tn": orig}, "origid": str(origid)}
    return header(key, x5u, "shaken", claims)


def diverted(key: EllipticCurvePrivateKey, x5u: str, orig: str, dest: str, div: str, iat: int) -> str:
    """The header value that says that ``div`` sent the call on to ``dest`` (RFC 8946 §4)."""
    return header(key, x5u, "div", {"dest": {"tn": [dest]}, "div": {"tn": div}, "iat": iat, "orig": {"tn": orig}})


def header(key: EllipticCurvePrivateKey, x5u: str, ppt: str, claims: dict[str, Any]) -> str:
    """The header value for these claims; ``ppt`` empty: a plain token."""
    fields = {"alg": "ES256", "typ": "passport", "x5u": x5u} | ({"ppt": ppt} if ppt else {})
    signed = signing_input(fields, claims)
    r, s = decode_dss_signature(key.sign(signed, ECDSA(SHA256())))
    token = signed.decode() + "." + base64url.encode(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    return f"{token};info=<{x5u}>;alg=ES256" + (f";ppt={ppt}" if ppt else "")
