"""Starts the real daemon as systemd would: with a notify socket that hears everything, and its log line by line.

``tests.e2e.sipp.Agent`` is the one for calls; this one is for the daemon's own life.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.e2e.sipp import Address, free_address

COMMAND = [sys.executable, "-m", "edge_agent"]

CONFIG = """
[agent]
name = "life"
state_dir = "{folder}/state"
workers = {workers}

[keys]
grace = "0s"

[[listen]]
address = "{agent}"

[[upstream]]
name = "cloud"
targets = ["{cloud}"]
probe_every = "{probe}"

[[trunk]]
name = "acme"
sources = ["127.0.0.10/32"]
upstream = "cloud"
contact = ["127.0.0.10:5060"]
caller_ids = ["+12125000000..+12125000999"]
calls_per_second = {rate}
burst = {burst}

[tables]
rates_mib = 4
transactions_mib = 8
leases_mib = 4

[admin]
socket = "{folder}/control.sock"

[events]
log = "stderr"
{more}
"""


class Daemon:
    """One daemon, its configuration, its log, and what it told systemd."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.agent = free_address("127.0.0.1")
        self.cloud = free_address("127.0.0.20")
        self.config = folder / "edge_agent.toml"
        self._settings: dict[str, object] = {"workers": 1, "probe": "0s", "rate": 1000, "burst": 1000, "more": ""}
        self.configure(**settings)
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(folder / "notify"))
        self.notices: list[str] = []
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, **settings: object) -> None:
        """Writes the configuration with these settings changed."""
        self._settings |= settings
        at = {"folder": self.folder, "agent": self.agent, "cloud": self.cloud}
        self.config.write_text(CONFIG.format(**at | self._settings))

    def start(self, environ: Mapping[str, str] | None = None, command: Sequence[str] = COMMAND) -> Self:
        self.launch(environ, command)
        self.until(lambda: any("READY=1" in notice for notice in self.hear()))
        return self

    def launch(self, environ: Mapping[str, str] | None = None, command: Sequence[str] = COMMAND) -> None:
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [*command, "run", "-c", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "NOTIFY_SOCKET": str(self.folder / "notify"), **(environ or {})},
            )

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def until(self, condition: Callable[[], object], seconds: float = 20) -> None:
        """Waits for a condition; fails when the daemon ends or the time does."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process is not None and self.process.poll() is None, f"the daemon ended:\n{self.text()}"
            assert time.monotonic() < deadline, f"waited {seconds} s in vain; the log:\n{self.text()}"
            time.sleep(0.02)

    def hear(self) -> list[str]:
        """All notices so far, oldest first."""
        self._notify.setblocking(False)
        try:
            while True:
                self.notices.append(self._notify.recv(4096).decode())
        except BlockingIOError:
            return self.notices

    def text(self) -> str:
        return (self.folder / "log").read_text()

    def lines(self, event: str = "") -> list[dict[str, Any]]:
        """The log's records, of one kind. Whatever is no JSON fails the test."""
        records = [json.loads(line) for line in self.text().splitlines()]
        return [record for record in records if not event or record["event"] == event]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command that asks this daemon."""
        return subprocess.run(
            [*COMMAND, *arguments, "-c", str(self.config)], capture_output=True, text=True, timeout=60, check=False
        )

    def status(self) -> dict[str, Any]:
        done = self.command("status", "--json")
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert isinstance(report, dict)
        return report

    def stop(self, number: int = 15, seconds: float = 10) -> int:
        """Its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._notify.close()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Caller:
    """A source of INVITEs: one socket on one address."""

    def __init__(self, host: str, agent: Address) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self._socket.settimeout(5)
        self._agent = agent
        self._host, self._port = self._socket.getsockname()
        self._count = 0

    def invite(self, caller: str = "+12125000001", agent_name: str = "PBX", called: str = "+13475550123") -> None:
        self._count += 1
        text = (
            f"INVITE sip:{called}@{self._agent} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self._host}:{self._port};rport;branch=z9hG4bK{self._port}x{self._count}\r\n"
            "Max-Forwards: 70\r\n"
            f"From: <sip:{caller}@{self._host}>;tag=t{self._count}\r\n"
            f"To: <sip:{called}@{self._agent.host}>\r\n"
            f"Call-ID: {self._count}-{self._port}@{self._host}\r\n"
            "CSeq: 1 INVITE\r\n"
            f"Contact: <sip:{self._host}:{self._port}>\r\n"
            f"User-Agent: {agent_name}\r\n"
            "Content-Length: 0\r\n\r\n"
        )
        self._socket.sendto(text.encode(), self._agent)

    def answer(self, seconds: float = 5) -> str:
        """The first line of what comes next. TimeoutError."""
        self._socket.settimeout(seconds)
        return self._socket.recv(65536).decode().split("\r\n")[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()
