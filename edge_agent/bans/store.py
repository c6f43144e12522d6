"""Bans over a restart and a SIGKILL: one SQLite file, written by a thread of its own.

Who saves or forgets a ban only puts it into a dictionary; the thread writes what
has gathered, in one transaction. Per network only the last word counts, so what
waits is bounded by the networks. A disk that hangs or is full costs the memory of
bans over a restart, one alarm, and nothing else: nobody waits for it.

The file holds wall time: it outlives the process and its clock. Rows stay for a
day after their ban, since the next ban of that network is longer.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from edge_agent.bans.judge import TIMES_LIMIT

FILE_NAME = "bans.db"
ROW_LIMIT = 131072  # twice the engine's table: those in force, and as many that were
WAITING_LIMIT = 2 * ROW_LIMIT
KEEP_SECONDS = 86400.0  # after its end

GATHER_SECONDS = 0.05  # what comes within it shares a transaction
RETRY_SECONDS = 5.0
CLEAN_SECONDS = 60.0
LOCKED_SECONDS = 2.0  # another process has the file, such as a backup
LATEST = 5e10  # wall seconds, either way: what dates can tell

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS bans (
    network TEXT PRIMARY KEY NOT NULL,
    started REAL NOT NULL,
    ends REAL NOT NULL,
    who TEXT NOT NULL,
    rule TEXT NOT NULL,
    reason TEXT NOT NULL,
    trunk TEXT NOT NULL,
    times INTEGER NOT NULL,
    strikes INTEGER NOT NULL,
    proven INTEGER NOT NULL,
    note TEXT NOT NULL,
    forced INTEGER NOT NULL
) WITHOUT ROWID
"""


class Row(NamedTuple):
    """One ban as the file has it. Times are wall seconds; else it is a ``judge.Ban``, whose count is ``strikes``."""

    network: str
    started: float
    ends: float
    who: str
    rule: str
    reason: str
    trunk: str
    times: int
    strikes: int
    proven: int
    note: str
    forced: int


_UPSERT = f"INSERT OR REPLACE INTO bans VALUES ({', '.join('?' * len(Row._fields))})"
_TRIM = "DELETE FROM bans WHERE network IN (SELECT network FROM bans ORDER BY ends DESC LIMIT -1 OFFSET ?)"
_SELECT = f"SELECT {', '.join(Row._fields)} FROM bans ORDER BY ends"

Alarm = Callable[[str, str], None]
"""Told a kind (``corrupt``, ``failed``, ``back``) and a sentence, from whichever thread noticed."""


class Store:
    """The file. Made before the daemon serves: reading it may take a moment."""

    def __init__(self, path: Path, alarm: Alarm) -> None:
        self._path = path
        self._alarm = alarm
        self._waiting: dict[str, Row | None] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._connection: sqlite3.Connection | None = None
        self._failing = False
        self.dropped = 0
        """Changes that found too many waiting."""
        self.incomplete = False
        """The file lost what it held: whoever knows the bans should save them all, and clear this."""
        self.rows = self._load()
        """What it held at the start, soonest end first."""
        self._wake.set()  # the first cleaning at once: what memory it takes is taken before any flood
        self._thread = threading.Thread(target=self._run, name="ban-store", daemon=True)
        self._thread.start()

    @property
    def state(self) -> str:
        return "failing" if self._failing or not self._thread.is_alive() else "on"

    def save(self, row: Row) -> None:
        self._put(row.network, row)

    def forget(self, network: str) -> None:
        self._put(network, None)

    def _put(self, network: str, row: Row | None) -> None:
        with self._lock:
            if len(self._waiting) >= WAITING_LIMIT and network not in self._waiting:
                self.dropped += 1
                return
            self._waiting[network] = row
        self._wake.set()

    def close(self, seconds: float = 2.0) -> bool:
        """Writes what waits, and ends the thread; False when that takes too long."""
        self._closing.set()
        self._wake.set()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    # Opening

    def _load(self) -> tuple[Row, ...]:
        try:
            return self._open()
        except (sqlite3.Error, ValueError, OSError) as error:
            self._blame(error)
        if self._failing:
            return ()
        try:
            return self._open()
        except (sqlite3.Error, ValueError, OSError) as error:
            self._fail(error)
        return ()

    def _open(self) -> tuple[Row, ...]:
        self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        # The file tells who was banned and why: nobody else's business.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(
            self._path, timeout=LOCKED_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=8
        )
        connection.text_factory = bytes.decode  # of bytes that are no text a ValueError, like of any other damage
        try:
            [version] = connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, _VERSION):
                raise ValueError(f"is of another version ({version})")
            connection.execute("PRAGMA journal_mode = WAL")
            # The process may die at any time and loses nothing; power may, and the last moment with it.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_SCHEMA)
            connection.execute(f"PRAGMA user_version = {_VERSION}")
            [checked] = connection.execute("PRAGMA quick_check(1)").fetchone()
            if checked != "ok":
                raise ValueError(checked.splitlines()[-1])
            rows = tuple(_checked(Row(*values)) for values in connection.execute(_SELECT))
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return rows

    def _set_aside(self, error: Exception) -> None:
        """Out of the way, under one name, so that a file that breaks each day doesn't fill the disk."""
        aside = self._path.with_name(self._path.name + ".corrupt")
        try:
            os.replace(self._path, aside)
            for suffix in ("-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        except OSError as why:
            self._alarm("failed", f"{self._path}: can't be read ({error}) nor set aside ({why.strerror})")
            self._failing = True
            return
        self._alarm("corrupt", f"{self._path}: can't be read ({error}); set aside as {aside.name}, bans start empty")
        self.incomplete = True

    # The thread

    def _run(self) -> None:
        try:
            self._serve()
        except Exception as error:
            self._fail(error)
            raise

    def _serve(self) -> None:
        next_clean = time.monotonic()
        while not self._closing.is_set():
            self._wake.wait(CLEAN_SECONDS)
            self._wake.clear()
            self._closing.wait(GATHER_SECONDS)
            clean = time.monotonic() >= next_clean
            if clean:
                next_clean = time.monotonic() + CLEAN_SECONDS
            if not self._write_waiting(clean):
                self._closing.wait(RETRY_SECONDS)
                self._wake.set()
        # What came between the last batch and the end.
        self._write_waiting(clean=False)
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()

    def _write_waiting(self, clean: bool) -> bool:
        with self._lock:
            batch, self._waiting = self._waiting, {}
        if not batch and not clean:
            return True
        # A file that was set aside leaves room for a new one at once.
        if self._write(batch, clean) or (not self._failing and self._write(batch, clean)):
            return True
        with self._lock:
            self._waiting = batch | self._waiting
        return False

    def _write(self, batch: dict[str, Row | None], clean: bool) -> bool:
        try:
            if self._connection is None:
                self._open()
            assert self._connection is not None
            with closing(self._connection.cursor()) as cursor:
                cursor.execute("BEGIN IMMEDIATE")
                cursor.executemany(
                    "DELETE FROM bans WHERE network = ?", [(key,) for key, row in batch.items() if not row]
                )
                cursor.executemany(_UPSERT, [row for row in batch.values() if row])
                if clean:
                    cursor.execute("DELETE FROM bans WHERE ends < ?", (time.time() - KEEP_SECONDS,))
                    cursor.execute(_TRIM, (ROW_LIMIT,))
                cursor.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - nobody else would see what ends this thread
            self._lose(error)
            return False
        if self._failing:
            self._failing = False
            self._alarm("back", f"{self._path}: written again")
        return True

    def _lose(self, error: Exception) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()  # rolls back
            self._connection = None
        self._blame(error)

    def _blame(self, error: Exception) -> None:
        """A file that says something else goes; one that is locked, or on a full disk, may be good."""
        broken = isinstance(error, (sqlite3.Error, ValueError)) and not isinstance(error, sqlite3.OperationalError)
        if broken or getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_ERROR:  # such as a column that is missing
            self._set_aside(error)
        else:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self._failing:
            self._failing = True
            self._alarm(
                "failed",
                f"{self._path}: {str(error) or repr(error)}; bans are kept in memory only until it works again",
            )


def _checked(row: Row) -> Row:
    """The types that the schema names, and what can be reckoned with; SQLite itself takes anything anywhere."""
    texts = (row.network, row.who, row.rule, row.reason, row.trunk, row.note)
    if not all(isinstance(value, str) for value in texts):
        raise ValueError("a text is none")
    if not all(isinstance(value, float) and -LATEST <= value <= LATEST for value in (row.started, row.ends)):
        raise ValueError(f"a time of {row.network} is none")
    counts = (row.times, row.strikes, row.proven, row.forced)
    if not all(isinstance(value, int) and 0 <= value <= TIMES_LIMIT for value in counts):
        raise ValueError(f"a number of {row.network} is none")
    return row
