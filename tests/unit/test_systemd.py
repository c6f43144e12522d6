"""sd_notify: the lines that reach a real notify socket, the watchdog's time, and the unit file itself."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.nft import protocol
from edge_agent.policy.settings import Settings
from edge_agent.systemd import Notifier, credentials_directory, stream_is_journal, watchdog_seconds

UNITS = Path(__file__).parents[2] / "systemd"
COMMANDS = {"edge-agent.service": 3, "edge-agent-nft.service": 1}
"""The lines of each that run the command."""


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(5)
        yield sock


def notifier(sock: socket.socket) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": sock.getsockname()})


def test_ready_and_status(systemd: socket.socket) -> None:
    notifier(systemd).ready("Screening on 127.0.0.1:5060")
    assert systemd.recv(1000) == b"READY=1\nSTATUS=Screening on 127.0.0.1:5060"


def test_a_status_stays_one_line(systemd: socket.socket) -> None:
    notifier(systemd).status("one\nREADY=1")
    assert systemd.recv(1000) == b"STATUS=one READY=1"


def test_reloading_carries_the_monotonic_time(systemd: socket.socket) -> None:
    notifier(systemd).reloading()
    head, stamp = systemd.recv(1000).decode().split("\n")
    assert head == "RELOADING=1"
    name, microseconds = stamp.split("=")
    assert name == "MONOTONIC_USEC"
    assert abs(int(microseconds) - time.monotonic_ns() / 1000) < 5e6


def test_stopping_and_watchdog(systemd: socket.socket) -> None:
    notifier(systemd).stopping()
    notifier(systemd).watchdog()
    assert systemd.recv(1000).startswith(b"STOPPING=1")
    assert systemd.recv(1000) == b"WATCHDOG=1"


def test_an_abstract_socket() -> None:
    name = f"edge-agent-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0" + name)
        sock.settimeout(5)
        Notifier({"NOTIFY_SOCKET": "@" + name}).watchdog()
        assert sock.recv(100) == b"WATCHDOG=1"


def test_without_systemd_nothing_happens(tmp_path: Path) -> None:
    Notifier({}).ready("x")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready("x")


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "15000000"}, 15.0),
        ({"WATCHDOG_USEC": "15000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "15000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_watchdog_time(environ: dict[str, str], seconds: float | None) -> None:
    assert watchdog_seconds(environ) == seconds


def test_credentials_directory() -> None:
    assert credentials_directory({}) is None
    assert credentials_directory({"CREDENTIALS_DIRECTORY": "/run/credentials/x"}) == Path("/run/credentials/x")


def test_the_journal_is_known_by_its_inode(tmp_path: Path) -> None:
    with open(tmp_path / "stream", "w") as file:
        seen = os.fstat(file.fileno())
        assert stream_is_journal(file.fileno(), {"JOURNAL_STREAM": f"{seen.st_dev}:{seen.st_ino}"})
        assert not stream_is_journal(file.fileno(), {"JOURNAL_STREAM": f"{seen.st_dev}:{seen.st_ino + 1}"})
        assert not stream_is_journal(file.fileno(), {"JOURNAL_STREAM": "what"})
        assert not stream_is_journal(file.fileno(), {})


def test_the_units_verify(tmp_path: Path) -> None:
    """With the command of this installation in place of the installed name."""
    analyze = shutil.which("systemd-analyze")
    assert analyze, "systemd-analyze is missing: apt-get install systemd"
    command = Path(sys.executable).with_name("edge-agent")
    copies = []
    for unit, lines in COMMANDS.items():
        text = (UNITS / unit).read_text()
        assert text.count("=edge-agent ") == lines
        copies.append(tmp_path / unit)
        copies[-1].write_text(text.replace("=edge-agent ", f"={command} "))
    done = subprocess.run([analyze, "verify", *copies], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_number_of_failed_starts_leaves_the_host_down() -> None:
    """A name server that is late at boot makes many of them."""
    lines = (UNITS / "edge-agent.service").read_text().splitlines()
    assert {"StartLimitIntervalSec=0", "Restart=always"} <= set(lines)
    assert not [line for line in lines if line.startswith("StartLimitBurst=")]


def test_only_the_helper_has_a_capability() -> None:
    def settings(unit: str, key: str) -> list[str]:
        return [line for line in (UNITS / unit).read_text().splitlines() if line.startswith(f"{key}=")]

    assert settings("edge-agent.service", "CapabilityBoundingSet") == ["CapabilityBoundingSet="]
    assert settings("edge-agent.service", "AmbientCapabilities") == []
    assert settings("edge-agent-nft.service", "CapabilityBoundingSet") == ["CapabilityBoundingSet=CAP_NET_ADMIN"]
    assert settings("edge-agent-nft.service", "RestrictAddressFamilies") == [
        "RestrictAddressFamilies=AF_UNIX AF_NETLINK"
    ]


def test_the_units_and_the_settings_name_the_same_socket() -> None:
    assert f"--socket {Settings().bans.helper} " in (UNITS / "edge-agent-nft.service").read_text()
    assert Settings().bans.helper == protocol.SOCKET
