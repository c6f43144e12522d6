"""A listener on every address answers, and sends on, from the address that it was called at."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_agent.listeners import IP_PKTINFO, Listeners
from tests.e2e.wildcards import EACH, OURS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    command = ["unshare", "--map-root-user", "--net", sys.executable, "-m", "tests.e2e.wildcards"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(
    ("what", "line", "count"),
    [
        ("answers", "SIP/2.0 403 ", EACH // 3),
        ("calls", "INVITE ", EACH - EACH // 3),
        ("back", "SIP/2.0 180 ", EACH - EACH // 3),
    ],
)
def test_all_of_a_call_leaves_from_the_address_it_came_to(
    result: dict[str, Any], version: int, what: str, line: str, count: int
) -> None:
    rows = result[f"v{version}"][what]
    assert all(first.startswith(line) for _, first, _ in rows)
    assert all(called == source for called, _, source in rows)
    assert sorted(called for called, _, _ in rows) == sorted(OURS[version] * count)


def test_nothing_was_lost(result: dict[str, Any]) -> None:
    assert result["send_errors"] == 0


def test_other_listeners_ask_for_nothing() -> None:
    opened = Listeners([("127.0.0.48", 0)], 1)
    try:
        assert opened.sockets[0][0].getsockopt(socket.IPPROTO_IP, IP_PKTINFO) == 0
    finally:
        opened.close()
