"""``_hot.pyi`` says what the extension has: every name, every parameter, nothing else. And its promises hold."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.policy.compile import compile_tables
from edge_agent.policy.load import load
from tests.typing import api

ROOT = Path(__file__).resolve().parents[2]
# What Cython adds to every module and class.
CYTHON = r"edge_agent\._hot\.(.*\.)?__(test|reduce_cython|setstate_cython|pyx_.*)__"


def test_the_stub_is_the_module(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.write_text(f"{CYTHON}\n")
    run = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "edge_agent._hot", "--allowlist", allowed, "--ignore-unused-allowlist"],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture(scope="module")
def shipped() -> Path:
    return ROOT / "config" / "edge_agent.toml"


def test_the_promises_hold(shipped: Path) -> None:
    api.names()
    api.numbers()
    api.parsing(b"INVITE sip:a@b SIP/2.0\r\n\r\n")
    api.secrets(bytes(32))
    api.screening(compile_tables(load(shipped), 1), b"OPTIONS sip:a@b SIP/2.0\r\n\r\n", 10**12)
