"""The helper with the real nftables, in namespaces of the test's own: what the kernel drops is counted at both ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from edge_agent.bans.kernel import Kernel
from edge_agent.nft.protocol import Listener
from tests.e2e.namespaces import Ear, HelperProcess, Link, require_root

SIP, OTHER = 5060, 5070
ADD = "add element inet edge_agent ban4_32"


@pytest.fixture
def link() -> Iterator[Link]:
    require_root()
    with Link() as link:
        yield link


@pytest.fixture
def helper(link: Link, tmp_path: Path) -> Iterator[HelperProcess]:
    helper = HelperProcess(link, tmp_path)
    yield helper
    helper.stop(9)


class Log(list[dict[str, Any]]):
    def info(self, event: str, **fields: Any) -> None:
        self.append({"event": event, **fields})

    warning = error = info

    def told(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self if line["event"] == event]


class Agent:
    """The agent's end, with the bans it would have."""

    def __init__(self, path: Path, listeners: list[Listener]) -> None:
        self.log, self.bans = Log(), dict[str, float]()
        everything = lambda: list(self.bans.items())
        self.kernel = Kernel(str(path), listeners, everything, cast("Any", self.log))
        self._task = asyncio.create_task(self.kernel.run())

    def ban(self, *networks: str, seconds: float = 600) -> None:
        for network in networks:
            self.bans[network] = time.monotonic() + seconds
            self.kernel.ban(network, self.bans[network])

    def lift(self, network: str) -> None:
        del self.bans[network]
        self.kernel.lift(network)

    async def until(self, condition: Callable[[dict[str, Any]], bool], seconds: float = 20) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while not condition(self.kernel.status()):
            assert time.monotonic() < deadline, f"{self.kernel.status()}\n{self.log}"
            await asyncio.sleep(0.05)
        return self.kernel.status()

    async def holds(self, elements: int) -> None:
        await self.until(lambda status: status["state"] == "on" and status["elements"] == elements)

    async def close(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


@pytest_asyncio.fixture
async def agent(helper: HelperProcess) -> AsyncIterator[Agent]:
    agent = Agent(helper.socket, [Listener("udp", "::", SIP)])
    yield agent
    await agent.close()


@pytest.fixture
def sip(link: Link) -> Iterator[Ear]:
    ear = Ear(link, SIP)
    yield ear
    ear.close()


async def test_the_kernel_drops_what_is_banned_and_nothing_else(link: Link, agent: Agent, sip: Ear) -> None:
    """Every length, both families; other hosts and other ports are untouched; the counter is exact."""
    other = Ear(link, OTHER)
    networks = ["10.66.1.7/32", "10.66.2.0/24", "fd66::7/128", "fd66:1::/64", "fd66:2:0:100::/56", "fd66:3::/48"]
    banned = ["10.66.1.7", "10.66.2.1", "10.66.2.255", "fd66::7", "fd66:1::9", "fd66:2:0:1ff::1", "fd66:3::1"]
    good = ["10.66.1.8", "10.66.3.1", "fd66::8", "fd66:1:0:1::9", "fd66:2:0:200::1", "fd66:4::1"]
    agent.ban(*networks)
    await agent.holds(len(networks))
    for source in banned:
        link.send(source, SIP, 10)
        link.send(source, OTHER, 1)
    for source in good:
        link.send(source, SIP, 3)
    assert sip.heard() == dict.fromkeys(good, 3)
    assert other.heard() == dict.fromkeys(banned, 1)
    other.close()
    status = await agent.until(lambda status: status["dropped_packets"] == 10 * len(banned))
    assert status["drifts"] == 0 and agent.log.told("ban-kernel")


async def test_a_lifted_one_passes_and_an_end_needs_nobody(link: Link, agent: Agent, sip: Ear) -> None:
    agent.ban("10.66.1.7/32")
    agent.ban("10.66.1.8/32", seconds=3)
    await agent.holds(2)
    agent.lift("10.66.1.7/32")
    await agent.until(lambda status: status["elements"] == 1)
    link.send("10.66.1.7", SIP)
    link.send("10.66.1.8", SIP)
    assert sip.heard() == {"10.66.1.7": 1}
    await asyncio.sleep(3)
    link.send("10.66.1.8", SIP)
    assert sip.heard() == {"10.66.1.8": 1}
    await asyncio.sleep(1)
    assert agent.kernel.status()["drifts"] == 0, "an element that ran out is no drift"


async def test_a_ban_that_is_extended_and_shortened(link: Link, agent: Agent, sip: Ear) -> None:
    """Whatever the kernel makes of an element that is added twice."""
    agent.ban("10.66.1.7/32", "10.66.1.8/32", seconds=4)
    await agent.holds(2)
    agent.ban("10.66.1.7/32", seconds=600)
    agent.ban("10.66.1.8/32", seconds=2)
    await asyncio.sleep(4.5)
    link.send("10.66.1.7", SIP)
    link.send("10.66.1.8", SIP)
    assert sip.heard() == {"10.66.1.8": 1}
    assert agent.kernel.status()["drifts"] == 0


async def test_only_the_listeners_own_address(link: Link, helper: HelperProcess) -> None:
    """A listener on another address of this host is somebody else's."""
    agent = Agent(helper.socket, [Listener("udp", "10.65.0.9", SIP)])
    ear = Ear(link, SIP)
    agent.ban("10.66.1.7/32")
    await agent.holds(1)
    link.send("10.66.1.7", SIP)
    assert ear.heard() == {"10.66.1.7": 1}
    ear.close()
    await agent.close()


async def test_sip_is_not_tracked_in_either_direction(link: Link, agent: Agent, sip: Ear) -> None:
    """A flood of sources would fill the connection table; what isn't SIP is tracked as ever."""
    link.agent.run("nft", "add table inet t; add chain inet t c { type filter hook input priority 0; }")
    link.agent.run("nft", "add rule inet t c ct state new counter")
    await agent.holds(0)

    def tracked() -> int:
        return link.agent.run("cat", "/proc/net/nf_conntrack").count("udp")

    for number in range(1, 51):
        link.send(f"10.66.1.{number}", SIP)
    assert len(sip.heard()) == 50
    with link.world.udp("10.66.9.9", 7777) as far:
        sip._socket.sendto(b"answer", ("::ffff:10.66.9.9", 7777))
        assert far.recv(100) == b"answer"
    assert tracked() == 0
    other = Ear(link, OTHER)
    for number in range(1, 11):
        link.send(f"10.66.1.{number}", OTHER)
    assert len(other.heard()) == 10 and tracked() == 10
    other.close()


async def test_the_table_deleted_behind_our_back(link: Link, agent: Agent, sip: Ear, helper: HelperProcess) -> None:
    agent.ban("10.66.1.7/32")
    await agent.holds(1)
    link.send("10.66.1.7", SIP, 5)
    await agent.until(lambda status: status["dropped_packets"] == 5)
    link.agent.run("nft", "delete", "table", "inet", "edge_agent")
    await agent.until(lambda status: status["drifts"] == 1 and status["state"] == "on")
    link.send("10.66.1.7", SIP, 5)
    assert sip.heard() == {}
    await agent.until(lambda status: status["dropped_packets"] == 10)
    [line] = agent.log.told("ban-kernel-drift")
    assert line["found"] == "the table is gone" and line["repaired"] is True
    assert "nft-drift" in helper.log.read_text()


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        ("flush ruleset", "the table is gone"),
        ("flush set inet edge_agent ban4_32", "2 missing"),
        ("delete element inet edge_agent ban4_32 { 10.66.1.7 }", "1 missing"),
        ("add element inet edge_agent ban4_32 { 10.66.1.9 timeout 1h }", "1 foreign"),
        ("add element inet edge_agent ban4_24 { 10.66.9.0 }", "1 foreign"),
        ("insert rule inet edge_agent screen accept", "other rules"),
        ("flush chain inet edge_agent prerouting", "other rules"),
        ("add chain inet edge_agent input { type filter hook input priority 0; policy drop; }", "other rules"),
        (
            f"delete element inet edge_agent ban4_32 {{ 10.66.1.7 }}; {ADD} {{ 10.66.1.7 timeout 5h }}",
            "1 with another time",
        ),
    ],
)
async def test_drift_of_every_kind_is_told_and_repaired(
    link: Link, agent: Agent, sip: Ear, tampering: str, found: str
) -> None:
    agent.ban("10.66.1.7/32", "10.66.1.8/32")
    await agent.holds(2)
    await asyncio.sleep(1)  # read back at least once
    link.agent.run("nft", "-f", "-", data=tampering)
    await agent.until(lambda status: status["drifts"] == 1 and status["state"] == "on")
    await asyncio.sleep(1)
    assert agent.kernel.status()["drifts"] == 1, "repaired for good"
    assert [line["found"] for line in agent.log.told("ban-kernel-drift")] == [found]
    for number in (7, 8, 9):
        link.send(f"10.66.1.{number}", SIP)
    assert sip.heard() == {"10.66.1.9": 1}


async def test_the_helper_killed_midway(
    link: Link, agent: Agent, sip: Ear, helper: HelperProcess, tmp_path: Path
) -> None:
    """One alarm; its table stays; a new one is filled anew and counts on."""
    agent.ban("10.66.1.7/32")
    await agent.holds(1)
    link.send("10.66.1.7", SIP, 5)
    await agent.until(lambda status: status["dropped_packets"] == 5)
    for number in range(200):
        agent.ban(f"10.66.2.{number}/32")
    helper.stop(signal.SIGKILL)
    await agent.until(lambda status: status["state"] == "lost")
    agent.ban("10.66.1.8/32")
    agent.lift("10.66.1.7/32")
    link.send("10.66.1.7", SIP, 5)
    assert sip.heard() == {}, "the kernel goes on dropping"
    await asyncio.sleep(2.5)
    assert len(agent.log.told("ban-kernel-lost")) == 1
    again = HelperProcess(link, tmp_path)
    await agent.holds(201)
    assert len(agent.log.told("ban-kernel-back")) == 1 and len(agent.log.told("ban-kernel-lost")) == 1
    link.send("10.66.1.7", SIP, 5)
    link.send("10.66.1.8", SIP, 5)
    assert sip.heard() == {"10.66.1.7": 5}, "what was lifted and banned meanwhile is known"
    await agent.until(lambda status: status["dropped_packets"] == 15)
    assert again.stop() == 0


async def test_a_clean_stop_takes_the_table_away(link: Link, agent: Agent, sip: Ear, helper: HelperProcess) -> None:
    agent.ban("10.66.1.7/32")
    await agent.holds(1)
    assert helper.stop() == 0
    assert link.table() == "" and not helper.socket.exists()
    link.send("10.66.1.7", SIP)
    assert sip.heard() == {"10.66.1.7": 1}
    await agent.until(lambda status: status["state"] == "lost")


async def test_without_its_agent_nothing_is_renewed(link: Link, agent: Agent, helper: HelperProcess) -> None:
    """No ban outlives who could lift it by more than a lease, however long it was meant to last."""
    agent.ban("10.66.1.7/32", seconds=86400)
    await agent.holds(1)
    assert "timeout 10m" in link.table()
    await agent.close()
    await asyncio.sleep(0.5)
    link.agent.run("nft", "delete", "table", "inet", "edge_agent")
    await asyncio.sleep(1)
    assert link.table() == "" and helper.process.poll() is None


async def test_changes_come_in_batches(link: Link, tmp_path: Path) -> None:
    """Two thousand bans within a second are a handful of transactions."""
    counting = tmp_path / "nft"
    counting.write_text(f'#!/bin/sh\n[ "$2" = -f ] && echo >> {tmp_path}/runs\nexec nft "$@"\n')
    counting.chmod(0o755)
    helper = HelperProcess(link, tmp_path, "--nft", str(counting))
    agent = Agent(helper.socket, [Listener("udp", "::", SIP)])
    await agent.holds(0)
    for number in range(2000):
        agent.ban(f"10.66.{number >> 8}.{number & 255}/32")
        if number % 100 == 0:
            await asyncio.sleep(0.05)
    await agent.holds(2000)
    assert len((tmp_path / "runs").read_text()) <= 12
    await agent.close()
    assert helper.stop() == 0


async def test_a_full_table(link: Link, agent: Agent, sip: Ear) -> None:
    """As many as the engine holds: filled within seconds, read back without drift."""
    for number in range(65536):
        agent.bans[f"172.{16 + (number >> 16)}.{number >> 8 & 255}.{number & 255}/32"] = time.monotonic() + 600
    agent.bans["10.66.1.7/32"] = time.monotonic() + 600
    await agent.holds(65537)
    link.send("10.66.1.7", SIP)
    assert sip.heard() == {}
    agent.ban("10.66.1.8/32")
    await agent.until(lambda status: status["elements"] == 65538)
    await asyncio.sleep(3)
    assert agent.kernel.status()["drifts"] == 0


async def test_one_capability_is_enough(link: Link, tmp_path: Path) -> None:
    """As the unit runs it: CAP_NET_ADMIN and no other."""
    alone = ["setpriv", "--no-new-privs", "--inh-caps=-all,+net_admin", "--bounding-set=-all,+net_admin"]
    helper = HelperProcess(link, tmp_path, before=alone)
    held = Path(f"/proc/{helper.process.pid}/status").read_text()
    assert "CapEff:\t0000000000001000" in held and "CapBnd:\t0000000000001000" in held
    agent = Agent(helper.socket, [Listener("udp", "::", SIP)])
    agent.ban("10.66.1.7/32")
    await agent.holds(1)
    assert "10.66.1.7 timeout" in link.table()
    await agent.close()
    assert helper.stop() == 0 and link.table() == ""


async def test_no_nft(link: Link, tmp_path: Path) -> None:
    """The agent is told once, and goes on without."""
    helper = HelperProcess(link, tmp_path, "--nft", str(tmp_path / "none"))
    agent = Agent(helper.socket, [Listener("udp", "::", SIP)])
    status = await agent.until(lambda status: status["state"] == "failing")
    assert "No such file or directory" in status["error"]
    await asyncio.sleep(2)
    assert len(agent.log.told("ban-kernel-lost")) == 1
    (tmp_path / "none").symlink_to("/usr/sbin/nft")
    await agent.holds(0)
    assert len(agent.log.told("ban-kernel-back")) == 1
    await agent.close()
    assert helper.stop() == 0


async def test_no_helper_is_one_notice(tmp_path: Path) -> None:
    agent = Agent(tmp_path / "none", [Listener("udp", "::", SIP)])
    await asyncio.sleep(2.5)
    agent.ban("10.66.1.7/32")
    [line] = agent.log
    assert line["event"] == "notice" and "no helper for the kernel" in line["message"]
    assert agent.kernel.status()["state"] == "absent"
    await agent.close()


# who may speak


def open_to_all(folder: Path) -> None:
    """So that another user finds what is in a test's folder."""
    for part in (folder, *folder.parents):
        if part.stat().st_uid == os.getuid() and part != Path("/"):
            part.chmod(part.stat().st_mode | 0o011)


def connect(helper: HelperProcess) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(10)
    sock.connect(str(helper.socket))
    return sock


def test_a_stranger_is_not_listened_to(link: Link, helper: HelperProcess, tmp_path: Path) -> None:
    script = f"""
import os, socket
os.setgroups([]); os.setgid(65534); os.setuid(65534)
sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
sock.connect({str(helper.socket)!r})
print(sock.recv(100))
"""
    open_to_all(tmp_path)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=False)
    assert done.stdout == "b''\n", done.stderr
    assert "neither root nor edge-agent" in helper.log.read_text()
    assert link.table() == ""


def test_one_agent_at_a_time(helper: HelperProcess) -> None:
    with connect(helper) as first, connect(helper) as second:
        assert first.recv(100).startswith(b'{"state"')
        assert second.recv(100) == b""
    time.sleep(0.2)
    with connect(helper) as third:
        assert third.recv(100).startswith(b'{"state"')


@pytest.mark.parametrize(
    "line",
    [
        b"flush ruleset\n",
        b'{"op": "nft", "command": "flush ruleset"}\n',
        b'{"op": "ban", "bans": [["10.66.1.7/32 }; flush ruleset", 60]]}\n',
        b'{"op": "reset", "listeners": [["udp", "0.0.0.0", 22]]}\n',
        b"x" * 200_000,
    ],
)
def test_nothing_unparsed_reaches_the_kernel(link: Link, helper: HelperProcess, line: bytes) -> None:
    link.agent.run("nft", "add", "table", "inet", "others")
    with connect(helper) as sock:
        with suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(line)
        with suppress(ConnectionResetError):
            while sock.recv(1000):
                pass
    assert link.agent.run("nft", "list", "ruleset").split() == ["table", "inet", "others", "{", "}"]
    assert helper.process.poll() is None
    assert json.loads(helper.log.read_text().splitlines()[-1])["event"] == "disconnected"
