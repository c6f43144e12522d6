"""What a caller did, counted plainly: exact sets, exact decay. Written from the head of cext/behaviour.pxi, slowly."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

NEAR, REACH = 24, 16


@dataclass
class Known:
    """One caller. ``forget`` is in seconds, as times are."""

    forget: float
    counts: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(
            ("calls", "fresh", "near", "ends", "answered", "short", "refused", "rung"), 0
        )
    )
    seen: set[int] = field(default_factory=set)
    last: deque[int] = field(default_factory=lambda: deque(maxlen=NEAR))
    time: float = 0.0

    def at(self, time: float) -> None:
        kept = 0.5 ** ((time - self.time) / self.forget)
        self.counts = {name: value * kept for name, value in self.counts.items()}
        self.time = time

    def call(self, time: float, callee: int) -> None:
        self.at(time)
        self.counts["calls"] += 1
        if callee in self.seen:
            return
        self.seen.add(callee)
        self.counts["fresh"] += 1
        self.counts["near"] += any(abs(callee - other) <= REACH for other in self.last)
        self.last.append(callee)

    def end(self, time: float, status: int, rang: float) -> None:
        """A final status; ``rang``: seconds from the first ring to it."""
        if status < 300:
            self.add(time, "ends", "answered")
        elif status in (404, 410, 484, 604, 603, 607, 608):
            self.add(time, "ends", "refused")
        elif status == 487 and rang <= 5:
            self.add(time, "ends", "rung")
        elif status not in (401, 407) and status >= 400 and status // 100 != 5:
            self.add(time, "ends")

    def hung_up(self, time: float, talked: float) -> None:
        if talked <= 6:
            self.add(time, "short")

    def add(self, time: float, *names: str) -> None:
        self.at(time)
        for name in names:
            self.counts[name] += 1
