"""The control socket: its mode, a dead one replaced, a live one respected, both ends of the API, clear lines."""

import asyncio
import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.admin.client import NoDaemon, call
from edge_agent.admin.server import Server, SocketInUse, bind_socket
from edge_agent.admin.show import render
from edge_agent.admin.status import report
from edge_agent.bans.keeper import BanError
from edge_agent.metrics import METRICS, balance
from edge_agent.show import console

COUNTERS: dict[str, Any] = {
    "received": 10,
    "forwarded": 5,
    "answered": 3,
    "dropped": 2,
    "waiting": 0,
    "by_verdict": {
        ("forward", "", "pass", "acme"): 4,
        ("forward", "emergency", "emergency-routed", "acme"): 1,
        ("answer", "caller-owned", "caller-owned", "acme"): 3,
        ("drop", "unknown-source", "unknown-source", ""): 2,
        ("drop", "malformed", "via", ""): 0,
    },
    "monitored": {("caller-owned", "acme"): 2, ("scanner", "acme"): 0},
    "methods": {"INVITE": 10},
    "events_dropped": 1,
    "alerts_dropped": 0,
    "strikes_dropped": 4,
    "send_errors": 0,
    "overload": [0],
    "heartbeats": [7],
}

BANS: dict[str, Any] = {
    "live": 3,
    "banned": 5,
    "lifted": 1,
    "ended": 1,
    "spared": 0,
    "table_full": 0,
    "store": "on",
    "store_dropped": 0,
    "kernel": {"state": "on", "elements": 3, "dropped_packets": 77, "dropped_bytes": 7700, "drifts": 2},
}

QUEUES: list[dict[str, Any]] = [
    {"address": "192.0.2.1:5060", "known": 5, "strangers": 60},
    {"address": "[2001:db8::1]:5060", "known": 0, "strangers": 0},
]


def a_report(**changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "name": "sbc-1",
        "pid": 1,
        "uptime": 3661.26,
        "policy": {"generation": 2, "file": "a.toml", "loaded_at": "now", "mode": "enforce", "failed_reload": []},
        "peers": [{"name": "acme [x]", "kind": "trunk"}],
        "upstreams": [
            {"upstream": "cloud", "target": "127.0.0.1:5080", "up": False, "probed": True},
            {"upstream": "psap", "target": "127.0.0.1:5090", "up": True, "probed": False},
        ],
        "calls": {"acme [x]": {"out": 3, "in": 2, "emergency": 1, "limit": 777}},
        "counters": COUNTERS,
        "tables": {"rates": {"entries": 1, "evictions": 0, "bytes": 1 << 20}},
        "log_lines_lost": 0,
        "queues": QUEUES,
        "bans": BANS,
        "stir": {"running": False},
        "webhook": {"state": "off"},
    }
    return report(**(arguments | changes))


class Bans:
    """Answers as the keeper does."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, Any]] = {}

    async def listing(self) -> list[dict[str, Any]]:
        return list(self.held.values())

    async def lift_all(self) -> int:
        count = len(self.held)
        self.held.clear()
        return count

    def add(self, network: str, seconds: float, note: str = "", force: bool = False) -> dict[str, Any]:
        if network == "192.0.2.1/32" and not force:
            raise BanError(f"{network}: touches trunk 'acme'")
        self.held[network] = {"network": network, "seconds_left": seconds, "note": note, "until": "then"}
        return self.held[network]

    def lift(self, network: str) -> int:
        if self.held.pop(network, None) is None:
            raise BanError(f"{network}: is not banned")
        return 1

    def status(self) -> dict[str, Any]:
        return BANS


class Daemon:
    """A server in a thread of its own, as the client blocks."""

    def __init__(self, path: Path, reloaded: dict[str, Any]) -> None:
        self.reloads = 0
        self._reloaded = reloaded
        self._loop = asyncio.new_event_loop()
        self._server = Server(bind_socket(path), a_report, self._reload, Bans())
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(5)

    async def _reload(self) -> dict[str, Any]:
        self.reloads += 1
        return self._reloaded

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.close(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "control.sock"


@pytest.fixture
def daemon(path: Path) -> Iterator[Daemon]:
    daemon = Daemon(path, {"ok": True, "generation": 3, "notices": [], "errors": []})
    yield daemon
    daemon.stop()


# the socket


def test_the_socket_is_for_its_user_and_group(path: Path) -> None:
    before = os.umask(0o022)
    try:
        with bind_socket(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert os.umask(0o022) == 0o022, "the process keeps its umask"
    finally:
        os.umask(before)


def test_a_dead_socket_is_replaced(path: Path) -> None:
    bind_socket(path).close()
    assert path.is_socket()
    bind_socket(path).close()


def test_a_live_socket_is_respected(path: Path, daemon: Daemon) -> None:
    with pytest.raises(SocketInUse, match="another agent answers there"):
        bind_socket(path)
    assert call(path, "GET", "/api/status")[0] == 200


def test_a_file_in_the_way_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(OSError, match="in use"):
        bind_socket(path)
    assert path.read_text() == "precious"


def test_the_socket_goes_with_its_daemon(path: Path) -> None:
    Daemon(path, {"ok": True}).stop()
    assert not path.exists()


def test_a_successors_socket_is_not_taken_away(path: Path) -> None:
    first = Daemon(path, {"ok": True})
    path.unlink()
    with bind_socket(path):
        first.stop()
        assert path.is_socket()


# the API


def test_status_and_reload(path: Path, daemon: Daemon) -> None:
    code, status = call(path, "GET", "/api/status")
    assert code == 200 and status["name"] == "sbc-1"
    assert call(path, "POST", "/api/reload") == (200, {"ok": True, "generation": 3, "notices": [], "errors": []})
    assert daemon.reloads == 1


def test_bans(path: Path, daemon: Daemon) -> None:
    body = {"network": "203.0.113.7/32", "seconds": 60, "note": "mine"}
    code, reply = call(path, "POST", "/api/bans", body)
    assert code == 200 and reply["ok"] and reply["ban"]["note"] == "mine"
    code, reply = call(path, "GET", "/api/bans")
    assert [ban["network"] for ban in reply["bans"]] == ["203.0.113.7/32"] and reply["status"]["live"] == 3
    assert call(path, "DELETE", "/api/bans", {"network": "203.0.113.7/32"}) == (200, {"ok": True, "lifted": 1})
    code, reply = call(path, "DELETE", "/api/bans", {"network": "203.0.113.7/32"})
    assert (code, reply["errors"]) == (422, ["203.0.113.7/32: is not banned"])
    call(path, "POST", "/api/bans", body)
    assert call(path, "DELETE", "/api/bans", {"all": True})[1]["lifted"] == 1
    code, reply = call(path, "POST", "/api/bans", {"network": "192.0.2.1/32", "seconds": 60})
    assert (code, reply["errors"]) == (422, ["192.0.2.1/32: touches trunk 'acme'"])


@pytest.mark.parametrize("body", [None, [], {}, {"network": 7, "seconds": 60}, {"network": "x"}, {"all": "yes"}])
def test_a_body_that_asks_for_nothing(path: Path, daemon: Daemon, body: object) -> None:
    for method in ("POST", "DELETE"):
        assert call(path, method, "/api/bans", body)[0] == 422


def test_a_get_never_reloads(path: Path, daemon: Daemon) -> None:
    with pytest.raises(NoDaemon, match="no agent"):
        call(path, "GET", "/api/reload")
    assert daemon.reloads == 0


def test_a_refused_reload_has_its_own_code(path: Path) -> None:
    daemon = Daemon(path, {"ok": False, "generation": 2, "notices": [], "errors": ["a.toml: x: y"]})
    try:
        code, reply = call(path, "POST", "/api/reload")
        assert code == 422 and reply["errors"] == ["a.toml: x: y"]
    finally:
        daemon.stop()


def test_no_socket(tmp_path: Path) -> None:
    with pytest.raises(NoDaemon, match="no such socket"):
        call(tmp_path / "control.sock", "GET", "/api/status")


def test_nobody_behind_the_socket(path: Path) -> None:
    bind_socket(path).close()
    with pytest.raises(NoDaemon, match="no agent listens there"):
        call(path, "GET", "/api/status")


def test_something_else_behind_the_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(str(tmp_path / "s"))
        sock.listen()

        def answer() -> None:
            connection, _ = sock.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"hello\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(NoDaemon, match="doesn't answer"):
            call(tmp_path / "s", "GET", "/api/status")
        thread.join(5)


# the report


def test_the_report_holds_the_balance_and_what_happened() -> None:
    counters = a_report()["counters"]
    assert counters["missing"] == 0
    assert counters["verdicts"][0] == {"action": "forward", "rule": "", "reason": "pass", "peer": "acme", "count": 4}
    assert all(row["count"] for row in counters["verdicts"] + counters["monitored"])
    assert counters["emergency"] == {"emergency-routed": 1}


def test_a_lost_message_shows() -> None:
    lost = COUNTERS | {"received": 11}
    assert balance(lost).missing == 1
    assert "MISSING 1" in shown(a_report(counters=lost))


def test_the_report_for_people() -> None:
    text = shown(a_report())
    assert "sbc-1" in text and "up 1:01:01" in text and "acme [x] (trunk)" in text
    assert "received 10 = forwarded 5 + answered 3 + dropped 2" in text and "MISSING" not in text
    assert "not told: 1 events, 4 strikes, 0 log lines" in text
    assert "queues full, never read: 5 of peers, 60 of strangers  at 192.0.2.1:5060\n" in text
    assert "bans 3  banned 5" in text and "kernel on: 3 networks, 77 packets dropped, drifted 2 times" in text
    assert "down" in text and "not probed" in text and "caller-owned" in text
    assert ["acme [x]", "3", "777", "2", "1"] in [
        [cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines()
    ]


def test_every_drop_is_shown() -> None:
    report = a_report(bans=BANS | {"store_dropped": 9}, queues=QUEUES[1:], log_lines_lost=8)
    assert report["dropped"] == {"events": 1, "alerts": 0, "strikes": 4, "log_lines": 8, "unread": QUEUES[1:]}
    text = shown(report)
    assert "rows not kept 9" in text and "8 log lines" in text
    assert "queues full, never read: 0 of peers, 0 of strangers\n" in text


def test_a_failed_reload_is_shown() -> None:
    policy = {"generation": 2, "file": "a", "loaded_at": "", "mode": "enforce", "failed_reload": ["a.toml: x: y"]}
    assert "last reload failed, policy 2 stays:\n  a.toml: x: y" in shown(a_report(policy=policy))


def shown(status: dict[str, Any]) -> str:
    screen = console()
    with screen.capture() as capture:
        screen.print(render(status))
    return capture.get()


def test_metric_names_and_help() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert metric.help.endswith(".") and metric.kind in ("counter", "gauge")
        assert metric.name.endswith("_total") == (metric.kind == "counter")


def test_the_report_tells_of_signed_calls() -> None:
    calls = {"signed": 4, "waiting": 2, "queued": 1, "shed": 3, "unavailable": 5, "bugs": 0}
    certificates = {"known": 7, "fetched": 8, "failed": 9, "stale": 10, "shed": 11}
    stir = {
        "running": True,
        "verified": {"passed": 20, "passport-stale": 1},
        "calls": calls,
        "certificates": certificates,
    }
    text = shown(a_report(stir=stir))
    assert "passed 20" in text and "passport-stale 1" in text and "signed 4" in text and "BUGS" not in text
    assert "known 7" in text and "fetched 8" in text and "stale 10" in text
    assert "BUGS 1" in shown(a_report(stir=stir | {"calls": calls | {"bugs": 1}}))
    assert "stir" not in shown(a_report())
