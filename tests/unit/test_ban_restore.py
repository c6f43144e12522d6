"""The keeper and what a store may hold at worst: whatever it reads, it reckons with it, and tells of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from edge_agent.bans.guard import Guard
from edge_agent.bans.judge import TIMES_LIMIT
from edge_agent.bans.keeper import LONGEST_BY_HAND
from edge_agent.bans.store import LATEST, Row
from edge_agent.policy.load import load
from tests.unit.test_ban_keeper import CONFIG, A, Engine, Log, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("who", ["engine", "operator"])
@pytest.mark.parametrize("started", [-LATEST, 0.0, LATEST])
@pytest.mark.parametrize("ends", [-LATEST, 0.0, LATEST])
def test_the_outermost_times(world: World, who: str, started: float, ends: float) -> None:
    world.rows[A] = Row(A, started, ends, who, "", "", "", TIMES_LIMIT, TIMES_LIMIT, 1, "", 0)
    world.start()
    longest = LONGEST_BY_HAND if who == "operator" else 3600
    assert (world.left(A) or 0) <= longest
    asyncio.run(world.keeper.listing())
    world.wait(longest + 1)
    world.strike(A)
    assert world.left(A) in (60, 3600), "a day after the last it is the first again"
    assert world.rows[A].times in (1, TIMES_LIMIT)


def test_a_bug_at_the_start_keeps_nobody_from_serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.toml").write_text(f'[agent]\nstate_dir = "{tmp_path}"\n[bans]\nkernel = false\n{CONFIG}')
    log = Log()
    monkeypatch.setattr(log, "exception", log.info, raising=False)

    async def start() -> None:
        guard = Guard(Engine(room=1000), load(tmp_path / "a.toml"), cast("Any", log))
        monkeypatch.setattr(guard.keeper, "restore", lambda: 1 / 0)
        guard.start()
        assert guard.keeper.add(A, 60)["network"] == A
        await guard.close()

    asyncio.run(start())
    assert len(log.told("bans-bug")) == 1
