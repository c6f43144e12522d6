"""Rates by key, in a table of a bounded size (GCRA, as the engine's). Pure: the caller brings the time.

A full table forgets the cells that stand for nothing any more; if that isn't
enough, the oldest, and counts them: their keys have their whole burst again.
"""

from __future__ import annotations

from collections.abc import Hashable
from itertools import islice

Rate = tuple[float, int]
"""Per second, and how many may come at once."""


class Rates:
    """Cells by key. One thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._cells: dict[Hashable, float] = {}
        self.evictions = 0

    def take(self, key: Hashable, rate: Rate, now: float) -> bool:
        """Counts one at the time ``now`` (seconds). False: that is more than the rate, and isn't counted."""
        per_second, burst = rate
        due = max(self._cells.get(key, 0.0), now)
        if due - now > (burst - 1) / per_second + 1e-9:
            return False
        if len(self._cells) >= self._limit and key not in self._cells:
            self._make_room(now)
        self._cells[key] = due + 1 / per_second
        return True

    def __len__(self) -> int:
        return len(self._cells)

    def _make_room(self, now: float) -> None:
        self._cells = {key: due for key, due in self._cells.items() if due > now}
        # An eighth at a time, so that a flood of keys costs a walk only now and then.
        room = max(1, self._limit // 8)
        for key in list(islice(self._cells, max(0, len(self._cells) - self._limit + room))):
            del self._cells[key]
            self.evictions += 1
