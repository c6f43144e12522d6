"""Emergency calls through the real daemon: told to the webhook within a second, whatever hook, reload or disk do."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.daemon import Caller, Daemon
from tests.e2e.sipp import free_address

PSAP = """
[[upstream]]
name = "psap"
targets = ["{psap}"]
probe_every = "0s"
[[trunk]]
name = "clinic"
sources = ["127.0.0.11/32"]
upstream = "cloud"
caller_ids = ["+12125001000..+12125001999"]
emergency = "route"
emergency_upstream = "psap"
emergency_location = "https://lis.example/clinic"
"""


class Hook:
    """A web server that notes what it is sent, and when; it answers ``status`` after ``delay`` seconds."""

    def __init__(self) -> None:
        self.got: list[tuple[float, dict[str, Any]]] = []
        self.asked, self.status, self.delay = 0, 204, 0.0
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.asked += 1
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                time.sleep(hook.delay)
                if hook.status < 300:
                    hook.got.append((time.monotonic(), body))
                self.send_response(hook.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?key=secret"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Place:
    """The daemon with a clinic that may call 911, and the PSAP's gateway as a bare socket."""

    def __init__(self, folder: Path, hook: Hook) -> None:
        psap = free_address("127.0.0.21")
        self.psap = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.psap.bind(psap)
        self.psap.settimeout(5)
        self.phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.phone.bind(("127.0.0.11", 0))
        self.phone.settimeout(5)
        self.daemon = Daemon(folder)
        # `webhook` stands in [events], which is the last section of the configuration.
        self.more = f'webhook = "{hook.url}"\n' + PSAP.format(psap=psap)
        self.daemon.configure(more=self.more)
        self.calls, self.hook = 0, hook

    def call(self, number: str = "911") -> float:
        """A call as far as the PSAP; the milliseconds that it took."""
        self.calls += 1
        host, port = self.phone.getsockname()
        sent = time.monotonic()
        text = (
            f"INVITE sip:{number}@{self.daemon.agent} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bKe{port}x{self.calls}\r\nMax-Forwards: 70\r\n"
            f"From: <sip:+12125001000@clinic.example>;tag=t{self.calls}\r\nTo: <sip:{number}@{host}>\r\n"
            f"Call-ID: {self.calls}-{port}@clinic.example\r\nCSeq: 1 INVITE\r\nContact: <sip:{host}:{port}>\r\n"
            "Content-Length: 0\r\n\r\n"
        )
        self.phone.sendto(text.encode(), self.daemon.agent)
        got = self.psap.recv(65536).decode()
        assert f"Call-ID: {self.calls}-{port}@clinic.example\r\n" in got
        assert "Geolocation: <https://lis.example/clinic>\r\n" in got
        return 1000 * (time.monotonic() - sent)

    def told(self, times: int) -> None:
        """Waits until the hook was told so often."""
        self.daemon.until(lambda: len(self.hook.got) == times)


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.close()


@pytest.fixture
def place(tmp_path: Path, hook: Hook) -> Iterator[Place]:
    made = Place(tmp_path, hook)
    with made.daemon:
        made.daemon.start()
        yield made
    made.psap.close()
    made.phone.close()


def test_told_within_a_second(place: Place, hook: Hook) -> None:
    place.call()  # the first one pays for the system's certificates being read
    place.daemon.until(lambda: hook.got)
    for number in range(2, 6):
        before = time.monotonic()
        place.call()
        place.told(number)
        at, body = hook.got[-1]
        assert at - before < 1
        assert body | {"time": "", "source": "", "call_id": ""} == {
            "event": "emergency-call", "result": "routed", "reason": "emergency-routed", "test": False, "agent": "life",
            "trunk": "clinic", "time": "", "caller": "+12125001000", "called": "911", "call_id": "", "source": "",
            "method": "INVITE", "status": 0, "location": "https://lis.example/clinic", "location_supplied": True,
            "caller_owned": True, "asserted": "",
        }  # fmt: skip
        assert body["source"] == f"127.0.0.11:{place.phone.getsockname()[1]}"
        assert body["call_id"].startswith(f"{place.calls}-")
    place.call("933")
    place.daemon.until(lambda: hook.got[-1][1]["result"] == "test")
    [line, *_] = place.daemon.lines("verdict")
    assert (line["level"], line["notify"], line["caller_owned"]) == ("warning", True, True)
    assert "lis.example" not in place.daemon.text(), "a location is the PSAP's and the hook's to know"
    status = place.daemon.status()
    assert status["counters"]["emergency"] == {"emergency-routed": 5, "emergency-test": 1}
    assert status["webhook"] == {"state": "on", "waiting": 0, "sent": 6, "lost": 0, "summed": 0, "failed": 0}


@pytest.mark.parametrize("way", ["hangs", "says 500"])
def test_a_hook_that_fails_delays_and_loses_nothing(place: Place, hook: Hook, way: str) -> None:
    hook.status, hook.delay = (204, 30.0) if way == "hangs" else (500, 0.0)
    slowest = max(place.call() for _ in range(40))
    assert slowest < 1000
    place.daemon.until(lambda: hook.asked > 1, 30)
    assert place.call() < 1000
    # It answers again at once; what hangs is given up after five seconds.
    hook.status, hook.delay = 204, 0.0
    wanted = {f"{n}-{place.phone.getsockname()[1]}@clinic.example" for n in range(1, 42)}
    place.daemon.until(lambda: {body["call_id"] for _, body in hook.got} >= wanted, 60)
    place.daemon.until(lambda: place.daemon.lines("webhook-back"))
    assert len(place.daemon.lines("webhook-failing")) == 1
    assert "secret" not in place.daemon.text()


def test_a_failed_reload_leaves_the_lane_as_it_was(place: Place, hook: Hook) -> None:
    """It fails open: whatever can't be loaded, the policy that runs goes on, and its notifications."""
    place.call()
    for broken in ("nonsense = [", place.more.replace('"psap"\ntargets', '"gone"\ntargets'), "[[trunk]]\n"):
        place.daemon.configure(more=broken)
        assert place.daemon.command("reload").returncode == 1
        place.call()
    place.daemon.config.unlink()
    assert place.daemon.command("reload").returncode != 0
    place.call()
    place.daemon.until(lambda: len(hook.got) == 5)


@pytest.mark.parametrize(("mode", "reply"), [("redirect", "302"), ("reject", "403"), ("route", "")])
def test_every_treatment_starts_and_is_changed_by_a_reload(place: Place, mode: str, reply: str) -> None:
    """Its upstream stays configured: switching a customer's lane off changes one word."""

    def treated() -> None:
        if reply:
            with Caller("127.0.0.11", place.daemon.agent) as caller:
                caller.invite(called="911", caller="+12125001000")
                assert caller.answer().startswith(f"SIP/2.0 {reply} ")
        else:
            place.call()

    place.daemon.configure(more=place.more.replace('emergency = "route"', f'emergency = "{mode}"'))
    assert place.daemon.command("check").returncode == 0
    assert place.daemon.command("reload").returncode == 0
    treated()
    assert place.daemon.stop() == 0
    place.daemon.hear().clear()
    place.daemon.start()
    treated()
    place.daemon.configure(more=place.more)
    assert place.daemon.command("reload").returncode == 0
    place.call()


def test_the_hook_can_be_changed_and_taken_away(place: Place, hook: Hook) -> None:
    other = Hook()
    try:
        place.call()
        place.daemon.until(lambda: len(hook.got) == 1)
        place.daemon.configure(more=place.more.replace(hook.url, other.url))
        assert place.daemon.command("reload").returncode == 0
        place.call()
        place.daemon.until(lambda: len(other.got) == 1)
        place.daemon.configure(more=place.more.replace(hook.url, ""))
        assert place.daemon.command("reload").returncode == 0
        place.call()
        assert place.daemon.status()["webhook"] == {"state": "off"}
        assert place.daemon.stop() == 0
        assert (len(hook.got), len(other.got)) == (1, 1)
    finally:
        other.close()


def test_what_waits_is_sent_before_the_end(place: Place, hook: Hook) -> None:
    place.call()
    place.daemon.until(lambda: hook.got)
    for _ in range(20):
        place.call()
    assert place.daemon.stop() == 0
    assert len(hook.got) == 21
