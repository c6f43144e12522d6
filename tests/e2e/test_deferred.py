"""A worker that holds calls, on real sockets: it wakes for an answer, for a CANCEL, and by itself when nobody answers."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from edge_agent import _hot
from tests.proxy.message import Message
from tests.proxy.test_deferred import policy, signed
from tests.proxy.world import Call, tables

LOCAL = {
    "192.0.2.1:5060": "127.0.0.1:{agent}",
    "192.0.2.60:5060": "127.0.0.60:{cloud}",
    "192.0.2.60/32": "127.0.0.60/32",
    "198.51.100.10/32": "127.0.0.10/32",
}


def receiver(host: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.settimeout(10)
    return sock


class Pumped:
    """One pump between a customer's socket and a cloud's."""

    def __init__(self) -> None:
        self.listener, self.customer, self.cloud = (
            receiver(host) for host in ("127.0.0.1", "127.0.0.10", "127.0.0.60")
        )
        self.listener.setblocking(False)
        text = policy("require")  # its IPv6 listener gets no socket
        ports = {"agent": self.listener.getsockname()[1], "cloud": self.cloud.getsockname()[1]}
        for outside, local in LOCAL.items():
            text = text.replace(outside, local.format(**ports))
        self.engine = _hot.Engine(
            rates_mib=1, transactions_mib=1, leases_mib=1, callers_mib=1, deferred_mib=1, secret=bytes(32)
        )
        self.engine.publish(_hot.Policy(tables(text)))
        sockets = [(self.listener.fileno(), 0)]
        self.thread = threading.Thread(target=self.engine.pump, args=(0, sockets))
        self.thread.start()

    def close(self) -> None:
        self.engine.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()
        for sock in (self.listener, self.customer, self.cloud):
            sock.close()

    def send(self, message: Message) -> None:
        self.customer.sendto(bytes(message), self.listener.getsockname())

    def take(self) -> _hot.Deferred:
        assert select.select([self.engine.deferred_fd], [], [], 10)[0]
        os.read(self.engine.deferred_fd, 8)
        [one] = self.engine.deferred()
        return one


@pytest.fixture
def pumped() -> Iterator[Pumped]:
    pumped = Pumped()
    yield pumped
    pumped.close()


def test_an_answer_wakes_the_worker(pumped: Pumped) -> None:
    took = []
    for _ in range(3):  # a busy machine may hold up one of them
        pumped.send(signed())
        one = pumped.take()
        started = time.monotonic()
        assert pumped.engine.resolve(one.ticket, verstat=1)
        assert b"verstat=TN-Validation-Passed" in pumped.cloud.recv(65536)
        took.append(time.monotonic() - started)
    assert min(took) < 0.5, "it sleeps up to a second where nothing wakes it"


def test_a_cancel_wakes_the_worker(pumped: Pumped) -> None:
    call = Call.outbound()
    pumped.send(signed(call))
    pumped.take()
    pumped.send(call.request("CANCEL"))
    assert {pumped.customer.recv(65536)[8:11] for _ in range(2)} == {b"200", b"487"}


def test_nobody_answers(pumped: Pumped) -> None:
    pumped.send(signed())
    started = time.monotonic()
    assert b"verstat=No-TN-Validation" in pumped.cloud.recv(65536)
    assert 3.9 < time.monotonic() - started < 6
