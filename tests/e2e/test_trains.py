"""Datagrams that leave as one train arrive as they would alone, but for blanks behind the first Via's colon."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(count: int, *around: str) -> dict[str, Any]:
    command = [*around, sys.executable, "-m", "tests.e2e.trains", str(count)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def without_blanks(messages: Sequence[str]) -> list[str]:
    return [re.sub(r"\r\nVia: +", "\r\nVia: ", message, count=1) for message in messages]


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 200])
def test_every_car_arrives_whole_and_in_order(count: int) -> None:
    result = run(count)
    assert without_blanks(result["arrived"]) == result["expected"]
    assert result["send_errors"] == 0


def test_cars_of_a_train_have_one_length() -> None:
    """Otherwise nothing here tests trains at all."""
    lengths = [len(message) for message in run(64)["arrived"]]
    plain = [len(message) for message in run(64)["expected"]]
    assert len(set(lengths)) < len(set(plain)) / 2


def test_a_path_that_takes_no_long_train_gets_the_cars_singly() -> None:
    """A link with an MTU of 1,280: half of the calls are longer and travel as IP fragments, none is lost."""
    link = 'ip link set lo mtu 1280 up && exec "$@"'
    result = run(200, "unshare", "--map-root-user", "--net", "sh", "-c", link, "sh")
    assert without_blanks(result["arrived"]) == result["expected"]
    assert result["send_errors"] == 0
