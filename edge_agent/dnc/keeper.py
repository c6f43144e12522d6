"""The daemon's part of do-not-call requests: the file's content in the engine, changes by commands in both at once.

    a command -> Requests -> file, then engine
    another process writes the file -> seen within a second -> engine

Nothing in here ends the daemon. A file that can't be read at the start is told of
and left as it is: the lists of the configuration hold, and commands say what is wrong.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from edge_agent.dnc.requests import BadRequest, Request, check_trunk, make, read_number
from edge_agent.dnc.store import FILE_NAME, RequestStore, StoreFailed, StoreFull
from edge_agent.events.record import timestamp

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from edge_agent.policy.load import Loaded

TICK_SECONDS = 1.0
CLEAN_SECONDS = 3600.0
ALARM_SECONDS = 600.0


class Engine(Protocol):
    """What of the engine is needed here."""

    def request(self, number: str, trunk: str = "") -> bool: ...
    def unrequest(self, number: str, trunk: str = "") -> bool: ...


class Requests:
    """Made before the daemon serves, ``run`` as a task of its loop, ``close``d at the end."""

    def __init__(
        self, engine: Engine, loaded: Loaded, log: FilteringBoundLogger, wall: Callable[[], float] = time.time
    ) -> None:
        self._engine, self._log, self._wall = engine, log, wall
        self._folder = Path(loaded.settings.agent.state_dir)
        self._store: RequestStore | None = None
        self._held: set[tuple[str, str]] = set()
        self._changing = asyncio.Lock()
        self._alarmed = -ALARM_SECONDS
        self._next_clean = 0.0
        self.publish(loaded)
        try:
            if self._there:
                self._take(self._open().rows())
        except StoreFailed as error:
            self._alarm(str(error))

    def publish(self, loaded: Loaded) -> None:
        """A policy is in force: its country reads numbers, its trunks may be named."""
        self._country = loaded.settings.agent.country
        self._trunks = [trunk.name for trunk in loaded.settings.trunk]

    async def run(self) -> None:
        """For ever: what another process wrote, and what has ended."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                async with self._changing:
                    await self._look()
            except StoreFailed as error:
                self._alarm(str(error))
            except Exception:  # noqa: BLE001 - a bug here must not end the calls
                if time.monotonic() >= self._alarmed + ALARM_SECONDS:
                    self._alarmed = time.monotonic()
                    self._log.exception("requests-bug")

    def close(self) -> None:
        if self._store is not None:
            self._store.close()

    async def _look(self) -> None:
        fresh = self._store is None
        if fresh and not self._there:
            return
        store = await self._file()
        ended = 0
        if time.monotonic() >= self._next_clean:
            self._next_clean = time.monotonic() + CLEAN_SECONDS
            ended = await asyncio.to_thread(store.clean, self._wall())
        if fresh or ended or await asyncio.to_thread(store.changed):
            self._take(await asyncio.to_thread(store.rows))
            if ended:
                self._log.info("requests-ended", count=ended)

    @property
    def _there(self) -> bool:
        """Is there a file? Without a request there needn't be one."""
        return (self._folder / FILE_NAME).exists()

    def _open(self) -> RequestStore:
        self._store = opened = RequestStore(self._folder)
        return opened

    async def _file(self) -> RequestStore:
        return self._store if self._store is not None else await asyncio.to_thread(self._open)

    def _take(self, rows: Iterable[Request]) -> None:
        """The engine holds these and no others."""
        wall = self._wall()
        wanted = {(row.number, row.trunk) for row in rows if row.ends > wall}
        for key in self._held - wanted:
            self._engine.unrequest(*key)
        lost = sum(not self._engine.request(*key) for key in wanted - self._held)
        self._held = wanted
        if lost:
            self._log.error("requests-no-room", requests=len(wanted), lost=lost)

    def _alarm(self, why: str) -> None:
        if time.monotonic() >= self._alarmed + ALARM_SECONDS:
            self._alarmed = time.monotonic()
            self._log.error("requests-failed", why=why)

    # What commands ask for; they raise BadRequest, StoreFailed and StoreFull

    async def add(self, entries: list[dict[str, str]], trunk: str) -> int:
        """Takes requests in, all or none; how many are new. An entry has number, and perhaps asked (a date) and reason."""
        check_trunk(trunk, self._trunks)
        wall = self._wall()
        made = [
            make(one["number"], self._country, trunk, one.get("reason", ""), one.get("asked", ""), wall)
            for one in entries
        ]
        async with self._changing:
            store = await self._file()
            new = await asyncio.to_thread(store.add, made)
            for one in made:
                if not self._engine.request(one.number, one.trunk):
                    self._log.error("requests-no-room", requests=len(self._held), lost=1)
                self._held.add((one.number, one.trunk))
        self._log.info("requests-added", count=len(made), new=new, trunk=trunk)
        return new

    async def remove(self, numbers: list[str], trunk: str) -> int:
        """Takes requests away; how many there were."""
        keys = [(read_number(number, self._country), trunk) for number in numbers]
        async with self._changing:
            store = await self._file()
            removed = await asyncio.to_thread(store.remove, keys)
            for key in keys:
                self._engine.unrequest(*key)
                self._held.discard(key)
        self._log.info("requests-removed", count=removed, trunk=trunk)
        return removed

    async def listing(self, number: str = "", trunk: str | None = None) -> list[dict[str, Any]]:
        """Rows for people: all, those of one number, those of one trunk."""
        digits = read_number(number, self._country) if number else ""
        async with self._changing:
            store = await self._file()
            return await asyncio.to_thread(lambda: [describe(row) for row in store.rows(digits, trunk)])


def describe(row: Request) -> dict[str, Any]:
    """One request, as ``--json`` prints it."""
    return {
        "number": f"+{row.number}",
        "trunk": row.trunk,
        "asked": timestamp(int(row.asked * 1e9)),
        "until": timestamp(int(row.ends * 1e9)),
        "reason": row.reason,
    }


__all__ = ["BadRequest", "Requests", "StoreFailed", "StoreFull", "describe"]
