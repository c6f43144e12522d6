"""State that the engine keeps in packed tables, kept here in a dict or a float: limiter, strikes, text match.

It never forgets an entry and never runs out of room, so it says what a table of endless size would.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction


class Limiter:
    """GCRA (the virtual scheduling form of ITU-T I.371): ``burst`` at once, then one each 1/``per_second``.

    The clock is nanoseconds. Fractions, so that no rounding hides a difference.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self.interval = Fraction(1_000_000_000) / Fraction(per_second)
        self.slack = self.interval * (burst - 1)
        self.due: dict[object, Fraction] = {}

    def hit(self, key: object, now: int) -> bool:
        """May this one pass? Only one that passes is counted."""
        due = max(self.due.get(key, Fraction(now)), Fraction(now))
        if due - now > self.slack:
            return False
        self.due[key] = due + self.interval
        return True


class Tally:
    """Strikes with decay: ``most`` of them ask for a ban, and as many are forgotten in ``forget`` seconds, evenly."""

    def __init__(self, most: int, forget: float) -> None:
        self.most = most
        self.pace = Fraction(forget) * 1_000_000_000 / most  # nanoseconds that forget one
        self.held: dict[object, tuple[int, Fraction]] = {}

    def strike(self, key: object, now: int, weight: int = 1) -> int:
        """0, or how many strikes it took to ask for a ban: the count then starts anew."""
        then, held = self.held.get(key, (now, Fraction(0)))
        left = max(held - Fraction(now - then) / self.pace, Fraction(0))
        count = math.ceil(left) + weight
        if count >= self.most:
            self.held.pop(key, None)
            return count
        self.held[key] = (now, left + weight)
        return 0


class Queue:
    """overload: the level and the share of calls (of 256) that a worker's queue stands for, look by look."""

    WINDOW = 100_000_000

    def __init__(self) -> None:
        self.since: int | None = None
        self.seen: list[int] = []
        self.level = self.shed = 0

    def look(self, fill: int, now: int) -> None:
        """``fill`` of 256 parts are in use."""
        if self.since is None:
            self.since = now
        self.seen.append(fill)
        if now - self.since < self.WINDOW:
            return
        stands = min(self.seen)
        self.since, self.seen = now, []
        entered = 2 if stands >= 160 else 1 if stands >= 128 else 0
        kept = 2 if stands >= 112 else 1 if stands >= 80 else 0
        self.level = max(entered, min(self.level, kept))
        self.shed = (stands - 112) * 256 // 144 if self.level == 2 else 0


class Asked:
    """RFC 7339: by how many percent a neighbour wants less, answer by answer. The clock is milliseconds."""

    def __init__(self) -> None:
        self.percent, self.until, self.seq = 0, 0, Fraction(0)

    def told(self, now: int, percent: int, validity: int, seq: Fraction) -> None:
        if seq < self.seq and now < self.until + 10_000:
            return
        self.seq, self.until = seq, now + validity
        self.percent = percent if validity else 0

    def share(self, now: int) -> int:
        return self.percent if now < self.until else 0


class Victim:
    """callee-rate on one called number: the budget, the second one of those who called before, and who did."""

    MINUTE = 60_000_000_000

    def __init__(self, per_second: float, burst: int, life: int) -> None:
        self.first, self.second = Limiter(per_second, burst), Limiter(per_second, burst)
        self.burst, self.life = burst, life
        self.ends: dict[object, int] = {}

    def used(self, now: int) -> Fraction:
        """How much of the budget is used, in nanoseconds."""
        return max(self.first.due.get(0, Fraction(now)) - now, Fraction(0))

    def known(self, caller: object, now: int) -> bool:
        """Did this caller call a minute ago or earlier, and is that remembered?"""
        left = self.ends.get(caller, 0) - now
        return 0 < left <= self.life - self.MINUTE

    def hit(self, caller: object, now: int) -> bool:
        """May this call pass?"""
        calm = 2 * self.used(now) < self.burst * self.first.interval
        if self.first.hit(0, now):
            if calm:
                self._remember(caller, now)
            return True
        if self.known(caller, now) and self.second.hit(0, now):
            self._remember(caller, now)
            return True
        return False

    def _remember(self, caller: object, now: int) -> None:
        left = self.ends.get(caller, 0) - now
        if 2 * left < self.life:
            self.ends[caller] = now + self.life - (self.MINUTE if left > 0 else 0)


def text_match(value: bytes, patterns: Iterable[bytes]) -> bytes | None:
    """The first pattern that stands anywhere in the value, letters of both cases alike (ASCII only)."""
    folded = value.lower()
    return next((pattern for pattern in patterns if pattern.lower() in folded), None)
