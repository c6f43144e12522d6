"""Tells the engine each minute where callees may be called (calling-hours), and whose business hours it is (toll-fraud).

The one place where wall time meets these rules.

A clock that is set, daylight saving time and a late turn of the loop need nothing of
their own: what holds is worked out anew from the wall clock, a minute later at most.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from edge_agent._hot import Policy
from edge_agent.numbering.zones import closed, within

MINUTE = 60.0
_LATE = 0.05  # seconds behind the minute, so that a clock that rounds has turned


def tell_hours(policy: Policy, wall: float) -> None:
    """Writes into the policy where, and for whom, it is outside the hours at that time (wall seconds)."""
    tables = policy.tables
    for number, (first, last) in enumerate(tables.hours):
        policy.set_closed(number, closed(tables.zone_classes, first, last, wall))
    for own in tables.business:
        policy.set_off_hours(own.peer, not within(own.zone, own.days, own.first, own.last, wall))


async def keep_hours(policy: Callable[[], Policy], clock: Callable[[], float] = time.time) -> None:
    """Does so at every full minute, for the policy that is in force then."""
    while True:
        now = clock()
        tell_hours(policy(), now)
        await asyncio.sleep(MINUTE - now % MINUTE + _LATE)
