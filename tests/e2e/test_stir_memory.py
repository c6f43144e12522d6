"""What dead repositories cost the daemon in memory: 200 hosts that say nothing, all at once, and one that drips a byte a second."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import web

from edge_agent.stir import sign
from tests.e2e import test_stir
from tests.e2e.test_stir import FAR, OWN, PORT, STIR, URL, Line, Phone

HOSTS = [f"127.1.0.{number}" for number in range(1, 201)]
CUSTOMERS = [f"127.0.0.{number}" for number in range(10, 18)]
SECONDS = 6.0
MIB = 2**20
ROOM_MIB = 32
"""For 256 fetches in flight: sockets, TLS, tasks; and for the calls' own records."""
LEAK_MIB = 8
TRUNK = """
[[trunk]]
name = "t{number}"
sources = ["{source}/32"]
upstream = "cloud"
contact = ["{source}:5060"]
caller_ids = ["+12125000000..+12125000999"]
calls_per_second = 1000
burst = 1000
"""


class Dripping(test_stir.Repository):
    """Its path /drip gives a byte a second, without end."""

    async def _page(self, request: web.Request) -> web.StreamResponse:
        if request.path != "/drip":
            return await super()._page(request)
        self.asked.append(request.path)
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"A")
            await asyncio.sleep(1)


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    monkeypatch.setattr(test_stir, "Repository", Dripping)
    with closing(Line(tmp_path)) as made, made.daemon:
        yield made


@pytest.fixture
def dead() -> Iterator[None]:
    """Hosts where a connection comes about and nothing follows."""
    with ExitStack() as stack:
        for host in HOSTS:
            listening = stack.enter_context(socket.create_server((host, PORT), backlog=256))
            listening.setblocking(False)
        yield


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def quiet(phones: list[Phone]) -> int:
    """Takes what has come; how much."""
    heard = 0
    for phone in phones:
        while True:
            try:
                phone.socket.recv(65536)
            except BlockingIOError:
                break
            heard += 1
    return heard


def flood(line: Line, phones: list[Phone], urls: list[str], seconds: float) -> tuple[int, int, int]:
    """Calls from everybody, each with a certificate of the next host. How many; how many datagrams came; the most memory."""
    leaf = line.serve()
    now = int(time.time())
    calls = [line.invite(sign.shaken(leaf.key, url, OWN, FAR, "A", uuid4(), now)) for url in urls for _ in range(2)]
    sent = heard = most = 0
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        phone = phones[sent % (len(phones) - 1)]
        text = (
            calls[sent % len(calls)].replace("z9hG4bKstir", f"z9hG4bK{sent}-").replace("Call-ID: ", f"Call-ID: {sent}-")
        )
        phone.socket.sendto(text.replace(line.customer.here, phone.here).encode(), line.daemon.agent)
        sent += 1
        if sent % 8 == 0:
            heard += quiet(phones)
            most = max(most, resident(line.daemon.pid))
            time.sleep(0.02)
    return sent, heard, most


def test_dead_hosts_take_a_bounded_memory(line: Line, dead: None, capsys: pytest.CaptureFixture[str]) -> None:
    """The arena is there from the start; fetches are bounded, and what they took is used again, not taken anew."""
    more = STIR.format(unavailable="pass") + "".join(
        TRUNK.format(number=number, source=source) for number, source in enumerate(CUSTOMERS[1:])
    )
    line.daemon.configure(more=more)
    text = line.daemon.config.read_text()
    line.daemon.config.write_text(text.replace("[[trunk]]\n", '[[trunk]]\nstir = "tag"\n'))
    line.daemon.start()
    line.call(line.identity(line.serve()))
    assert "verstat=TN-Validation-Passed" in line.cloud.hear()
    arena = line.daemon.status()["tables"]["deferred"]
    phones = [Phone((source, 0)) for source in CUSTOMERS] + [line.cloud]
    for phone in phones:
        phone.socket.setblocking(False)
    urls = [f"https://{host}:{PORT}/a.pem" for host in HOSTS] + [f"{URL}/drip"]
    before = resident(line.daemon.pid)
    rounds = []
    for _ in range(2):
        sent, heard, most = flood(line, phones, urls, SECONDS)
        time.sleep(3)  # calls wait for two seconds at most
        heard += quiet(phones)
        rounds.append((sent, heard, most, resident(line.daemon.pid)))
    status = line.daemon.status()
    for phone in phones[:-1]:
        phone.socket.close()
    calls = status["stir"]["calls"]
    told = f"before {before / MIB:.1f} MiB; arena {arena['bytes'] / MIB:.1f} MiB; " + "; ".join(
        f"{sent} calls: at most {most / MIB:.1f} MiB, after {after / MIB:.1f} MiB" for sent, _, most, after in rounds
    )
    with capsys.disabled():
        print(f"\n{told}; waited {calls['waited']}, shed {[calls[name] for name in calls if name.startswith('shed')]}")
    assert "/drip" in line.repository.asked
    assert calls["waited"] > len(HOSTS) and calls["waiting"] == calls["queued"] == calls["bugs"] == 0
    assert status["tables"]["deferred"] == arena | {
        "entries": 0,
        "evictions": status["tables"]["deferred"]["evictions"],
    }
    assert max(most for _, _, most, _ in rounds) - before < ROOM_MIB * MIB, told
    assert rounds[1][2] - rounds[0][2] < LEAK_MIB * MIB, told
    assert rounds[1][3] - rounds[0][3] < LEAK_MIB * MIB, told
    for sent, heard, *_ in rounds:
        assert heard >= 0.9 * sent, "each call goes on or is refused"
