"""What stands around the agent beside SIPp: a party that only listens, a flood, a line that loses packets.

Plain UDP sockets on loopback. They never build a call: that is what the scenarios
of tests/sipp are for.
"""

from __future__ import annotations

import asyncio
import functools
import random
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.e2e.sipp import Address


class Silent:
    """A party that holds its port, keeps what comes and never answers by itself."""

    def __init__(self, bind: Address) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(bind)
        self._socket.setblocking(False)

    def send(self, text: str, to: Address) -> None:
        self._socket.sendto(text.encode(), to)

    def take(self) -> list[str]:
        """All that has come so far. Behind a fence() that is all that was sent."""
        messages: list[str] = []
        while True:
            try:
                messages.append(self._socket.recv(65536).decode("utf-8", "replace"))
            except BlockingIOError:
                return messages

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()


class Flood:
    """INVITEs from ever new loopback addresses that nobody configured, as fast as ``rate`` says."""

    def __init__(self, to: Address, rate: float = 2500) -> None:
        self.sent = 0
        self._to, self._rate = to, rate
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="flood", daemon=True)

    def _run(self) -> None:
        began = time.monotonic()
        while not self._ended.wait(0.01):
            while self.sent < self._rate * (time.monotonic() - began) and not self._ended.is_set():
                number = self.sent % 65000
                host = f"127.99.{number // 250}.{number % 250 + 1}"
                text = (
                    f"INVITE sip:+1312555{number % 10000:04d}@{self._to} SIP/2.0\r\n"
                    f"Via: SIP/2.0/UDP {host}:5060;rport;branch=z9hG4bKf{self.sent}\r\nMax-Forwards: 70\r\n"
                    f"From: <sip:+12125000100@{host}>;tag=f{self.sent}\r\nTo: <sip:+13125550123@{self._to}>\r\n"
                    f"Call-ID: flood-{self.sent}@{host}\r\nCSeq: 1 INVITE\r\n"
                    f"Contact: <sip:x@{host}>\r\nContent-Length: 0\r\n\r\n"
                )
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
                    source.bind((host, 0))
                    source.sendto(text.encode(), self._to)
                self.sent += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()


@dataclass
class LossyLine:
    """A line between one client and one server that loses packets both ways.

    The client sends to ``near``; the server sees ``far`` as the sender and its
    packets to ``far`` reach the client: a NAT with losses. The seed makes the
    same packets vanish in every run, the first, second, ... copy of each message
    of each call, in whatever order a busy machine lets them come.
    """

    near: Address
    far: Address
    server: Address
    loss: float
    seed: int
    passed: int = 0
    lost: int = 0
    _client: tuple[str, int] | None = None
    _ends: list[asyncio.DatagramTransport] = field(default_factory=list)
    _copies: Counter[str] = field(default_factory=Counter)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for address, receive in ((self.near, self._from_client), (self.far, self._from_server)):
            end, _ = await loop.create_datagram_endpoint(functools.partial(_End, receive), local_addr=address)
            self._ends.append(end)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for end in self._ends:
            end.close()

    def _survives(self, data: bytes) -> bool:
        # Of the Call-ID it is SIPp's number of the call; the rest is another in each run.
        found = re.search(rb"^(\S+ \S{3}).*^Call-ID: *(\d+).*^CSeq: *([^\r]+)", data, re.MULTILINE | re.DOTALL)
        assert found is not None, data
        what = repr(found.groups())
        self._copies[what] += 1
        if random.Random(f"{self.seed} {what} {self._copies[what]}").random() < self.loss:
            self.lost += 1
            return False
        self.passed += 1
        return True

    def _from_client(self, data: bytes, sender: tuple[str, int]) -> None:
        self._client = sender
        if self._survives(data):
            # SIPp knows a repeat by its bytes, and a copy that left the agent in a train has more blanks.
            self._ends[1].sendto(re.sub(rb"\r\nVia: +", b"\r\nVia: ", data, count=1), self.server)

    def _from_server(self, data: bytes, sender: tuple[str, int]) -> None:
        if self._client is not None and self._survives(data):
            self._ends[0].sendto(data, self._client)


class _End(asyncio.DatagramProtocol):
    """One end of a lossy line: hands every datagram on."""

    def __init__(self, take: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._take(data, addr)
