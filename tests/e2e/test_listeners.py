"""Two listeners on a host with an inside and an outside, in network namespaces: which of them a target hears from."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edge_agent.policy.reach import MOST_PEERS
from tests.e2e.daemon import COMMAND, Daemon
from tests.e2e.namespaces import AGENT, Link, require_root
from tests.e2e.sipp import Address

CLOUD = Address("10.66.0.20", 5060)
INSIDE, OUTSIDE = Address("127.0.0.1", 5060), Address(AGENT, 5060)


class Cloud:
    """A target out in the world that answers OPTIONS and keeps the rest."""

    def __init__(self, link: Link) -> None:
        self.calls: list[tuple[str, bytes]] = []
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
                self.calls.append((source[0], data))
                continue
            self.probed_from.add(source[0])
            _, _, headers = data.partition(b"\r\n")
            self._socket.sendto(b"SIP/2.0 200 OK\r\n" + headers, source)

    def close(self) -> None:
        self._ended = True
        self._thread.join()
        self._socket.close()


def start(daemon: Daemon, link: Link, listeners: tuple[Address, ...], **settings: object) -> None:
    daemon.agent, daemon.cloud = listeners[0], CLOUD
    more = "".join(f'[[listen]]\naddress = "{at}"\n' for at in listeners[1:])
    daemon.configure(probe="1s", more=more, **settings)
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
