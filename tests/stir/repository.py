"""A repository of certificates: a real HTTPS server on loopback, good, slow or hostile as a test wants it.

Its certificate is of an authority of its own; only tests allow loopback and its port.
"""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from edge_agent.stir.fetch import Certificates, Limits
from tests.ca import Authority, server_tls

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
BOMB = gzip.compress(bytes(50_000_000))
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


class Repository:
    """Serves what a test puts into ``pages``, and counts what it is asked."""

    def __init__(self, authority: Authority, folder: Path) -> None:
        self.authority, self.asked, self.now = authority, 0, authority.now.timestamp() + 1
        self.pages: dict[str, bytes | Handler] = {}
        self.headers: dict[str, str] = {}
        self.folder = folder
        self.port = 0
        self.ca = ""
        """PEM of who vouches for the server itself."""

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
    repo.ca = (folder / "server.pem").read_text().partition("-----END PRIVATE KEY-----\n")[2]
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


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes a connection and says nothing until the other side gives up."""
    await reader.read(-1)
    writer.close()
