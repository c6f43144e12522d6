"""What was used of the budgets of dear calls, over a restart and a SIGKILL: a small file in the state directory.

Written anew a few seconds after a dear call began or ended, and each minute while one
is up: whole, synced, renamed. What a call has run is in it up to then. The engine's
clock ends with the process, so the file has wall time; what a budget has got back
since is worked out when it is read. Nothing that goes wrong in here ends the daemon.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from edge_agent._hot import Budget

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

FILE_NAME = "toll.json"
TICK_SECONDS = 2.0
RUNNING_SECONDS = 60.0
DAY = 86400.0
MOST_BYTES = 4 << 20
_VERSION = 1
_LITTLE = 1e-6  # of a limit: not worth a line


class Engine(Protocol):
    """What of the engine is needed here."""

    @property
    def toll_changes(self) -> int: ...
    def budgets(self, now: int) -> list[Budget]: ...
    def restore_budget(self, budget: Budget, now: int) -> bool: ...


class BadBook(ValueError):
    """The file says something else."""


class TollBook:
    """Made once a policy is published, ``run`` as a task of the daemon's loop, ``close``d at the end."""

    def __init__(
        self,
        engine: Engine,
        folder: Path,
        log: FilteringBoundLogger,
        clock: Callable[[], int] = time.monotonic_ns,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._engine, self._path, self._log = engine, folder / FILE_NAME, log
        self._clock, self._wall = clock, wall
        self._failing = False
        self._up = False
        self._saved_at = 0.0
        self._restore()
        self._seen = engine.toll_changes

    async def run(self) -> None:
        """For ever: saves what changed."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                if self.due():
                    await self._save()
            except Exception:  # noqa: BLE001 - a bug here must not end the calls
                if not self._failing:
                    self._failing = True
                    self._log.exception("toll-book-bug")

    async def close(self) -> None:
        """What changed since the last time."""
        await self._save()

    def due(self) -> bool:
        """Has a call begun or ended since the last time, or is one up for a minute?"""
        changed = self._engine.toll_changes != self._seen
        return changed or (self._up and time.monotonic() - self._saved_at >= RUNNING_SECONDS)

    async def _save(self) -> None:
        self._seen = self._engine.toll_changes
        self._saved_at = time.monotonic()
        budgets = self._engine.budgets(self._clock())
        self._up = any(budget.up for budget in budgets)
        if not budgets and not self._path.exists():
            return
        try:
            await asyncio.to_thread(self._write, [_row(one) for one in budgets if _used(one)])
        except OSError as error:
            if not self._failing:
                self._failing = True
                self._log.error(
                    "toll-book-failed", why=f"{self._path}: {error.strerror}; budgets start anew after a restart"
                )
        else:
            if self._failing:
                self._failing = False
                self._log.info("toll-book-back", why=f"{self._path}: written again")

    def _write(self, rows: list[list[Any]]) -> None:
        text = json.dumps({"version": _VERSION, "wall": self._wall(), "budgets": rows})
        beside = self._path.with_name(f".{FILE_NAME}.new")
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self._path)

    def _restore(self) -> None:
        try:
            with open(self._path, "rb") as file:
                data = file.read(MOST_BYTES + 1)
            wall, rows = read_book(data)
        except FileNotFoundError:
            return
        except OSError as error:
            self._log.error("toll-book-failed", why=f"{self._path}: {error.strerror}; budgets start anew")
            return
        except BadBook as error:
            aside = self._path.with_name(self._path.name + ".corrupt")
            try:
                os.replace(self._path, aside)
            except OSError:
                aside = self._path
            self._log.error(
                "toll-book-corrupt", why=f"{self._path}: {error}; set aside as {aside.name}, budgets start anew"
            )
            return
        # A clock that was set back has given nothing back.
        passed = max(0.0, self._wall() - wall)
        now = self._clock()
        taken = sum(self._engine.restore_budget(drained(one, passed), now) for one in rows)
        self._log.info("toll-restored", budgets=taken, gone=len(rows) - taken)


def drained(budget: Budget, seconds: float) -> Budget:
    """What is still used of it so much later."""
    used = [max(0.0, u - limit * seconds / DAY) for u, limit in zip(budget.used, budget.limit, strict=True)]
    return budget._replace(used=(used[0], used[1], used[2]))


def read_book(data: bytes) -> tuple[float, list[Budget]]:
    """Wall seconds and budgets of a file. BadBook."""
    if len(data) > MOST_BYTES:
        raise BadBook("too long")
    try:
        book = json.loads(data)
        if book["version"] != _VERSION or not isfinite(book["wall"]):
            raise BadBook("of another version")
        return float(book["wall"]), [_budget(*row) for row in book["budgets"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadBook(str(error) if isinstance(error, BadBook) else f"can't be read ({error!r})") from None


def _budget(trunk: object, scope: object, number: object, used: object, limit: object) -> Budget:
    if not (isinstance(trunk, str) and isinstance(scope, str) and isinstance(number, str)):
        raise BadBook("a name is none")
    if (scope == "caller") != bool(number) or (
        number and not (number.isascii() and number.isdigit() and len(number) < 16)
    ):
        raise BadBook("a number is none")
    return Budget(trunk, scope, number, _measures(used), _measures(limit), 0)


def _measures(values: object) -> tuple[float, float, float]:
    if not isinstance(values, list) or len(values) != 3:
        raise BadBook("a budget is none")
    numbers = [float(value) for value in values]
    if not all(isfinite(number) and 0 <= number <= 1e12 for number in numbers):
        raise BadBook("a budget is none")
    return numbers[0], numbers[1], numbers[2]


def _used(budget: Budget) -> bool:
    return any(used > _LITTLE * limit for used, limit in zip(budget.used, budget.limit, strict=True))


def _row(budget: Budget) -> list[Any]:
    return [budget.trunk, budget.scope, budget.number, [round(u, 6) for u in budget.used], list(budget.limit)]
