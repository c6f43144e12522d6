"""material: the files of [stir] and sign, and what is told about each that can't be used."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edge_agent.policy.load import ConfigError, Loaded, load
from tests.ca import Authority, Identity

URL = "https://cr.example.net/1234.pem"
BASE = """
[[listen]]
address = "127.0.0.1:5060"

[[upstream]]
name = "cloud"
targets = ["127.0.0.20:5080"]
{sign}

[[trunk]]
name = "acme"
sources = ["127.0.0.10/32"]
upstream = "cloud"
contact = ["127.0.0.10:5060"]
caller_ids = ["+12125000000..+12125000999"]

[stir]
{stir}
"""


class Folder:
    """A configuration and the files that it names."""

    def __init__(self, path: Path) -> None:
        self.path, self.authority = path, Authority()
        (path / "roots").mkdir()
        self.put("roots/root.pem", self.authority.root.certificate.public_bytes(Encoding.PEM))

    def put(self, name: str, content: bytes, mode: int = 0o600) -> None:
        (self.path / name).write_bytes(content)
        (self.path / name).chmod(mode)

    def load(self, stir: str = "", sign: str = "") -> Loaded:
        file = self.path / "edge_agent.toml"
        file.write_text(BASE.format(stir=stir, sign=sign))
        return load(file)

    def told(self, stir: str = "", sign: str = "") -> list[tuple[str, str]]:
        """Key and message of each error."""
        with pytest.raises(ConfigError) as error:
            self.load(stir, sign)
        return [(problem.key, str(problem)) for problem in error.value.problems]

    def revocations(self, *revoked: Identity, **signer: Any) -> None:
        crl, by = self.authority.revocations(*revoked, **signer)
        self.put("list.crl", crl.public_bytes(Encoding.DER))
        self.put("list.pem", crl.public_bytes(Encoding.PEM))
        self.put("signer.pem", by.certificate.public_bytes(Encoding.PEM))


ROOTS = 'roots = "roots"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_all_of_it(folder: Folder) -> None:
    leaf = folder.authority.leaf()
    folder.put("leaf.pem", leaf.pem)
    folder.put("key.pem", leaf.key_pem)
    folder.put("ca.pem", folder.authority.root.certificate.public_bytes(Encoding.PEM))
    folder.revocations(folder.authority.leaf(name="other"))
    loaded = folder.load(
        ROOTS + f'fetch_ca = "ca.pem"\nrevocations = "list.crl"\nrevocations_signer = "signer.pem"\n'
        f'x5u_hosts = ["cr.example.net"]\nfetch_allow = ["10.0.0.0/8"]\npreload = {{"{URL}" = "leaf.pem"}}',
        f'sign = {{key = "file:key.pem", x5u = "{URL}"}}',
    )
    material = loaded.stir
    assert material is not None
    assert material.roots == (folder.authority.root.certificate,) and material.tls is not None
    assert material.preload == ((URL, leaf.pem),) and material.limits.hosts == ("cr.example.net",)
    assert material.signers["cloud"].level(True) == "A" and material.signers["cloud"].level(False) == "B"
    assert not material.revoked(leaf.certificate)


def test_who_needs_none_of_it_reads_none(folder: Folder) -> None:
    assert folder.load().stir is None
    assert folder.load('freshness = "30s"').stir is None


@pytest.mark.parametrize(
    ("stir", "key", "text"),
    [
        (
            'roots = "nowhere"',
            "stir.roots",
            "nowhere: No such file or directory (put the administrator's trusted roots",
        ),
        ('roots = "empty"', "stir.roots", "no *.pem or *.crt file in it"),
        ('roots = "bad"', "stir.roots", "a.pem holds no certificate in PEM form"),
        ('roots = "bad.pem"', "stir.roots", "bad.pem holds no certificate in PEM form"),
        (ROOTS + 'fetch_ca = "no.pem"', "stir.fetch_ca", "no.pem: No such file"),
        (ROOTS + 'fetch_ca = "bad.pem"', "stir.fetch_ca", "bad.pem: "),
        (ROOTS + 'revocations = "list.crl"', "stir.revocations_signer", "this key is missing (name the certificate"),
        (ROOTS + 'revocations = "no"\nrevocations_signer = "signer.pem"', "stir.revocations", "no: No such file"),
        (ROOTS + 'revocations = "bad.pem"\nrevocations_signer = "signer.pem"', "stir.revocations", "bad.pem: "),
        (ROOTS + 'revocations = "list.crl"\nrevocations_signer = "bad.pem"', "stir.revocations_signer", "bad.pem: "),
        (
            ROOTS + 'revocations = "list.pem"\nrevocations_signer = "roots/root.pem"',
            "stir.revocations",
            "isn't signed by its signer (is revocations_signer the certificate of who signed it?)",
        ),
        (ROOTS + f'preload = {{"{URL}" = "no.pem"}}', f"stir.preload.{URL}", "no.pem: No such file"),
        (ROOTS + f'preload = {{"{URL}" = "bad.pem"}}', f"stir.preload.{URL}", "the certificate can't be read"),
        (ROOTS + f'preload = {{"{URL}" = "strange.pem"}}', f"stir.preload.{URL}", "no path to a trusted root"),
        (ROOTS + f'preload = {{"{URL}" = "roots"}}', f"stir.preload.{URL}", "roots: Is a directory"),
        (
            ROOTS + 'preload = {"http://cr.example.net/a" = "leaf.pem"}',
            "stir.preload.http://cr.example.net/a",
            "not https, or with a user (https on port 443 or 8443",
        ),
        (
            ROOTS + 'preload = {"https://cr.example.net/a?b" = "leaf.pem"}',
            "stir.preload.https://cr.example.net/a?b",
            "more than host and path",
        ),
    ],
)
def test_files_that_can_t_be_used(folder: Folder, stir: str, key: str, text: str) -> None:
    for name in ("empty", "bad"):
        (folder.path / name).mkdir()
    folder.put("bad/a.pem", b"nothing")
    folder.put("bad.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    folder.put("leaf.pem", folder.authority.leaf().pem)
    folder.put("strange.pem", Authority().leaf().pem)
    folder.revocations()
    told = folder.told(stir)
    assert len(told) == 1 and told[0][0] == key and text in told[0][1], told
    assert str(folder.path / "edge_agent.toml") in told[0][1]


def test_every_fault_is_told(folder: Folder) -> None:
    told = folder.told('roots = "no"\nfetch_ca = "no"\nrevocations = "no"\nrevocations_signer = "no"')
    assert [key for key, _ in told] == ["stir.roots", "stir.revocations_signer", "stir.fetch_ca"]


def test_an_old_list_of_revocations_is_told_and_holds(folder: Folder) -> None:
    folder.authority.now -= timedelta(days=5)
    leaf = folder.authority.leaf()
    folder.revocations(leaf)
    loaded = folder.load(ROOTS + 'revocations = "list.pem"\nrevocations_signer = "signer.pem"')
    assert "revocations-old" in {notice.code for notice in loaded.notices}
    assert loaded.stir is not None and loaded.stir.revoked(leaf.certificate)
    folder.put("leaf.pem", leaf.pem)
    told = folder.told(
        ROOTS + f'revocations = "list.pem"\nrevocations_signer = "signer.pem"\npreload = {{"{URL}" = "leaf.pem"}}'
    )
    assert "the certificate was revoked" in told[0][1]


@pytest.mark.parametrize(
    ("sign", "key", "text"),
    [
        ('{key = "file:no.pem", x5u = "https://a.example/b"}', ".key", "file:no.pem: No such file"),
        ('{key = "file:open.pem", x5u = "https://a.example/b"}', ".key", "it is open to others; run: chmod 600"),
        ('{key = "file:other.pem", x5u = "https://a.example/b"}', ".key", "a key of curve P-256 is needed"),
        ('{key = "file:leaf.pem", x5u = "https://a.example/b"}', ".key", "no private key in PEM form"),
        ('{key = "file:key.pem", x5u = "http://a.example/b"}', ".x5u", "not https"),
        ('{key = "file:key.pem", x5u = "https://127.0.0.1/b"}', ".x5u", "127.0.0.1 is not public"),
        ('{key = "key.pem", x5u = "https://a.example/b"}', ".key", "is no key file"),
        ('{key = "file:key.pem"}', ".x5u", "this key is missing"),
        (
            '{key = "file:key.pem", x5u = "https://a.example/b", attest = "D"}',
            ".attest",
            "must be 'auto', 'A', 'B' or 'C'",
        ),
        ('{key = "file:key.pem", x5u = "https://a.example/b", atest = "A"}', ".atest", 'did you mean "attest"?'),
    ],
)
def test_keys_that_can_t_sign(folder: Folder, sign: str, key: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    leaf = folder.authority.leaf()
    folder.put("leaf.pem", leaf.pem)
    folder.put("key.pem", leaf.key_pem)
    folder.put("open.pem", leaf.key_pem, 0o644)
    other = ec.generate_private_key(ec.SECP384R1())
    folder.put("other.pem", other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    told = folder.told(sign=f"sign = {sign}")
    assert len(told) == 1 and told[0][0] == f"upstream[cloud].sign{key}" and text in told[0][1], told


def test_a_key_that_only_systemd_has(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """No error by hand; within the unit a credential that isn't there is one."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    sign = f'sign = {{key = "credential:sign.pem", x5u = "{URL}"}}'
    loaded = folder.load(sign=sign)
    assert (
        "needs LoadCredential=sign.pem:" in str(loaded.notices) and loaded.stir is not None and not loaded.stir.signers
    )
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder.path))
    assert "sign.pem: No such file" in folder.told(sign=sign)[0][1]


def test_a_key_of_systemd(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder.path / "credentials").mkdir()
    folder.put("credentials/sign.pem", folder.authority.leaf().key_pem, 0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder.path / "credentials"))
    loaded = folder.load(sign=f'sign = {{key = "credential:sign.pem", x5u = "{URL}"}}')
    assert loaded.stir is not None and "cloud" in loaded.stir.signers


def test_a_file_without_end(folder: Folder) -> None:
    told = folder.told(ROOTS + 'fetch_ca = "/dev/zero"')
    assert "is no regular file" in told[0][1]
