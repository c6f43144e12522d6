"""Do-not-call requests on disk: one SQLite file. What ``add`` or ``remove`` returned from outlives the process and the power.

Unlike bans these are promises to people: a change waits for the disk, and one that
can't be written is refused. The agent and a command may both have the file open; who
wants to know whether the other one wrote asks ``changed``. No write-ahead log, so
the file is one, and belongs to the folder's owner whoever made it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge_agent.dnc.requests import KEEP_SECONDS, LIMIT, Request

FILE_NAME = "requests.db"
LOCKED_SECONDS = 5.0

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
    number TEXT NOT NULL,
    trunk TEXT NOT NULL,
    asked REAL NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (number, trunk)
) WITHOUT ROWID
"""
# Who asks again asks for five more years, and an older letter that is found doesn't shorten them.
_UPSERT = """
INSERT INTO requests VALUES (?, ?, ?, ?)
ON CONFLICT (number, trunk) DO UPDATE SET asked = excluded.asked, reason = excluded.reason
WHERE excluded.asked > requests.asked
"""


class StoreFailed(Exception):
    """The file can't be read or written; the text is the line an operator reads."""


class StoreFull(Exception):
    """There are as many requests as may be; the text is the line an operator reads."""


class RequestStore:
    """The open file; any thread, one at a time. Raises StoreFailed."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._lock = threading.Lock()
        with self._told():
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            owner = folder.stat()
            if os.geteuid() == 0 and owner.st_uid != 0:
                os.chown(self.path, owner.st_uid, owner.st_gid)
            self._connection = sqlite3.connect(
                self.path, timeout=LOCKED_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                self._open()
            except BaseException:
                self._connection.close()
                raise
        self._version = self._data_version()

    def _open(self) -> None:
        [version] = self._connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise ValueError(f"is of another version ({version})")
        self._connection.execute("PRAGMA synchronous = FULL")
        if version == 0:
            self._connection.execute(_SCHEMA)
            self._connection.execute(f"PRAGMA user_version = {_VERSION}")
        [checked] = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if checked != "ok":
            raise ValueError(checked.splitlines()[-1])

    def close(self) -> None:
        with self._lock, suppress(sqlite3.Error):
            self._connection.close()

    def changed(self) -> bool:
        """Did another process write since this was last asked?"""
        with self._lock, self._told():
            version = self._data_version()
            before, self._version = self._version, version
            return version != before

    def _data_version(self) -> int:
        [version] = self._connection.execute("PRAGMA data_version").fetchone()
        return int(version)

    def rows(self, number: str = "", trunk: str | None = None) -> list[Request]:
        """All requests, or those of one number, of one trunk ("": those of all trunks); by number."""
        with self._lock, self._told():
            found = self._connection.execute(
                "SELECT number, trunk, asked, reason FROM requests"
                " WHERE (?1 = '' OR number = ?1) AND (?2 IS NULL OR trunk = ?2) ORDER BY number, trunk",
                (number, trunk),
            )
            return [Request(str(row[0]), str(row[1]), float(row[2]), str(row[3])) for row in found]

    def count(self) -> int:
        with self._lock, self._told():
            [count] = self._connection.execute("SELECT count(*) FROM requests").fetchone()
            return int(count)

    def add(self, requests: Iterable[Request]) -> int:
        """Puts all of them in, or none; how many are new. StoreFull."""
        with self._lock, self._told(), self._transaction():
            before = self._count()
            self._connection.executemany(_UPSERT, requests)
            after = self._count()
            if after > LIMIT:
                raise StoreFull(
                    f"{LIMIT:,} requests are kept at most, and there are {before:,}: put numbers that hold for all trunks"
                    " into a file of [lists] do_not_call"
                )
            return after - before

    def remove(self, requests: Iterable[tuple[str, str]]) -> int:
        """Takes numbers with their trunks out; how many there were."""
        with self._lock, self._told(), self._transaction():
            before = self._count()
            self._connection.executemany("DELETE FROM requests WHERE number = ? AND trunk = ?", requests)
            return before - self._count()

    def clean(self, wall: float) -> int:
        """Takes out what has ended by that time; how many there were."""
        with self._lock, self._told(), self._transaction():
            return self._connection.execute("DELETE FROM requests WHERE asked <= ?", (wall - KEEP_SECONDS,)).rowcount

    def _count(self) -> int:
        [count] = self._connection.execute("SELECT count(*) FROM requests").fetchone()
        return int(count)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            raise StoreFailed(f"{self.path}: {error.strerror}; run this as the agent's user") from None
        except (sqlite3.Error, ValueError, OSError) as error:
            raise StoreFailed(f"{self.path}: can't be used: {error}") from None
