"""The daemon's side of the control socket: aiohttp on a unix socket of mode 0660.

Only who may open the socket may ask. Never decides anything: a request becomes
one call of the daemon, its answer one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from edge_agent.bans.keeper import BanError
from edge_agent.dnc.routes import Requests, request_routes
from edge_agent.stir.part import StirError

Status = Callable[[], dict[str, Any]]
Reload = Callable[[], Awaitable[dict[str, Any]]]


class Bans(Protocol):
    """Who answers for the bans; raises BanError."""

    async def listing(self) -> list[dict[str, Any]]: ...
    async def lift_all(self) -> int: ...
    def add(self, network: str, seconds: float, note: str = "", force: bool = False) -> dict[str, Any]: ...
    def lift(self, network: str) -> int: ...
    def status(self) -> dict[str, Any]: ...


class Certificates(Protocol):
    """Who answers for the certificates; raises StirError."""

    def certificates(self) -> list[dict[str, Any]]: ...
    async def preload(self, url: str, pem: bytes) -> dict[str, Any]: ...
    async def clear(self, url: str | None) -> int: ...


class SocketInUse(Exception):
    """Another process answers on the socket already."""


def bind_socket(path: Path) -> socket.socket:
    """Binds the control socket; a dead one that a crash left behind is replaced. Raises OSError or SocketInUse."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if path.is_socket():
        if _answers(path):
            raise SocketInUse(f"{path}: another agent answers there")
        path.unlink()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    # By umask rather than chmod: at no time is the socket open to others.
    before = os.umask(0o117)
    try:
        sock.bind(str(path))
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(before)
    return sock


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True


class Server:
    """Serves the API on a bound socket."""

    def __init__(
        self,
        sock: socket.socket,
        status: Status,
        reload: Reload,
        bans: Bans | None = None,
        certificates: Certificates | None = None,
        findings: Status | None = None,
        requests: Requests | None = None,
    ) -> None:
        self._sock = sock
        # Our own address: the file may by then be another daemon's.
        self._path = Path(sock.getsockname())
        self._inode = self._path.stat().st_ino
        application = web.Application()
        application.add_routes([web.get("/api/status", self._status), web.post("/api/reload", self._reload)])
        if requests is not None:
            application.add_routes(request_routes(requests))
        if findings is not None:
            application.add_routes([_findings_route(findings)])
        if bans is not None:
            application.add_routes(_ban_routes(bans))
        if certificates is not None:
            application.add_routes(_certificate_routes(certificates))
        self._report = status
        self._load = reload
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False)

    async def start(self) -> None:
        await self._runner.setup()
        await web.SockSite(self._runner, self._sock).start()

    async def close(self) -> None:
        await self._runner.cleanup()
        with suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    async def _status(self, request: web.Request) -> web.Response:
        return web.json_response(self._report())

    async def _reload(self, request: web.Request) -> web.Response:
        result = await self._load()
        return web.json_response(result, status=200 if result["ok"] else 422)


def _findings_route(findings: Status) -> web.RouteDef:
    async def tell(request: web.Request) -> web.Response:
        return web.json_response(findings())

    return web.get("/api/findings", tell)


def _ban_routes(bans: Bans) -> list[web.RouteDef]:
    async def listing(request: web.Request) -> web.Response:
        rows = await bans.listing()
        # A full table is megabytes of text.
        text = await asyncio.to_thread(json.dumps, {"bans": rows, "status": bans.status()})
        return web.json_response(text=text)

    async def add(request: web.Request) -> web.Response:
        match await _body(request):
            case {"network": str(network), "seconds": int() | float() as seconds, **rest}:
                note, force = str(rest.get("note", "")), rest.get("force") is True
                return _done(lambda: {"ban": bans.add(network, seconds, note, force)})
        return _refused("a ban needs a network and its seconds")

    async def lift(request: web.Request) -> web.Response:
        match await _body(request):
            case {"network": str(network)}:
                return _done(lambda: {"lifted": bans.lift(network)})
            case {"all": True}:
                return web.json_response({"ok": True, "lifted": await bans.lift_all()})
        return _refused("which ban to lift isn't said")

    path = "/api/bans"
    return [web.get(path, listing), web.post(path, add), web.delete(path, lift)]


def _certificate_routes(certificates: Certificates) -> list[web.RouteDef]:
    async def listing(request: web.Request) -> web.Response:
        text = await asyncio.to_thread(lambda: json.dumps({"certificates": certificates.certificates()}))
        return web.json_response(text=text)

    async def preload(request: web.Request) -> web.Response:
        match await _body(request):
            case {"url": str(url), "pem": str(pem)}:
                try:
                    return web.json_response({"ok": True, "certificate": await certificates.preload(url, pem.encode())})
                except StirError as error:
                    return _refused(str(error))
        return _refused("a preload needs a url and its pem")

    async def clear(request: web.Request) -> web.Response:
        match await _body(request):
            case {"url": str(url)}:
                named: str | None = url
            case {"all": True}:
                named = None
            case _:
                return _refused("which certificate to forget isn't said")
        try:
            return web.json_response({"ok": True, "cleared": await certificates.clear(named)})
        except StirError as error:
            return _refused(str(error))

    path = "/api/stir/certificates"
    return [web.get(path, listing), web.post(path, preload), web.delete(path, clear)]


async def _body(request: web.Request) -> object:
    try:
        return json.loads(await request.text())
    except ValueError:
        return None


def _done(act: Callable[[], dict[str, Any]]) -> web.Response:
    try:
        return web.json_response({"ok": True, **act()})
    except BanError as error:
        return _refused(str(error))


def _refused(why: str) -> web.Response:
    return web.json_response({"ok": False, "errors": [why]}, status=422)
