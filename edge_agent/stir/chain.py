"""Certificates: what an ``info`` URL served, to a key that may sign for some numbers. Pure: no file, no network, no clock.

The path is checked here rather than by a TLS library's verifier: those look for
host names and web roots, while STIR's trust anchors come from the policy
administrator, its leaf carries a TN Authorization List (RFC 8226), and the
SHAKEN profile says which extensions may be critical (ATIS-1000080).
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.x509.oid import ExtensionOID

from edge_agent.stir import constraints, tnauthlist
from edge_agent.stir.constraints import ClaimConstraints
from edge_agent.stir.refused import Refused
from edge_agent.stir.tnauthlist import TNAuthList

BYTES = 65_536
CERTIFICATES = 6  # leaf, intermediates and perhaps the root
_BEGIN = b"-----BEGIN CERTIFICATE-----"

# Critical extensions that are understood; one that isn't makes a certificate unusable (RFC 5280 §4.2).
_UNDERSTOOD = frozenset({ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE})

Revoked = Callable[[x509.Certificate], bool]


@dataclass(frozen=True)
class Credential:
    """A key with a good path to a trusted root, between ``not_before`` and ``not_after`` (POSIX seconds)."""

    key: EllipticCurvePublicKey
    not_before: float
    not_after: float
    numbers: TNAuthList
    constraints: tuple[ClaimConstraints, ...]
    subject: str

    def check_time(self, now: float) -> None:
        """Refused "certificate-time" outside the validity of the path."""
        if not self.not_before <= now <= self.not_after:
            raise Refused("certificate-time", self.subject)


def nobody_revoked(certificate: x509.Certificate) -> bool:
    """For who has no revocation list."""
    return False


def load(pem: bytes, roots: Sequence[x509.Certificate], revoked: Revoked = nobody_revoked) -> Credential:
    """The first certificate of ``pem`` with its path. Refused "certificate-…"; its time is left to ``check_time``.

    So a chain that was good once is kept, and one look at the clock tells whether it still is.
    """
    chain = read(pem)
    leaf = chain[0]
    path = _path(leaf, chain[1:], roots)
    try:
        for certificate in path:
            _check_critical(certificate)
        for depth, issuer in enumerate(path[1:]):
            _check_issuer(issuer, depth)
        if any(revoked(certificate) for certificate in path):
            raise Refused("certificate-revoked", leaf.subject.rfc4514_string())
        _check_leaf(leaf)
        numbers = _numbers(leaf)
        claims = _constraints(leaf)
        for issuer in path[1:]:
            if (wider := _numbers_of(issuer)) is not None and not numbers.within(wider):
                raise Refused("certificate-number", "more numbers than the issuer has")
    except ValueError as error:  # an extension that can't be read
        raise Refused("certificate-profile", str(error)) from None
    key = leaf.public_key()
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise Refused("certificate-profile", "not a key of curve P-256")
    return Credential(
        key=key,
        not_before=max(certificate.not_valid_before_utc.timestamp() for certificate in path),
        not_after=min(certificate.not_valid_after_utc.timestamp() for certificate in path),
        numbers=numbers,
        constraints=claims,
        subject=leaf.subject.rfc4514_string(),
    )


def read(pem: bytes) -> list[x509.Certificate]:
    """The certificates of a PEM text, the leaf first. Refused "certificate-syntax"."""
    if len(pem) > BYTES or pem.count(_BEGIN) > CERTIFICATES:
        raise Refused("certificate-syntax", f"{len(pem)} bytes, {pem.count(_BEGIN)} certificates")
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise Refused("certificate-syntax", str(error)[:200]) from None


def _path(
    leaf: x509.Certificate, others: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]
) -> list[x509.Certificate]:
    """Leaf, intermediates, root. Each is tried once, so the walk ends."""
    path, left = [leaf], list(others)
    while True:
        for root in roots:
            if path[-1] == root:
                return path
            if _issued(path[-1], root):
                return [*path, root]
        following = next((other for other in left if _issued(path[-1], other)), None)
        if following is None:
            raise Refused("certificate-path", path[-1].issuer.rfc4514_string())
        left.remove(following)
        path.append(following)


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _check_critical(certificate: x509.Certificate) -> None:
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in _UNDERSTOOD:
            raise Refused("certificate-profile", f"critical {extension.oid.dotted_string}")


def _check_issuer(issuer: x509.Certificate, below: int) -> None:
    """``below``: how many CA certificates stand between it and the leaf (RFC 5280 §4.2.1.9)."""
    basic = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value if _has_basic(issuer) else None
    if basic is None or not basic.ca or (basic.path_length is not None and basic.path_length < below):
        raise Refused("certificate-path", "an issuer that may not issue")
    if (usage := _usage(issuer)) is not None and not usage.key_cert_sign:
        raise Refused("certificate-path", "an issuer whose key may not sign certificates")


def _check_leaf(leaf: x509.Certificate) -> None:
    if _has_basic(leaf) and leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
        raise Refused("certificate-profile", "a CA's certificate")
    # Without the extension a key may do anything (RFC 5280 §4.2.1.3), and some that are in use lack it.
    if (usage := _usage(leaf)) is not None and not usage.digital_signature:
        raise Refused("certificate-profile", "its key may not sign")


def _has_basic(certificate: x509.Certificate) -> bool:
    return any(extension.oid == ExtensionOID.BASIC_CONSTRAINTS for extension in certificate.extensions)


def _usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None


def _raw(certificate: x509.Certificate, oid: str) -> bytes | None:
    """The bytes of an extension that the library leaves unread."""
    for extension in certificate.extensions:
        if extension.oid.dotted_string == oid and isinstance(extension.value, x509.UnrecognizedExtension):
            return extension.value.value
    return None


def _numbers_of(certificate: x509.Certificate) -> TNAuthList | None:
    raw = _raw(certificate, tnauthlist.OID)
    return None if raw is None else tnauthlist.parse(raw)


def _numbers(leaf: x509.Certificate) -> TNAuthList:
    numbers = _numbers_of(leaf)
    if numbers is not None:
        return numbers
    try:
        access = leaf.extensions.get_extension_for_oid(ExtensionOID.AUTHORITY_INFORMATION_ACCESS).value
    except x509.ExtensionNotFound:
        access = None
    assert access is None or isinstance(access, x509.AuthorityInformationAccess)
    if access is not None and any(way.access_method.dotted_string == tnauthlist.BY_REFERENCE_OID for way in access):
        raise Refused("certificate-reference")
    raise Refused("certificate-profile", "no TN Authorization List")


def _constraints(leaf: x509.Certificate) -> tuple[ClaimConstraints, ...]:
    found = [
        constraints.parse(raw, enhanced)
        for oid, enhanced in ((constraints.OID, False), (constraints.ENHANCED_OID, True))
        if (raw := _raw(leaf, oid)) is not None
    ]
    return tuple(found)


class Revocations:
    """The administrator's revocation list: one CRL for the certificates of all issuers, signed by a key of its own.

    An entry belongs to the issuer that it or the last entry before it names
    (indirect CRL, RFC 5280 §5.3.3); without any, to the CRL's own.
    """

    def __init__(self, crl: x509.CertificateRevocationList, signer: x509.Certificate) -> None:
        key = signer.public_key()
        if not isinstance(key, EllipticCurvePublicKey) or not crl.is_signature_valid(key):
            raise Refused("certificate-revoked", "the revocation list isn't signed by its signer")
        self.next_update: datetime.datetime | None = crl.next_update_utc
        self._entries: set[tuple[bytes, int]] = set()
        issuer = crl.issuer.public_bytes()
        for entry in crl:
            try:
                named = entry.extensions.get_extension_for_class(x509.CertificateIssuer).value
            except x509.ExtensionNotFound:
                named = None
            if named is not None:
                issuer = next(iter(named.get_values_for_type(x509.DirectoryName))).public_bytes()
            self._entries.add((issuer, entry.serial_number))

    def __call__(self, certificate: x509.Certificate) -> bool:
        return (certificate.issuer.public_bytes(), certificate.serial_number) in self._entries
