"""toll-fraud read plainly: budgets that refill, and every call that is up with the time it was answered. It knows no table.

A budget is (scope, name): ("trunk", ""), a class, or ("caller", number). Measures are
calls, minutes and money. A call counts in its trunk's, its class's and its caller's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

DAY = 86400.0
TICK = 2**26 / 1e9  # seconds: what the start of a call is rounded down to
UP = 4 * 3600.0
Limits = tuple[float, float, float]
Key = tuple[str, str]


@dataclass
class Call:
    keys: tuple[Key, ...]
    price: float
    answered: float
    expires: float


@dataclass
class Meter:
    limit: Limits
    used: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    at: float = 0.0

    def settle(self, now: float) -> None:
        if now > self.at:
            self.used = [
                max(0.0, u - most * (now - self.at) / DAY) for u, most in zip(self.used, self.limit, strict=True)
            ]
            self.at = now


class Ledger:
    """All budgets of one trunk. Times are seconds."""

    def __init__(self, trunk: Limits, caller: Limits, classes: Mapping[str, Limits]) -> None:
        self._trunk, self._caller, self._classes = trunk, caller, classes
        self._meters: dict[Key, Meter] = {}
        self._up: list[Call] = []

    def levels(self, now: float) -> dict[Key, tuple[float, ...]]:
        """What is used of each budget."""
        return {key: self._level(key, now) for key in self._meters}

    def over(self, kind: str, caller: str, now: float) -> bool:
        """Would one more call go over a limit?"""
        for key in self._keys(kind, caller):
            limit = self._limit(key)
            calls, minutes, money = self._level(key, now) if key in self._meters else (0.0, 0.0, 0.0)
            if key[0] == "caller" and key not in self._meters:
                continue
            if (
                (limit[0] and calls + 1 > limit[0])
                or (limit[1] and minutes >= limit[1])
                or (limit[2] and money >= limit[2])
            ):
                return True
        return False

    def begin(self, kind: str, caller: str, now: float) -> tuple[Key, ...]:
        keys = tuple(self._keys(kind, caller))
        for key in keys:
            meter = self._meters.setdefault(key, Meter(self._limit(key), at=now))
            meter.settle(now)
            meter.used[0] += 1
        return keys

    def answer(self, keys: tuple[Key, ...], price: float, now: float) -> Call:
        call = Call(keys, price, now // TICK * TICK, now + UP)
        self._up.append(call)
        return call

    def end(self, call: Call, now: float) -> None:
        self._up.remove(call)
        minutes = max(0.0, now // TICK * TICK - call.answered) / 60
        for key in call.keys:
            self._meters[key].settle(now)
            self._meters[key].used[1] += minutes
            self._meters[key].used[2] += minutes * call.price

    def next_expiry(self) -> float:
        """When the first of the calls that are up is given up."""
        return min((call.expires for call in self._up), default=float("inf"))

    def expire(self, now: float) -> list[Call]:
        """Ends the calls whose leases are over, each when it was."""
        gone = [call for call in self._up if call.expires <= now]
        for call in gone:
            self.end(call, call.expires)
        return gone

    def _keys(self, kind: str, caller: str) -> Iterator[Key]:
        yield from (("trunk", ""), (kind, ""), ("caller", caller))

    def _limit(self, key: Key) -> Limits:
        return (
            self._trunk
            if key[0] == "trunk"
            else self._caller
            if key[0] == "caller"
            else self._classes.get(key[0], (0, 0, 0))
        )

    def _level(self, key: Key, now: float) -> tuple[float, ...]:
        meter = self._meters[key]
        drained = [
            max(0.0, u - most * max(0.0, now - meter.at) / DAY) for u, most in zip(meter.used, meter.limit, strict=True)
        ]
        tick = now // TICK * TICK
        up = [call for call in self._up if key in call.keys]
        drained[1] += sum((tick - call.answered) / 60 for call in up)
        drained[2] += sum((tick - call.answered) / 60 * call.price for call in up)
        return tuple(drained)
