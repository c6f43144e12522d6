"""A small policy around a whole engine, and one question to it: what becomes of this message?

Every question gets a new engine, so that no message is the retransmission of another.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import pytest


class Treatment(NamedTuple):
    """``action`` is forward, answer or drop; ``output`` what left the engine."""

    action: str
    status: int = 0
    reason: str = ""
    output: bytes = b""

    @property
    def short(self) -> str:
        """The word of an expected treatment: the status of an answer, else the action."""
        return str(self.status) if self.action == "answer" else self.action


class Treat(Protocol):
    """Sources: "trunk" (caller rules, ``interface`` and ``dialog`` off, so that structure decides), "strict" (with
    ``interface``), "emergency" (a trunk with a route for emergency calls), "upstream", "unknown"."""

    def __call__(self, data: bytes, source: str = "trunk") -> Treatment: ...


@pytest.fixture
def treat() -> Treat:
    pytest.skip("the engine isn't built")
