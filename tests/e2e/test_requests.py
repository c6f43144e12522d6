"""The running daemon: a request not to be called holds from the command on, over a SIGKILL too, and so do used budgets."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.daemon import COMMAND, Caller, Daemon

OWNED, CALLED = "+12125000001", "+13125550100"
REFUSED = "SIP/2.0 403 Callee Not To Be Called"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path) as daemon:
        yield daemon


def dnc(daemon: Daemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "dnc", arguments[0], "-c", str(daemon.config), *arguments[1:]]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def told(daemon: Daemon, number: str) -> str:
    """What a call of acme's to the number is answered; "" while it goes on."""
    with Caller("127.0.0.10", daemon.agent) as caller:
        caller.invite(OWNED, called=number)
        with suppress(TimeoutError):
            return caller.answer(0.7)
        return ""


def kill(daemon: Daemon) -> None:
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGKILL)
    daemon.process.wait()
    daemon.notices.clear()


def test_a_request_holds_at_once_and_outlives_the_agent(daemon: Daemon) -> None:
    daemon.start()
    assert told(daemon, CALLED) != REFUSED
    done = dnc(daemon, "add", CALLED, "--trunk", "acme", "--reason", "by phone")
    assert (done.returncode, done.stdout) == (0, "1 kept, 1 of them new\n")
    assert told(daemon, CALLED) == REFUSED
    [row] = json.loads(dnc(daemon, "list", "--json").stdout)["requests"]
    assert (row["number"], row["trunk"], row["reason"]) == (CALLED, "acme", "by phone")
    assert dnc(daemon, "add", CALLED, "--trunk", "acmee").returncode == 1
    kill(daemon)
    assert dnc(daemon, "add", "3125550101").stdout == "1 kept, 1 of them new\n", "without an agent too"
    daemon.start()
    assert (told(daemon, CALLED), told(daemon, "+13125550101")) == (REFUSED, REFUSED)
    assert dnc(daemon, "remove", CALLED, "--trunk", "acme").stdout == "1 removed\n"
    assert told(daemon, CALLED) != REFUSED


def test_used_budgets_outlive_a_kill(daemon: Daemon) -> None:
    daemon.configure(more='[rules.toll-fraud]\nmode = "enforce"\ncalls_per_day = 2')
    daemon.start()
    for _ in range(2):
        assert told(daemon, "+19005552000") != "SIP/2.0 403 Toll Limit Reached"
    book = daemon.folder / "state" / "toll.json"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not (
        book.exists() and json.loads(book.read_text())["budgets"][0][3][0] > 1.9
    ):
        time.sleep(0.1)
    kill(daemon)
    daemon.start()
    assert told(daemon, "+19005552000") == "SIP/2.0 403 Toll Limit Reached"
