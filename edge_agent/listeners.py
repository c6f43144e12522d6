"""The UDP sockets of the data plane: one per worker and listener, bound before anything runs.

Never reads or writes them: the engine's pumps do.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from contextlib import suppress

from edge_agent.events.record import address

# A burst must wait in the kernel while a pump is busy. SO_RCVBUF counts bookkeeping too: about 10,000 INVITEs.
RECEIVE_BUFFER = 8 << 20

SO_RCVBUFFORCE = 33  # linux/socket.h; the socket module has no name for it


class BindError(Exception):
    """A listener that can't be bound; the text is the line an operator reads."""


class Listeners:
    """``sockets[worker][listener]``. ``receive_buffer`` is the smallest that the kernel granted."""

    def __init__(self, addresses: Sequence[tuple[str, int]], workers: int) -> None:
        self.sockets: list[list[socket.socket]] = [[] for _ in range(workers)]
        self.receive_buffer = RECEIVE_BUFFER
        try:
            for where in addresses:
                self._bind(where, workers)
        except BindError:
            self.close()
            raise

    def _bind(self, where: tuple[str, int], workers: int) -> None:
        for worker in range(workers):
            family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            self.sockets[worker].append(sock)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self.receive_buffer = min(self.receive_buffer, _grow_receive_buffer(sock))
            # The first socket opens its port to the others only once it is bound, so a port that
            # another process holds is refused even if that one shares it (a second agent would).
            if worker > 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            try:
                sock.bind(where)
            except OSError as error:
                raise BindError(f"listen {address(where)}: {_why(error)}") from None
            if worker == 0 and workers > 1:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)

    def close(self) -> None:
        for row in self.sockets:
            for sock in row:
                sock.close()


def _grow_receive_buffer(sock: socket.socket) -> int:
    """Asks for the whole buffer; what was granted. Only the privileged get past net.core.rmem_max."""
    with suppress(PermissionError):
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    granted = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2  # the kernel doubles what was asked
    if granted < RECEIVE_BUFFER:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        granted = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
    return granted


def _why(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "the port is in use by another process (ss -lunp shows which)"
        case errno.EADDRNOTAVAIL:
            return "this host has no such address"
        case errno.EACCES:
            return "not allowed; a port below 1024 needs CAP_NET_BIND_SERVICE"
        case _:
            return error.strerror or str(error)
