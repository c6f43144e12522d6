"""What a start says that can't be had: memory for the tables, and more workers than the engine takes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_agent import daemon as module
from tests.e2e.daemon import COMMAND, Daemon


def test_tables_larger_than_memory(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.config.write_text(daemon.config.read_text().replace("transactions_mib = 8", "transactions_mib = 16384"))
        daemon.launch(command=["sh", "-c", 'ulimit -v 4000000; exec "$@"', "sh", *COMMAND])
        assert daemon.process is not None and daemon.process.wait(60) == 1
        (line,) = daemon.text().splitlines()
        assert "tables.transactions_mib: the state tables don't fit into memory (16384 MiB; lower it)" in line


def test_a_host_with_more_cores_than_the_engine_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Made(Exception):
        pass

    def listeners(addresses: list[tuple[str, int]], workers: int) -> None:
        raise Made(workers)

    monkeypatch.setattr(os, "cpu_count", lambda: 96)
    monkeypatch.setattr(module, "Listeners", listeners)
    with Daemon(tmp_path, workers=0) as daemon, pytest.raises(Made, match="^64$"):
        module.Daemon(daemon.config)


@pytest.mark.parametrize("folder", [True, False], ids=["folder", "file"])
def test_a_control_socket_that_is_none(tmp_path: Path, folder: bool) -> None:
    with Daemon(tmp_path) as daemon:
        path = tmp_path / "control.sock"
        path.mkdir() if folder else path.write_text("notes")
        daemon.launch()
        assert daemon.process is not None and daemon.process.wait(60) == 1
        assert daemon.text() == f"edge-agent: admin.socket {path}: what is there is no socket; name another path\n"
        assert path.exists()
