"""The flood scenarios in short, and the flood tool itself. Counts are judged, times aren't: ``make proof`` does both."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent import _hot
from tests.flood.build import program

ROOT = Path(__file__).resolve().parents[2]
SHORT = ["hundredfold", "two_workers", "forged_by_another_host", "kill_in_flood", "emergency_in_flood",
         "emergency_flood_by_a_trunk", "signed_calls"]  # fmt: skip


def test_good_calls_live_through_floods(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.flood", "--short", "--seconds", "2", "--only", ",".join(SHORT)]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    report = json.loads((tmp_path / "report.json").read_text())
    assert [row["scenario"] for row in report["scenarios"]] == SHORT
    assert (tmp_path / "report.md").read_text().count("**broken**") == 0


def flood(*arguments: str) -> list[bytes]:
    """What a short flood of the tool's sends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sink.bind(("127.0.0.1", 0))
        sink.settimeout(5)
        to = f"127.0.0.1:{sink.getsockname()[1]}"
        command = [str(program("flood")), "--target", to, "--source", "127.0.0.77:0", "--rate", "5000", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["errors"] == 0
        return [sink.recv(65536) for _ in range(report["sent"])]


@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "OPTIONS", "CANCEL", "BYE", "ACK"])
def test_each_message_of_the_tool_is_another_call(method: str) -> None:
    read = [_hot.parse(data) for data in flood("--method", method, "--count", "50")]
    assert [message["method"] for message in read] == [method] * 50
    assert len({message["call_id"] for message in read}) == 50
    assert len({message["from_tag"] for message in read}) == 50


@pytest.mark.parametrize(
    ("pattern", "callers"),
    [
        ("+12125000007", ["+12125000007"] * 4),
        ("step:+12125000000,2", ["+12125000000", "+12125000002", "+12125000004", "+12125000006"]),
        ("turn:+12125000001,+12125000002", ["+12125000001", "+12125000002"] * 2),
    ],
)
def test_callers_follow_the_pattern(pattern: str, callers: list[str]) -> None:
    sent = flood("--from", pattern, "--count", "4")
    assert [data.split(b"From: <sip:")[1].split(b"@")[0].decode() for data in sent] == callers


def test_random_callers_stay_in_their_range() -> None:
    sent = flood("--from", "random:+12125000000..+12125000009", "--count", "200")
    numbers = {int(data.split(b"From: <sip:+")[1].split(b"@")[0]) for data in sent}
    assert numbers == set(range(12125000000, 12125000010))


def test_malformed_messages_differ_from_good_ones() -> None:
    read = [_hot.parse(data) for data in flood("--mode", "malformed", "--count", "200", "--seed", "1")]
    broken = sum(message["kind"] == "error" for message in read)
    assert 20 < broken < 200


def test_one_call_is_said_again_with_one_branch() -> None:
    sent = flood("--one-call", "--from", "step:+12125000000,1", "--count", "10")
    assert len({_hot.parse(data)["call_id"] for data in sent}) == 1
    assert len(set(sent)) == 10
