"""The files that ``[stir]`` and ``sign`` name, read at load: roots, revocations, preloaded certificates, CA, keys.

Everything that is wrong with one is a finding about its key, at ``check`` and at
each reload. Nothing here asks the network.
"""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

from cryptography import x509

from edge_agent.keys import CREDENTIAL
from edge_agent.policy.lists import read_regular
from edge_agent.policy.sections import Stir
from edge_agent.policy.settings import Sign, Upstream
from edge_agent.stir import chain, sign
from edge_agent.stir.chain import Revocations, Revoked, nobody_revoked
from edge_agent.stir.fetch import Limits, check_url
from edge_agent.stir.refused import Refused
from edge_agent.stir.signer import Signer

MOST_BYTES = 64 * 2**20
"""Of one file: the administrator's list of a whole country is a few MiB."""
HINT_ROOTS = "put the administrator's trusted roots there, as *.pem or *.crt"

Loc = tuple[str | int, ...]
Finding = tuple[str, Loc, dict[str, Any]]
"""Code of the catalogue, key, values."""


@dataclass(frozen=True)
class Material:
    """What the files hold."""

    roots: tuple[x509.Certificate, ...] = ()
    revoked: Revoked = nobody_revoked
    limits: Limits = field(default_factory=Limits)
    tls: ssl.SSLContext | None = None
    """For the repositories; None: the system's."""
    preload: tuple[tuple[str, bytes], ...] = ()
    signers: Mapping[str, Signer] = field(default_factory=dict)
    """By upstream."""


def read(
    stir: Stir, upstreams: Mapping[int, Upstream], verifies: bool, folder: Path, credentials: Path | None
) -> tuple[Material, list[Finding]]:
    """What the files hold, and what is wrong with them.

    ``verifies``: some trunk's calls are verified, or [stir] names files all the same. ``folder``: of relative paths.
    """
    reader = _Reader(folder, credentials)
    limits = Limits(hosts=tuple(stir.x5u_hosts), allow=tuple(stir.fetch_allow))
    signers = {
        upstream.name: signer
        for index, upstream in upstreams.items()
        if upstream.sign is not None and (signer := reader.signer(index, upstream.sign)) is not None
    }
    if not verifies:
        return Material(signers=signers), reader.findings
    roots = reader.roots(stir.roots, "roots" in stir.model_fields_set)
    revoked = reader.revocations(stir.revocations, stir.revocations_signer)
    return (
        Material(
            roots,
            revoked,
            limits,
            reader.authority(stir.fetch_ca),
            tuple(reader.preloaded(stir.preload, roots, revoked)),
            signers,
        ),
        reader.findings,
    )


def read_roots(folder: Path) -> list[x509.Certificate]:
    """The certificates of all ``*.pem`` and ``*.crt`` files in a folder, or those of one file. OSError, ValueError."""
    files = sorted({*folder.glob("*.pem"), *folder.glob("*.crt")}) if folder.is_dir() else [folder]
    if not files:
        raise ValueError("no *.pem or *.crt file in it")
    roots: list[x509.Certificate] = []
    for file in files:
        try:
            roots += x509.load_pem_x509_certificates(_bytes(file))
        except ValueError:
            raise ValueError(f"{file.name} holds no certificate in PEM form") from None
    return roots


class _Reader:
    """One load; collects what is wrong."""

    def __init__(self, folder: Path, credentials: Path | None) -> None:
        self._folder, self._credentials = folder, credentials
        self.findings: list[Finding] = []

    def roots(self, name: str, named: bool) -> tuple[x509.Certificate, ...]:
        """A folder that the operator named must be there; the usual one may not be filled yet."""
        path = self._folder / name
        try:
            return tuple(read_roots(path))
        except FileNotFoundError as error:
            if named:
                self._bad(("stir", "roots"), path, error, HINT_ROOTS)
            else:
                self._finding("no-roots", ("stir", "roots"), path=path, hint=HINT_ROOTS)
        except (OSError, ValueError) as error:
            self._bad(("stir", "roots"), path, error, HINT_ROOTS)
        return ()

    def revocations(self, name: str, signer: str) -> Revoked:
        """The signer need not be below a root: the administrator signs the list for certificates of all of them."""
        if not name:
            return nobody_revoked
        loc: Loc = ("stir", "revocations")
        if not signer:
            hint = "name the certificate of who signs the list"
            self._finding("missing-key", ("stir", "revocations_signer"), hint=hint)
            return nobody_revoked
        path, signer_path = self._folder / name, self._folder / signer
        try:
            certificate = x509.load_pem_x509_certificates(_bytes(signer_path))[0]
        except (OSError, ValueError) as error:
            self._bad(("stir", "revocations_signer"), signer_path, error, "a certificate in PEM form")
            return nobody_revoked
        try:
            revoked = Revocations(_crl(_bytes(path)), certificate)
        except (OSError, ValueError) as error:
            self._bad(loc, path, error, "a revocation list in PEM or DER form")
            return nobody_revoked
        except Refused as fault:
            self._bad(loc, path, ValueError(fault.detail), "is revocations_signer the certificate of who signed it?")
            return nobody_revoked
        if revoked.next_update is not None and revoked.next_update < datetime.datetime.now(datetime.UTC):
            self._finding("revocations-old", loc, path=path, when=revoked.next_update.date())
        return revoked

    def authority(self, name: str) -> ssl.SSLContext | None:
        if not name:
            return None
        path = self._folder / name
        try:
            return ssl.create_default_context(cadata=_bytes(path).decode("ascii"))
        except (OSError, ValueError) as error:
            self._bad(("stir", "fetch_ca"), path, error, "CA certificates in PEM form")
            return None

    def preloaded(
        self, preload: Mapping[str, str], roots: tuple[x509.Certificate, ...], revoked: Revoked
    ) -> Iterator[tuple[str, bytes]]:
        for url, name in preload.items():
            loc: Loc = ("stir", "preload", url)
            path = self._folder / name
            try:
                # Wherever it would be fetched from: it never is.
                check_url(url, Limits(allow=_EVERYWHERE))
            except Refused as fault:
                self._finding("certificate-url", loc, why=fault.detail)
                continue
            try:
                pem = _bytes(path)
                if roots:
                    chain.load(pem, roots, revoked)
                yield url, pem
            except (OSError, ValueError) as error:
                self._bad(loc, path, error, "a certificate in PEM form, its issuers below it")
            except Refused as fault:
                why = fault.reason.sentence + (f": {fault.detail}" if fault.detail else "")
                self._bad(loc, path, ValueError(why), "the certificate that this URL serves, its issuers below it")

    def signer(self, index: int, settings: Sign) -> Signer | None:
        loc: Loc = ("upstream", index, "sign")
        try:
            check_url(settings.x5u, Limits())
        except Refused as fault:
            self._finding("certificate-url", (*loc, "x5u"), why=fault.detail)
            return None
        if settings.key.startswith(CREDENTIAL) and self._credentials is None:
            # Whoever checks by hand isn't the unit.
            self._finding("credential-absent", (*loc, "key"), name=settings.key.removeprefix(CREDENTIAL))
            return None
        try:
            path = self._key_path(settings.key)
            if path.stat().st_mode & 0o007:
                raise ValueError(f"it is open to others; run: chmod 600 {path}")
            return Signer(sign.load_key(_bytes(path)), settings.x5u, settings.attest)
        except (OSError, sign.BadKey, ValueError) as error:
            self._bad((*loc, "key"), settings.key, error, "a private key of curve P-256, PEM, without password")
            return None

    def _key_path(self, written: str) -> Path:
        if written.startswith(CREDENTIAL) and self._credentials is not None:
            return self._credentials / written.removeprefix(CREDENTIAL)
        return self._folder / written.removeprefix("file:")

    def _bad(self, loc: Loc, path: object, error: Exception, hint: str) -> None:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        self._finding("stir-file", loc, path=path, why=why, hint=hint)

    def _finding(self, code: str, loc: Loc, **values: object) -> None:
        self.findings.append((code, loc, values))


_EVERYWHERE = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))


def _bytes(path: Path) -> bytes:
    (_, _, size), text = read_regular(path, ())
    assert text is not None
    if size > MOST_BYTES:
        raise ValueError(f"{size} bytes are no certificate or list")
    return text


def _crl(data: bytes) -> x509.CertificateRevocationList:
    load: Callable[[bytes], x509.CertificateRevocationList] = (
        x509.load_pem_x509_crl if data.lstrip().startswith(b"-----BEGIN") else x509.load_der_x509_crl
    )
    return load(data)
