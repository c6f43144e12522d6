"""Drains the engine's ring into the log: one line per verdict that isn't a plain pass, capped, then summed.

A flood must not become a flood of lines, so each reason gets a number of lines
per second; the rest of that second shows as one line with ``suppressed``. The
sums come from the counters, not from the ring: they are right even for what
the engine's own cap or a full ring left out.

Never waits, and never looks at a passed call.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from edge_agent.events.record import record

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from edge_agent._hot import Event

# Lines per reason and second. Enough to see who and why, little enough for a terminal and for journald's own limit.
LINES_PER_REASON = 20

# Housekeeping of good traffic: counted, not told.
QUIET = frozenset({"pass", "keepalive", "ack-absorbed", "retransmission", "options-up"})

# Somebody should look now.
ALARMS = frozenset({"upstream-down", "no-room", "source-table-full"})

# Emergency calls are always told, but anybody can send one from nowhere: those share the cap.
CAPPED_EMERGENCY = frozenset({"emergency-unknown"})

# What is counted together: (action, rule, reason), or ("monitor", rule, "") for findings that didn't decide.
Kind = tuple[str, str, str]


class VerdictLog:
    """The lines of one daemon. ``write`` as often as you like, ``sum_up`` once per second."""

    def __init__(self, log: FilteringBoundLogger, lines_per_reason: int = LINES_PER_REASON) -> None:
        self._log = log
        self._cap = lines_per_reason
        self._written: Counter[Kind] = Counter()  # since the last sum
        self._counted: Counter[Kind] = Counter()  # the counters at the last sum
        self._untold: Counter[Kind] = Counter()  # below 0: a line came before its count

    def write(self, events: Iterable[Event]) -> None:
        offset = time.time_ns() - time.monotonic_ns()
        for event in events:
            passed = event.reason in QUIET
            if passed and not event.monitored:
                continue
            kind = ("monitor", event.rule, "") if passed else (event.action, event.rule, event.reason)
            emergency = event.rule == "emergency" and not passed
            if self._written[kind] >= self._cap and (not emergency or event.reason in CAPPED_EMERGENCY):
                continue
            self._written[kind] += 1
            fields = record(event, offset)
            if emergency:
                self._log.warning("verdict", **fields, notify=True)
            elif event.reason in ALARMS:
                self._log.warning("verdict", **fields)
            else:
                self._log.info("verdict", **fields)

    def sum_up(self, counters: Mapping[str, Any]) -> None:
        """Tells what this second's lines left out. Drain the ring after reading ``counters`` and before this."""
        counted = _totals(counters)
        for kind in counted.keys() | self._written.keys():
            self._untold[kind] += counted[kind] - self._counted[kind] - self._written[kind]
            if self._untold[kind] > 0:
                action, rule, reason = kind
                fields = {"action": action, "rule": rule, "reason": reason, "suppressed": self._untold.pop(kind)}
                if rule == "emergency":
                    self._log.warning("verdicts", **fields, notify=True)
                else:
                    self._log.info("verdicts", **fields)
        self._counted = counted
        self._written.clear()


def _totals(counters: Mapping[str, Any]) -> Counter[Kind]:
    totals: Counter[Kind] = Counter()
    for (action, rule, reason, _), count in counters["by_verdict"].items():
        if reason not in QUIET:
            totals[action, rule, reason] += count
    for (rule, _), count in counters["monitored"].items():
        totals["monitor", rule, ""] += count
    return totals
