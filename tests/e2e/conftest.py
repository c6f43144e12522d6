"""The scene of the SIPp tests: one daemon for all of them, on loopback addresses of its own.

Rules keep state per trunk, so a test that uses up a limit has a trunk to itself.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.scene import Scene
from tests.e2e.sipp import Address, Agent, free_address

HOSTS = {
    "agent": "127.0.0.1",
    "acme": "127.0.0.10",  # an ordinary customer without emergency calling
    "bravo": "127.0.0.11",  # a customer with emergency calling
    "tight": "127.0.0.12",  # these may start one call in a long time: one trunk per test
    "tight-auth": "127.0.0.13",
    "tight-slow": "127.0.0.14",
    "cloud": "127.0.0.20",
    "psap": "127.0.0.30",
    "stranger": "127.0.0.66",  # in nobody's configuration
}

TIGHT = """
[[trunk]]
name = "{name}"
sources = ["{host}/32"]
upstream = "cloud"
contact = ["{address}"]
caller_ids = ["{numbers}"]
calls_per_second = 0.02
burst = 1
"""


def configuration(folder: Path, at: dict[str, Address]) -> str:
    tight = "".join(
        TIGHT.format(
            name=name, host=at[name].host, address=at[name], numbers=f"+121270{number}0000..+121270{number}0999"
        )
        for number, name in enumerate(["tight", "tight-auth", "tight-slow"])
    )
    return f"""
[agent]
name = "scene"
country = "US"
aliases = ["sbc.example.net"]
state_dir = "{folder}"
workers = 1

[keys]
grace = "0s"

[[listen]]
transport = "udp"
address = "{at["agent"]}"

[[upstream]]
name = "cloud"
targets = ["{at["cloud"]}"]
domains = ["cloud.example.net"]
sources = ["{at["cloud"].host}/32"]
probe_every = "0s"

[[upstream]]
name = "psap"
targets = ["{at["psap"]}"]
probe_every = "0s"

[[trunk]]
name = "acme"
sources = ["{at["acme"].host}/32"]
upstream = "cloud"
contact = ["{at["acme"]}"]
caller_ids = ["+12125000000..+12125099999"]
calls_per_second = 1000
burst = 1000
concurrent_calls = 100000
emergency = "reject"

[[trunk]]
name = "bravo"
sources = ["{at["bravo"].host}/32"]
upstream = "cloud"
contact = ["{at["bravo"]}"]
caller_ids = ["+13125000000..+13125009999"]
calls_per_second = 1000
burst = 1000
concurrent_calls = 100000
emergency = "route"
emergency_upstream = "psap"
emergency_prefixes = ["9"]
{tight}
[admin]
socket = "{folder}/control.sock"

[events]
log = "stderr"
"""


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("agent")
    at = {name: free_address(host) for name, host in HOSTS.items()}
    with Agent(folder, configuration(folder, at)) as agent:
        yield Scene(agent, at["agent"], at, folder)


@pytest.fixture
def scene(running: Scene, tmp_path: Path) -> Iterator[Scene]:
    """The running scene with a folder for this test's files. What the daemon logged goes to a failed test's report."""
    scene = dataclasses.replace(running, folder=tmp_path, log_start=running.agent.log_size())
    yield scene
    logged = scene.log()
    print(logged[-4000:])  # pytest shows it for a failed test only
    assert running.agent.running, "the daemon died"
    assert not re.search(r"Traceback|Segmentation|ERROR: AddressSanitizer", logged), logged[-4000:]
