"""Lists that get too old while the agent runs: told when they do, then once a day, each by its own key's limit."""

from __future__ import annotations

import os
import time
from pathlib import Path

from edge_agent.ages import AGAIN, Ages
from edge_agent.policy.load import Loaded, load
from tests.agent import policy

DAY = 86400.0


def loaded(folder: Path, days: float) -> Loaded:
    file = folder / "dnc.txt"
    file.write_text("+13125550100\n")
    os.utime(file, (time.time() - days * DAY,) * 2)
    (folder / "policy.toml").write_text(policy(rules='[lists]\ndo_not_call = ["file:dnc.txt"]'))
    return load(folder / "policy.toml")


def test_a_list_gets_old_while_the_agent_runs(tmp_path: Path) -> None:
    ages, found, now = Ages(), loaded(tmp_path, 30), time.time()
    assert ages.due(found, now) == []
    [line] = ages.due(found, now + 1.1 * DAY)
    assert (
        line
        == f"{tmp_path}/dnc.txt: 31 days old, by its time of change (load a newer one, or set [lists] do_not_call_old_after)"
    )
    assert ages.due(found, now + 1.2 * DAY) == []
    assert len(ages.due(found, now + 1.1 * DAY + AGAIN)) == 1


def test_what_the_load_told_is_not_told_again_that_day(tmp_path: Path) -> None:
    ages, found, now = Ages(), loaded(tmp_path, 40), time.time()
    assert [notice.code for notice in found.notices if notice.code == "list-old"] == ["list-old"]
    assert ages.due(found, now) == []
    assert len(ages.due(found, now + AGAIN)) == 1
    assert ages.due(loaded(tmp_path, 0), now + 2 * AGAIN) == [], "a newer one is good"
