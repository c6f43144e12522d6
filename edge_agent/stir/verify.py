"""All Identity headers of a call to one result, in the order of RFC 8224 §6.2. Pure: the caller brings time and certificates.

For each header: is its kind known, who calls (from the signalling, never from
the token), the certificate, freshness, the signature, the claims. A call is good
when one header is, so faults only count when none is left.

    shaken or plain   orig is the caller; dest is To or the Request-URI
    div               a chain from that dest to the Request-URI (RFC 8946 §4.2)
    rph               says a call's priority, never who calls (RFC 8443)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from edge_agent.reasons import BY_NAME, REASONS, Reason
from edge_agent.stir import identity, passport
from edge_agent.stir.chain import Credential
from edge_agent.stir.identity import Identity
from edge_agent.stir.passport import Passport
from edge_agent.stir.refused import Refused

HEADERS = 10  # of one call; more are not read
CHAIN_SECONDS = 3 * 3600.0
"""How old the inner tokens of a diverted call may be: it may have rung elsewhere first (RFC 8946 §4.2)."""

_ES256 = ECDSA(SHA256())
_DIGEST = ECDSA(Prehashed(SHA256()))
_PASS = REASONS[0]
Credentials = Callable[[str], Credential]
"""``info`` URL to certificate; raises Refused "certificate-…"."""

PASSED, FAILED, NONE = "TN-Validation-Passed", "TN-Validation-Failed", "No-TN-Validation"


class Call(NamedTuple):
    """What the message says: canonical digits without "+" (RFC 8224 §8.3); empty where there is no number."""

    caller: str
    to: str
    called: str
    """Of the Request-URI."""
    date: float | None
    """The Date header, POSIX seconds."""


class Checked(NamedTuple):
    """One header: its token when it could be read, and why it is no good, or nothing."""

    identity: Identity | None
    passport: Passport | None
    fault: Refused | None

    @property
    def good(self) -> bool:
        return self.fault is None


class Result(NamedTuple):
    """``verstat`` for the called side, ``reason`` of the failure ("pass" when there is none), and each header's part."""

    verstat: str
    reason: Reason
    attest: str = ""
    origid: str = ""
    priority: tuple[str, ...] = ()
    """Resource-Priority values that a good rph token vouches for."""
    callback: bool = False
    """sph: the call comes back from a PSAP (RFC 9027)."""
    content: bytes = b""
    """Of the token that decided: for the replay table."""
    headers: tuple[Checked, ...] = ()
    signer: str = ""
    """Subject of that token's certificate."""
    until: float = 0.0
    """How long that token may be used (POSIX seconds)."""


def verify(values: Sequence[str], call: Call, now: float, credentials: Credentials, freshness: float = 60.0) -> Result:
    """The result for a call with these Identity headers at POSIX time ``now``."""
    if (one := usual(values, call.caller, call.to, call.called, now, credentials, freshness)) is not None:
        return outcome(one, signed(one), freshness)
    checks = [_Header(value, call, now, credentials, freshness) for value in values[:HEADERS]]
    known = [check for check in checks if check.known]
    callers = [check for check in known if check.kind in ("", "shaken")]
    diversions = [check for check in known if check.kind == "div"]
    for check in callers:
        check.fault = check.fault or _reaches(check, diversions, call)
    headers = tuple(check.result() for check in checks)
    priority, callback = _priority(known, call)
    if best := next((check for check in sorted(callers, key=_order) if check.fault is None), None):
        token = best.passport
        assert token is not None
        lives = freshness if best.stale is None else CHAIN_SECONDS + freshness
        return Result(
            PASSED,
            REASONS[0],
            token.attest,
            token.origid,
            priority,
            callback,
            token.content,
            headers,
            best.signer,
            token.iat + lives,
        )
    # A priority token or a diversion alone says nothing of who calls.
    faults = [check.fault for check in callers if check.fault is not None]
    if not faults:
        missing = REASONS[BY_NAME["identity-missing"]]
        return Result(NONE, missing, priority=priority, callback=callback, headers=headers)
    worst = _worst(faults).reason
    return Result(NONE if worst.status == 436 else FAILED, worst, priority=priority, callback=callback, headers=headers)


class Usual(NamedTuple):
    """A call's one header, of the form that nearly all have, with nothing against it but perhaps its signature."""

    value: str
    read: passport.Read
    content: bytes
    """Digest of what is signed."""
    credential: Credential


def usual(
    values: Sequence[str], caller: str, to: str, called: str, now: float, credentials: Credentials, freshness: float
) -> Usual | None:
    """All of ``verify`` before the signature, where that is all there is left to ask; None: ``verify`` must say.

    A short cut, no other law: what is wrong, and costs little to find, is found there once more.
    """
    if len(values) != 1 or (read := passport.usual(values[0])) is None:
        return None
    _, info, _, dest, iat, orig, _, text, _, _ = read
    if orig != caller or not -freshness <= now - iat <= freshness or dest not in (called, to):
        return None
    try:
        credential = credentials(info)
    except Refused:
        return None
    if not credential.not_before <= now <= credential.not_after:
        return None
    if not credential.not_before <= iat <= credential.not_after:
        return None
    return Usual(values[0], read, sha256(text).digest(), credential)


def signed(one: Usual) -> bool:
    """Is the signature good? Nearly all that a verification costs."""
    try:
        one.credential.key.verify(one.read[8], one.content, _DIGEST)
    except InvalidSignature:
        return False
    return True


def outcome(one: Usual, good: bool, freshness: float, whole: bool = True) -> Result:
    """The result, its signature being good or not. ``whole``: with the parts of its header."""
    value, read, content, credential = one
    _, _, attest, _, iat, orig, origid, _, _, _ = read
    if good and not whole and not credential.constraints and credential.numbers.covers(orig):
        return Result(PASSED, _PASS, attest, origid, (), False, content, (), credential.subject, iat + freshness)
    found, token = passport.made(value, read)
    fault: Refused | None = None
    if not good:
        fault = Refused("passport-signature", credential.subject)
    else:
        try:
            _check_claims(token, credential)
        except Refused as refused:
            fault = refused
    headers = (Checked(found, token, fault),)
    if fault is not None:
        return Result(FAILED, fault.reason, headers=headers)
    return Result(PASSED, _PASS, attest, origid, (), False, content, headers, credential.subject, iat + freshness)


def _order(check: _Header) -> str:
    """The best attestation first; a plain token says none."""
    return check.passport.attest or "Z" if check.passport is not None else "ZZ"


def _worst(faults: Sequence[Refused]) -> Refused:
    """RFC 8224 §6.2.2: 436 only if no certificate could be had, 437 if those that could aren't usable, else 438 or 403."""
    for status in (438, 403, 437, 436):
        for fault in faults:
            if fault.reason.status == status:
                return fault
    raise AssertionError(faults)


class _Header:
    """One header on its way through the steps."""

    def __init__(self, value: str, call: Call, now: float, credentials: Credentials, freshness: float) -> None:
        self.identity: Identity | None = None
        self.passport: Passport | None = None
        self.fault: Refused | None = None
        self.stale: Refused | None = None
        """Too old to stand alone, though not too old to begin or carry on a chain of diversions."""
        self.signer = ""
        self._call, self._now, self._credentials, self._freshness = call, now, credentials, freshness
        try:
            self.identity = identity.parse(value)
            if self.known:
                self._check()
        except Refused as fault:
            self.fault = fault

    @property
    def kind(self) -> str:
        return self.identity.ppt if self.identity is not None else ""

    @property
    def known(self) -> bool:
        """A header of a kind that isn't verified is passed over, not held against the call; one that can't be read is."""
        return self.identity is None or self.identity.ppt in passport.KINDS

    def result(self) -> Checked:
        return Checked(self.identity, self.passport, self.fault)

    def _check(self) -> None:
        found = self.identity
        assert found is not None
        if found.compact:
            self._check_compact(found)
            return
        self.passport = token = passport.read(found)
        # The cheap test first: it saves a signature (RFC 8224 §6.2.4).
        if token.kind in ("", "shaken") and token.orig.numbers != (self._call.caller,):
            raise Refused("passport-orig", ",".join(token.orig.numbers + token.orig.uris))
        credential = self._credentials(found.info)
        credential.check_time(self._now)
        self._check_fresh(token)
        credential.check_time(token.iat)
        _check_signature(token, credential)
        _check_claims(token, credential)
        self.signer = credential.subject

    def _check_compact(self, found: Identity) -> None:
        """The verifier makes the token anew; dest is To, or what the call was retargeted to."""
        if self._call.date is None or not self._call.caller:
            raise Refused("passport-claims", "a compact form needs a Date and a caller's number")
        credential = self._credentials(found.info)
        credential.check_time(self._now)
        for number in dict.fromkeys((self._call.to, self._call.called)):
            if not number:
                continue
            self.passport = passport.rebuild(found, self._call.caller, number, int(self._call.date))
            self._check_fresh(self.passport)
            try:
                _check_signature(self.passport, credential)
            except Refused:
                continue
            _check_claims(self.passport, credential)
            self.signer = credential.subject
            return
        raise Refused("passport-signature", "for neither To nor the Request-URI")

    def _check_fresh(self, token: Passport) -> None:
        """Both ways. A full token's own time counts where it differs from Date's (RFC 8224 §6.2 step 4)."""
        age = self._now - token.iat
        if -self._freshness <= age <= self._freshness:
            return
        stale = Refused("passport-stale", f"signed {age:.0f} s ago")
        if token.kind == "rph" or not 0 < age <= CHAIN_SECONDS:
            raise stale
        self.stale = stale


def _check_signature(token: Passport, credential: Credential) -> None:
    """ES256: r and s, 32 bytes each (RFC 7518 §3.4)."""
    r, s = int.from_bytes(token.signature[:32], "big"), int.from_bytes(token.signature[32:], "big")
    try:
        credential.key.verify(encode_dss_signature(r, s), token.signed, _ES256)
    except InvalidSignature:
        raise Refused("passport-signature", credential.subject) from None


def _check_claims(token: Passport, credential: Credential) -> None:
    """What the certificate lets its holder say. Whose number: the diverting one's for div, the caller's else."""
    speaks_for = token.div if token.div is not None else token.orig
    for number in speaks_for.numbers:
        if not credential.numbers.covers(number):
            raise Refused("certificate-number", ",".join(speaks_for.numbers))
    for constraint in credential.constraints:
        if broken := constraint.broken_by(token.claims):
            raise Refused("certificate-constraint", broken)


def _reaches(caller: _Header, diversions: Sequence[_Header], call: Call) -> Refused | None:
    """Was the caller's token signed for this call, or does a chain lead from there to it? What is wrong, or None."""
    at = first = caller.passport
    if at is None or first is None:
        return None
    # Without a chain, a forwarded call still has the first called number in To.
    if call.called in at.dest.numbers or (not diversions and call.to and call.to in at.dest.numbers):
        return caller.stale
    if not diversions:
        return Refused("passport-dest", ",".join(at.dest.numbers))
    left = list(diversions)
    while call.called not in at.dest.numbers:
        following = next((each for each in left if _follows(each, at, first)), None)
        if following is None or following.passport is None:
            return Refused("passport-chain", f"nothing leads on from {','.join(at.dest.numbers)}")
        if following.fault is not None:
            return following.fault
        left.remove(following)
        at, outermost = following.passport, following
    return outermost.stale


def _follows(each: _Header, before: Passport, first: Passport) -> bool:
    """div is where the call was going, and the caller stays the same through the whole chain."""
    token = each.passport
    return (
        token is not None
        and token.div is not None
        and token.orig == first.orig
        and bool(set(token.div.numbers) & set(before.dest.numbers))
    )


def _priority(known: Sequence[_Header], call: Call) -> tuple[tuple[str, ...], bool]:
    """What the rph tokens of this very call vouch for: one that was signed for another caller or number says nothing of it."""
    values: list[str] = []
    callback = False
    for check in known:
        if check.kind != "rph" or check.fault is not None or check.passport is None:
            continue
        token = check.passport
        if token.orig.numbers != (call.caller,) or not {call.to, call.called} & set(token.dest.numbers):
            continue
        values += token.claims["rph"]["auth"]
        callback = callback or "sph" in token.claims
    return tuple(dict.fromkeys(values)), callback
