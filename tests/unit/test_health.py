"""OPTIONS probes against targets that live, are silent, refuse, come back, or are somebody else's; on both event loops."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvloop

from edge_agent.policy import ways
from edge_agent.upstream import health
from edge_agent.upstream.health import Health, Target, final_status, local_address

HOST = "127.0.0.41"
LISTENERS = ["127.0.0.40"]
EVERY = 0.1

LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


class Upstream(asyncio.DatagramProtocol):
    """A target that answers as told; None is silence."""

    def __init__(self, status: str | None) -> None:
        self.status = status
        self.requests: list[str] = []
        self.senders: set[tuple[str, int]] = set()
        self.mangle: Callable[[str], str] = lambda response: response

    async def open(self, port: int = 0) -> int:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(HOST, port))
        return int(self._transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.requests.append(data.decode())
        self.senders.add(addr)
        if self.status is not None:
            lines = [
                line + (";tag=far" if line.startswith("To:") else "")
                for line in data.decode().split("\r\n")
                if line.startswith(("Via:", "From:", "To:", "Call-ID:", "CSeq:"))
            ]
            response = "\r\n".join([f"SIP/2.0 {self.status}", *lines, "Content-Length: 0", "", ""])
            self._transport.sendto(self.mangle(response).encode(), addr)


class Log:
    """Remembers what was logged."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    warning = info


class Scene:
    def __init__(self) -> None:
        self.told: list[tuple[str, int, bool]] = []
        self.log = Log()
        self.health = Health("sbc 1", lambda *call: self.told.append(call), self.log)  # type: ignore[arg-type]

    def watch(self, port: int, every: float = EVERY) -> Target:
        target = Target("cloud", 0, HOST, port, every)
        self.health.watch([target], LISTENERS)
        return target


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "WAITS", (0.05, 0.05))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


def on(loop: Any, test: Callable[[Scene], Awaitable[None]]) -> Scene:
    scene = Scene()

    async def main() -> None:
        try:
            await test(scene)
        finally:
            scene.health.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())
    return scene


@LOOPS
@pytest.mark.parametrize("status", ["200 OK", "405 Method Not Allowed", "404 Not Found", "603 Decline"])
def test_any_final_response_is_a_sign_of_life(loop: Any, status: str) -> None:
    async def test(scene: Scene) -> None:
        upstream = Upstream(status)
        target = scene.watch(await upstream.open())
        await until(lambda: len(upstream.requests) >= 4)
        assert scene.health.is_up(target)
        upstream.close()

    scene = on(loop, test)
    assert scene.told == [("cloud", 0, True)]
    assert scene.log.lines == []


@LOOPS
@pytest.mark.parametrize("status", [None, "503 Service Unavailable", "408 Request Timeout", "100 Trying"])
def test_silence_and_unavailability_are_down_after_two(loop: Any, status: str | None) -> None:
    async def test(scene: Scene) -> None:
        upstream = Upstream(status)
        target = scene.watch(await upstream.open())
        await until(lambda: len(scene.told) == 2)
        assert not scene.health.is_up(target)
        branches = {line for request in upstream.requests for line in request.split("\r\n") if line.startswith("Via")}
        assert len(branches) == 2, "down after two probes, not earlier"
        upstream.close()

    scene = on(loop, test)
    assert scene.told == [("cloud", 0, True), ("cloud", 0, False)]
    assert [event for event, _ in scene.log.lines] == ["target-down"]


@LOOPS
def test_a_closed_port_is_down_and_comes_back(loop: Any) -> None:
    async def test(scene: Scene) -> None:
        upstream = Upstream("200 OK")
        port = await upstream.open()
        scene.watch(port)
        await until(lambda: len(upstream.requests) >= 1)
        upstream.close()
        await until(lambda: scene.told[-1] == ("cloud", 0, False))
        again = Upstream("200 OK")
        await again.open(port)
        await until(lambda: scene.told[-1] == ("cloud", 0, True) and len(scene.told) == 3)
        again.close()

    scene = on(loop, test)
    assert [event for event, _ in scene.log.lines] == ["target-down", "target-up"]


@LOOPS
def test_probes_come_from_the_listeners_address_and_name_us(loop: Any) -> None:
    async def test(scene: Scene) -> None:
        upstream = Upstream("200 OK")
        port = await upstream.open()
        scene.watch(port)
        await until(lambda: len(upstream.requests) >= 3)
        ((host, sender_port),) = upstream.senders
        assert host == LISTENERS[0]
        request = upstream.requests[0]
        assert request.startswith(
            f"OPTIONS sip:{HOST}:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{sender_port};rport;branch="
        )
        assert "From: <sip:sbc-1@127.0.0.40>;tag=" in request and "User-Agent: edge-agent/" in request
        for header in ("Via", "From", "Call-ID"):
            values = {line for text in upstream.requests for line in text.split("\r\n") if line.startswith(header)}
            assert len(values) == len(upstream.requests), f"each probe has a {header} of its own"
        upstream.close()

    on(loop, test)


@LOOPS
def test_others_can_not_speak_for_a_target(loop: Any) -> None:
    async def test(scene: Scene) -> None:
        upstream = Upstream(None)
        scene.watch(await upstream.open())
        await until(lambda: bool(upstream.senders))
        with stranger() as sock:
            while len(scene.told) < 2:
                for number, sender in enumerate(upstream.senders):
                    answer = Upstream("200 OK")
                    request = upstream.requests[-1 - number]
                    lines = [
                        line for line in request.split("\r\n") if line.startswith(("Via", "From", "To", "Call", "CS"))
                    ]
                    sock.sendto("\r\n".join(["SIP/2.0 200 OK", *lines, "", ""]).encode(), sender)
                    del answer
                await asyncio.sleep(0.02)
        upstream.close()

    assert on(loop, test).told[-1] == ("cloud", 0, False)


@contextmanager
def stranger() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.66", 0))
        yield sock


@LOOPS
@pytest.mark.parametrize(
    "mangle",
    [
        lambda text: text.replace("branch=z9hG4bK", "branch=z9hG4bKx"),
        lambda text: text.replace(" OPTIONS", " INVITE"),
        lambda text: text.replace("\r\n", "\n"),
        lambda text: "\x00" * 500,
        lambda text: "OPTIONS sip:a@b SIP/2.0" + text[text.index("\r\n") :],
    ],
    ids=["branch", "method", "line-ends", "zeros", "request"],
)
def test_what_is_no_answer_to_the_probe_is_no_sign_of_life(loop: Any, mangle: Callable[[str], str]) -> None:
    async def test(scene: Scene) -> None:
        upstream = Upstream("200 OK")
        upstream.mangle = mangle
        scene.watch(await upstream.open())
        await until(lambda: scene.told[-1] == ("cloud", 0, False))
        upstream.close()

    on(loop, test)


@LOOPS
def test_without_probes_a_target_is_never_down(loop: Any) -> None:
    async def test(scene: Scene) -> None:
        upstream = Upstream(None)
        target = scene.watch(await upstream.open(), every=0)
        await asyncio.sleep(0.3)
        assert upstream.requests == [] and scene.health.is_up(target)
        assert scene.health.states() == [
            {"upstream": "cloud", "target": f"{HOST}:{target.port}", "up": True, "probed": False}
        ]
        upstream.close()

    assert on(loop, test).told == [("cloud", 0, True)]


@LOOPS
def test_a_new_policy_keeps_states_and_tells_them_at_their_new_places(loop: Any) -> None:
    async def test(scene: Scene) -> None:
        alive, dead = Upstream("200 OK"), Upstream(None)
        ports = [await alive.open(), await dead.open()]
        first = [Target("cloud", index, HOST, port, EVERY) for index, port in enumerate(ports)]
        scene.health.watch(first, LISTENERS)
        await until(lambda: ("cloud", 1, False) in scene.told)
        scene.told.clear()
        second = [Target("cloud", index, HOST, port, EVERY) for index, port in enumerate(reversed(ports))]
        scene.health.watch(second, LISTENERS)
        assert scene.told == [("cloud", 0, False), ("cloud", 1, True)]
        # Without probes nothing is known to be down any more.
        scene.health.watch([Target("cloud", 0, HOST, ports[1], 0)], LISTENERS)
        assert scene.told[-1] == ("cloud", 0, True)
        alive.close()
        dead.close()

    on(loop, test)


@LOOPS
def test_an_unreachable_target_is_down(loop: Any) -> None:
    async def test(scene: Scene) -> None:
        scene.health.watch([Target("cloud", 0, "255.255.255.255", 5060, EVERY)], LISTENERS)
        await until(lambda: scene.told[-1] == ("cloud", 0, False))

    # As broadcast it may not be sent to: the log says that it was no silence.
    [(event, fields)] = on(loop, test).log.lines
    assert event == "target-down" and fields["why"] in ("Permission denied", "Network is unreachable")


def test_probes_come_from_where_calls_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "route_source", lambda target, source="": source or "198.51.100.5")
    assert local_address(["10.0.0.1", "198.51.100.5"], "203.0.113.20") == "198.51.100.5"
    assert local_address(["10.0.0.1", "0.0.0.0"], "203.0.113.20") is None, "the kernel chooses for a wildcard"
    assert local_address(["2001:db8::1"], "203.0.113.20") is None


def test_any_bytes_are_no_answer() -> None:
    for data in (b"", b"\r\n\r\n", b"SIP/2.0 200", b"SIP/2.0 200 OK\r\n\r\n", b"\xff" * 2000):
        assert final_status(data, b"z9hG4bKx") == 0
