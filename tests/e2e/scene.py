"""The scene of a test: a running agent and those around it, started by name.

It holds no configuration and no addresses of its own: conftest.py sets it up.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.sipp import Address, Agent, Sipp, ask_options, free_address
from tests.e2e.wire import Silent


@dataclass(frozen=True)
class Scene:
    """A running agent and the addresses of those around it; parties are started on them by name."""

    agent: Agent
    at: Address
    parties: Mapping[str, Address]
    folder: Path
    log_start: int = 0

    def party(self, scenario: str, name: str, **options: Any) -> Sipp:
        """A called side on a party's address. Options are those of Sipp."""
        bind = options.pop("bind", self.parties[name])
        return Sipp(self.folder / f"{name}-{scenario}", scenario, bind, **options)

    def caller(self, scenario: str, name: str, **options: Any) -> Sipp:
        """A calling side that sends to the agent from a party's host, at a port of its own."""
        bind = free_address(self.parties[name].host)
        return Sipp(self.folder / f"{name}-{scenario}", scenario, bind, **{"to": self.at, **options})

    def log(self) -> str:
        """What the daemon logged since this scene began."""
        return self.agent.log(self.log_start)

    def logs(self, text: str, seconds: float = 3) -> bool:
        """Waits until the daemon has logged a text: events reach the log a little after the answer is out."""
        deadline = time.monotonic() + seconds
        while text not in self.log():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def silent(self, name: str) -> Silent:
        return Silent(self.parties[name])

    def fence(self, name: str = "acme") -> None:
        """Returns when the agent has handled all that was sent to it before."""
        answer = ask_options(self.at, self.parties[name].host)
        assert answer.startswith("SIP/2.0 200 "), answer
