"""The file of bans: over a restart, a SIGKILL, a broken or locked file; bounded, and never waited for."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge_agent.bans import store as module
from edge_agent.bans.store import Row, Store


class Alarms(list[tuple[str, str]]):
    def __call__(self, kind: str, what: str) -> None:
        self.append((kind, what))

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self]


@pytest.fixture
def alarms() -> Alarms:
    return Alarms()


@pytest.fixture
def opened(tmp_path: Path, alarms: Alarms) -> Iterator[Callable[[], Store]]:
    stores: list[Store] = []

    def open_store() -> Store:
        stores.append(Store(tmp_path / "state" / "bans.db", alarms))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


def a_row(number: int = 0, ends: float | None = None) -> Row:
    now = time.time()
    network = f"203.{number >> 16}.{number >> 8 & 255}.{number & 255}/32"
    end = now + 60 if ends is None else ends
    return Row(network, now, end, "engine", "scanner", "scanner", "", 2, 20, 0, "Ümlaut", 0)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_over_a_restart(opened: Callable[[], Store], alarms: Alarms, tmp_path: Path) -> None:
    store = opened()
    assert store.rows == ()
    rows = [a_row(number) for number in range(5)]
    for row in rows:
        store.save(row)
    store.save(rows[0]._replace(times=3))
    store.forget(rows[1].network)
    assert store.close()
    assert sorted(opened().rows) == sorted([rows[0]._replace(times=3), *rows[2:]])
    assert alarms == []
    assert stat.S_IMODE((tmp_path / "state" / "bans.db").stat().st_mode) == 0o600


def test_over_a_sigkill(opened: Callable[[], Store], alarms: Alarms, tmp_path: Path) -> None:
    """A process that is killed in the midst of writing loses at most the last moment, and never the file."""
    script = f"""
import itertools, time
from pathlib import Path
from edge_agent.bans.store import Row, Store
store = Store(Path({str(tmp_path / "state" / "bans.db")!r}), print)
for number in itertools.count():
    store.save(Row(f"203.0.{{number >> 8 & 255}}.{{number & 255}}/32", 0.0, 4e9, "engine", "", "", "", 1, 1, 0, "", 0))
    if number == 20000:
        time.sleep(2)
        print("saved", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "saved\n"
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    assert len(opened().rows) >= 20000
    assert alarms == []


@pytest.mark.parametrize("broken", [b"no database at all, but long enough" * 100, b"SQLite format 3\0" + bytes(5000)])
def test_a_broken_file_is_set_aside(broken: bytes, opened: Callable[[], Store], alarms: Alarms, tmp_path: Path) -> None:
    path = tmp_path / "state" / "bans.db"
    path.parent.mkdir()
    path.write_bytes(broken)
    store = opened()
    assert store.rows == () and store.state == "on"
    [(kind, line)] = alarms
    assert kind == "corrupt" and "set aside as bans.db.corrupt, bans start empty" in line and str(path) in line
    assert path.with_name("bans.db.corrupt").read_bytes() == broken
    store.save(a_row())
    store.close()
    assert len(opened().rows) == 1


def test_a_page_that_broke_in_the_middle(opened: Callable[[], Store], alarms: Alarms, tmp_path: Path) -> None:
    store = opened()
    for number in range(2000):
        store.save(a_row(number))
    store.close()
    path = tmp_path / "state" / "bans.db"
    content = bytearray(path.read_bytes())
    content[8192:16384] = os.urandom(8192)
    path.write_bytes(content)
    assert opened().rows == ()
    assert alarms.kinds == ["corrupt"]


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE bans; CREATE TABLE bans (network TEXT)",
        "PRAGMA user_version = 99",
        "UPDATE bans SET ends = 'soon'",
        "UPDATE bans SET ends = 9e999",
        "UPDATE bans SET ends = 1e300",
        "UPDATE bans SET started = 1e300",
        "UPDATE bans SET started = -1e300",
        "UPDATE bans SET started = -5.1e10",
        "UPDATE bans SET times = 'often'",
        "UPDATE bans SET times = 9223372036854775807",
        "UPDATE bans SET times = -1",
        "UPDATE bans SET strikes = 4294967296",
        "UPDATE bans SET forced = 1.5",
        "UPDATE bans SET note = CAST(x'ff' AS TEXT)",
        "UPDATE bans SET reason = x'00ff'",
    ],
)
def test_a_file_that_says_something_else(
    change: str, opened: Callable[[], Store], alarms: Alarms, tmp_path: Path
) -> None:
    store = opened()
    store.save(a_row())
    store.close()
    connection = sqlite3.connect(tmp_path / "state" / "bans.db")
    connection.executescript(change)
    connection.close()
    assert opened().rows == ()
    assert alarms.kinds == ["corrupt"]


def test_a_bug_in_the_thread_is_told_and_ends_nothing(
    opened: Callable[[], Store], alarms: Alarms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that SQLite can't hold: the file stays, and is written again once that row is gone."""
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.05)
    store = opened()
    store.save(a_row(1)._replace(times=2**63))
    until(lambda: alarms)
    assert alarms.kinds == ["failed"] and store.state == "failing" and "kept in memory only" in alarms[0][1]
    store.save(a_row(2))
    store.save(a_row(1))
    until(lambda: store.state == "on")
    assert alarms.kinds == ["failed", "back"] and not store.incomplete
    store.close()
    assert len(opened().rows) == 2


def test_a_thread_that_ends_is_told(
    opened: Callable[[], Store], alarms: Alarms, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", told.append)
    store = opened()
    monkeypatch.setattr(store, "_write_waiting", lambda clean: 1 / 0)
    store.save(a_row())
    until(lambda: told)
    assert alarms.kinds == ["failed"] and "division by zero" in alarms[0][1]
    until(lambda: store.state == "failing")


def test_a_file_that_breaks_while_it_is_used(opened: Callable[[], Store], alarms: Alarms, tmp_path: Path) -> None:
    """It is set aside too, and whoever knows the bans is asked for all of them."""
    store = opened()
    store.save(a_row(1))
    path = tmp_path / "state" / "bans.db"
    with closing(sqlite3.connect(path)) as connection:
        until(lambda: connection.execute("SELECT count(*) FROM bans").fetchone() == (1,))
        connection.executescript("DROP TABLE bans; PRAGMA user_version = 99")
    store.save(a_row(2))
    until(lambda: store.incomplete)
    assert alarms.kinds == ["corrupt"]
    assert store.close()
    assert [row.network for row in opened().rows] == [a_row(2).network]


def test_nobody_waits_for_a_locked_file(
    opened: Callable[[], Store], alarms: Alarms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One alarm while it is locked; what was saved meanwhile is written later."""
    monkeypatch.setattr(module, "LOCKED_SECONDS", 0.05)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.05)
    store = opened()
    other = sqlite3.connect(tmp_path / "state" / "bans.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    for number in range(1000):
        store.save(a_row(number))
    assert time.monotonic() - began < 1.0
    until(lambda: alarms)
    assert store.state == "failing" and "kept in memory only" in alarms[0][1]
    time.sleep(0.5)
    other.execute("ROLLBACK")
    other.close()
    until(lambda: store.state == "on")
    assert alarms.kinds == ["failed", "back"]
    store.close()
    assert len(opened().rows) == 1000


def test_a_folder_that_cannot_be_written(tmp_path: Path, alarms: Alarms) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "bans.db", alarms)
    assert store.rows == () and store.state == "failing" and alarms.kinds == ["failed"]
    store.save(a_row())
    assert store.close(10)


def test_rows_are_bounded(opened: Callable[[], Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those whose day is over go, then those that end first."""
    monkeypatch.setattr(module, "ROW_LIMIT", 10)
    now = time.time()
    store = opened()
    for number in range(20):
        store.save(a_row(number, now + number))
    store.save(a_row(100, now - module.KEEP_SECONDS - 1))
    store.close()
    rows = opened().rows
    assert [row.network for row in rows] == [a_row(number).network for number in range(10, 20)]


def test_what_waits_is_bounded(opened: Callable[[], Store], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING_LIMIT", 3)
    monkeypatch.setattr(module, "GATHER_SECONDS", 1.0)
    store = opened()
    for number in range(5):
        store.save(a_row(number))
        store.save(a_row(number))
    assert store.dropped == 4
    store.forget(a_row(0).network)
    assert store.dropped == 4, "what waits already can change its mind"
