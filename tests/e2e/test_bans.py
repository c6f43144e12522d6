"""Bans of the real daemon: by strikes and by command, over restart, SIGKILL and reload, in engine, store and kernel.

The daemon and its helper run in a namespace of the test's own; the world is another one (``namespaces.py``).
"""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.daemon import COMMAND, Daemon
from tests.e2e.namespaces import AGENT, HelperProcess, Link, require_root

STRANGER, CUSTOMER, SIP = "10.66.1.7", "10.66.7.10", 5060
TRUNK = """
[[trunk]]
name = "late"
sources = ["{network}"]
upstream = "cloud"
contact = ["10.66.7.10:5060"]
caller_ids = ["+13125000000..+13125000999"]
"""
OPTIONS = (
    "OPTIONS sip:{agent} SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bK{number}\r\nMax-Forwards: 70\r\n"
    "From: <sip:probe@{host}>;tag=t{number}\r\nTo: <sip:{agent}>\r\nCall-ID: {number}@{host}\r\nCSeq: 1 OPTIONS\r\n"
    "Content-Length: 0\r\n\r\n"
)
_numbers = iter(range(1, 1 << 30))


class Guarded:
    """A daemon in the agent's namespace, with a helper."""

    def __init__(self, link: Link, folder: Path) -> None:
        self.link, self.folder = link, folder
        self.helper = HelperProcess(link, folder)
        self.daemon = Daemon(folder)
        self.daemon.agent = self.daemon.agent._replace(host=AGENT, port=SIP)
        self.configure()
        self.command = [*link.agent.enter, *COMMAND]
        self.daemon.start(command=self.command)

    def configure(self, more: str = "", bans: str = 'first = "60s"') -> None:
        self.daemon.configure(more=f'[bans]\nstrikes = 5\nhelper = "{self.helper.socket}"\n{bans}\n{more}')

    def ask(self, source: str, times: int = 1) -> bool:
        """So many OPTIONS from one address of the world; was the last one answered?"""
        with self.link.world.udp(source) as sock:
            sock.settimeout(0.5)
            host, port = sock.getsockname()
            for _ in range(times):
                number = next(_numbers)
                text = OPTIONS.format(agent=f"{AGENT}:{SIP}", host=host, port=port, number=number)
                sock.sendto(text.encode(), (AGENT, SIP))
            try:
                return sock.recv(4096).startswith(b"SIP/2.0 200")
            except TimeoutError:
                return False

    def bans(self) -> dict[str, dict[str, Any]]:
        done = self.daemon.command("bans", "list", "--json")
        assert done.returncode == 0, done.stderr
        return {ban["network"]: ban for ban in json.loads(done.stdout)["bans"]}

    def stored(self) -> set[str]:
        with closing(sqlite3.connect(self.folder / "state" / "bans.db")) as connection:
            rows = connection.execute("SELECT network FROM bans WHERE ends > ?", (time.time(),))
            return {network for (network,) in rows}

    def kernel_has(self, address: str) -> bool:
        return f"{address} timeout" in self.link.table()

    def until_banned(self, network: str) -> None:
        self.daemon.until(lambda: self.kernel_has(network.partition("/")[0]))
        self.daemon.until(lambda: network in self.stored())
        assert network in self.bans()

    def until_free(self, network: str) -> None:
        self.daemon.until(lambda: not self.kernel_has(network.partition("/")[0]))
        self.daemon.until(lambda: network not in self.stored())
        assert network not in self.bans()

    def received(self) -> int:
        count = self.daemon.status()["counters"]["received"]
        assert isinstance(count, int)
        return count

    def close(self) -> None:
        self.daemon.__exit__(None, None, None)
        self.helper.stop(9)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    require_root()
    with Link() as link:
        guarded = Guarded(link, tmp_path)
        yield guarded
        guarded.close()


def test_a_stranger_who_goes_on_is_banned_and_costs_nothing(guarded: Guarded) -> None:
    """After so many strikes; from then on its packets end in the kernel, and are counted there."""
    guarded.ask(STRANGER, times=5)
    guarded.until_banned(f"{STRANGER}/32")
    [line] = guarded.daemon.lines("banned")
    assert (line["network"], line["count"], line["seconds"]) == (f"{STRANGER}/32", 5, 60)
    before = guarded.received()
    guarded.ask(STRANGER, times=100)
    guarded.ask("10.66.1.8", times=1)
    assert guarded.received() == before + 1
    guarded.daemon.until(lambda: guarded.daemon.status()["bans"]["kernel"]["dropped_packets"] == 100)
    assert "kernel on: 1 networks, 100 packets dropped" in guarded.daemon.command("status").stdout


def test_commands(guarded: Guarded) -> None:
    def say(*arguments: str) -> str:
        done = guarded.daemon.command("bans", *arguments)
        assert done.returncode == (1 if done.stderr else 0), done
        return done.stderr or done.stdout

    assert "198.18.0.0/24 is banned until 20" in say("add", "198.18.0.0/24", "--for", "2h", "--reason", "asked by Ann")
    assert "198.18.0.0/24" in say("list") and "asked by Ann" in say("list")
    assert say("add", "127.0.0.10") == (
        "edge-agent: 127.0.0.10/32: touches 127.0.0.10/32 of trunk 'acme'; "
        "--force drops all of its messages but emergency calls that it may make\n"
    )
    assert "127.0.0.10/32 is banned until 20" in say("add", "127.0.0.10", "--force")
    assert say("lift", "127.0.0.10") == "127.0.0.10 is lifted\n"
    assert f"of the listener {AGENT}:{SIP}" in say("add", AGENT)
    assert "networks of this length can't be banned" in say("add", "198.18.0.0/16")
    assert "is no network" in say("add", "example.net")
    assert "198.18.0.7/32: is not banned; 198.18.0.0/24 is, and holds it" in say("lift", "198.18.0.7")
    assert say("lift", "198.18.0.0/24") == "198.18.0.0/24 is lifted\n"
    assert "is not banned" in say("lift", "198.18.0.0/24")
    say("add", "198.18.0.1"), say("add", "2001:db8::/64")
    assert say("lift", "--all") == "2 lifted\n"
    assert guarded.bans() == {}
    assert guarded.daemon.command("bans", "add", "198.18.0.1", "--for", "soon").returncode == 2
    assert guarded.daemon.command("bans", "lift").returncode == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_restart_and_sigkill_keep_bans(guarded: Guarded, number: int) -> None:
    guarded.daemon.command("bans", "add", STRANGER, "--for", "1h")
    guarded.until_banned(f"{STRANGER}/32")
    guarded.daemon.stop(number)
    assert guarded.kernel_has(STRANGER), "the kernel goes on meanwhile"
    guarded.daemon.notices.clear()
    guarded.daemon.start(command=guarded.command)
    guarded.until_banned(f"{STRANGER}/32")
    assert 3500 < guarded.bans()[f"{STRANGER}/32"]["seconds_left"] < 3600
    assert guarded.daemon.lines("bans-restored")[0]["bans"] == 1
    before = guarded.received()
    guarded.ask(STRANGER, times=10)
    assert guarded.received() == before


@pytest.mark.parametrize("network", ["10.66.7.0/24", "10.66.7.10/32"])
def test_a_reload_that_adds_a_trunk_lifts_what_touches_it(guarded: Guarded, network: str) -> None:
    """In engine, store and kernel, and its next message is answered."""
    guarded.daemon.command("bans", "add", network)
    guarded.daemon.command("bans", "add", STRANGER)
    guarded.until_banned(network)
    assert not guarded.ask(CUSTOMER)
    guarded.configure(more=TRUNK.format(network=f"{CUSTOMER}/32"))
    assert guarded.daemon.command("reload").returncode == 0
    guarded.until_free(network)
    assert guarded.ask(CUSTOMER)
    [line] = guarded.daemon.lines("ban-lifted")
    assert (line["network"], line["why"]) == (network, "protected") and "of trunk 'late'" in line["touches"]
    assert f"{STRANGER}/32" in guarded.bans(), "others stay banned"
    done = guarded.daemon.command("bans", "add", network)
    assert done.returncode == 1 and "of trunk 'late'" in done.stderr


def test_the_helper_lost_is_one_alarm_and_no_hole(guarded: Guarded) -> None:
    """Without it the engine drops; back again, the kernel does."""
    guarded.daemon.command("bans", "add", STRANGER)
    guarded.until_banned(f"{STRANGER}/32")
    guarded.helper.stop(signal.SIGTERM)  # which takes the table away
    guarded.daemon.until(lambda: guarded.daemon.lines("ban-kernel-lost"))
    assert not guarded.ask(STRANGER, times=10)
    verdicts = {row["reason"]: row["count"] for row in guarded.daemon.status()["counters"]["verdicts"]}
    assert verdicts["banned"] == 10
    guarded.helper = HelperProcess(guarded.link, guarded.folder)
    guarded.until_banned(f"{STRANGER}/32")
    guarded.daemon.until(lambda: guarded.daemon.lines("ban-kernel-back"))
    assert len(guarded.daemon.lines("ban-kernel-lost")) == 1
    before = guarded.received()
    guarded.ask(STRANGER, times=10)
    assert guarded.received() == before


# without a namespace


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path) as daemon:
        yield daemon


def test_a_broken_store_is_set_aside_and_the_agent_starts(daemon: Daemon) -> None:
    daemon.configure(more="[bans]\nkernel = false")
    state = daemon.folder / "state"
    state.mkdir()
    (state / "bans.db").write_bytes(b"no database" * 1000)
    daemon.start()
    [line] = daemon.lines("ban-store-corrupt")
    assert line["level"] == "error" and "set aside as bans.db.corrupt, bans start empty" in line["why"]
    assert daemon.command("bans", "add", "198.18.0.1").returncode == 0
    assert daemon.status()["bans"]["store"] == "on"


def test_without_a_helper_there_is_one_notice(daemon: Daemon) -> None:
    daemon.configure(more=f'[bans]\nhelper = "{daemon.folder}/none"')
    daemon.start()
    daemon.until(lambda: any("no helper for the kernel" in line["message"] for line in daemon.lines("notice")))
    time.sleep(2.5)
    assert len([line for line in daemon.lines("notice") if "no helper" in line["message"]]) == 1
    assert daemon.status()["bans"]["kernel"]["state"] == "absent"
    assert daemon.command("bans", "add", "198.18.0.1").returncode == 0
