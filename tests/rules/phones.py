"""Callers of acme's with habits: whole calls, many at once, each message at its time. It holds no test of its own.

A call is an INVITE and what its callee and caller do then: answered after a
while and hung up by either side, busy, no such number, not answered, given up.
What the agent forwards is answered as the far side would, from its own bytes.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from itertools import count

from tests.agent import ACME, CLOUD, OWN, SECOND, Agent, invite, policy, request
from tests.proxy.calls import headers, reply
from tests.proxy.message import Message, Source

FAST = "calls_per_second = 1000000\nburst = 1000000\nconcurrent_calls = 1000000"
RULES = ("dispersal", "sequential", "short-calls", "low-answer", "wangiri")
REDRESS = '[redress]\nurl = "https://example.net/redress"\n'
PASS = "forward pass"
_serial = count(1)


def patterns(mode: str = "enforce", more: str = "", acme: str = FAST, **rules: str) -> str:
    """Every rule of behaviour in that mode; ``rules``: keys of one of them (short_calls: short-calls)."""
    text = "".join(f'[rules.{name}]\nmode = "{mode}"\n{rules.get(name.replace("-", "_"), "")}\n' for name in RULES)
    quiet = '[rules.caller-rate]\nmode = "off"\n[rules.callee-rate]\nmode = "off"\n[rules.sweep]\nmode = "off"\n'
    return policy(acme, rules=f"{text}{quiet}{REDRESS}{more}", owned="+1212555*")


class Phones(Agent):
    """An agent and everybody who calls through it."""

    def __init__(self, text: str = "", seed: int = 1) -> None:
        super().__init__(text or patterns())
        self.random = random.Random(seed)
        self.due: list[tuple[int, int, Callable[[], None]]] = []
        self.told: list[str] = []
        """What became of each INVITE, in short, in the order in which they were sent."""

    def at(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self.due, (self.now + round(seconds * SECOND), next(_serial), what))

    def put(self, data: bytes | Message, source: Source = ACME) -> bytes:
        """A message whose fate the caller doesn't ask for; what left."""
        self.batch.clear()
        self.batch.add(bytes(data), source)
        self.engine.process(self.batch, self.now, self.out)
        return self.out[0][0] if len(self.out) else b""

    def call(
        self,
        caller: str,
        callee: str,
        end: str | int = "answer",
        *,
        after: float = 0,
        ring: float = 5,
        talk: float = 60,
        source: Source = ACME,
        first: Message | None = None,
    ) -> None:
        """A call ``after`` seconds from now. ``end``: "answer", "cancel", or the status that refuses it, after ``ring``."""

        def start() -> None:
            sent = first or invite(caller, uri=f"sip:{callee}@cloud.example.net")
            out = self.put(sent, source)
            if not out.startswith(b"INVITE"):
                self.told.append(out[8:11].decode() or "drop")
                return
            self.told.append(PASS)
            if end in ("answer", "cancel") or end in (480, 486, 603):
                self.at(0.5, lambda: self.answer(out, 180))
            if end == "answer":
                self.at(ring, lambda: self.up(sent, out, talk, source))
            elif end == "cancel":
                self.at(ring, lambda: self.given_up(sent, out, source))
            else:
                self.at(ring, lambda: self.refused(sent, out, int(end), source))

        self.at(after, start)

    def answer(self, out: bytes, status: int) -> None:
        assert self.put(reply(out, status, "far"), CLOUD).startswith(b"SIP/2.0")

    def up(self, sent: Message, out: bytes, talk: float, source: Source) -> None:
        self.answer(out, 200)
        self.at(talk, lambda: self.hang_up(sent, out, source))

    def hang_up(self, sent: Message, out: bytes, source: Source) -> None:
        [cookie] = headers(out, b"Record-Route")
        bye = request("BYE", "sip:callee@192.0.2.60", OWN, ("Route", cookie), to_tag="far")
        bye = bye.set("From", sent.one("From")).set("To", f"{sent.one('To')};tag=far")
        onwards = self.put(bye.set("Call-ID", sent.one("Call-ID")).set("CSeq", "2 BYE"), source)
        assert onwards.startswith(b"BYE"), onwards
        self.answer(onwards, 200)

    def given_up(self, sent: Message, out: bytes, source: Source) -> None:
        cancel = Message(sent.start.replace("INVITE", "CANCEL"), sent.headers).set("CSeq", "1 CANCEL")
        assert self.put(cancel.set("Content-Type").set("Content-Length", "0"), source).startswith(b"CANCEL")
        self.refused(sent, out, 487, source)

    def refused(self, sent: Message, out: bytes, status: int, source: Source) -> None:
        self.answer(out, status)
        ack = Message(sent.start.replace("INVITE", "ACK"), sent.headers).set("CSeq", "1 ACK")
        self.put(ack.set("To", f"{sent.one('To')};tag=far").set("Content-Type").set("Content-Length", "0"), source)

    def run(self, seconds: float = 0.0) -> list[str]:
        """Until nothing is due any more, or for so long. What became of the INVITEs since the last run."""
        until = self.now + round(seconds * SECOND) if seconds else 2**63
        while self.due and self.due[0][0] <= until:
            self.now, _, what = heapq.heappop(self.due)
            what()
        if seconds:
            self.now = until
        told, self.told = self.told, []
        return told

    # ---- habits: each says what its next call is like, for ever ----

    def anybody(self) -> str:
        """A number that nobody has called."""
        return f"+1{self.random.choice((415, 617, 312))}{self.random.randrange(2_000_000, 10_000_000)}"

    def dialler(self) -> Iterator[tuple[str, dict[str, object]]]:
        """Numbers out of nowhere: a third don't exist, few answer, nobody listens."""
        while True:
            yield self.anybody(), self.fate(absent=0.3, answer=0.2, talk=3)

    def fate(self, absent: float, answer: float, talk: float) -> dict[str, object]:
        drawn = self.random.random()
        if drawn < absent:
            return {"end": 404, "ring": 1}
        if drawn < absent + answer:
            return {"end": "answer", "ring": 6, "talk": talk}
        return {"end": 480, "ring": 20}

    def play(
        self,
        habit: Iterator[tuple[str, dict[str, object]]],
        calls: int,
        every: float = 1.0,
        caller: str | Callable[[int], str] = OWN,
    ) -> list[str]:
        """So many calls of one habit, one after the other; what became of them."""
        for n in range(calls):
            callee, how = next(habit)
            who = caller if isinstance(caller, str) else caller(n)
            self.call(who, callee, after=n * every, **how)  # type: ignore[arg-type]
        return self.run()

    def known(self, caller: str = OWN) -> dict[str, object]:
        """What the engine holds of a caller; "": of the trunk."""
        found = self.engine.behaviour("acme", caller.lstrip("+"), now=self.now)
        assert found is not None
        return found


def fixed(callees: Iterator[str], **how: object) -> Iterator[tuple[str, dict[str, object]]]:
    """Always the same fate."""
    return ((callee, dict(how)) for callee in callees)


def walk(first: int = 14155550000, step: int = 1) -> Iterator[str]:
    return (f"+{first + n * step}" for n in count())


def first_refused(told: list[str]) -> int:
    """How many calls passed before one was refused; -1: none was."""
    return next((n for n, one in enumerate(told) if one != PASS), -1)
