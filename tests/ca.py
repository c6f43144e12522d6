"""A telephone authority for one test run: roots, intermediates, leaves, revocation lists, all minted here.

Nothing is kept: keys live as long as the test. A leaf is a good SHAKEN
certificate unless a test asks for a fault by name.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID, ObjectIdentifier

from edge_agent.stir import constraints, tnauthlist

DAY = datetime.timedelta(days=1)


def der(tag: int, content: bytes) -> bytes:
    """One element, its length in the shortest form."""
    if len(content) < 128:
        return bytes([tag, len(content)]) + content
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + content


def ia5(text: str) -> bytes:
    return der(0x16, text.encode())


def utf8(text: str) -> bytes:
    return der(0x0C, text.encode())


def spc(code: str) -> bytes:
    """An entry of a TN Authorization List: a provider."""
    return der(0xA0, ia5(code))


def number_range(start: str, count: int) -> bytes:
    size = count.to_bytes(count.bit_length() // 8 + 1, "big", signed=True)
    return der(0xA1, der(0x30, ia5(start) + der(0x02, size)))


def number(digits: str) -> bytes:
    return der(0xA2, ia5(digits))


def tn_auth_list(*entries: bytes) -> x509.Extension[Any]:
    return raw(tnauthlist.OID, der(0x30, b"".join(entries)))


def claim_constraints(
    include: tuple[str, ...] = (), permitted: dict[str, tuple[str, ...]] | None = None, exclude: tuple[str, ...] = ()
) -> x509.Extension[Any]:
    """The extension of RFC 8226, or that of RFC 9118 when something is excluded."""
    parts = b""
    if include:
        parts += der(0xA0, der(0x30, b"".join(map(ia5, include))))
    if permitted:
        values = (der(0x30, ia5(name) + der(0x30, b"".join(map(utf8, said)))) for name, said in permitted.items())
        parts += der(0xA1, der(0x30, b"".join(values)))
    if exclude:
        parts += der(0xA2, der(0x30, b"".join(map(ia5, exclude))))
    return raw(constraints.ENHANCED_OID if exclude else constraints.OID, der(0x30, parts))


def raw(oid: str, value: bytes, critical: bool = False) -> x509.Extension[Any]:
    """An extension from its bytes, good or bad."""
    at = ObjectIdentifier(oid)
    return x509.Extension(at, critical, x509.UnrecognizedExtension(at, value))


def by_reference(url: str = "https://numbers.example.net/list") -> x509.Extension[Any]:
    """A TN Authorization List that is elsewhere (RFC 8226 §10)."""
    way = x509.AccessDescription(ObjectIdentifier(tnauthlist.BY_REFERENCE_OID), x509.UniformResourceIdentifier(url))
    access = x509.AuthorityInformationAccess([way])
    return x509.Extension(access.oid, False, access)


@dataclass(frozen=True)
class Identity:
    """A certificate with its key and the path above it, lowest first."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    path: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        """What an x5u serves: the leaf, then its issuers without the root."""
        return b"".join(one.public_bytes(Encoding.PEM) for one in (self.certificate, *self.path))

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True)
class Wishes:
    """What is special about a certificate."""

    name: str = "SHAKEN 1234"
    ca: bool = False
    path_length: int | None = None
    begins: datetime.timedelta = -DAY
    ends: datetime.timedelta = 365 * DAY
    curve: ec.EllipticCurve = field(default_factory=ec.SECP256R1)
    usage: str = "right"
    """right, wrong or none: what its key is for."""
    extensions: tuple[x509.Extension[Any], ...] = ()


class Authority:
    """A policy administrator's root, and what it and its intermediates issue. ``now`` is when the test happens."""

    def __init__(self, now: datetime.datetime | None = None) -> None:
        self.now = (now or datetime.datetime.now(datetime.UTC)).replace(microsecond=0)
        self.root = self._issue(None, Wishes(name="STI-PA root", ca=True, ends=3650 * DAY))

    def intermediate(self, issuer: Identity | None = None, **wishes: Any) -> Identity:
        """A CA below the root or below another."""
        wanted = replace(Wishes(name="STI-CA", ca=True, path_length=1), **wishes)
        return self._issue(issuer or self.root, wanted)

    def leaf(self, *entries: bytes, issuer: Identity | None = None, **wishes: Any) -> Identity:
        """A certificate that may sign for these entries; by default for a provider's code."""
        wanted = replace(Wishes(), **wishes)
        if "extensions" not in wishes:
            wanted = replace(wanted, extensions=(tn_auth_list(*(entries or (spc("1234"),))),))
        return self._issue(issuer or self.root, wanted)

    def revocations(
        self, *revoked: Identity, signer: Identity | None = None
    ) -> tuple[x509.CertificateRevocationList, Identity]:
        """One indirect list for certificates of any issuer, and who signed it."""
        signer = signer or self._issue(self.root, Wishes(name="STI-PA revocations"))
        builder = x509.CertificateRevocationListBuilder(
            issuer_name=signer.certificate.subject, last_update=self.now - DAY, next_update=self.now + DAY
        )
        for one in revoked:
            entry = x509.RevokedCertificateBuilder(one.certificate.serial_number, self.now - DAY).add_extension(
                x509.CertificateIssuer([x509.DirectoryName(one.certificate.issuer)]), critical=True
            )
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(signer.key, SHA256()), signer

    def _issue(self, issuer: Identity | None, wishes: Wishes) -> Identity:
        key = ec.generate_private_key(wishes.curve)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wishes.name)])
        builder = x509.CertificateBuilder(
            issuer_name=name if issuer is None else issuer.certificate.subject,
            subject_name=name,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=self.now + wishes.begins,
            not_valid_after=self.now + wishes.ends,
        ).add_extension(x509.BasicConstraints(wishes.ca, wishes.path_length), critical=True)
        if wishes.usage != "none":
            signs = not wishes.ca and wishes.usage == "right"
            builder = builder.add_extension(
                x509.KeyUsage(signs, False, not signs, False, False, wishes.ca, wishes.ca, False, False), critical=True
            )
        for extension in wishes.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        signed = builder.sign(key if issuer is None else issuer.key, SHA256())
        above = (
            ()
            if issuer is None or issuer.certificate == getattr(self, "root", issuer).certificate
            else (
                issuer.certificate,
                *issuer.path,
            )
        )
        return Identity(signed, key, above)


def server_tls(folder: Path, host: str = "127.0.0.1") -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A web server's side, on localhost and the address ``host``, and the client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(host))])
    day = datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(True, None), critical=True)
        .sign(key, SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=certificate.public_bytes(Encoding.PEM).decode())
