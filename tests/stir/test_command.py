"""``edge-agent stir sign`` and ``stir verify`` as an operator types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1

from edge_agent.cli import commands
from tests.ca import Authority, Identity
from tests.stir.conftest import URL

MESSAGE = (
    "INVITE sip:+12125550100@cloud.example.net SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKa\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:{caller}@192.0.2.10>;tag=1\r\n"
    "To: <sip:+12125550100@cloud.example.net>\r\n"
    "Call-ID: a\r\nCSeq: 1 INVITE\r\n"
    "{identity}"
    "Contact: <sip:192.0.2.10>\r\n"
    "Content-Length: 0\r\n\r\n"
)


def edge_agent(*arguments: object) -> Result:
    return CliRunner().invoke(commands, ["stir", *map(str, arguments)])


class Desk:
    """A folder with what an operator has: a key, its certificate, the roots."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority()
        self.leaf: Identity = self.authority.leaf()
        self.key, self.certificate, self.roots = folder / "key.pem", folder / "leaf.pem", folder / "roots"
        self.message = folder / "call.sip"
        self.key.write_bytes(self.leaf.key_pem)
        self.certificate.write_bytes(self.leaf.pem)
        self.roots.mkdir()
        (self.roots / "pa.pem").write_bytes(self.authority.root.pem)

    def sign(self, orig: str = "+12025550143", dest: str = "212-555-0100") -> Result:
        return edge_agent("sign", "--key", self.key, "--x5u", URL, "--orig", orig, "--dest", dest, "--attest", "A")

    def verify(self, header: str, *more: object, caller: str = "+12025550143") -> Result:
        self.message.write_bytes(MESSAGE.format(caller=caller, identity=header).encode())
        return edge_agent("verify", self.message, "--roots", self.roots, "--certificate", URL, self.certificate, *more)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_what_is_signed_verifies(desk: Desk) -> None:
    signed = desk.sign()
    assert signed.exit_code == 0
    verified = desk.verify(signed.output.strip() + "\r\n")
    assert verified.exit_code == 0
    assert "TN-Validation-Passed, attestation A" in verified.output


def test_a_folded_compact_header_name(desk: Desk) -> None:
    value = desk.sign().output.strip().removeprefix("Identity: ").replace(";info", "\r\n ;info")
    report = json.loads(desk.verify(f"y : {value}\r\n", "--json").output)
    assert (report["verstat"], report["reason"], report["attest"]) == ("TN-Validation-Passed", "pass", "A")


def test_another_caller(desk: Desk) -> None:
    verified = desk.verify(desk.sign().output.strip() + "\r\n", "--json", caller="+12025550144")
    report = json.loads(verified.output)
    assert verified.exit_code == 1
    assert (report["status"], report["phrase"], report["reason"]) == (438, "Invalid Identity Header", "passport-orig")


def test_an_old_signature(desk: Desk) -> None:
    header = desk.sign().output.strip() + "\r\n"
    report = json.loads(desk.verify(header, "--json", "--at", desk.authority.now.timestamp() + 3600).output)
    assert (report["status"], report["phrase"]) == (403, "Stale Date")


def test_a_call_without_a_header(desk: Desk) -> None:
    report = json.loads(desk.verify("", "--json").output)
    assert (report["status"], report["verstat"]) == (428, "No-TN-Validation")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--x5u", "http://cr.example.net/a.pem"), "verifiers won't fetch that"),
        (("--x5u", "https://10.0.0.1/a.pem"), "10.0.0.1 is not public"),
        (("--orig", "nobody"), "'nobody' is no telephone number"),
        (("--key", "/nonexistent/key.pem"), "/nonexistent/key.pem: No such file"),
        (("--country", "XX"), "no numbering plan for 'XX'"),
    ],
)
def test_bad_input_to_sign(desk: Desk, arguments: tuple[str, str], said: str) -> None:
    good = {"--key": desk.key, "--x5u": URL, "--orig": "+12025550143", "--dest": "+12125550100", "--attest": "A"}
    options = good | {arguments[0]: arguments[1]}
    result = edge_agent("sign", *(part for pair in options.items() for part in pair))
    assert result.exit_code == 1
    assert said in result.output


def test_keys_that_cannot_sign(desk: Desk) -> None:
    for pem in (b"", b"no key", desk.leaf.pem, desk.authority.leaf(curve=SECP384R1()).key_pem):
        desk.key.write_bytes(pem)
        result = desk.sign()
        assert result.exit_code == 1
        assert str(desk.key) in result.output


def test_bad_input_to_verify(desk: Desk, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    desk.verify("")
    for arguments, said in (
        ((desk.message, "--roots", empty), "no *.pem or *.crt file"),
        ((desk.message, "--roots", tmp_path / "none"), "No such file"),
        ((desk.message, "--roots", desk.message), "no certificate in PEM form"),
        ((tmp_path / "none.sip", "--roots", desk.roots), "No such file"),
        ((desk.key, "--roots", desk.roots), "can't be verified: start-line"),
    ):
        result = edge_agent("verify", *arguments)
        assert result.exit_code == 1
        assert said in result.output
