"""The book of dear calls: saved, read back less what a day gave back, set aside when it is broken, never in the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import CapturingLogger

from edge_agent.tollbook import FILE_NAME, BadBook, TollBook, read_book
from tests.agent import Agent, dial
from tests.rules.legs import place
from tests.rules.test_toll_fraud import DAY, MINUTE, PREMIUM, calls, limits, used

LIMITS = limits("calls_per_day = 10\nminutes_per_day = 30")


class Run:
    """One life of an agent."""

    def __init__(self, folder: Path, wall: float, text: str = LIMITS) -> None:
        self.wall = wall
        self.party = Agent(text)
        self.log = CapturingLogger()
        self.book = TollBook(self.party.engine, folder, self.log, lambda: self.party.now, lambda: self.wall)

    def wait(self, seconds: float) -> None:
        self.wall += seconds
        self.party.wait(seconds)

    @property
    def used(self) -> tuple[float, ...]:
        return used(self.party) if self.party.engine.budgets(self.party.now) else (0.0, 0.0, 0.0)

    def told(self) -> list[str]:
        return [str(call.args[0]) for call in self.log.calls]


async def test_what_was_used_outlives_the_process(tmp_path: Path) -> None:
    """The call that was up then too, as far as it had run: the process is killed, nothing is closed."""
    first = Run(tmp_path, 1e9)
    assert not first.book.due()
    place(first.party, dial(PREMIUM)).up()
    first.wait(12 * MINUTE)
    assert first.book.due()
    await first.book._save()
    assert not first.book.due()
    second = Run(tmp_path, first.wall)
    assert second.used == first.used and second.told() == ["toll-restored"]
    later = Run(tmp_path, first.wall + DAY / 10)
    assert later.used[1] == pytest.approx(12 - 3, abs=0.01)
    assert Run(tmp_path, first.wall + DAY).used[:2] == (0, 0)


async def test_a_used_up_budget_stays_used_up(tmp_path: Path) -> None:
    first = Run(tmp_path, 1e9)
    calls(first.party, PREMIUM, 10)
    await first.book.close()
    second = Run(tmp_path, first.wall + 60)
    assert calls(second.party, PREMIUM, 2) == ["403 toll-calls"] * 2


async def test_a_clock_that_was_set_back_gives_nothing_back(tmp_path: Path) -> None:
    first = Run(tmp_path, 1e9)
    calls(first.party, PREMIUM, 3)
    await first.book.close()
    assert Run(tmp_path, 1e9 - 30 * DAY).used[0] == 3


async def test_a_trunk_that_is_gone(tmp_path: Path) -> None:
    first = Run(tmp_path, 1e9)
    calls(first.party, PREMIUM, 3)
    await first.book.close()
    second = Run(tmp_path, 1e9, LIMITS.replace('name = "acme"', 'name = "other"'))
    assert second.used == (0, 0, 0)
    assert [call.kwargs for call in second.log.calls] == [{"budgets": 0, "gone": 3}]


async def test_nothing_used_writes_no_file(tmp_path: Path) -> None:
    await Run(tmp_path, 1e9).book.close()
    assert not (tmp_path / FILE_NAME).exists()


ROW = ["acme", "trunk", "", [1, 2, 3], [10, 20, 30]]


def book(*rows: Any, **more: Any) -> bytes:
    return json.dumps({"version": 1, "wall": 1e9, "budgets": list(rows), **more}).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        book(version=2),
        book(wall="now"),
        book(wall=float("nan")),
        book(ROW[:4]),
        book([1, *ROW[1:]]),
        book(["acme", "caller", "", *ROW[3:]]),
        book(["acme", "trunk", "123", *ROW[3:]]),
        book(["acme", "caller", "12a", *ROW[3:]]),
        book(["acme", "caller", "1" * 16, *ROW[3:]]),
        book([*ROW[:3], [1, 2], [1, 2, 3]]),
        book([*ROW[:3], [1, 2, -3], [1, 2, 3]]),
        book([*ROW[:3], [1, 2, 1e300], [1, 2, 3]]),
        book([*ROW[:3], [1, 2, "x"], [1, 2, 3]]),
        b" " * (5 << 20),
    ],
)
def test_a_broken_file_is_set_aside(tmp_path: Path, data: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(data)
    with pytest.raises(BadBook):
        read_book(data)
    run = Run(tmp_path, 1e9)
    assert run.told() == ["toll-book-corrupt"] and run.used == (0, 0, 0)
    assert (tmp_path / f"{FILE_NAME}.corrupt").read_bytes() == data and not (tmp_path / FILE_NAME).exists()


async def test_a_disk_that_fails_is_told_once_and_stops_nothing(tmp_path: Path) -> None:
    run = Run(tmp_path, 1e9)
    blocked = tmp_path / f".{FILE_NAME}.new"
    blocked.mkdir()
    for _ in range(3):
        calls(run.party, PREMIUM, 1)
        await run.book._save()
    assert run.told() == ["toll-book-failed"]
    blocked.rmdir()
    await run.book._save()
    assert run.told() == ["toll-book-failed", "toll-book-back"]
    assert Run(tmp_path, 1e9).used[0] == 3
