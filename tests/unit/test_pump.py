"""A worker's loop over real sockets: strangers who keep coming don't wake it one by one, and are read all the same."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.agent import Agent, MakeAgent, dial, invite

STRANGERS = 600
FLOOD_SECONDS = 0.3


def port(host: str = "127.0.0.1") -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((host, 0))
    made.settimeout(10)
    return made


@contextmanager
def pump(party: Agent, strangers: socket.socket) -> Iterator[None]:
    with port() as known:
        worker = threading.Thread(target=party.engine.pump, args=(0, [(known.fileno(), 0)], [(strangers.fileno(), 0)]))
        worker.start()
        try:
            yield
        finally:
            party.engine.stop()
            worker.join()


def received(party: Agent, count: int) -> None:
    end = time.monotonic() + 10
    while party.engine.counters()["received"] < count:
        assert time.monotonic() < end, party.engine.counters()
        time.sleep(0.01)


def flood(sender: socket.socket, where: tuple[str, int], data: bytes) -> None:
    start = time.monotonic()
    for number in range(STRANGERS):
        sender.sendto(data, where)
        time.sleep(max(0.0, start + number * FLOOD_SECONDS / STRANGERS - time.monotonic()))


def test_strangers_who_keep_coming_wake_nobody_one_by_one(agent: MakeAgent) -> None:
    party = agent()
    with port() as strangers, port() as sender, pump(party, strangers):
        flood(sender, strangers.getsockname(), bytes(invite()))
        received(party, STRANGERS)
        rounds = party.engine.counters()["batches"]
    assert rounds < STRANGERS / 4, "one for each 4 ms, of eight messages here"


def test_after_a_rest_a_single_one_is_read_at_once(agent: MakeAgent) -> None:
    """The emergency call of a stranger is told that it goes nowhere, also when a flood has just ended."""
    party = agent()
    with port() as strangers, port() as sender, pump(party, strangers):
        flood(sender, strangers.getsockname(), bytes(invite()))
        received(party, STRANGERS)
        time.sleep(0.05)
        with port("127.0.9.9") as caller:  # whose network isn't over its rate
            caller.sendto(bytes(dial("911")), strangers.getsockname())
            assert caller.recv(4096).startswith(b"SIP/2.0 403 ")
