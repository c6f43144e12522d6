"""PASSporT (RFC 8225): a token to its header and claims, checked for shape and for what its kind must say. Pure.

Never looks at a signature, a certificate or a message: ``verify.py`` does. JSON
is read strictly: a name twice, a number that is none, or a depth or size that no
token needs is refused, since two readers could read it differently.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple, TypeAlias

from edge_agent._hot import usual_token
from edge_agent.stir import base64url
from edge_agent.stir.identity import Identity
from edge_agent.stir.refused import Refused

BYTES = 8192
BRACKETS = 64
"""Opening ones in a header or payload: so nothing is deeper, and no token needs a quarter of them."""
KINDS = ("", "shaken", "div", "rph")
"""Extensions (ppt) that are verified; a header of another kind is passed over (RFC 8224 §6.2 step 1)."""
SIGNATURE_BYTES = 64
DESTINATIONS = 32

_TN = re.compile(r"[0-9*#]{1,15}", re.ASCII)
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)
_RPH = re.compile(r"[a-z0-9-]+\.[a-z0-9-]+", re.ASCII | re.IGNORECASE)
_DIGITS = re.compile(r"[0-9]{1,12}", re.ASCII)


class Party(NamedTuple):
    """``orig``, ``dest`` or ``div``: telephone numbers (digits) and URIs, as the token has them."""

    numbers: tuple[str, ...]
    uris: tuple[str, ...]


class Passport(NamedTuple):
    """A token whose claims have the right shape. ``signed`` is what the signature is over."""

    kind: str
    x5u: str
    claims: Mapping[str, Any]
    iat: int
    orig: Party
    dest: Party
    div: Party | None
    attest: str
    origid: str
    signed: bytes
    signature: bytes

    @property
    def content(self) -> bytes:
        """What makes two tokens the same one, whatever their signatures' bytes: ES256 has many for one content."""
        return sha256(self.signed).digest()


def read(identity: Identity) -> Passport:
    """The token of a header in full form. Refused "passport-…", or "identity-info" when info is not its x5u."""
    head, payload, signature = identity.token.split(".")
    known = _good_heads.get(head)
    header = _object(head, "header") if known is None else {}
    claims, signed = _object(payload, "payload"), f"{head}.{payload}".encode()
    passport = _checked(known or header, claims, signed, _signature(signature))
    if known is None and len(head) <= HEAD_BYTES:
        if len(_good_heads) >= HEADS:
            _good_heads.clear()
        _good_heads[head] = Head(passport.kind, passport.x5u)
    if passport.x5u != identity.info:
        raise Refused("identity-info", "info is not the token's x5u")
    if identity.ppt != passport.kind:
        raise Refused("passport-header", "ppt of the header is not the token's")
    if identity.alg != "ES256":
        raise Refused("passport-algorithm", identity.alg)
    return passport


Read: TypeAlias = tuple[str, str, str, str, int, str, str, bytes, bytes, bytes]
"""What ``usual`` finds: header segment, info, attest, dest, iat, orig, origid, what is signed, signature in DER, signature."""


def usual(value: str) -> Read | None:
    """A whole header value in the form that nearly all have, by a signer whose header segment was found good before.

    None: ``identity.parse`` and ``read`` must look; what is read here, they read in the same way.
    """
    found = usual_token(value)
    if found is None or _good_heads.get(found[0]) != ("shaken", found[1]):
        return None
    return found


def made(value: str, found: Read) -> tuple[Identity, Passport]:
    """The same as ``identity.parse`` and ``read`` make of it."""
    _, info, attest, dest, iat, orig, origid, signed, _, signature = found
    token = value.partition(";")[0]
    claims = {"attest": attest, "dest": {"tn": [dest]}, "iat": iat, "orig": {"tn": orig}, "origid": origid}
    caller, called = _new(Party, ((orig,), ())), _new(Party, ((dest,), ()))
    said = ("shaken", info, claims, iat, caller, called, None, attest, origid, signed, signature)
    return _new(Identity, (token, info, "ES256", "shaken")), _new(Passport, said)


_new = tuple.__new__
"""Of a NamedTuple, without a call in Python."""


class Head(NamedTuple):
    """A token's header that was read and is right: all that a verifier takes from it."""

    kind: str
    x5u: str


HEADS, HEAD_BYTES = 1024, 1024
_good_heads: dict[str, Head] = {}
"""By their text: a signer's tokens all have the same, so it is read once. Forgotten when there are too many."""


def rebuild(identity: Identity, orig: str, dest: str, iat: int) -> Passport:
    """The token that a compact form stands for (RFC 8224 §4.1): made from the message, so it says what the message says.

    Numbers are digits. Refused for kinds that exist in full form only (RFC 8588 §3, RFC 8946 §3).
    """
    if identity.ppt:
        raise Refused("passport-claims", f"{identity.ppt} has no compact form")
    if identity.alg != "ES256":
        raise Refused("passport-algorithm", identity.alg)
    header = {"alg": "ES256", "typ": "passport", "x5u": identity.info}
    claims = {"dest": {"tn": [dest]}, "iat": iat, "orig": {"tn": orig}}
    return _checked(header, claims, signing_input(header, claims), _signature(identity.token[2:]))


def signing_input(header: Mapping[str, Any], claims: Mapping[str, Any]) -> bytes:
    """What is signed: both parts with sorted keys and no blanks (RFC 8225 §9)."""
    parts = (json.dumps(part, sort_keys=True, separators=(",", ":"), ensure_ascii=False) for part in (header, claims))
    return ".".join(base64url.encode(part.encode()) for part in parts).encode()


def _signature(text: str) -> bytes:
    try:
        signature = base64url.decode(text)
    except ValueError:
        raise Refused("passport-syntax", "the signature is no base64url") from None
    if len(signature) != SIGNATURE_BYTES:
        raise Refused("passport-syntax", f"a signature of {len(signature)} bytes")
    return signature


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        data = base64url.decode(text)
        if len(data) > BYTES or data.count(b"[") + data.count(b"{") > BRACKETS:
            raise Refused("passport-size", what)
        value = _json(data.decode())
    except ValueError:
        raise Refused("passport-syntax", f"the {what} is no JSON in base64url") from None
    if not isinstance(value, dict):
        raise Refused("passport-syntax", f"the {what} is no object")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found


def _none(constant: str) -> Any:
    raise ValueError(constant)


def _small(digits: str) -> int:
    if len(digits) > 18:
        raise ValueError("a number too large")
    return int(digits)


_JSON = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_none, parse_int=_small)


def _json(text: str) -> Any:
    """``decode`` without its search for blanks around, which a token has none of."""
    if not text.startswith("{"):
        return _JSON.decode(text)
    value, end = _JSON.raw_decode(text)
    return value if end == len(text) else _JSON.decode(text)


def _head(header: dict[str, Any]) -> Head:
    if header.get("typ") != "passport" or not isinstance(header.get("x5u"), str) or not header["x5u"]:
        raise Refused("passport-header", "typ or x5u")
    if header.get("alg") != "ES256":
        raise Refused("passport-algorithm", str(header.get("alg")))
    if header.get("crit") is not None:
        raise Refused("passport-header", "crit names what isn't understood")  # RFC 7515 §4.1.11
    kind = header.get("ppt", "")
    if kind not in KINDS:
        raise Refused("passport-header", "ppt")
    return Head(kind, header["x5u"])


def _checked(header: dict[str, Any] | Head, claims: dict[str, Any], signed: bytes, signature: bytes) -> Passport:
    kind, x5u = header if isinstance(header, Head) else _head(header)
    orig, dest = _party(claims, "orig"), _party(claims, "dest")
    if len(orig.numbers) + len(orig.uris) != 1:
        raise Refused("passport-claims", "orig names not exactly one caller")
    div = _party(claims, "div") if kind == "div" else None
    if div is not None and len(div.numbers) + len(div.uris) != 1:
        raise Refused("passport-claims", "div names not exactly one number")
    attest, origid = _shaken(claims) if kind == "shaken" else ("", "")
    if kind == "rph":
        _priority(claims)
    return Passport(kind, x5u, claims, _iat(claims), orig, dest, div, attest, origid, signed, signature)


def _iat(claims: dict[str, Any]) -> int:
    iat = claims.get("iat")
    # The examples of RFC 8224 and RFC 8588 write the number as a string.
    if isinstance(iat, str) and _DIGITS.fullmatch(iat):
        return int(iat)
    if isinstance(iat, bool) or not isinstance(iat, int):
        raise Refused("passport-claims", "iat")
    return iat


def _party(claims: dict[str, Any], name: str) -> Party:
    """``orig`` and ``div`` hold one string, ``dest`` lists (RFC 8225 §5.2.1)."""
    value = claims.get(name)
    if type(value) is dict and len(value) == 1:
        # One number, as nearly always.
        only = value.get("tn")
        if name == "dest" and type(only) is list and len(only) == 1:
            only = only[0]
        elif name == "dest":
            only = None
        if type(only) is str and _TN.fullmatch(only):
            return Party((only,), ())
    if not isinstance(value, dict) or not value.keys() <= {"tn", "uri", *(("hi",) if name == "div" else ())}:
        raise Refused("passport-claims", name)
    found: dict[str, tuple[str, ...]] = {}
    for key in ("tn", "uri"):
        items = value.get(key, [])
        if name != "dest":
            items = [items] if key in value else []
        if not isinstance(items, list) or len(items) > DESTINATIONS or not all(isinstance(item, str) for item in items):
            raise Refused("passport-claims", f"{name}.{key}")
        found[key] = tuple(items)
    if not (found["tn"] or found["uri"]) or not all(_TN.fullmatch(number) for number in found["tn"]):
        raise Refused("passport-claims", f"{name}.tn")
    return Party(found["tn"], found["uri"])


def _shaken(claims: dict[str, Any]) -> tuple[str, str]:
    """RFC 8588 §4 and §5."""
    attest, origid = claims.get("attest"), claims.get("origid")
    if attest not in ("A", "B", "C"):
        raise Refused("passport-claims", "attest")
    if not isinstance(origid, str) or not _UUID.fullmatch(origid):
        raise Refused("passport-claims", "origid")
    return str(attest), origid


def _priority(claims: dict[str, Any]) -> None:
    """RFC 8443 §4; RFC 9027 §4: ``sph`` only beside an authorised esnet value, and only the one that exists."""
    value = claims.get("rph")
    auth = value.get("auth") if isinstance(value, dict) else None
    if not isinstance(auth, list) or not 1 <= len(auth) <= DESTINATIONS:
        raise Refused("passport-claims", "rph")
    if not all(isinstance(item, str) and _RPH.fullmatch(item) for item in auth):
        raise Refused("passport-claims", "rph.auth")
    if "sph" in claims and (
        claims["sph"] != "psap-callback" or not any(item.lower().startswith("esnet.") for item in auth)
    ):
        raise Refused("passport-claims", "sph")
