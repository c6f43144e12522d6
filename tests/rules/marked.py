"""What the tests of forged markings share: what was recorded of a call, what went on of it. It holds no test of its own."""

from __future__ import annotations

import re

from tests.agent import OWN, Decision
from tests.proxy.message import Header, Message

PASS = "forward pass"
REFUSED = "403 marking-resource"
PASSED = "TN-Validation-Passed"
VERSTAT = f"<sip:{OWN};verstat={PASSED}@pbx.example>"


FORGED: list[Header] = [
    ("P-Charge-Info", f"<tel:{OWN}>"),
    ("Priority", "emergency"),
    ("X-Edge-A", "1"),
    ("P-Asserted-Identity", f"<sip:reception@x>, <tel:{OWN};verstat=x>"),
    ("P-Preferred-Identity", f"<sip:{OWN}@x>"),
]


def found(told: Decision) -> str:
    """The marking that was recorded of a call which passed; "" for none."""
    assert told.short == PASS
    assert told.monitored == (("forged-marking",) if told.events else ())
    return told.event.finding if told.events else ""


def names(told: Decision) -> list[str]:
    return [name.strip().lower() for name, _ in told.message.headers]


def assert_clean(sent: Message, told: Decision) -> None:
    """Nothing is lost but markings: the other headers stand as they stood, and the message can be read."""
    kept = {"to", "call-id", "cseq", "contact", "content-length", "content-type"}
    came = [(name, value) for name, value in sent.headers if name.lower() in kept]
    went = [(name, value) for name, value in told.message.headers if name.lower() in kept]
    assert came == went
    assert told.message.body == sent.body


def told_verstat(data: bytes) -> bool:
    """Is a verstat left? The display name of one place may say the word."""
    return b"verstat" in re.sub(rb'"[^"]*"', b"", data).lower() or b"%" in data


def cleaned(told: Decision) -> None:
    assert told.action == "forward"
    assert not told_verstat(told.data)
    assert not {"p-charge-info", "priority", "x-edge-a", "p-preferred-identity"} & set(names(told))
    assert told.message.all("P-Asserted-Identity") in ([f"<tel:{OWN}>"], [])
