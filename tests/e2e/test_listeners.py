"""Two listeners on a host with an inside and an outside, in network namespaces: which of them a target hears from."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from edge_agent.policy.reach import MOST_PEERS
from tests.e2e.daemon import COMMAND, Daemon
from tests.e2e.namespaces import AGENT, Link, require_root
from tests.e2e.sipp import Address

CLOUD = Address("10.66.0.20", 5060)
INSIDE, OUTSIDE = Address("127.0.0.1", 5060), Address(AGENT, 5060)


def message(method: str, customer: socket.socket, routes: str = "", to_tag: str = "", number: int = 0) -> bytes:
    host, port = customer.getsockname()
    return (
        f"{method} sip:+13475550123@{CLOUD} SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bK{method}{number}\r\n"
        f"{routes}Max-Forwards: 70\r\nFrom: <sip:+12125000001@pbx>;tag=near\r\nTo: <sip:+13475550123@{CLOUD.host}>{to_tag}\r\n"
        f"Call-ID: call-{number}@pbx\r\nCSeq: {1 if method == 'INVITE' else 2} {method}\r\nContact: <sip:{host}:{port}>\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()


class Cloud:
    """A target out in the world that answers OPTIONS and keeps the rest."""

    def __init__(self, link: Link) -> None:
        self.calls: list[tuple[Any, bytes]] = []
        self.probed_from: set[str] = set()
        self._socket = link.world.udp(CLOUD.host, CLOUD.port)
        self._socket.settimeout(0.1)
        self._ended = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended:
            try:
                data, source = self._socket.recvfrom(65536)
            except TimeoutError:
                continue
            if not data.startswith(b"OPTIONS "):
                self.calls.append((source, data))
                continue
            self.probed_from.add(source[0])
            _, _, headers = data.partition(b"\r\n")
            self._socket.sendto(b"SIP/2.0 200 OK\r\n" + headers, source)

    def answer(self, request: bytes, to: Any, status: str) -> None:
        kept = ("Via:", "From:", "To:", "Call-ID:", "CSeq:", "Record-Route:")
        lines = [line for line in request.decode().split("\r\n") if line.startswith(kept)]
        lines = [line + ";tag=far" if line.startswith("To:") else line for line in lines]
        contact = f"Contact: <sip:{CLOUD}>"
        self._socket.sendto(
            "\r\n".join([f"SIP/2.0 {status}", *lines, contact, "Content-Length: 0", "", ""]).encode(), to
        )

    def close(self) -> None:
        self._ended = True
        self._thread.join()
        self._socket.close()


def start(daemon: Daemon, link: Link, listeners: tuple[Address, ...], advertise: str = "") -> None:
    daemon.agent, daemon.cloud = listeners[0], CLOUD
    more = "".join(f'[[listen]]\naddress = "{at}"\n' for at in listeners[1:])
    daemon.configure(probe="1s", more=more)
    if advertise:
        text = daemon.config.read_text()
        daemon.config.write_text(text.replace(f'"{listeners[0]}"', f'"{listeners[0]}"\nadvertise = "{advertise}"', 1))
    daemon.start(command=[*link.agent.enter, *COMMAND])


@pytest.mark.parametrize("listeners", [(INSIDE, OUTSIDE), (OUTSIDE, INSIDE)], ids=["inside-first", "outside-first"])
def test_probes_come_from_the_listener_that_the_route_names(tmp_path: Path, listeners: tuple[Address, ...]) -> None:
    require_root()
    with Link() as link, Daemon(tmp_path) as daemon:
        cloud = Cloud(link)
        try:
            start(daemon, link, listeners)
            daemon.until(lambda: cloud.probed_from)
            assert cloud.probed_from == {AGENT}
            assert [target["up"] for target in daemon.status()["upstreams"]] == [True]
            assert daemon.lines("target-down") == []
        finally:
            cloud.close()


def test_a_probe_that_can_not_leave_is_told_as_such(tmp_path: Path) -> None:
    require_root()
    with Link() as link, Daemon(tmp_path) as daemon:
        start(daemon, link, (OUTSIDE,))
        link.agent.run("ip", "route", "replace", "unreachable", "10.66.0.0/16")
        daemon.until(lambda: daemon.lines("target-down"))
        assert daemon.lines("target-down")[0]["why"] in (
            "No route to host",
            "Network is unreachable",
            "Host is unreachable",
        )


@pytest.mark.parametrize("listeners", [(INSIDE, OUTSIDE), (OUTSIDE, INSIDE)], ids=["inside-first", "outside-first"])
def test_a_call_from_inside_leaves_by_the_outside(tmp_path: Path, listeners: tuple[Address, ...]) -> None:
    """And its answer and what follows come back by the inside; nothing fails to be sent."""
    require_root()
    with Link() as link, Daemon(tmp_path) as daemon:
        cloud = Cloud(link)
        try:
            start(daemon, link, listeners)
            with link.agent.udp("127.0.0.10") as customer:
                customer.sendto(message("INVITE", customer), INSIDE)
                daemon.until(lambda: cloud.calls)
                [(source, invite)] = cloud.calls
                assert source == (AGENT, 5060) and f"Via: SIP/2.0/UDP {OUTSIDE};".encode() in invite
                recorded = [line for line in invite.decode().split("\r\n") if line.startswith("Record-Route:")]
                assert [f"@{OUTSIDE};lr" in recorded[0], f"@{INSIDE};lr" in recorded[1]] == [True, True]
                cloud.answer(invite, source, "200 OK")
                data, source = customer.recvfrom(65536)
                assert data.startswith(b"SIP/2.0 200 ") and source == INSIDE

                routes = "".join(line.replace("Record-Route", "Route") + "\r\n" for line in reversed(recorded))
                customer.sendto(message("BYE", customer, routes, ";tag=far"), INSIDE)
                daemon.until(lambda: len(cloud.calls) == 2)
                assert cloud.calls[1][1].startswith(b"BYE ") and cloud.calls[1][0] == (AGENT, 5060)
            assert daemon.status()["counters"]["send_errors"] == 0 and daemon.lines("send-errors") == []
        finally:
            cloud.close()


def test_a_wildcard_listener_sends_on_what_came_over_loopback(tmp_path: Path) -> None:
    require_root()
    with Link() as link, Daemon(tmp_path) as daemon:
        cloud = Cloud(link)
        try:
            everywhere = Address("0.0.0.0", 5060)
            start(daemon, link, (everywhere,), advertise=str(OUTSIDE))
            with link.agent.udp("127.0.0.10") as customer:
                customer.sendto(message("INVITE", customer), INSIDE)
                daemon.until(lambda: cloud.calls)
                cloud.answer(cloud.calls[0][1], cloud.calls[0][0], "486 Busy Here")
                assert customer.recv(65536).startswith(b"SIP/2.0 486 ")
            assert daemon.status()["counters"]["send_errors"] == 0
        finally:
            cloud.close()


def test_what_can_not_be_sent_is_told_once_a_second(tmp_path: Path) -> None:
    require_root()
    with Link() as link, Daemon(tmp_path) as daemon:
        start(daemon, link, (OUTSIDE, INSIDE))
        link.agent.run("ip", "route", "replace", "unreachable", "10.66.0.0/16")
        with link.agent.udp("127.0.0.10") as customer:
            for number in range(50):
                customer.sendto(message("INVITE", customer, number=number), INSIDE)
            daemon.until(lambda: sum(line["count"] for line in daemon.lines("send-errors")) == 50)
        lines = daemon.lines("send-errors")
        assert len(lines) <= 3 and lines[0]["to"] == str(CLOUD) and lines[0]["listener"] == str(OUTSIDE)
        assert lines[0]["why"] in ("No route to host", "Network is unreachable", "Host is unreachable")


def test_one_trunk_too_many_is_refused_by_check_run_and_reload(tmp_path: Path) -> None:
    trunk = '[[trunk]]\nname = "t{0}"\nsources = ["10.1.{1}.{2}"]\nupstream = "cloud"\n'
    most = [trunk.format(number, number >> 8, number & 255) for number in range(MOST_PEERS - 2)]
    with Daemon(tmp_path, more="".join(most)) as daemon:
        assert daemon.command("check").returncode == 0
        daemon.start()
        daemon.configure(more="".join(most) + trunk.format("more", 255, 0))
        for command in ("check", "reload", "run"):
            done = daemon.command(command)
            assert done.returncode == 1 and "1025 trunks and upstreams together" in done.stderr
        assert daemon.status()["policy"]["generation"] == 1
