"""The data plane's sockets: one per worker and listener, a port that nobody else can share, the receive buffer."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_agent import listeners
from edge_agent.listeners import RECEIVE_BUFFER, BindError, Listeners

HOST = "127.0.0.45"


@pytest.fixture
def port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])


@contextmanager
def bound(*arguments: Any) -> Iterator[Listeners]:
    with closing(Listeners(*arguments)) as opened:
        yield opened


@pytest.mark.parametrize("workers", [1, 3])
def test_one_socket_per_worker_and_listener(port: int, workers: int) -> None:
    addresses = [(HOST, port), ("127.0.0.46", port), ("::1", port)]
    with bound(addresses, workers) as opened:
        assert len(opened.sockets) == workers
        for row in opened.sockets:
            assert [sock.getsockname()[:2] for sock in row] == addresses
            assert not any(sock.getblocking() for sock in row)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("shared", [True, False])
def test_a_port_in_use_is_refused_even_if_it_could_be_shared(port: int, workers: int, shared: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
        other.bind((HOST, port))
        with pytest.raises(BindError, match=f"listen {HOST}:{port}: the port is in use"):
            Listeners([(HOST, port)], workers)


def test_what_was_bound_is_let_go_when_another_can_not_be(port: int) -> None:
    with pytest.raises(BindError, match="no such address"):
        Listeners([(HOST, port), ("192.0.2.1", port)], 2)
    with bound([(HOST, port)], 1):
        pass


def test_all_workers_hear_the_port(port: int) -> None:
    with bound([(HOST, port)], 2) as opened:
        for _ in range(100):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.sendto(b"x", (HOST, port))
        heard = [drained(row[0]) for row in opened.sockets]
        assert sum(heard) == 100 and all(heard)


def drained(sock: socket.socket) -> int:
    count = 0
    try:
        while sock.recv(10):
            count += 1
    except BlockingIOError:
        return count
    return count


def test_the_unprivileged_get_what_the_kernel_allows(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # An option that nobody has: refused like SO_RCVBUFFORCE to those without CAP_NET_ADMIN.
    class Refusing(socket.socket):
        def setsockopt(self, level: int, option: int, *value: Any) -> None:
            if option == listeners.SO_RCVBUFFORCE:
                raise PermissionError(1, "Operation not permitted")
            super().setsockopt(level, option, *value)

    monkeypatch.setattr(socket, "socket", Refusing)
    most = int(Path("/proc/sys/net/core/rmem_max").read_text())
    with bound([(HOST, port)], 1) as opened:
        assert opened.receive_buffer == min(RECEIVE_BUFFER, most)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_finds_a_queue_full_is_counted(port: int, workers: int) -> None:
    with bound([(HOST, port), ("127.0.0.46", port)], workers) as opened:
        assert opened.dropped() == [
            {"address": f"{host}:{port}", "known": 0, "strangers": 0} for host in (HOST, "127.0.0.46")
        ]
        for sock in (sock for row in opened.sockets for sock in row):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(100):
                sender.sendto(bytes(1000), (HOST, port))
        read = sum(drained(row[0]) for row in opened.sockets)
        first, second = opened.dropped()
        assert first["known"] == 100 - read > 0
        assert first["strangers"] == second["known"] == 0


def test_a_kernel_that_counts_no_drops(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with bound([(HOST, port)], 1) as opened:
        monkeypatch.setattr(listeners, "SO_MEMINFO", 999)
        assert opened.dropped()[0]["known"] == 0
