"""Tells of lists that get too old while the agent runs. It reads no file: a list is as old as the load found it.

A load says it once, as a notice; a national list is good for 31 days, and an agent
runs for longer without a reload.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from edge_agent.policy.load import Loaded

HOUR = 3600.0
AGAIN = 24 * HOUR
"""Between two lines about one list."""


class Ages:
    """What was told when, of the lists of the configuration in force."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, float], float] = {}

    def due(self, loaded: Loaded, wall: float) -> list[str]:
        """Lines about lists that are too old at that wall time and weren't told of for a day. The load's own notice counts."""
        lines: list[str] = []
        told: dict[tuple[str, float], float] = {}
        for age in loaded.ages:
            notice = age.notice(wall)
            if notice is None:
                continue
            key = age.path, age.made
            if key not in self._told and any(
                other.code == notice.code and other.file == age.path for other in loaded.notices
            ):
                told[key] = wall
            elif wall - self._told.get(key, 0.0) >= AGAIN:
                lines.append(str(notice))
                told[key] = wall
            else:
                told[key] = self._told[key]
        self._told = told
        return lines


async def keep_ages(
    loaded: Callable[[], Loaded], log: FilteringBoundLogger, clock: Callable[[], float] = time.time
) -> None:
    """Looks each hour, and logs ``list-old`` for each list that is due."""
    ages = Ages()
    while True:
        for line in ages.due(loaded(), clock()):
            log.warning("list-old", message=line)
        await asyncio.sleep(HOUR)
