"""Why a header, token or certificate is no good: the one exception of this package.

It names a reason of ``edge_agent/reasons.py``, where its SIP status and sentence
stand. Raised by what reads and checks, caught by ``verify.py`` alone; never
raised towards a message's sender.
"""

from __future__ import annotations

from edge_agent.reasons import BY_NAME, REASONS, Reason


class Refused(Exception):
    """``reason`` is a name of the reasons table; ``detail`` says what was seen, for logs and ``explain``."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason: Reason = REASONS[BY_NAME[reason]]
        self.detail = detail
