"""Known sources and strangers wait in queues of their own: a stopped daemon, a flood that it can't read, and then it goes on.

Who is known follows the policy, over reloads too. A daemon that is stopped
reads nothing, so what overflows does so whatever the machine's speed.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.daemon import Caller, Daemon

FLOOD, GOOD = 6_000, 50  # the former more than a stranger's buffer holds

OTHER = """
[[trunk]]
name = "other"
sources = ["127.0.2.1/32"]
upstream = "cloud"
contact = ["127.0.2.1:5060"]
caller_ids = ["+12125001000..+12125001999"]
calls_per_second = 1000
burst = 1000
"""


@contextmanager
def stopped(daemon: Daemon) -> Iterator[None]:
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(daemon.pid, signal.SIGCONT)


@contextmanager
def cloud(daemon: Daemon) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(daemon.cloud)
        sock.settimeout(20)
        yield sock


def flood(daemon: Daemon, host: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        for _ in range(FLOOD):
            sock.sendto(bytes(1200), daemon.agent)


def received(daemon: Daemon) -> int:
    return int(daemon.status()["counters"]["received"])


def unread(daemon: Daemon) -> tuple[int, int]:
    queues = daemon.status()["dropped"]["unread"]
    return sum(queue["known"] for queue in queues), sum(queue["strangers"] for queue in queues)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_flood_of_strangers_loses_no_call(tmp_path: Path, workers: int) -> None:
    with Daemon(tmp_path, workers=workers) as daemon, cloud(daemon) as at, Caller("127.0.0.10", daemon.agent) as acme:
        daemon.start()
        assert not daemon.lines("one-queue")
        with stopped(daemon):
            flood(daemon, "127.0.2.1")
            for _ in range(GOOD):
                acme.invite()
        forwarded = {at.recv(65536) for _ in range(GOOD)}
        assert len(forwarded) == GOOD and all(one.startswith(b"INVITE ") for one in forwarded)
        daemon.until(lambda: GOOD < received(daemon) < GOOD + FLOOD)
        # What was never read is told of, and with it the sum is right.
        daemon.until(lambda: received(daemon) + sum(unread(daemon)) == GOOD + FLOOD)
        known, strangers = unread(daemon)
        assert known == 0
        assert f"0 of peers, {strangers} of strangers  at {daemon.agent[0]}:" in daemon.command("status").stdout


def slow(seconds: float) -> list[str]:
    """The agent with tables that take so long to make."""
    code = (
        "import time\n"
        "import edge_agent.daemon as daemon\n"
        "class Engine(daemon._hot.Engine):\n"
        "    def __new__(cls, **options):\n"
        "        print('making tables', flush=True)\n"
        f"        time.sleep({seconds})\n"
        "        return super().__new__(cls, **options)\n"
        "daemon._hot.Engine = Engine\n"
        "from edge_agent.__main__ import main\n"
        "main()\n"
    )
    return [sys.executable, "-c", code]


def test_a_flood_while_it_starts_loses_no_call(tmp_path: Path) -> None:
    """The sockets are there before the engine is."""
    with Daemon(tmp_path) as daemon, cloud(daemon) as at, Caller("127.0.0.10", daemon.agent) as acme:
        daemon.launch(command=slow(3))
        daemon.until(lambda: "making tables" in daemon.text())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.2.1", 0))
            # More than the queue of the known holds.
            for _ in range(5 * FLOOD):
                stranger.sendto(bytes(1200), daemon.agent)
        for _ in range(GOOD):
            acme.invite()
        assert not any("READY=1" in notice for notice in daemon.hear()), "the machine was too slow to tell anything"
        assert len({at.recv(65536) for _ in range(GOOD)}) == GOOD


def test_whom_a_reload_makes_known(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon, cloud(daemon) as at, Caller("127.0.2.1", daemon.agent) as other:
        daemon.start()
        daemon.configure(more=OTHER)
        assert daemon.command("reload").returncode == 0
        with stopped(daemon):
            flood(daemon, "127.0.3.1")
            for _ in range(GOOD):
                other.invite("+12125001000")
        assert len({at.recv(65536) for _ in range(GOOD)}) == GOOD
        daemon.configure(more="")
        assert daemon.command("reload").returncode == 0
        before = received(daemon)
        with stopped(daemon):
            flood(daemon, "127.0.3.1")
            for _ in range(GOOD):
                other.invite("+12125001000")
        daemon.until(lambda: received(daemon) > before)
        counted = daemon.status()["counters"]
        assert counted["forwarded"] == GOOD, "they waited with the strangers, and are strangers"
