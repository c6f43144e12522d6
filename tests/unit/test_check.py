"""The budgets that check prints: the engine's own tables, and every list of the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_agent import _hot
from edge_agent.check import check
from tests.unit.policies import BASE

MIB = 2**20


def facts(folder: Path, text: str) -> dict[str, Any]:
    (folder / "edge_agent.toml").write_text(f'[agent]\nstate_dir = "{folder}"\n{text}')
    result = check(folder / "edge_agent.toml")
    assert result["ok"], result
    return result


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"rates": 5, "transactions": 7, "leases": 3, "callers": 5, "deferred": 64, "behaviour": 5},
        {"rates": 1, "transactions": 1, "leases": 1, "callers": 1, "deferred": 1, "behaviour": 9},
    ],
    ids=["default", "odd", "small"],
)
def test_the_tables_are_the_engines(tmp_path: Path, sizes: dict[str, int]) -> None:
    options: dict[str, Any] = {f"{name}_mib": mib for name, mib in sizes.items()}
    written = "".join(f"{name} = {mib}\n" for name, mib in options.items())
    told = facts(tmp_path, f"{BASE}[tables]\n{written}")["tables_mib"]
    taken = {name: table["bytes"] / MIB for name, table in _hot.Engine(secret=bytes(32), **options).tables().items()}
    assert told == pytest.approx(taken, abs=0.02)


@pytest.mark.parametrize(
    ("more", "grows"),
    [
        ('pilot_numbers = ["file:many.txt"]\n', 0.1),
        ('[trunk.rules.destination]\ndeny = ["file:prefixes.txt"]\n', 0.03),
        ('[rules.toll-fraud]\nprefixes = ["file:dear.txt"]\n', 0.03),
    ],
    ids=["pilots", "destinations", "dear"],
)
def test_every_list_is_counted(tmp_path: Path, more: str, grows: float) -> None:
    (tmp_path / "many.txt").write_text("".join(f"+1212{number:07d}\n" for number in range(2000000, 2040000, 2)))
    (tmp_path / "prefixes.txt").write_text("".join(f"+44{number}*\n" for number in range(1000, 3000)))
    (tmp_path / "dear.txt").write_text("".join(f"+44{number}* premium\n" for number in range(1000, 3000)))
    assert facts(tmp_path, BASE + more)["lists_mib"] > facts(tmp_path, BASE)["lists_mib"] + grows
