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
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509

from edge_agent.stir import chain
from edge_agent.stir.chain import Credential, Revoked, nobody_revoked
from edge_agent.stir.refused import Refused

PORTS = (443, 8443)
SECONDS = 2.0
BYTES = chain.BYTES
URLS = 1024
"""Certificates kept; the one that was asked for longest ago gives way."""
URL_BYTES = 512
FLIGHTS, FLIGHTS_PER_HOST = 256, 2
"""At once. None waits for another's: a host that is dead takes its 2 s and a socket, and no more."""
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


@dataclass
class Entry:
    """One URL: its certificate, or why there is none; asked again from ``until`` on (POSIX seconds)."""

    credential: Credential | None
    fault: Refused | None
    until: float


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
    """Resolves as the system does and leaves out what is not public. aiohttp connects to what this returns and nothing else."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        results: list[ResolveResult] = []
        for kind, _, protocol, _, address in found:
            with suppress(Refused):
                check_address(str(address[0]), self._limits)
                results.append(
                    ResolveResult(
                        hostname=host,
                        host=str(address[0]),
                        port=port,
                        family=kind,
                        proto=protocol,
                        flags=socket.AI_NUMERICHOST,
                    )
                )
        if not results:
            raise OSError(f"{host} has no public address")
        return results

    async def close(self) -> None:
        return


class Certificates:
    """The certificates that are known, by URL. ``clock`` is wall time; ``store`` a folder for the next start, or None."""

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
        self._store = store
        self._tls = tls or ssl.create_default_context()
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._flights: dict[str, asyncio.Task[None]] = {}
        self._hosts: Counter[str] = Counter()
        self._session: aiohttp.ClientSession | None = None
        self.counts: Counter[str] = Counter()

    # What is known

    def get(self, url: str) -> Credential:
        """The certificate of a URL, at once. Refused with what is known against it, or "certificate-unavailable"."""
        entry = self._entries.get(url)
        if entry is None:
            raise Refused("certificate-unavailable", "not fetched yet")
        self._entries.move_to_end(url)
        if entry.credential is not None:
            return entry.credential
        assert entry.fault is not None
        raise Refused(entry.fault.reason.name, entry.fault.detail)

    def wanted(self, url: str) -> bool:
        """Is it unknown, or due to be asked for again?"""
        entry = self._entries.get(url)
        return entry is None or self._clock() >= entry.until

    def preload(self, url: str, pem: bytes) -> Credential:
        """Takes a certificate that the operator has. It is never asked for. Refused when it is no good."""
        credential = chain.load(pem, self._roots, self._revoked)
        self._put(url, Entry(credential, None, float("inf")))
        return credential

    def refuse(self, url: str, fault: Refused) -> None:
        """Remembers why a URL wasn't even asked for, so that ``get`` says it."""
        self._put(url, Entry(None, fault, self._clock() + FAILED_SECONDS))

    def clear(self, url: str | None = None) -> int:
        """Forgets one URL or all; how many those were."""
        gone = [url] if url is not None else list(self._entries)
        known = [one for one in gone if self._entries.pop(one, None) is not None]
        for one in known:
            if (file := self._file(one)) is not None:
                file.unlink(missing_ok=True)
        return len(known)

    def __len__(self) -> int:
        return len(self._entries)

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
        before = self._entries.get(url) or self._stored(url)
        now = self._clock()
        try:
            pem, lifetime = await self._download(url)
            credential = await asyncio.to_thread(chain.load, pem, self._roots, self._revoked)
            credential.check_time(now)
        except Refused as fault:
            self.counts["failed"] += 1
            kept = before.credential if before is not None else None
            # Better an old certificate that is still valid than none (RFC 5861); one that was replaced by a bad one goes.
            if kept is not None and kept.not_after > now and fault.reason.status == 436:
                self.counts["stale"] += 1
                self._put(url, Entry(kept, None, now + FAILED_SECONDS))
            else:
                self._put(url, Entry(None, fault, now + FAILED_SECONDS))
            return
        self.counts["fetched"] += 1
        self._put(url, Entry(credential, None, min(now + lifetime, credential.not_after)))
        self._save(url, pem)

    async def _download(self, url: str) -> tuple[bytes, float]:
        """The body, and how long it keeps (RFC 8226 §7: a day at least)."""
        try:
            async with asyncio.timeout(SECONDS), self._open().get(url, allow_redirects=False) as response:
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

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=Resolver(self._limits), use_dns_cache=False, limit=FLIGHTS, ssl=self._tls
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

    # Memory and disk

    def _put(self, url: str, entry: Entry) -> None:
        self._entries[url] = entry
        self._entries.move_to_end(url)
        while len(self._entries) > URLS:
            self._entries.popitem(last=False)
            self.counts["evicted"] += 1

    def _file(self, url: str) -> Path | None:
        return self._store / f"{sha256(url.encode()).hexdigest()}.pem" if self._store is not None else None

    def _save(self, url: str, pem: bytes) -> None:
        """For the next start, when the repository may be down. A full disk costs that, and nothing else."""
        file = self._file(url)
        if file is None:
            return
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_room(file.parent, URLS - 1)
            part = file.with_suffix(".part")
            part.write_bytes(pem)
            part.replace(file)
        except OSError:
            self.counts["unsaved"] += 1

    def _stored(self, url: str) -> Entry | None:
        file = self._file(url)
        if file is None:
            return None
        try:
            credential = chain.load(file.read_bytes(), self._roots, self._revoked)
        except (OSError, Refused):
            return None
        return Entry(credential, None, 0.0)


def _make_room(folder: Path, keep: int) -> None:
    """Deletes the oldest files beyond ``keep``."""
    files = sorted(folder.glob("*.pem"), key=lambda file: file.stat().st_mtime)
    for file in files[: max(0, len(files) - keep)]:
        file.unlink(missing_ok=True)


def _lifetime(headers: Iterable[str]) -> float:
    for directive in ",".join(headers).split(","):
        name, _, value = directive.strip().partition("=")
        if name.lower() == "max-age" and value.isascii() and value.isdigit() and len(value) < 10:
            return min(max(float(value), KEEP_SECONDS), KEEP_MOST_SECONDS)
    return KEEP_SECONDS
