"""fetch: what may be asked for, and what becomes of repositories that are good, bad, slow or hostile.

The repository is a real HTTPS server on loopback, with a certificate of its own
authority; only tests allow loopback and its port.
"""

from __future__ import annotations

import asyncio
import datetime
import gzip
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from edge_agent.stir import fetch
from edge_agent.stir.fetch import Certificates, Limits, check_url
from edge_agent.stir.refused import Refused
from tests.ca import Authority

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
BOMB = gzip.compress(bytes(50_000_000))
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


def refusal(url: str, limits: Limits | None = None) -> str:
    try:
        check_url(url, limits or Limits())
    except Refused as fault:
        return fault.reason.name
    return ""


@pytest.mark.parametrize(
    "url",
    [
        "https://cr.example.net/a.pem",
        "https://cr.example.net:443/a.pem",
        "https://cr.example.net:8443/a/b/c.pem",
        "https://192.0.43.8/a.pem",
        "https://[2606:4700::1111]/a.pem",
    ],
)
def test_urls_that_may_be_fetched(url: str) -> None:
    assert refusal(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "",
        "cr.example.net/a.pem",
        "http://cr.example.net/a.pem",
        "ftp://cr.example.net/a.pem",
        "file:///etc/passwd",
        "https:///a.pem",
        "https://cr.example.net:444/a.pem",
        "https://cr.example.net:x/a.pem",
        "https://cr.example.net:99999/a.pem",
        "https://user@cr.example.net/a.pem",
        "https://u:p@cr.example.net/a.pem",
        "https://cr.example.net/a.pem?x=1",
        "https://cr.example.net/a.pem?",
        "https://cr.example.net/a.pem#x",
        "https://cr.example.net/a;x=1",
        "https://cr.example.net/a b",
        "https://cr.example.net\\@evil.example/a",
        "https://cr.exämple.net/a.pem",
        "https://cr.example.net/\r\nX: y",
        "https://cr.example.net/" + "a" * 600,
        "https://127.0.0.1/a.pem",
        "https://127.1.2.3:8443/a.pem",
        "https://10.0.0.1/a.pem",
        "https://169.254.169.254/latest/meta-data",
        "https://192.168.1.1/a.pem",
        "https://100.64.0.1/a.pem",
        "https://0.0.0.0/a.pem",
        "https://224.0.0.1/a.pem",
        "https://255.255.255.255/a.pem",
        "https://[::1]/a.pem",
        "https://[::ffff:10.0.0.1]/a.pem",
        "https://[fe80::1]/a.pem",
        "https://[fd00::1]/a.pem",
        "https://[64:ff9b::a00:1]/a.pem",
        "https://[2002:a00:1::]/a.pem",
    ],
)
def test_urls_that_may_not(url: str) -> None:
    assert refusal(url) == "certificate-url"


def test_hosts_on_a_list() -> None:
    limits = Limits(hosts=("cr.example.net",))
    assert refusal("https://cr.example.net/a.pem", limits) == ""
    assert refusal("https://CR.example.net./a.pem", limits) == ""
    assert refusal("https://other.example.net/a.pem", limits) == "certificate-url"


def test_allowed_networks() -> None:
    limits = Limits(allow=(ipaddress.ip_network("10.1.0.0/16"),))
    assert refusal("https://10.1.2.3/a.pem", limits) == ""
    assert refusal("https://[::ffff:10.1.2.3]/a.pem", limits) == ""
    assert refusal("https://10.2.0.1/a.pem", limits) == "certificate-url"


# A repository


def server_tls(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's side, and the client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
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


class Repository:
    """Serves what a test puts into ``pages``, and counts what it is asked."""

    def __init__(self, authority: Authority, folder: Path) -> None:
        self.authority, self.asked, self.now = authority, 0, authority.now.timestamp() + 1
        self.pages: dict[str, bytes | Handler] = {}
        self.headers: dict[str, str] = {}
        self.folder = folder
        self.port = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        page = self.pages.get(request.path)
        if page is None:
            return web.Response(status=404)
        if isinstance(page, bytes):
            return web.Response(body=page, headers=self.headers)
        return await page(request)

    def url(self, path: str = "/a.pem", host: str = "localhost") -> str:
        return f"https://{host}:{self.port}{path}"


@asynccontextmanager
async def repository(folder: Path, store: Path | None = None) -> AsyncIterator[tuple[Repository, Certificates]]:
    repo = Repository(Authority(), folder)
    server, client = server_tls(folder)
    application = web.Application()
    application.router.add_get("/{path:.*}", repo.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server)
    await site.start()
    repo.port = runner.addresses[0][1]
    certificates = Certificates(
        [repo.authority.root.certificate],
        clock=lambda: repo.now,
        limits=Limits(allow=LOOPBACK, ports=(repo.port,)),
        store=store,
        tls=client,
    )
    try:
        yield repo, certificates
    finally:
        await certificates.close()
        await runner.cleanup()


async def fault_of(waiting: Awaitable[object]) -> str:
    try:
        await waiting
    except Refused as fault:
        return fault.reason.name
    return ""


async def test_a_certificate_is_fetched_once_a_day(tmp_path: Path) -> None:
    async with repository(tmp_path) as (repo, certificates):
        repo.pages["/a.pem"] = repo.authority.leaf().pem
        with pytest.raises(Refused, match="not fetched yet"):
            certificates.get(repo.url())
        await asyncio.gather(*(certificates.fetch(repo.url()) for _ in range(50)))
        assert repo.asked == 1
        assert certificates.get(repo.url()).subject == "CN=SHAKEN 1234"
        repo.now += 23 * 3600
        await certificates.fetch(repo.url())
        assert repo.asked == 1
        repo.now += 2 * 3600
        await certificates.fetch(repo.url())
        assert repo.asked == 2


@pytest.mark.parametrize(("header", "hours"), [("max-age=60", 24), ("public, max-age=172800", 48), ("no-store", 24)])
async def test_how_long_it_keeps(tmp_path: Path, header: str, hours: int) -> None:
    async with repository(tmp_path) as (repo, certificates):
        repo.pages["/a.pem"], repo.headers = repo.authority.leaf().pem, {"Cache-Control": header}
        await certificates.fetch(repo.url())
        repo.now += hours * 3600 - 5
        assert not certificates.wanted(repo.url())
        repo.now += 10
        assert certificates.wanted(repo.url())


async def test_never_beyond_its_own_end(tmp_path: Path) -> None:
    async with repository(tmp_path) as (repo, certificates):
        repo.pages["/a.pem"] = repo.authority.leaf(ends=datetime.timedelta(hours=1)).pem
        await certificates.fetch(repo.url())
        repo.now += 3601
        assert certificates.wanted(repo.url())


async def test_what_failed_is_not_asked_again_at_once(tmp_path: Path) -> None:
    async with repository(tmp_path) as (repo, certificates):
        for _ in range(5):
            assert await fault_of(certificates.fetch(repo.url("/none.pem"))) == "certificate-unavailable"
        assert repo.asked == 1
        repo.now += fetch.FAILED_SECONDS
        repo.pages["/none.pem"] = repo.authority.leaf().pem
        assert await fault_of(certificates.fetch(repo.url("/none.pem"))) == ""


async def test_an_old_one_serves_while_the_repository_is_down(tmp_path: Path) -> None:
    async with repository(tmp_path) as (repo, certificates):
        leaf = repo.authority.leaf().pem
        repo.pages["/a.pem"] = leaf
        await certificates.fetch(repo.url())
        del repo.pages["/a.pem"]
        repo.now += 25 * 3600
        assert await fault_of(certificates.fetch(repo.url())) == ""
        assert certificates.counts["stale"] == 1
        # What was replaced by something bad is gone: that may be how it was withdrawn.
        repo.pages["/a.pem"] = b"no certificate"
        repo.now += fetch.FAILED_SECONDS
        assert await fault_of(certificates.fetch(repo.url())) == "certificate-syntax"


async def test_the_store_serves_a_start_without_repository(tmp_path: Path) -> None:
    store = tmp_path / "certificates"
    async with repository(tmp_path, store) as (repo, certificates):
        repo.pages["/a.pem"] = repo.authority.leaf().pem
        await certificates.fetch(repo.url())
        url, authority, port = repo.url(), repo.authority, repo.port
    again = Certificates(
        [authority.root.certificate],
        clock=lambda: repo.now,
        limits=Limits(allow=LOOPBACK, ports=(port,)),
        store=store,
    )
    try:
        assert (await again.fetch(url)).subject == "CN=SHAKEN 1234"
        assert again.clear() == 1
        assert not list(store.glob("*.pem"))
    finally:
        await again.close()


async def hostile_redirect(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("https://localhost/elsewhere.pem")


async def hostile_size(request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"-----BEGIN CERTIFICATE-----\n" + b"A" * 200_000)


async def hostile_bomb(request: web.Request) -> web.StreamResponse:
    return web.Response(body=BOMB, headers={"Content-Encoding": "gzip"})


async def hostile_drip(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(60):
        await response.write(b"A")
        await asyncio.sleep(1)
    return response


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (hostile_redirect, "certificate-unavailable"),
        (hostile_size, "certificate-unavailable"),
        (hostile_bomb, "certificate-syntax"),
        (hostile_drip, "certificate-unavailable"),
        (b"", "certificate-syntax"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate-syntax"),
    ],
)
async def test_hostile_repositories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: bytes | Handler, reason: str
) -> None:
    monkeypatch.setattr(fetch, "SECONDS", 0.5)
    async with repository(tmp_path) as (repo, certificates):
        repo.pages["/a.pem"] = page
        assert await fault_of(certificates.fetch(repo.url())) == reason


async def test_a_name_for_an_inside_address(tmp_path: Path) -> None:
    """DNS says 127.0.0.1: judged after resolution, and nothing is connected to."""
    async with repository(tmp_path) as (repo, _):
        inside = Certificates(
            [repo.authority.root.certificate], clock=lambda: repo.now, limits=Limits(ports=(repo.port,))
        )
        try:
            assert await fault_of(inside.fetch(repo.url())) == "certificate-unavailable"
            assert repo.asked == 0
        finally:
            await inside.close()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes a connection and says nothing until the other side gives up."""
    await reader.read(-1)
    writer.close()


async def test_dead_hosts_hold_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 URLs at once that never answer: a good one is had meanwhile, and each costs its seconds and a socket."""
    monkeypatch.setattr(fetch, "FLIGHTS_PER_HOST", 250)
    async with repository(tmp_path) as (repo, certificates):
        dead_server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = dead_server.sockets[0].getsockname()[1]
        certificates._limits = Limits(allow=LOOPBACK, ports=(repo.port, port))
        repo.pages["/good.pem"] = repo.authority.leaf().pem
        urls = [f"https://localhost:{port}/{number}.pem" for number in range(200)]
        dead = [asyncio.create_task(fault_of(certificates.fetch(url))) for url in urls]
        await asyncio.sleep(0)
        assert await fault_of(certificates.fetch(repo.url("/good.pem"))) == ""
        assert not any(task.done() for task in dead)
        assert set(await asyncio.gather(*dead)) == {"certificate-unavailable"}
        dead_server.close()


async def test_few_flights_to_one_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "SECONDS", 0.5)
    async with repository(tmp_path) as (repo, certificates):
        repo.pages |= {f"/{number}.pem": hostile_drip for number in range(10)}
        await asyncio.gather(*(fault_of(certificates.fetch(repo.url(f"/{number}.pem"))) for number in range(10)))
        assert repo.asked <= fetch.FLIGHTS_PER_HOST
        assert certificates.counts["shed"] == 10 - fetch.FLIGHTS_PER_HOST


async def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "URLS", 20)
    async with repository(tmp_path) as (repo, certificates):
        for number in range(50):
            await fault_of(certificates.fetch(repo.url(f"/{number}.pem")))
        assert len(certificates) == 20
        assert certificates.counts["evicted"] == 30


async def test_preloaded_ones_are_never_asked_for(tmp_path: Path) -> None:
    async with repository(tmp_path) as (repo, certificates):
        leaf = repo.authority.leaf()
        certificates.preload(repo.url(), leaf.pem)
        repo.now += 10 * 86400
        assert await fault_of(certificates.fetch(repo.url())) == ""
        assert repo.asked == 0
        with pytest.raises(Refused):
            certificates.preload(repo.url("/b.pem"), b"nothing")
