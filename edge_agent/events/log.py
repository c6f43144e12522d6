"""The log: structlog, one JSON object per line on stderr.

Every string is cleaned (``record.clean``) whoever logs it. A reader that stops
reading costs lines, never the control plane: a line that can't be written at
once is counted, and the count is told when the reader is back.
"""

from __future__ import annotations

import json
import logging
import os
import select
import time
from collections.abc import MutableMapping
from typing import Any

import structlog

from edge_agent.events.record import clean, timestamp

# syslog priorities, which journald reads as "<N>" before a line
_PRIORITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}


class LineWriter:
    """Writes whole lines to a descriptor that may be a full pipe, without waiting for it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self.lost = 0
        """Since it could write last; told then."""
        self.dropped = 0
        """Since the start."""

    def msg(self, line: str) -> None:
        """One line. Lines stay below PIPE_BUF, so a pipe that is writable takes one whole."""
        if not self._writable():
            self._lose()
            return
        if self.lost:
            lost, self.lost = self.lost, 0
            self.msg(
                _json({"ts": timestamp(time.time_ns()), "level": "warning", "event": "log-lines-lost", "lost": lost})
            )
        try:
            os.write(self._descriptor, line.encode() + b"\n")
        except OSError:
            self._lose()

    debug = info = warning = error = critical = msg

    def _lose(self) -> None:
        self.lost += 1
        self.dropped += 1

    def _writable(self) -> bool:
        events = self._poll.poll(0)
        return bool(events) and bool(events[0][1] & select.POLLOUT)


class Renderer:
    """The last step: keys in a fixed order, values cleaned, JSON, priority in front where the journal reads it."""

    def __init__(self, priorities: bool) -> None:
        self._priorities = priorities

    def __call__(self, logger: Any, method: str, fields: MutableMapping[str, Any]) -> str:
        head = {
            "ts": fields.pop("ts", None) or timestamp(time.time_ns()),
            "level": method,
            "event": fields.pop("event", ""),
        }
        line = _json(head | {key: _plain(value) for key, value in fields.items()})
        return f"<{_PRIORITIES.get(method, 6)}>{line}" if self._priorities else line


def open_log(descriptor: int, priorities: bool) -> tuple[structlog.typing.FilteringBoundLogger, LineWriter]:
    """The logger of the process on this descriptor, and its writer, which knows what was lost."""
    writer = LineWriter(descriptor)
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        writer,
        processors=[structlog.processors.format_exc_info, Renderer(priorities)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    return logger, writer


def _json(fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """Only what JSON has, every string cleaned."""
    if isinstance(value, (bool, int, float)) or value is None:
        return value
    if isinstance(value, (str, bytes)):
        return clean(value, 1024)
    if isinstance(value, dict):
        return {clean(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    return clean(str(value), 1024)
