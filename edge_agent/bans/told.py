"""The log lines of bans: ``banned``, ``ban-lifted``, ``ban-ended``; capped per second and reason, then summed.

A flood that gets a thousand sources banned must not become a thousand lines a
second. Never holds anything back that isn't in the sum.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

LINES_PER_KIND = 20


class BanLog:
    """``tell`` as often as you like, ``sum_up`` once per second."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._told: Counter[tuple[str, str]] = Counter()

    def tell(self, event: str, reason: str, **fields: Any) -> None:
        self._told[event, reason] += 1
        if self._told[event, reason] <= LINES_PER_KIND:
            self._log.info(event, reason=reason, **fields)

    def sum_up(self) -> None:
        for (event, reason), count in self._told.items():
            if count > LINES_PER_KIND:
                self._log.info("bans", what=event, reason=reason, suppressed=count - LINES_PER_KIND)
        self._told.clear()
