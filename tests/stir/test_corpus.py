"""Tokens, certificates and scenarios of other implementations, read where EDGE_CORPUS points.

Their keys aren't there, so a scenario's token is minted here as its line says,
with certificates that have the fault that its name says.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from edge_agent.stir import chain, sign
from edge_agent.stir.refused import Refused
from tests.ca import Identity
from tests.stir.conftest import World

CORPUS = Path(os.environ.get("EDGE_CORPUS", "")) / "stir"
pytestmark = pytest.mark.skipif(not os.environ.get("EDGE_CORPUS"), reason="EDGE_CORPUS names no folder")

CALLER, CALLED = "439991001", "439991002"


def rows(folder: str) -> list[list[str]]:
    file = CORPUS / folder / "expected.tsv"
    return [line.split("\t") for line in file.read_text().splitlines()] if file.is_file() else []


def statuses(text: str) -> set[int]:
    """Every code that the expectation leaves open; 0 where the call may pass."""
    return {int(code) for code in re.findall(r"\b4\d\d\b", text)} | ({0} if "forward" in text else set())


@pytest.mark.parametrize("row", rows("sems"), ids=lambda row: row[0])
def test_sems(world: World, row: list[str]) -> None:
    name, expected = row
    value = (CORPUS / "sems" / name).read_text().strip()
    pem = (CORPUS / "sems" / "test.pem").read_bytes()
    roots = [world.authority.root.certificate]

    def credential(url: str) -> chain.Credential:
        return chain.load(pem, roots)

    world.credential = credential  # type: ignore[method-assign]
    result = world.verify(value, caller="", to="", called="")
    # An info that can't be read isn't fetched, and what is wrong in the token comes before its certificate.
    assert result.reason.status in statuses(expected) | {438, 437}
    assert result.verstat != "TN-Validation-Passed"


def test_rfc8225(world: World) -> None:
    token = (CORPUS / "rfc8225" / "appendix-a.jwt").read_text().strip()
    result = world.verify(f"{token};info=<https://cert.example.org/passport.cer>", caller="12155551212")
    assert result.verstat != "TN-Validation-Passed"


def test_libstirshaken(world: World) -> None:
    folder = CORPUS / "libstirshaken"
    token = (folder / "passport.jwt").read_text().strip()
    result = world.verify(f"{token};info=<http://shaken.signalwire.cloud/sp.pem>;ppt=shaken")
    assert result.reason.status in (403, 438)
    with pytest.raises(Refused, match="certificate-profile"):  # its TN Authorization List is a path, not DER
        chain.load((folder / "sp.pem").read_bytes(), x509.load_pem_x509_certificates((folder / "ca.pem").read_bytes()))


def test_asterisk_certificates() -> None:
    folder = CORPUS / "asterisk"
    now = 1_790_000_000.0  # 2026
    good = x509.load_pem_x509_certificates((folder / "astdev-ca.crt").read_bytes())
    expired = x509.load_pem_x509_certificates((folder / "astdev-ca-expired.crt").read_bytes())
    credential = chain.load((folder / "SPAST1-cert.pem").read_bytes(), good)
    credential.check_time(now)
    assert credential.numbers.spcs == ("1",)
    with pytest.raises(Refused) as refused:
        chain.load((folder / "SPAST1-caexp-cert.pem").read_bytes(), expired).check_time(now)
    assert refused.value.reason.status == 437
    with pytest.raises(Refused, match="certificate-path"):
        chain.load((folder / "SPAST1-cert.pem").read_bytes(), expired)


def wanted(scenario: str) -> tuple[dict[str, str], dict[str, Any]]:
    """The attributes of the scenario's [identity …] line, or of the options that make its token; and claims to change."""
    text = (CORPUS / "stirshaken-scenarios" / scenario).read_text()
    if line := re.search(r"\[identity ([^\]]*)\]", text):
        return dict(re.findall(r'(\w+)="([^"]*)"', line[1])), {}
    options = dict(
        row.split("\t", 1)
        for row in (CORPUS / "stirshaken-scenarios" / "token-parameters.tsv").read_text().splitlines()
    )[scenario[:3]]
    found = dict(re.findall(r"--(\w+)=(\S+)", options))
    return found, {"flags": set(options.split()) & {"noalg", "noppt"}, "given": found}


@pytest.mark.parametrize("row", rows("stirshaken-scenarios"), ids=lambda row: row[0])
def test_scenarios(world: World, row: list[str]) -> None:
    scenario, _, expected = row
    asked, special = wanted(scenario)
    leaf = world.authority.leaf()
    url = asked.get("x5u", "https://sipp.example/cert.pem")
    faulty: dict[str, Identity | Refused] = {
        "201": world.authority.leaf(begins=timedelta(days=1), ends=timedelta(days=2)),
        "205": Refused("certificate-syntax", "garbage"),
        "207": Refused("certificate-unavailable", "status 404"),
        "209": Refused("certificate-unavailable", "no answer"),
    }
    world.served[url] = faulty.get(scenario[:3], leaf)
    signer = world.served[url] if isinstance(world.served[url], Identity) else leaf
    assert isinstance(signer, Identity)
    value = header(scenario, signer, url, asked, special, world)
    result = world.verify(value, caller=CALLER, to=CALLED, called=CALLED)
    assert result.reason.status in statuses(expected), (result.reason.name, expected)


def header(
    scenario: str, signer: Identity, url: str, asked: dict[str, str], special: dict[str, Any], world: World
) -> str:
    if scenario.startswith("010"):
        return ".".join(letter * 32 for letter in "abc")
    if scenario.startswith("015"):
        token = sign.header(signer.key, url, "shaken", {}).split(".")
        return ".".join((token[0], "a" * 16, token[2]))
    claims = world.claims(
        orig={"tn": asked.get("origtn", CALLER)},
        dest={"tn": [asked.get("desttn", CALLED)]},
        iat=int(asked["iat"]) if asked.get("iat", "").lstrip("-").isdigit() else int(world.now),
        attest=asked.get("attest"),
    )
    if special:
        given = special["given"]
        if "origtn" not in given:
            claims["orig"] = {}
        elif given["origtn"] == "SF_EMPTY":
            claims["orig"] = {"tn": ""}
        if given.get("iat") == "$iat":
            claims["iat"] = -1
    value = sign.header(signer.key, url, "shaken", claims)
    if special and "noalg" in special["flags"]:
        value = value.replace(";alg=ES256", "")
    if special and "noppt" in special["flags"]:
        value = value.replace(";ppt=shaken", "")
    return value
