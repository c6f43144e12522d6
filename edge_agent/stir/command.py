"""``edge-agent stir sign`` and ``stir verify``: one header made, one message judged, as the operator asks for it.

Asks no running agent. Fetches a certificate only when told to.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography import x509

from edge_agent.events.record import clean
from edge_agent.numbering.plans import plan, regions
from edge_agent.stir import identity, message, sign
from edge_agent.stir.chain import Credential
from edge_agent.stir.fetch import Certificates, Limits, check_url
from edge_agent.stir.refused import Refused
from edge_agent.stir.verify import Call, Result, verify

TEXT = 200


class BadInput(Exception):
    """A file or an option can't be used; the text is the line an operator reads."""


def read_roots(folder: Path) -> list[x509.Certificate]:
    """The certificates of all ``*.pem`` and ``*.crt`` files in a folder, or those of one file."""
    try:
        files = sorted({*folder.glob("*.pem"), *folder.glob("*.crt")}) if folder.is_dir() else [folder]
        if not files:
            raise BadInput(f"{folder}: no *.pem or *.crt file in it; put the trusted roots there")
        roots: list[x509.Certificate] = []
        for file in files:
            try:
                roots += x509.load_pem_x509_certificates(file.read_bytes())
            except ValueError:
                raise BadInput(f"{file}: no certificate in PEM form") from None
        return roots
    except OSError as error:
        raise BadInput(f"{error.filename}: {error.strerror}") from None


def sign_header(key: Path, x5u: str, orig: str, dest: str, attest: str, country: str, at: float | None) -> str:
    """The Identity header's value. Raises BadInput."""
    _check_country(country)
    try:
        check_url(x5u, Limits())
        private = sign.load_key(key.read_bytes())
    except OSError as error:
        raise BadInput(f"{key}: {error.strerror}") from None
    except Refused as fault:
        raise BadInput(f"--x5u: verifiers won't fetch that: {fault.detail}") from None
    except sign.BadKey as error:
        raise BadInput(f"{key}: {error}") from None
    numbers = [_canonical(name, number, country) for name, number in (("--orig", orig), ("--dest", dest))]
    return sign.shaken(private, x5u, numbers[0], numbers[1], attest, uuid4(), int(time.time() if at is None else at))


def verify_message(
    file: Path,
    roots: Path,
    country: str,
    *,
    known: Sequence[tuple[str, Path]] = (),
    fetch: bool = False,
    at: float | None = None,
    freshness: float = 60.0,
) -> dict[str, Any]:
    """The result as ``--json`` prints it. ``known``: certificates by URL, from files. Raises BadInput."""
    _check_country(country)
    try:
        values, call = message.read(file.read_bytes(), plan(country))
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}") from None
    except (message.NoCall, ValueError) as error:
        raise BadInput(f"{file}: can't be verified: {error}") from None
    now = time.time() if at is None else at
    result = asyncio.run(_verify(values, call, now, freshness, read_roots(roots), known, fetch))
    return {
        "file": str(file),
        "caller": call.caller,
        "to": call.to,
        "called": call.called,
        "verstat": result.verstat,
        "status": result.reason.status,
        "phrase": result.reason.phrase,
        "reason": result.reason.name,
        "sentence": result.reason.sentence,
        "attest": result.attest,
        "origid": result.origid,
        "priority": list(result.priority),
        "headers": [_header(checked) for checked in result.headers],
    }


async def _verify(
    values: Sequence[str],
    call: Call,
    now: float,
    freshness: float,
    roots: Sequence[x509.Certificate],
    known: Sequence[tuple[str, Path]],
    fetch: bool,
) -> Result:
    certificates = Certificates(roots, clock=lambda: now)
    refused: dict[str, Refused] = {}
    try:
        for url, file in known:
            try:
                certificates.preload(url, file.read_bytes())
            except OSError as error:
                raise BadInput(f"{file}: {error.strerror}") from None
            except Refused as fault:
                refused[url] = fault
        if fetch:
            await asyncio.gather(*(_fetch(certificates, url) for url in _urls(values) - refused.keys()))

        def credential(url: str) -> Credential:
            if url in refused:
                raise refused[url]
            return certificates.get(url)

        return verify(values, call, now, credential, freshness)
    finally:
        await certificates.close()


async def _fetch(certificates: Certificates, url: str) -> None:
    try:
        await certificates.fetch(url)
    except Refused as fault:
        certificates.refuse(url, fault)


def _urls(values: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for value in values:
        try:
            found.add(identity.parse(value).info)
        except Refused:
            continue
    return found


def _header(checked: Any) -> dict[str, str]:
    fault = checked.fault
    return {
        "ppt": clean(checked.identity.ppt, TEXT) if checked.identity is not None else "",
        "info": clean(checked.identity.info, TEXT) if checked.identity is not None else "",
        "reason": "pass" if fault is None else fault.reason.name,
        "detail": "" if fault is None else clean(fault.detail, TEXT),
    }


def _check_country(country: str) -> None:
    if country not in regions():
        raise BadInput(f"--country: there is no numbering plan for {country!r}")


def _canonical(option: str, number: str, country: str) -> str:
    from edge_agent import _hot

    found = _hot.canonical(number, plan(country))
    if not found:
        raise BadInput(f"{option}: {number!r} is no telephone number; write it as +12025550143")
    return found
