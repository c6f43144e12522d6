"""The daemon's side of the control socket: aiohttp on a unix socket of mode 0660.

Only who may open the socket may ask. Never decides anything: a request becomes
one call of the daemon, its answer one JSON object.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import web

Status = Callable[[], dict[str, Any]]
Reload = Callable[[], Awaitable[dict[str, Any]]]


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

    def __init__(self, sock: socket.socket, status: Status, reload: Reload) -> None:
        self._sock = sock
        # Our own address: the file may by then be another daemon's.
        self._path = Path(sock.getsockname())
        self._inode = self._path.stat().st_ino
        application = web.Application()
        application.add_routes([web.get("/api/status", self._status), web.post("/api/reload", self._reload)])
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
