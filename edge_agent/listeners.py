"""The UDP sockets of the data plane, bound before anything runs: for each worker and listener one for known
sources and one for strangers, told apart by a program in the kernel (``steering.py``).

So a flood of strangers fills a queue of its own, a small one, and customers
wait in another. Where the kernel takes no such program there is one socket
for both, and ``plain`` says why.

Never reads or writes them: the engine's pumps do.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from collections.abc import Collection, Sequence
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

from edge_agent import steering
from edge_agent.events.record import address

# A burst must wait in the kernel while a pump is busy. SO_RCVBUF counts bookkeeping too: about 10,000 INVITEs.
RECEIVE_BUFFER = 8 << 20
STRANGERS_BUFFER = 1 << 20  # what strangers may have waiting: more would only make each of them wait longer

# linux/socket.h; the socket module has no names for these
SO_RCVBUFFORCE = 33
SO_ATTACH_REUSEPORT_CBPF = 51
IP_PKTINFO = 8  # linux/in.h
IP_RECVTTL = 12  # ip(7)
SO_MEMINFO = 55
_MEMINFO = struct.Struct("@9I")  # linux/sock_diag.h; the last is SK_MEMINFO_DROPS

SMALLEST_PROGRAM = 64  # instructions: with fewer it isn't worth asking the kernel again


class BindError(Exception):
    """A listener that can't be bound; the text is the line an operator reads."""


class Listeners:
    """``sockets[worker][listener]`` and, unless ``plain``, ``strangers[worker][listener]``.

    ``receive_buffer`` is the smallest that the kernel granted to the former.
    Until ``steer`` is told who is known, everybody is.
    """

    def __init__(self, addresses: Sequence[tuple[str, int]], workers: int, plain: str = "") -> None:
        self.sockets: list[list[socket.socket]] = [[] for _ in range(workers)]
        self.strangers: list[list[socket.socket]] = [[] for _ in range(workers)]
        self.receive_buffer = RECEIVE_BUFFER
        self.plain = plain
        try:
            for where in addresses:
                self._bind(where, workers)
        except BindError:
            self.close()
            raise
        if self.plain:
            # All or none: what one listener can't have the others don't need.
            _close(self.strangers)

    def _bind(self, where: tuple[str, int], workers: int) -> None:
        for worker in range(workers):
            sock = self._open(where, self.sockets[worker])
            self.receive_buffer = min(self.receive_buffer, _grow_receive_buffer(sock, RECEIVE_BUFFER))
            # The first socket opens its port to the others only once it is bound, so a port that
            # another process holds is refused even if that one shares it (a second agent would).
            if worker > 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            try:
                sock.bind(where)
            except OSError as error:
                raise BindError(f"listen {address(where)}: {_why(error)}") from None
            if worker == 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if not self.plain:
            self._bind_strangers(where, workers)

    def _bind_strangers(self, where: tuple[str, int], workers: int) -> None:
        """The second half of the group: a program names its sockets by the order in which they were bound."""
        try:
            for worker in range(workers):
                sock = self._open(where, self.strangers[worker])
                _grow_receive_buffer(sock, STRANGERS_BUFFER)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                sock.bind(where)
            first = self.sockets[0][-1]
            _attach(first, steering.everybody(first.family == socket.AF_INET6, workers))
        except OSError as error:
            self.plain = error.strerror or str(error)

    @staticmethod
    def _open(where: tuple[str, int], row: list[socket.socket]) -> socket.socket:
        family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        row.append(sock)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if ip_address(where[0]).is_unspecified:
            # Which of our addresses was meant, so that answers leave from there.
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        return sock

    def steer(self, known: Collection[IPv4Network | IPv6Network]) -> str:
        """Sends what comes from these networks to the sockets of the known, from now on.

        Each listener changes at once; none is ever without a program. Returns what
        could not be had as the line that an operator reads, "" for nothing.
        """
        if self.plain:
            return ""
        told = ""
        for first in self.sockets[0]:
            told = self._steer(first, known) or told
        return told

    def _steer(self, first: socket.socket, known: Collection[IPv4Network | IPv6Network]) -> str:
        v6, room = first.family == socket.AF_INET6, steering.ROOM
        while True:
            made = steering.program(known, v6, len(self.sockets), room)
            try:
                _attach(first, made)
            except OSError as error:
                # The kernel caps the memory of a program too (net.core.optmem_max).
                if error.errno == errno.ENOMEM and room > SMALLEST_PROGRAM:
                    room //= 2
                    continue
                return f"who is known was not changed in the kernel: {error.strerror}"
            if made.ranges < made.wanted:
                return f"{made.wanted} known networks were joined to {made.ranges} ranges for the kernel"
            return ""

    def measure(self, wanted: bool) -> None:
        """Has the kernel say with each message how many hops it had left, or not."""
        for sock in (sock for rows in (self.sockets, self.strangers) for row in rows for sock in row):
            if sock.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, wanted)
            else:
                sock.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, wanted)

    def dropped(self) -> list[dict[str, Any]]:
        """Of each listener, what found its queues full and was never read; ``known`` is all where there is one queue."""
        told = []
        for number, first in enumerate(self.sockets[0]):
            known, strangers = (
                sum(_drops(row[number]) for row in rows if row) for rows in (self.sockets, self.strangers)
            )
            host, port = first.getsockname()[:2]
            told.append({"address": address((host, port)), "known": known, "strangers": strangers})
        return told

    def close(self) -> None:
        _close(self.sockets)
        _close(self.strangers)


def _close(rows: list[list[socket.socket]]) -> None:
    for row in rows:
        while row:
            row.pop().close()


def _drops(sock: socket.socket) -> int:
    """Datagrams that the kernel dropped since the socket was made; it counts to 2^32."""
    try:
        return int(_MEMINFO.unpack(sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _MEMINFO.size))[-1])
    except (OSError, struct.error):
        return 0  # a kernel older than 4.12


def _attach(sock: socket.socket, made: steering.Program) -> None:
    code = ctypes.create_string_buffer(made.pack())
    array = struct.pack("@HP", len(made.instructions), ctypes.addressof(code))  # struct sock_fprog
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, array)


def _grow_receive_buffer(sock: socket.socket, wanted: int) -> int:
    """Asks for the whole buffer; what was granted. Only the privileged get past net.core.rmem_max."""
    with suppress(PermissionError):
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, wanted)
    granted = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2  # the kernel doubles what was asked
    if granted < wanted:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wanted)
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
