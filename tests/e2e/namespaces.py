"""Two network namespaces joined by a link, made for one test: the host of an agent, and all the world.

    world (10.65.0.2, any of 10.66.0.0/16 and fd66::/16)  ──  agent (10.65.0.1, fd65::1)

Nothing outside of them is touched: rules, routes and sockets go with the two
processes that hold them. Making them needs root.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

AGENT, AGENT6 = "10.65.0.1", "fd65::1"
NEEDS_ROOT = "needs root: it makes network namespaces"
_CLONE_NEWNET = 0x40000000
_IPV6_FREEBIND = 78


def require_root() -> None:
    """Skips, and the summary of the run names the test (``tests/conftest.py``)."""
    if os.geteuid() != 0:
        pytest.skip(NEEDS_ROOT)


class Namespace:
    """One of the two."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(["unshare", "-n", "sleep", "infinity"], stdin=subprocess.DEVNULL)
        self.pid = self._holder.pid
        deadline = time.monotonic() + 10
        while self._net() == os.readlink("/proc/self/ns/net"):
            assert time.monotonic() < deadline and self._holder.poll() is None, "no namespace could be made"
            time.sleep(0.01)
        # Without duplicate address detection an IPv6 address answers from the first packet on.
        self.run("sh", "-c", "for at in all default; do echo 0 > /proc/sys/net/ipv6/conf/$at/accept_dad; done")
        self.run("ip", "link", "set", "lo", "up")

    def _net(self) -> str:
        return os.readlink(f"/proc/{self.pid}/ns/net")

    @property
    def enter(self) -> list[str]:
        """What to put before a command so that it runs in here."""
        return ["nsenter", "-t", str(self.pid), "-n"]

    def run(self, *command: str, data: str = "") -> str:
        done = subprocess.run(
            [*self.enter, *command], input=data, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def udp(self, host: str, port: int = 0) -> socket.socket:
        """A socket of this namespace; a thread enters it for that, since a socket stays where it was made."""
        made: list[socket.socket] = []

        def make() -> None:
            net = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY)
            try:
                assert ctypes.CDLL(None, use_errno=True).setns(net, _CLONE_NEWNET) == 0
            finally:
                os.close(net)
            sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
            if ":" in host:
                sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
            sock.bind((host, port))
            made.append(sock)

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        [sock] = made
        sock.settimeout(5)
        return sock

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()


class Link:
    """The two of them, and what a test wants to know."""

    def __init__(self) -> None:
        self.agent, self.world = Namespace(), Namespace()
        self.agent.run("ip", "link", "add", "to-world", "type", "veth", "peer", "name", "to-agent", "netns",
                       str(self.world.pid))  # fmt: skip
        for side, device, hosts in (
            (self.agent, "to-world", (f"{AGENT}/30", f"{AGENT6}/64")),
            (self.world, "to-agent", ("10.65.0.2/30", "fd65::2/64")),
        ):
            for host in hosts:
                side.run("ip", "addr", "add", host, "dev", device, *(["nodad"] if ":" in host else []))
            side.run("ip", "link", "set", device, "up")
        self.agent.run("ip", "route", "add", "10.66.0.0/16", "via", "10.65.0.2")
        self.agent.run("ip", "-6", "route", "add", "fd66::/16", "via", "fd65::2")
        # Every address of these networks is one of the world's own.
        self.world.run("ip", "route", "add", "local", "10.66.0.0/16", "dev", "lo")
        self.world.run("ip", "-6", "route", "add", "local", "fd66::/16", "dev", "lo")

    def send(self, source: str, port: int, times: int = 1, data: bytes = b"x") -> None:
        """Datagrams from one address of the world to a port of the agent's host."""
        with self.world.udp(source) as sock:
            for _ in range(times):
                sock.sendto(data, (AGENT6 if ":" in source else AGENT, port))

    def table(self, name: str = "edge_agent") -> str:
        """The table as nft prints it; "" when there is none."""
        done = subprocess.run(
            [*self.agent.enter, "nft", "list", "table", "inet", name], capture_output=True, text=True, check=False
        )
        return done.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.agent.close()
        self.world.close()


class Ear:
    """A UDP socket on the agent's host that counts who reaches it."""

    def __init__(self, link: Link, port: int, host: str = "::") -> None:
        self._socket = link.agent.udp(host, port)
        self._socket.setblocking(False)

    def heard(self, wait: float = 0.2) -> dict[str, int]:
        """Packets by source since the last time; IPv4 as IPv4."""
        time.sleep(wait)
        found: dict[str, int] = {}
        while True:
            try:
                _, address = self._socket.recvfrom(65536)
            except BlockingIOError:
                return found
            host = str(address[0]).removeprefix("::ffff:")
            found[host] = found.get(host, 0) + 1

    def close(self) -> None:
        self._socket.close()


class HelperProcess:
    """``edge-agent nft-helper`` in the agent's namespace."""

    def __init__(self, link: Link, folder: Path, *options: str, before: Sequence[str] = ()) -> None:
        self.socket, self.log = folder / "nft.sock", folder / "nft.log"
        from tests.e2e.daemon import COMMAND

        command = [
            *link.agent.enter,
            *before,
            *COMMAND,
            "nft-helper",
            "--socket",
            str(self.socket),
            "--read-back",
            "0.3",
        ]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*command, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while '"event":"started"' not in self.log.read_text().rpartition('"event":"stopped"')[2]:
            assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def stop(self, number: int = 15) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(20)
