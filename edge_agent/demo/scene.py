"""Where everybody of the demo stands, the agent's configuration, and the agent: the real one, in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from edge_agent.admin.client import NoDaemon, call

START_SECONDS = 20.0
STOP_SECONDS = 10.0

# Loopback addresses, one per party: trunks are told apart by address.
HOSTS = {
    "agent": "127.0.0.1",
    "acme": "127.0.0.10",
    "bravo": "127.0.0.11",
    "busy": "127.0.0.12",
    "cloud": "127.0.0.20",
    "psap": "127.0.0.30",
    "stranger": "127.0.0.66",
}

BUSY_RATE, BUSY_BURST = 5, 10


class Address(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def free_addresses() -> dict[str, Address]:
    """A free port on each host. They are let go again, so another program could take one; nobody does."""
    addresses = {}
    for name, host in HOSTS.items():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((host, 0))
            addresses[name] = Address(host, sock.getsockname()[1])
    return addresses


def configuration(folder: Path, at: dict[str, Address]) -> str:
    """What the agent runs on: three customers, a cloud, a PSAP gateway."""
    return f"""\
[agent]
name = "demo"
country = "US"
state_dir = "{folder}"

[keys]
grace = "0s"

[[listen]]
address = "{at["agent"]}"

[[upstream]]
name = "cloud"
targets = ["{at["cloud"]}"]
probe_every = "1s"

[[upstream]]
name = "psap"
targets = ["{at["psap"]}"]
probe_every = "1s"

[[trunk]]                                 # an ordinary customer
name = "acme"
sources = ["{at["acme"].host}/32"]
upstream = "cloud"
contact = ["{at["acme"]}"]
caller_ids = ["+12125000000..+12125000999"]
calls_per_second = 1000
burst = 1000
emergency = "reject"

[[trunk]]                                 # one that paid for emergency calls
name = "bravo"
sources = ["{at["bravo"].host}/32"]
upstream = "cloud"
contact = ["{at["bravo"]}"]
caller_ids = ["+13125000000..+13125000999"]
emergency = "route"
emergency_upstream = "psap"

[[trunk]]                                 # one that calls more than it may
name = "busy"
sources = ["{at["busy"].host}/32"]
upstream = "cloud"
contact = ["{at["busy"]}"]
caller_ids = ["+14155000000..+14155000999"]
calls_per_second = {BUSY_RATE}
burst = {BUSY_BURST}

[bans]
kernel = false                            # the helper of this host, if there is one, serves another agent

[tables]
rates_mib = 4
transactions_mib = 16
leases_mib = 4

[admin]
socket = "{folder}/control.sock"

[events]
log = "stderr"
"""


@dataclass
class Agent:
    """The agent under demonstration."""

    folder: Path
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, folder: Path, at: dict[str, Address]) -> Agent:
        """Returns when it answers on its control socket; RuntimeError with its own words when it doesn't."""
        config = folder / "edge_agent.toml"
        config.write_text(configuration(folder, at))
        # A process of its own knows nothing of the notify socket of whoever runs the demo.
        environ = {key: value for key, value in os.environ.items() if key not in ("NOTIFY_SOCKET", "JOURNAL_STREAM")}
        with open(folder / "agent.log", "wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "edge_agent", "run", "-c", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environ,
            )
        agent = cls(folder, process)
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            try:
                agent.status()
            except NoDaemon:
                time.sleep(0.05)
            else:
                return agent
        agent.stop()
        raise RuntimeError(f"the agent didn't start:\n{agent.log()}")

    def status(self) -> dict[str, Any]:
        return call(self.folder / "control.sock", "GET", "/api/status")[1]

    def log(self) -> str:
        """The end of what it logged."""
        return (self.folder / "agent.log").read_text(errors="replace")[-4000:]

    def stop(self) -> int:
        """Its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
