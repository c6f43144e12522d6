"""Host names of certificate repositories to addresses, without a thread: an attacker writes the names.

The system's own resolver takes a thread for as long as a name server says
nothing, from a small pool that reloads and bans use too. So: the hosts file,
then DNS over asyncio, names as they are written, never with a search list.
Judges no address.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import dns.asyncresolver
import dns.exception
import dns.resolver

SECONDS = 1.8
"""Of a look-up; a fetch has 2 s in all."""
ONE_TRY_SECONDS = 0.6
MOST = 16
"""Addresses of one name that are looked at."""
HOSTS = Path("/etc/hosts")


async def addresses(host: str, hosts: Path = HOSTS) -> list[str]:
    """The addresses of a name, in text. OSError when there is none."""
    if found := _listed(host, hosts):
        return found[:MOST]
    try:
        resolver = dns.asyncresolver.Resolver()
    except (dns.exception.DNSException, OSError) as error:
        raise OSError(f"no name server: {error}") from None
    resolver.lifetime, resolver.timeout = SECONDS, ONE_TRY_SECONDS
    answers = await asyncio.gather(*(_ask(resolver, host, kind) for kind in ("A", "AAAA")), return_exceptions=True)
    found = [address for answer in answers if not isinstance(answer, BaseException) for address in answer]
    if not found:
        why = next((answer for answer in answers if isinstance(answer, BaseException)), "no address")
        raise OSError(f"{host}: {why}")
    return found[:MOST]


async def _ask(resolver: dns.asyncresolver.Resolver, host: str, kind: str) -> Sequence[str]:
    try:
        answer = await resolver.resolve(host, kind, search=False, raise_on_no_answer=False)
    except (dns.exception.DNSException, ValueError) as error:
        raise OSError(str(error) or type(error).__name__) from None
    return [record.to_text() for record in answer]


def _listed(host: str, hosts: Path) -> list[str]:
    """What the hosts file says, so that an operator's own entries hold here too."""
    try:
        lines = hosts.read_text(errors="replace").splitlines()
    except OSError:
        return []
    words = (line.partition("#")[0].lower().split() for line in lines)
    return [parts[0] for parts in words if host.lower() in parts[1:]]
