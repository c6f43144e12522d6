"""The kinds of traffic in the demo: who sends what how often, and what must become of it at both ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from edge_agent.demo.customers import COMPLETED, SILENCE
from edge_agent.demo.message import Headers
from edge_agent.demo.scene import BUSY_BURST, BUSY_RATE


@dataclass(frozen=True)
class Seen:
    """What both ends saw of one kind. ``seconds`` is how long it was sent."""

    sent: int
    outcomes: Counter[str]
    cloud: int
    psap: int
    seconds: float


@dataclass(frozen=True)
class Kind:
    """One kind of traffic. ``name`` begins its Call-IDs, so the far ends can tell it."""

    name: str
    title: str
    customer: str
    per_second: float
    must: str
    right: Callable[[Seen], bool]
    caller: str
    called: str = "+13475550123"
    headers: tuple[tuple[str, str], ...] = ()
    waits: bool = True
    """False: a flood that doesn't wait for answers."""

    def caller_of(self, number: int) -> str:
        """The caller of the n-th call: one of the thousand that begin so."""
        return f"{self.caller}{number % 1000:03d}"

    def extra(self) -> Headers:
        return list(self.headers)


def completed_at(end: str) -> Callable[[Seen], bool]:
    """Every call was completed and reached that far end, and only that."""

    def right(seen: Seen) -> bool:
        reached = {"cloud": seen.cloud, "psap": seen.psap}
        return seen.outcomes == {COMPLETED: seen.sent} and reached.pop(end) == seen.sent and not any(reached.values())

    return right


def all_get(outcome: str) -> Callable[[Seen], bool]:
    """Every call had this outcome, and none reached a far end."""
    return lambda seen: seen.outcomes == {outcome: seen.sent} and seen.cloud == seen.psap == 0


def within_limit(seen: Seen) -> bool:
    """As many calls as the trunk's limit allows passed, the others got 486."""
    passed, refused = seen.outcomes[COMPLETED], seen.outcomes["486 Busy Here"]
    allowed = BUSY_BURST + BUSY_RATE * seen.seconds
    # One more for the edges of the interval; a tenth less for a machine that paused.
    fair = min(seen.sent, BUSY_RATE * seen.seconds * 0.9) <= passed <= allowed + 1
    return fair and passed + refused == seen.sent and seen.cloud == passed and seen.psap == 0


KINDS: tuple[Kind, ...] = (
    Kind("good", "good calls", "acme", 20, "all completed", completed_at("cloud"), "+12125000"),
    Kind("forged", "forged caller ID", "acme", 3, "403", all_get("403 Caller ID Not Allowed"), "+12025551"),
    Kind(
        "pai",
        "From and PAI disagree",
        "acme",
        3,
        "403",
        all_get("403 Caller ID Mismatch"),
        "+12125000",
        headers=(("P-Asserted-Identity", "<sip:+12025551000@127.0.0.10>"),),
    ),
    Kind(
        "scanner",
        "scanner (friendly-scanner)",
        "acme",
        3,
        "403",
        all_get("403 Forbidden"),
        "+12125000",
        headers=(("User-Agent", "friendly-scanner"),),
    ),
    Kind(
        "busy",
        f"flood, trunk of {BUSY_RATE} calls/s",
        "busy",
        50,
        f"{BUSY_RATE}/s pass, 486",
        within_limit,
        "+14155000",
    ),
    Kind("unknown", "flood, unknown source", "stranger", 500, "silence", all_get(SILENCE), "+12125000", waits=False),
    Kind(
        "911",
        "911, not activated",
        "acme",
        2,
        "403",
        all_get("403 Emergency Calling Not Activated"),
        "+12125000",
        called="911",
    ),
    Kind("911-psap", "911, activated", "bravo", 2, "reaches the PSAP", completed_at("psap"), "+13125000", called="911"),
)
