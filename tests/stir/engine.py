"""An engine that defers what a test gives it and keeps what it is told: the face that the service needs, and no more."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from edge_agent._hot import Deferred
from edge_agent.reasons import REASONS

WAIT_SECONDS = 10.0


@dataclass(frozen=True)
class Told:
    """What ``resolve`` was told of a ticket, reasons by name, and when (monotonic seconds)."""

    reason: str
    verstat: int
    attest: str
    monitored: tuple[str, ...]
    text: str
    at: float


class FakeEngine:
    """Tickets count from 1. ``told`` by ticket."""

    def __init__(self, share: int = 1024) -> None:
        self.deferred_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.deferred_share = share
        self.told: dict[int, Told] = {}
        self.gone: set[int] = set()
        self._queue: deque[Deferred] = deque()
        self._tickets = 0
        self._defaults: dict[str, object] = {
            "peer": "acme",
            "subject": "acme",
            "upstream": "cloud",
            "verify": True,
            "sign": False,
            "owned": False,
            "caller": "12025550143",
            "to": "12125550100",
            "called": "12125550100",
            "date": "",
        }
        self._changed = threading.Condition()

    def defer(self, *identities: str, **call: object) -> int:
        """A call more; its ticket."""
        self._tickets += 1
        call.setdefault("call_id", f"call-{self._tickets}")
        call.setdefault("time_ns", time.monotonic_ns())
        self._queue.append(Deferred(**self._defaults | call, ticket=self._tickets, identities=list(identities)))  # type: ignore[arg-type]
        os.eventfd_write(self.deferred_fd, 1)
        return self._tickets

    def deferred(self, limit: int = 64) -> Sequence[Deferred]:
        taken: list[Deferred] = []
        while self._queue and len(taken) < limit:
            taken.append(self._queue.popleft())
        return taken

    def resolve(
        self,
        ticket: int,
        reason: int,
        verstat: int,
        attest: str,
        monitored: Sequence[int],
        text: bytes,
        priority: Sequence[str] = (),
        callback: bool = False,
    ) -> bool:
        with self._changed:
            assert ticket not in self.told, "resolved twice"
            names = tuple(REASONS[number].name for number in monitored)
            name = REASONS[reason].name
            self.told[ticket] = Told(name, verstat, attest, names, text.decode(), time.monotonic())
            self._changed.notify_all()
            return ticket not in self.gone

    def await_all(self, *tickets: int, seconds: float = WAIT_SECONDS) -> list[Told]:
        """What became of them, when all are resolved."""
        with self._changed:
            done = self._changed.wait_for(lambda: all(ticket in self.told for ticket in tickets), seconds)
        assert done, f"{sum(ticket not in self.told for ticket in tickets)} of {len(tickets)} never resolved"
        return [self.told[ticket] for ticket in tickets]

    def close(self) -> None:
        os.close(self.deferred_fd)
