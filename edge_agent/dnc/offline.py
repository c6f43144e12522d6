"""The same commands while no agent runs: the file itself. An agent that starts reads it; one that runs after all sees the change.

Where the state is, which country reads numbers and which trunks there are is taken
from the configuration as it is written; nothing else of it needs to be right.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_agent.dnc.keeper import describe
from edge_agent.dnc.requests import BadRequest, check_trunk, make, read_number
from edge_agent.dnc.store import FILE_NAME, RequestStore
from edge_agent.numbering.plans import regions

STATE_DIR = "/var/lib/edge-agent"


class Offline:
    """One command's view of the file. Raises BadRequest, StoreFailed and StoreFull."""

    def __init__(self, config: Path | None) -> None:
        self.folder, self.country = Path(STATE_DIR), "US"
        self._trunks: list[str] | None = None
        if config is not None:
            self._read(config)

    def _read(self, config: Path) -> None:
        from edge_agent.policy.merge import read_files

        document, problems = read_files(config)
        if problems:
            raise BadRequest("\n".join(map(str, problems)))
        agent = document.data.get("agent")
        agent = agent if isinstance(agent, dict) else {}
        if isinstance(folder := agent.get("state_dir"), str):
            self.folder = Path(folder)
        if (country := agent.get("country")) in regions():
            self.country = str(country)
        trunks = document.data.get("trunk")
        self._trunks = (
            [str(one.get("name")) for one in trunks if isinstance(one, dict)] if isinstance(trunks, list) else []
        )

    def add(self, entries: list[dict[str, str]], trunk: str) -> int:
        """Takes requests in, all or none; how many are new."""
        if self._trunks is not None:
            check_trunk(trunk, self._trunks)
        wall = time.time()
        made = [
            make(one["number"], self.country, trunk, one.get("reason", ""), one.get("asked", ""), wall)
            for one in entries
        ]
        with self._store() as store:
            return store.add(made)

    def remove(self, numbers: list[str], trunk: str) -> int:
        """Takes requests away; how many there were."""
        keys = [(read_number(number, self.country), trunk) for number in numbers]
        with self._store() as store:
            return store.remove(keys)

    def listing(self, number: str, trunk: str | None) -> list[dict[str, Any]]:
        """Rows, as the agent gives them."""
        digits = read_number(number, self.country) if number else ""
        if not (self.folder / FILE_NAME).exists():
            return []
        with self._store() as store:
            return [describe(row) for row in store.rows(digits, trunk)]

    @contextmanager
    def _store(self) -> Iterator[RequestStore]:
        store = RequestStore(self.folder)
        try:
            yield store
        finally:
            store.close()
