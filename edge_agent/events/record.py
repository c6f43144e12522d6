"""One event of the engine as a flat record with stable keys, safe to print anywhere.

What comes out holds no control, invisible or direction-changing character and
no broken UTF-8, whatever a caller put into its headers. Never shortens a number
or a reason, only free text.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_agent._hot import Event

# Long enough for any real Call-ID or User-Agent; a line with all fields stays below PIPE_BUF (4096 bytes).
TEXT_LIMIT = 160

# C0 and C1 controls, soft hyphen, zero-width and bidi marks, line and paragraph separators, tag characters, surrogates.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)


def clean(text: str | bytes, limit: int = TEXT_LIMIT) -> str:
    """Printable text: what isn't becomes a visible escape such as ``\\x1b``."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    shown = _UNPRINTABLE.sub(_escape, text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def address(source: tuple[str, int]) -> str:
    """``ip:port``, IPv6 in brackets."""
    host, port = source
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def timestamp(wall_ns: int) -> str:
    """UTC to the microsecond, as every line has it."""
    seconds, rest = divmod(wall_ns, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest // 1000:06d}Z"


def record(event: Event, wall_offset: int) -> dict[str, object]:
    """The event's record. ``wall_offset`` is wall minus monotonic time, in ns: the engine knows only the latter."""
    return {
        "ts": timestamp(event.time_ns + wall_offset),
        "action": event.action,
        "rule": event.rule,
        "reason": event.reason,
        "status": event.status,
        "monitored": event.monitored,
        "finding": event.finding,
        "method": clean(event.method),
        "peer": event.peer,
        "source": address(event.source),
        "call_id": clean(event.call_id),
        "caller": clean(event.from_user),
        "callee": clean(event.to_user),
        "user_agent": clean(event.user_agent),
        "value": event.value,
        "limit": event.limit,
        "id": event.id,
    }
