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


def text_match(value: bytes, patterns: Iterable[bytes]) -> bytes | None:
    """The first pattern that stands anywhere in the value, letters of both cases alike (ASCII only)."""
    folded = value.lower()
    return next((pattern for pattern in patterns if pattern.lower() in folded), None)
