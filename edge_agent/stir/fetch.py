"""Certificates from the network: the one file of this package that asks it. Off the path of calls, in the control plane.

An attacker writes the URL. So: https on port 443 or 8443, nothing but host and
path, no redirect, no address that isn't public (after resolution, and the
connection goes to the very address that was judged), 2 s, 64 KiB, one flight per
URL, few per host, and a bounded number in all. What failed isn't asked again for
a while; what was good stays until a newer one is (RFC 8226 §7), never beyond its
own end.

``get`` never waits; ``fetch`` does.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509

from edge_agent.stir import cache, chain, names
from edge_agent.stir.cache import BY_COMMAND, CONFIGURED, FOREVER, Cache, Entry, Store
from edge_agent.stir.chain import Credential, Revoked, nobody_revoked
from edge_agent.stir.refused import Refused

PORTS = (443, 8443)
SECONDS = 2.0
BYTES = chain.BYTES
URL_BYTES = 512
FLIGHTS, FLIGHTS_PER_HOST = 256, 8
"""At once. None waits for another's: a host that is dead takes its 2 s and eight sockets, and no more. Eight: one
repository serves the certificates of many providers, and all of them are new after a first start."""
KEEP_SECONDS = 24 * 3600.0
KEEP_MOST_SECONDS = 14 * 24 * 3600.0
FAILED_SECONDS = 30.0

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Limits:
    """What the operator says of fetching: hosts to ask (empty: any public one), networks that are not public and still may serve."""

    hosts: tuple[str, ...] = ()
    allow: tuple[Network, ...] = ()
    ports: tuple[int, ...] = PORTS


def check_url(url: str, limits: Limits) -> str:
    """The host of a URL that may be fetched (ATIS-1000074 §5.3.1). Refused "certificate-url"."""
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError:
        raise Refused("certificate-url", "no URL") from None
    host = (parts.hostname or "").rstrip(".")
    plain = len(url) <= URL_BYTES and url.isascii() and url.isprintable() and not set(url) & set(' "<>\\^`{|}')
    if not plain or parts.scheme != "https" or not host or "@" in parts.netloc:
        raise Refused("certificate-url", "not https, or with a user")
    if parts.query or parts.fragment or ";" in parts.path or "?" in url or "#" in url:
        raise Refused("certificate-url", "more than host and path")
    if port not in limits.ports:
        raise Refused("certificate-url", f"port {port}")
    if limits.hosts and host not in limits.hosts:
        raise Refused("certificate-url", f"{host} is not on the list")
    with suppress(ValueError):
        check_address(host, limits)
    return host


def check_address(text: str, limits: Limits) -> None:
    """Refused for an address that is not public (RFC 6890), unless it is allowed. ValueError when it is none."""
    address: IPv4Address | IPv6Address = ipaddress.ip_address(text)
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address.sixtofour or address
    if any(address in network for network in limits.allow if network.version == address.version):
        return
    if not address.is_global or address.is_multicast or address in _TRANSLATED:
        raise Refused("certificate-url", f"{address} is not public")


# Behind NAT64 stands whatever its last 32 bits say (RFC 6052).
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")


class Resolver(AbstractResolver):
    """Leaves out what is not public. aiohttp connects to what this returns and nothing else."""

    def __init__(self, limits: Callable[[], Limits]) -> None:
        self._limits = limits

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        results: list[ResolveResult] = []
        for address in await names.addresses(host):
            kind = socket.AF_INET6 if ":" in address else socket.AF_INET
            if family in (socket.AF_UNSPEC, kind):
                with suppress(Refused, ValueError):
                    check_address(address, self._limits())
                    results.append(
                        ResolveResult(
                            hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST
                        )
                    )
        if not results:
            raise OSError(f"{host} has no public address")
        return results

    async def close(self) -> None:
        return


COUNTS = ("fetched", "failed", "stale", "shed", "evicted", "unsaved")


class Certificates:
    """The certificates that are known, by URL. ``clock`` is wall time; ``store`` a folder for the next start, or None.

    ``look`` and ``get`` are for any thread, everything else for that of the event loop.
    ``counts``: fetched, failed, stale (kept though the repository failed), shed, evicted, unsaved.
    """

    def __init__(
        self,
        roots: Sequence[x509.Certificate],
        *,
        clock: Callable[[], float],
        limits: Limits | None = None,
        revoked: Revoked = nobody_revoked,
        store: Path | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._roots, self._revoked, self._clock = tuple(roots), revoked, clock
        self._limits = limits or Limits()
        self._tls = tls
        self.counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
        self._cache = Cache(self.counts)
        self._store = Store(store, self.counts) if store is not None else None
        self._flights: dict[str, asyncio.Task[None]] = {}
        self._hosts: Counter[str] = Counter()
        self._session: aiohttp.ClientSession | None = None
        self._generation = 0

    # What is known

    def look(self, url: str) -> Entry | None:
        """What is known of a URL, at once."""
        return self._cache.get(url)

    def get(self, url: str) -> Credential:
        """The certificate of a URL, at once. Refused with what is known against it, or "certificate-unavailable"."""
        entry = self._cache.get(url)
        if entry is None:
            raise Refused("certificate-unavailable", "not fetched yet")
        if entry.credential is not None:
            return entry.credential
        assert entry.fault is not None
        raise Refused(entry.fault.reason.name, entry.fault.detail)

    def wanted(self, url: str) -> bool:
        """Is it unknown, or due to be asked for again?"""
        entry = self._cache.get(url)
        return entry is None or self._clock() >= entry.until

    def host(self, url: str) -> str:
        """The host that would be asked. Refused "certificate-url" when it may not be."""
        return check_url(url, self._limits)

    def preload(self, url: str, pem: bytes, origin: str = BY_COMMAND) -> Credential:
        """Takes a certificate that the operator has. It is never asked for. Refused when it is no good."""
        credential = chain.load(pem, self._roots, self._revoked)
        entry = Entry(credential, None, FOREVER, pem, origin)
        self._cache.put(url, entry)
        if origin == BY_COMMAND and self._store is not None:
            self._store.save(url, entry)
        return credential

    def refuse(self, url: str, fault: Refused) -> None:
        """Remembers why a URL wasn't even asked for, so that ``get`` says it."""
        self._cache.put(url, Entry(None, fault, self._clock() + FAILED_SECONDS))

    def clear(self, url: str | None = None) -> int:
        """Forgets one URL, or all but the configuration's; how many those were."""
        gone = self._cache.clear(url)
        if self._store is not None:
            for one in gone:
                self._store.remove(one)
        return len(gone)

    def rows(self) -> list[dict[str, Any]]:
        """All that is known, as commands show it."""
        return [cache.told(url, entry) for url, entry in self._cache.rows()]

    def __len__(self) -> int:
        return len(self._cache)

    # What holds

    def use(
        self,
        roots: Sequence[x509.Certificate],
        revoked: Revoked,
        limits: Limits,
        tls: ssl.SSLContext | None,
        preload: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Other roots, revocations and limits: what is known is judged anew by them. Takes a millisecond a certificate.

        May run in a thread of its own, one at a time. What is in flight lands by the new ones.
        """
        self._roots, self._revoked, self._limits, self._tls = tuple(roots), revoked, limits, tls
        self._generation += 1
        named = dict(preload)
        self._cache.rejudge(lambda url, entry: self._judged(url, entry, named))
        for url, pem in preload:
            with suppress(Refused):  # the configuration's check told of it
                self.preload(url, pem, CONFIGURED)

    def _judged(self, url: str, entry: Entry, named: Mapping[str, bytes]) -> Entry:
        try:
            if entry.origin == CONFIGURED and url not in named:
                raise Refused("certificate-unavailable", "the configuration named it and doesn't any more")
            if entry.origin == cache.FETCHED:
                check_url(url, self._limits)
            return replace(entry, credential=chain.load(entry.pem, self._roots, self._revoked))
        except Refused as fault:
            return Entry(None, fault, 0.0)

    def restore(self) -> int:
        """Takes what the store has of the last run, where it is still good; how many. May run in a thread of its own."""
        found = self._store.read_all(self._roots, self._revoked) if self._store is not None else []
        for url, entry in found:
            if self._cache.get(url) is None:
                self._cache.put(url, entry)
        return len(found)

    # Asking

    async def fetch(self, url: str) -> Credential:
        """The certificate, from memory while it is fresh, else from the network. Refused as ``get`` does."""
        if self.wanted(url):
            await asyncio.shield(self._flight(url))
        return self.get(url)

    def _flight(self, url: str) -> asyncio.Task[None]:
        """The one flight of a URL; who asks meanwhile waits for it."""
        if url not in self._flights:
            host = check_url(url, self._limits)
            if len(self._flights) >= FLIGHTS or self._hosts[host] >= FLIGHTS_PER_HOST:
                self.counts["shed"] += 1
                raise Refused("certificate-unavailable", "too many are being fetched")
            self._hosts[host] += 1
            task = asyncio.create_task(self._fly(url))
            self._flights[url] = task
            task.add_done_callback(lambda _: self._landed(url, host))
        return self._flights[url]

    def _landed(self, url: str, host: str) -> None:
        del self._flights[url]
        self._hosts[host] -= 1
        if not self._hosts[host]:
            del self._hosts[host]

    async def _fly(self, url: str) -> None:
        before = self._cache.get(url)
        if before is None and self._store is not None:
            before = await asyncio.to_thread(self._store.read, url, self._roots, self._revoked)
            if before is not None and self._clock() < before.until:
                self._cache.put(url, before)
                return
        now = self._clock()
        try:
            pem, lifetime = await self._download(url)
            credential = await self._load(pem)
            credential.check_time(now)
        except Refused as fault:
            self.counts["failed"] += 1
            kept = before if before is not None and before.credential is not None else None
            # Better an old certificate that is still valid than none (RFC 5861); one that was replaced by a bad one goes.
            if kept is not None and fault.reason.status == 436 and _ends(kept) > now:
                self.counts["stale"] += 1
                self._cache.put(url, replace(kept, until=now + FAILED_SECONDS))
                return
            self._cache.put(url, Entry(None, fault, now + FAILED_SECONDS))
            if kept is not None and self._store is not None:
                self._store.remove(url)
            return
        self.counts["fetched"] += 1
        entry = Entry(credential, None, min(now + lifetime, credential.not_after), pem)
        self._cache.put(url, entry)
        if self._store is not None:
            await asyncio.to_thread(self._store.save, url, entry)

    async def _load(self, pem: bytes) -> Credential:
        """By what holds at the end of it: a reload may come meanwhile."""
        while True:
            generation = self._generation
            credential = await asyncio.to_thread(chain.load, pem, self._roots, self._revoked)
            if generation == self._generation:
                return credential

    async def _download(self, url: str) -> tuple[bytes, float]:
        """The body, and how long it keeps (RFC 8226 §7: a day at least)."""
        try:
            async with (
                asyncio.timeout(SECONDS),
                self._open().get(url, allow_redirects=False, ssl=self._context()) as response,
            ):
                if response.status != 200:
                    raise Refused("certificate-unavailable", f"status {response.status}")
                body = bytearray()
                async for part in response.content.iter_chunked(8192):
                    body += part
                    if len(body) > BYTES:
                        raise Refused("certificate-unavailable", f"more than {BYTES} bytes")
                return bytes(body), _lifetime(response.headers.getall("Cache-Control", []))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise Refused("certificate-unavailable", f"{type(error).__name__}: {error}"[:200]) from None

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                # Asks for the limits at each look-up: a reload may change them.
                resolver=Resolver(lambda: self._limits),
                use_dns_cache=False,
                limit=FLIGHTS,
                # A connection that is kept was judged by limits of before.
                force_close=True,
            )
            # No proxy of the environment, no cookies, no compression: what is asked is what was judged.
            self._session = aiohttp.ClientSession(
                connector=connector,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={"Accept": "application/pem-certificate-chain", "Accept-Encoding": "identity"},
            )
        return self._session

    async def close(self) -> None:
        """Ends all flights."""
        flights = list(self._flights.values())
        for task in flights:
            task.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None


def _ends(entry: Entry) -> float:
    return entry.credential.not_after if entry.credential is not None else 0.0


def _lifetime(headers: Iterable[str]) -> float:
    for directive in ",".join(headers).split(","):
        name, _, value = directive.strip().partition("=")
        if name.lower() == "max-age" and value.isascii() and value.isdigit() and len(value) < 10:
            return min(max(float(value), KEEP_SECONDS), KEEP_MOST_SECONDS)
    return KEEP_SECONDS
