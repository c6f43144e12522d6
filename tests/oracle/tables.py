"""State that the engine keeps in packed tables, kept here in a dict or a float: the limiter and the text match.

It never forgets an entry and never runs out of room, so it says what a table of endless size would.
"""

from __future__ import annotations

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


def text_match(value: bytes, patterns: Iterable[bytes]) -> bytes | None:
    """The first pattern that stands anywhere in the value, letters of both cases alike (ASCII only)."""
    folded = value.lower()
    return next((pattern for pattern in patterns if pattern.lower() in folded), None)
