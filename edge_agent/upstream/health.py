"""Whether the targets of the upstreams, and contacts of trunks, live: an OPTIONS to each every ``probe_every``.

Two probes missed in a row: down. Any final response but 503 and 408 is a sign of
life: a target that refuses OPTIONS (405) still takes calls. A peer with
``probe_every = "0s"`` is not probed, so it is never down.

Each target has one socket, bound to the address that the agent's own traffic
comes from (targets may know us by it only) and connected, so that the kernel
drops whatever others send there: asyncio-dgram queues without a bound. What
the target itself sends is taken off that queue at once.

Never decides where a call goes: it tells the engine, which does.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import asyncio_dgram

from edge_agent import __version__, _hot
from edge_agent.events.record import address
from edge_agent.policy.ways import WILDCARDS, ways

if TYPE_CHECKING:
    from asyncio_dgram.aio import DatagramServer
    from structlog.typing import FilteringBoundLogger

# One probe: the request, and its copies (RFC 3261 §17.1.2.2, cut short), each with the wait that follows.
WAITS = (0.5, 1.0, 2.5)
MISSES_UNTIL_DOWN = 2
NO_SIGN_OF_LIFE = (408, 503)

Tell = Callable[[str, int, bool], None]


@dataclass(frozen=True)
class Target:
    """One target to watch. ``index`` is its place among the upstream's targets; ``every`` 0 = not probed."""

    upstream: str
    index: int
    host: str
    port: int
    every: float

    @property
    def identity(self) -> tuple[str, str, int]:
        """What stays the same when targets are put in another order."""
        return self.upstream, self.host, self.port


class Prober:
    """One target's socket and the state of the probe that is under way."""

    def __init__(self, name: str, target: tuple[str, int], listeners: Sequence[str]) -> None:
        self.why = ""  # what the kernel said to the last probe; "": it was sent, and nothing came back
        self._name = _token(name)
        self._target = target
        self._listeners = listeners
        self._local = ("", 0)
        self._stream: DatagramServer | None = None
        self._reader: asyncio.Task[None] | None = None
        self._branch = b""
        self._answer: asyncio.Future[int] | None = None  # its status; 0: the port is closed
        self._count = 0

    async def probe(self) -> int:
        """The status of the final response; 0 when none came."""
        self.why = ""
        try:
            stream = await self._open()
            self._count += 1
            self._branch = b"z9hG4bK" + secrets.token_hex(12).encode()
            self._answer = asyncio.get_running_loop().create_future()
            request = self._request()
            for wait in WAITS:
                await stream.send(request, self._target)
                with suppress(TimeoutError):
                    return await asyncio.wait_for(asyncio.shield(self._answer), wait)
        except (OSError, asyncio_dgram.TransportClosed) as error:
            self.why = _why(error)
            # Also how a closed port may show. The next probe starts with a socket of its own.
            self.close()
        finally:
            self._answer = None
        return 0

    def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
        if self._stream is not None:
            self._stream.close()
        self._stream = self._reader = None

    async def _open(self) -> DatagramServer:
        if self._stream is None:
            family = socket.AF_INET6 if ":" in self._target[0] else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            try:
                # Asked anew each time: routes and addresses change.
                sock.bind((local_address(self._listeners, self._target[0]) or "", 0))
                # Connected only afterwards: from_socket() of a connected socket fails on uvloop.
                stream = cast("DatagramServer", await asyncio_dgram.from_socket(sock))
                sock.connect(self._target)
            except BaseException:
                sock.close()
                raise
            self._local = sock.getsockname()[:2]
            self._stream = stream
            self._reader = asyncio.create_task(self._read(stream))
        return self._stream

    async def _read(self, stream: DatagramServer) -> None:
        while True:
            try:
                data, _ = await stream.recv()
            except asyncio_dgram.TransportClosed:
                return
            except OSError as error:
                self.why = _why(error)
                self._settle(0)
                continue
            if status := final_status(data, self._branch):
                self._settle(status)

    def _settle(self, status: int) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(status)

    def _request(self) -> bytes:
        here, there = address(self._local), address(self._target)
        host = here.rsplit(":", 1)[0]
        lines = (
            f"OPTIONS sip:{there} SIP/2.0",
            f"Via: SIP/2.0/UDP {here};rport;branch={self._branch.decode()}",
            "Max-Forwards: 1",
            f"From: <sip:{self._name}@{host}>;tag={secrets.token_hex(6)}",
            f"To: <sip:{there}>",
            f"Call-ID: {secrets.token_hex(12)}@{host}",
            f"CSeq: {self._count} OPTIONS",
            f"Contact: <sip:{self._name}@{here}>",
            "Accept: application/sdp",
            f"User-Agent: edge-agent/{__version__}",
            "Content-Length: 0",
        )
        return "\r\n".join(lines).encode() + b"\r\n\r\n"


def final_status(data: bytes, branch: bytes) -> int:
    """The status of a final response to the request with this branch; 0 for anything else."""
    message = _hot.parse(data)
    if message["kind"] != "response" or message["status"] < 200:
        return 0
    ours = message["cseq_method"] == "OPTIONS" and message["vias"][0]["branch"] == branch
    return int(message["status"]) if ours else 0


def local_address(listeners: Sequence[str], target: str) -> str | None:
    """The address that probes come from, as calls do; None leaves the choice to the kernel."""
    best = next((listeners[place] for place in ways(listeners, target)), None)
    return None if best in WILDCARDS else best


def _why(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__


def _token(name: str) -> str:
    """A name as the user part of a URI."""
    return re.sub(r"[^A-Za-z0-9_.!~*'()-]", "-", name) or "edge-agent"


class Health:
    """The tasks that probe. ``watch`` takes the targets of a new policy; states of those that stay are kept."""

    def __init__(self, name: str, tell: Tell, log: FilteringBoundLogger) -> None:
        self._name = name
        self._tell = tell
        self._log = log
        self._targets: tuple[Target, ...] = ()
        self._tasks: dict[Target, asyncio.Task[None]] = {}
        self._up: dict[tuple[str, str, int], bool] = {}

    def watch(self, targets: Sequence[Target], listeners: Sequence[str]) -> None:
        """Probes exactly these from now on, from the addresses that the agent listens on."""
        self._targets = tuple(targets)
        for gone in self._tasks.keys() - set(targets):
            self._tasks.pop(gone).cancel()
        probed = {target.identity for target in targets if target.every > 0}
        self._up = {identity: up for identity, up in self._up.items() if identity in probed}
        for target in targets:
            # A new policy knows no states, and places may have changed.
            self._tell(target.upstream, target.index, self.is_up(target))
            if target.every > 0 and target not in self._tasks:
                task = asyncio.create_task(self._run(target, tuple(listeners)))
                task.add_done_callback(self._ended)
                self._tasks[target] = task

    def is_up(self, target: Target) -> bool:
        """True until proven otherwise: a start must not refuse calls for want of a first probe."""
        return self._up.get(target.identity, True)

    def states(self) -> list[dict[str, object]]:
        """For ``status``: each target with what is known of it."""
        return [
            {
                "upstream": target.upstream,
                "target": address((target.host, target.port)),
                "up": self.is_up(target),
                "probed": target.every > 0,
            }
            for target in self._targets
        ]

    def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    async def _run(self, target: Target, listeners: Sequence[str]) -> None:
        prober = Prober(self._name, (target.host, target.port), listeners)
        clock = asyncio.get_running_loop().time
        missed = 0
        try:
            while True:
                began = clock()
                status = await prober.probe()
                if status and status not in NO_SIGN_OF_LIFE:
                    missed = 0
                    self._set(target, True, status)
                else:
                    missed += 1
                    if missed >= MISSES_UNTIL_DOWN:
                        self._set(target, False, status, prober.why)
                await asyncio.sleep(max(0.1, began + target.every - clock()))
        finally:
            prober.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A probe that ends by itself is a bug; without a word its target would stay as it was for ever."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("probe-bug", exc_info=error)

    def _set(self, target: Target, up: bool, status: int, why: str = "") -> None:
        known = self.is_up(target)
        self._up[target.identity] = up
        if up == known:
            return
        self._tell(target.upstream, target.index, up)
        where = address((target.host, target.port))
        if up:
            self._log.info("target-up", upstream=target.upstream, target=where, status=status)
        else:
            told = {"why": why} if why else {}
            self._log.warning("target-down", upstream=target.upstream, target=where, status=status, **told)
