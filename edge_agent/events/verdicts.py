"""Drains the engine's rings: a log line per verdict that isn't a plain pass, capped, then summed; emergency calls told.

A flood must not become a flood of lines, so each reason gets a number of lines
per second; the rest of that second shows as one line with ``suppressed``. The
sums come from the counters, not from the ring: they are right even for what
the engine's own cap or a full ring left out. Emergency calls of peers have no
cap but the engine's, and are handed on as notifications (``notice.py``) one by
one; those of strangers, and what the engine's cap left out, in sums.

Never waits, and never looks at a passed call.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from edge_agent.events import notice
from edge_agent.events.record import record, timestamp

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

# What is counted together: (action, rule, reason, peer), peer only of emergency calls; or ("monitor", rule, "", "") for
# findings that didn't decide.
Kind = tuple[str, str, str, str]


class VerdictLog:
    """The lines of one daemon. ``write`` as often as you like, ``sum_up`` once per second."""

    def __init__(
        self,
        log: FilteringBoundLogger,
        lines_per_reason: int = LINES_PER_REASON,
        *,
        agent: str = "",
        notify: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self._log, self._agent = log, agent
        self._notify = notify or (lambda _: None)
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
            kind = _kind(event)
            emergency = notice.is_emergency(event) and not passed
            if self._written[kind] >= self._cap and (not emergency or event.reason in CAPPED_EMERGENCY):
                continue
            self._written[kind] += 1
            fields = record(event, offset)
            if emergency:
                self._log.warning("verdict", **fields, notify=True, caller_owned=event.caller_owned)
                if event.reason not in CAPPED_EMERGENCY:
                    told = notice.of_call(event, fields, self._agent)
                    if told is not None:
                        self._notify(told)
            elif event.reason in ALARMS:
                self._log.warning("verdict", **fields)
            else:
                self._log.info("verdict", **fields)

    def sum_up(self, counters: Mapping[str, Any]) -> None:
        """Tells what this second's lines left out. Drain the ring after reading ``counters`` and before this."""
        counted = _totals(counters)
        for kind in counted.keys() | self._written.keys():
            self._untold[kind] += counted[kind] - self._counted[kind] - self._written[kind]
            action, rule, reason, peer = kind
            if reason in CAPPED_EMERGENCY and counted[kind] > self._counted[kind]:
                self._notify_sum(reason, peer, counted[kind] - self._counted[kind])
            if self._untold[kind] > 0:
                untold = self._untold.pop(kind)
                fields = {"action": action, "rule": rule, "reason": reason, "suppressed": untold}
                if rule == "emergency" and reason not in notice.NO_CALL and action != "monitor":
                    self._log.warning("verdicts", **fields, peer=peer, notify=True)
                    if reason not in CAPPED_EMERGENCY:
                        self._notify_sum(reason, peer, untold)
                else:
                    self._log.info("verdicts", **fields)
        self._counted = counted
        self._written.clear()

    def _notify_sum(self, reason: str, peer: str, count: int) -> None:
        self._notify(notice.of_sum(reason, peer, count, self._agent, timestamp(time.time_ns())))


def _kind(event: Event) -> Kind:
    if event.reason in QUIET:
        return "monitor", event.rule, "", ""
    return event.action, event.rule, event.reason, event.peer if event.rule == "emergency" else ""


def _totals(counters: Mapping[str, Any]) -> Counter[Kind]:
    totals: Counter[Kind] = Counter()
    for (action, rule, reason, peer), count in counters["by_verdict"].items():
        if reason not in QUIET:
            totals[action, rule, reason, peer if rule == "emergency" else ""] += count
    for (rule, _), count in counters["monitored"].items():
        totals["monitor", rule, "", ""] += count
    return totals
