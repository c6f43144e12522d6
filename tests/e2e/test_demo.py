"""The demo: right when the agent is, wrong (exit 1) when it isn't, on a terminal, in a pipe and as JSON."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections import Counter

import pytest

from edge_agent.demo.customers import COMPLETED, SILENCE
from edge_agent.demo.plan import KINDS, Seen, within_limit

DEMO = [sys.executable, "-m", "edge_agent", "demo"]


def run(*arguments: str, command: list[str] = DEMO) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120, check=False)


def test_as_json_every_kind_is_right_and_the_sums_agree() -> None:
    done = run("--seconds", "3", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["ok"] is True
    kinds = {kind["kind"]: kind for kind in result["kinds"]}
    assert list(kinds) == [kind.name for kind in KINDS]
    assert kinds["good"]["outcomes"] == {COMPLETED: kinds["good"]["sent"]}
    assert kinds["good"]["cloud"] == kinds["good"]["sent"] >= 50
    assert kinds["911-psap"]["psap"] == kinds["911-psap"]["sent"] >= 5
    assert kinds["unknown"]["sent"] >= 1000 and kinds["unknown"]["cloud"] == 0
    assert result["counters"]["missing"] == 0
    assert len(result["checks"]) == 5 and all(check["ok"] for check in result["checks"])


def test_in_a_pipe_it_prints_plain_lines_and_the_summary() -> None:
    done = run("--seconds", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\x1b" not in done.stdout
    assert done.stdout.startswith("sent: good=") and "received=" in done.stdout.splitlines()[0]
    assert "forged caller ID" in done.stdout and "403 Caller ID Not Allowed" in done.stdout
    assert "WRONG" not in done.stdout and done.stderr == ""


def test_on_a_terminal_the_tables_are_live() -> None:
    control, terminal = pty.openpty()
    environ = os.environ | {"TERM": "xterm-256color", "COLUMNS": "140", "LINES": "50"}
    with subprocess.Popen([*DEMO, "--seconds", "2"], stdout=terminal, stderr=terminal, env=environ) as process:
        os.close(terminal)
        output = b""
        try:
            while chunk := os.read(control, 65536):
                output += chunk
        except OSError:
            pass  # how a terminal ends
    os.close(control)
    assert process.returncode == 0
    text = output.decode()
    assert text.count("s to go") >= 3, "the table is drawn again and again"
    assert "Verdicts of the agent" in text and "Summary" in text and "WRONG" not in text


def test_an_agent_that_lets_forged_calls_pass_is_found_out() -> None:
    code = (
        "import edge_agent.demo.scene as scene\n"
        "strict = scene.configuration\n"
        "scene.configuration = lambda *a: strict(*a) + '[rules.caller-owned]\\nmode = \"off\"\\n'\n"
        "from edge_agent.__main__ import main\n"
        "main()\n"
    )
    done = run("demo", "--seconds", "2", command=[sys.executable, "-c", code])
    assert done.returncode == 1
    wrong = [line for line in done.stdout.splitlines() if "WRONG" in line]
    assert len(wrong) == 1 and "forged caller ID" in wrong[0]


def test_an_agent_that_does_not_start_is_told() -> None:
    code = (
        "import edge_agent.demo.scene as scene\n"
        "scene.configuration = lambda *a: '[nonsense]'\n"
        "from edge_agent.__main__ import main\n"
        "main()\n"
    )
    done = run("demo", "--seconds", "2", command=[sys.executable, "-c", code])
    assert done.returncode == 1
    assert "the agent didn't start" in done.stderr and "nonsense" in done.stderr


def test_an_agent_that_dies_is_told() -> None:
    code = (
        "import threading\n"
        "import edge_agent.demo.scene as scene\n"
        "start = scene.Agent.start\n"
        "def dying(*a):\n"
        "    agent = start(*a)\n"
        "    threading.Timer(0.7, agent.process.kill).start()\n"
        "    return agent\n"
        "scene.Agent.start = dying\n"
        "from edge_agent.__main__ import main\n"
        "main()\n"
    )
    done = run("demo", "--seconds", "3", command=[sys.executable, "-c", code])
    assert done.returncode == 1
    assert "no agent listens there any more" in done.stderr and "exit code was -9" in done.stderr
    assert "Traceback" not in done.stderr


def seen(sent: int, cloud: int = 0, psap: int = 0, **outcomes: int) -> Seen:
    return Seen(sent, Counter(outcomes), cloud, psap, 10.0)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_kind_takes_nothing_for_right(kind: object) -> None:
    from edge_agent.demo.plan import Kind

    assert isinstance(kind, Kind)
    assert not kind.right(seen(10))
    assert not kind.right(seen(10, cloud=10, psap=10, **{COMPLETED: 10}))
    assert not kind.right(seen(10, cloud=1, psap=1, **{SILENCE: 10}))


def test_the_limit_of_the_busy_trunk() -> None:
    def right(passed: int, refused: int, cloud: int) -> bool:
        return within_limit(seen(500, cloud=cloud, **{COMPLETED: passed, "486 Busy Here": refused}))

    assert right(60, 440, 60)
    assert not right(80, 420, 80), "more than the limit"
    assert not right(10, 490, 10), "less than it is due"
    assert not right(60, 439, 60), "one without an outcome"
    assert not right(60, 440, 61), "one that the cloud saw and the customer didn't"
