"""Calls of acme's in both directions, played datagram by datagram against the engine and the oracle of its leases.

After each datagram the number of calls that the engine counts is the oracle's.
It opens no socket; time is the test's.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

from edge_agent import _hot
from tests.oracle.leases import SECOND, Leases
from tests.proxy.message import Source
from tests.proxy.world import ACME, AT, CLOUD, CONTACT

OWN, FOREIGN, CALLED = "+12125552000", "+442071838750", "+442071838751"
NUMBERS = ("+12125552001", "+12125552002")  # acme's, called from outside
HEADER = re.compile(rb"^([\w-]+): (.*)\r\n", re.MULTILINE)
KEPT = (b"Via", b"Record-Route", b"From", b"Call-ID", b"CSeq", b"To")
_serial = count(1)


def headers(data: bytes, name: bytes) -> list[str]:
    return [value.decode() for key, value in HEADER.findall(data) if key == name]


def reply(request: bytes, status: int, to_tag: str = "", more: str = "") -> bytes:
    """What the far side says to a request that it got."""
    lines = [f"SIP/2.0 {status} X".encode()]
    for key, value in HEADER.findall(request):
        if key in KEPT:
            tagged = key == b"To" and to_tag and b";tag=" not in value
            lines.append(key + b": " + value + (f";tag={to_tag}".encode() if tagged else b""))
    return b"\r\n".join(lines) + b"\r\n" + more.encode() + b"Content-Length: 0\r\n\r\n"


def engine(policy: _hot.Policy, workers: int = 1) -> _hot.Engine:
    """One with room for every call of a test."""
    made = _hot.Engine(workers=workers, rates_mib=1, transactions_mib=16, leases_mib=4, secret=bytes(range(32)))
    made.publish(policy)
    return made


class Bed:
    """One worker of an engine, its clock and the oracle beside it."""

    def __init__(self, made: _hot.Engine, seed: int, worker: int = 0) -> None:
        self.engine, self.worker = made, worker
        self.batch, self.out = _hot.Batch(1), _hot.OutBatch()
        self.rng = random.Random(seed)
        self.oracle = Leases()
        self.now = 1_000 * SECOND
        self.sent: list[tuple[int, bytes, Source, Callable[[], object] | None]] = []
        self.steps = 0

    def send(self, data: bytes, source: Source, told: Callable[[], object] | None = None) -> bytes:
        """One datagram in, which the agent forwards; ``told`` tells the oracle. What left."""
        self.batch.clear()
        self.batch.add(data, source)
        self.engine.process(self.batch, self.now, self.out, self.worker)
        self.steps += 1
        assert len(self.out) == 1 and self.out[0][0].startswith(b"SIP") == data.startswith(b"SIP"), data
        if told is not None:
            told()
        self.sent.append((self.now, data, source, told if data.startswith(b"SIP") else None))
        return self.out[0][0]

    def copy(self) -> None:
        """Something that was sent in the last half minute comes again; of an answer the oracle hears again as well."""
        at = self.rng.randrange(max(0, len(self.sent) - 2000), len(self.sent))
        then, data, source, told = self.sent[at]
        if self.now - then < 30 * SECOND:
            self.send(data, source, told)
            self.sent.pop()

    def check(self, *others: Bed) -> None:
        """The engine counts what the oracles of all its workers count together."""
        counted = self.engine.calls(self.now)["acme"]
        wanted = {
            kind: sum(bed.oracle.count("acme", kind, self.now) for bed in (self, *others))
            for kind in ("out", "in", "emergency")
        }
        assert {kind: counted[kind] for kind in wanted} == wanted, f"after {self.steps} datagrams"


@dataclass
class Leg:
    """One leg of a call, as the two sides of the agent have it."""

    bed: Bed
    kind: str
    call_id: str
    near: str
    called: str

    @property
    def into(self) -> bool:
        return self.kind == "in"

    @property
    def asker(self) -> Source:
        return CLOUD if self.into else ACME

    @property
    def asked(self) -> Source:
        return CONTACT if self.into else CLOUD

    def invite(self, cseq: int = 1, called: str = "", more: str = "", received: bytes = b"") -> Invite:
        """A new INVITE; ``received``: not of its own, but what came through the agent before and comes back."""
        called = called or self.called
        branch = f"z9hG4bKc{next(_serial)}"
        host = AT if self.into else "cloud.example.net"
        if received:
            top = f"INVITE sip:{called}@{host} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.60;branch={branch}\r\n"
            rest = received.partition(b"\r\n")[2]
            data = (top + "Record-Route: <sip:192.0.2.60;lr>\r\n").encode() + rest
        else:
            caller = FOREIGN if self.into else OWN
            data = (
                f"INVITE sip:{called}@{host} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {self.asker[0]};branch={branch}\r\n"
                f"From: <sip:{caller}@x>;tag={self.near}\r\nTo: <sip:{called}@x>\r\n"
                f"Call-ID: {self.call_id}\r\nCSeq: {cseq} INVITE\r\nMax-Forwards: 70\r\n"
                f"Contact: <sip:u@{self.asker[0]}>\r\n{more}Content-Length: 0\r\n\r\n"
            ).encode()
        bed = self.bed

        def told() -> None:
            bed.oracle.invite("acme", self.kind, self.call_id, self.near, called, branch, bed.now)

        return Invite(self, branch, data, bed.send(data, self.asker, told))


@dataclass
class Invite:
    leg: Leg
    branch: str
    written: bytes
    passed: bytes
    cseq: Iterator[int] | None = None

    def answer(self, status: int, far: str = "", session: int = 0) -> bytes:
        """The asked side answers; what reaches the one who asked."""
        leg, bed = self.leg, self.leg.bed
        life = max(session, 90) * 3 * SECOND // 2 if session else 0
        more = f"Session-Expires: {session};refresher=uac\r\n" if session else ""

        def told() -> None:
            bed.oracle.answer(
                "acme", leg.into, leg.call_id, leg.near, self.branch, status, far, life, bed.now
            )  # fmt: skip

        return bed.send(reply(self.passed, status, far, more), leg.asked, told)

    def follow(self, method: str, far: str = "") -> bytes:
        """CANCEL, or the ACK of a refusal: with the INVITE's branch."""
        data = self.written.replace(b"INVITE", method.encode())
        if far:
            data = re.sub(rb"(?m)^(To: .*)\r\n", rb"\1;tag=" + far.encode() + b"\r\n", data)
        return self.leg.bed.send(data, self.leg.asker)

    def inside(self, method: str, far: str, back: bool = False, more: str = "") -> Inside:
        """A request in the dialog with that far side; ``back``: the far side sends it."""
        leg = self.leg
        routes = headers(self.passed, b"Record-Route")
        near, source, to = (far, leg.asked, leg.near) if back else (leg.near, leg.asker, far)
        branch = f"z9hG4bKc{next(_serial)}"
        data = (
            f"{method} sip:u@{(leg.asker if back else leg.asked)[0]} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {source[0]}:{source[1]};branch={branch}\r\nRoute: {routes[0]}\r\n"
            f"From: <sip:{OWN}@x>;tag={near}\r\nTo: <sip:{CALLED}@x>;tag={to}\r\n"
            f"Call-ID: {leg.call_id}\r\nCSeq: {next(_serial)} {method}\r\nMax-Forwards: 70\r\n"
            f"Contact: <sip:u@{source[0]}>\r\n{more}Content-Length: 0\r\n\r\n"
        ).encode()
        return Inside(leg, method, near, to, leg.into != back, leg.bed.send(data, source))


@dataclass
class Inside:
    """A request inside a dialog. ``into``: it went to the trunk."""

    leg: Leg
    method: str
    from_tag: str
    to_tag: str
    into: bool
    passed: bytes

    def answer(self, status: int, session: int = 0) -> None:
        bed = self.leg.bed
        life = max(session, 90) * 3 * SECOND // 2 if session else 0
        more = f"x: {session}\r\n" if session else ""
        over = self.method == "BYE" and (status == 481 or 200 <= status < 300)
        told = None
        if over or (self.method in ("INVITE", "UPDATE") and 200 <= status < 300):

            def told() -> None:
                bed.oracle.inside(
                    "acme", self.into, self.leg.call_id, self.from_tag, self.to_tag, over, life, bed.now
                )  # fmt: skip

        source = CONTACT if self.into else CLOUD
        bed.send(reply(self.passed, status, "", more), source, told)


# How calls go. Each yields where another call's datagram may come between.

Script = Iterator[None]
REFUSALS = (403, 404, 408, 480, 486, 500, 503, 600, 603)


def tag(prefix: str) -> str:
    return f"{prefix}{next(_serial)}"


def leg(bed: Bed, kind: str = "") -> Leg:
    kind = kind or bed.rng.choice(("out", "in"))
    called = bed.rng.choice(NUMBERS) if kind == "in" else CALLED
    return Leg(bed, kind, f"call{next(_serial)}@x", tag("n"), called)


def hang_up(bed: Bed, invite: Invite, far: str) -> Script:
    """By either side, some after refusals of the BYE; now and then the BYE is lost."""
    if bed.rng.random() < 0.1:
        return
    while bed.rng.random() < 0.2:
        bye = invite.inside("BYE", far, bed.rng.random() < 0.5)
        yield
        bye.answer(bed.rng.choice((100, 401, 403, 408, 500, 503)))
        yield
    bye = invite.inside("BYE", far, bed.rng.random() < 0.5)
    yield
    bye.answer(bed.rng.choice((200, 200, 200, 481)))
    yield


def talk(bed: Bed, invite: Invite, far: str) -> Script:
    """Refreshes, then the end."""
    while bed.rng.random() < 0.3:
        method = bed.rng.choice(("INVITE", "UPDATE", "INFO"))
        inside = invite.inside(method, far, bed.rng.random() < 0.5)
        yield
        inside.answer(bed.rng.choice((200, 200, 488, 481)), bed.rng.choice((0, 1800, 90, 20)))
        yield
    yield from hang_up(bed, invite, far)


def ring(bed: Bed, invite: Invite) -> Script:
    for status in (100, 180, 183)[: bed.rng.randrange(4)]:
        invite.answer(status, bed.rng.choice(("", tag("f"))))
        yield


def answered(bed: Bed) -> Script:
    invite = leg(bed).invite()
    yield
    yield from ring(bed, invite)
    far = tag("f")
    invite.answer(200, far, bed.rng.choice((0, 0, 1800, 90)))
    yield
    yield from talk(bed, invite, far)


def refused(bed: Bed) -> Script:
    invite = leg(bed).invite()
    yield
    yield from ring(bed, invite)
    far = tag("f")
    invite.answer(bed.rng.choice(REFUSALS), far)
    yield
    invite.follow("ACK", far)
    yield


def cancelled(bed: Bed) -> Script:
    invite = leg(bed).invite()
    yield
    invite.answer(180, tag("f"))
    yield
    cancel = invite.follow("CANCEL")
    yield
    bed.send(reply(cancel, 200, tag("f")), invite.leg.asked)
    yield
    if bed.rng.random() < 0.8:
        invite.answer(487, tag("f"))
        yield
    elif bed.rng.random() < 0.5:  # it was answered just before
        far = tag("f")
        invite.answer(200, far)
        yield
        yield from talk(bed, invite, far)


def forked(bed: Bed) -> Script:
    """Two or three 2xx to one INVITE, in any order with the ends of the dialogs."""
    invite = leg(bed).invite()
    yield
    ends = []
    for _ in range(bed.rng.randrange(2, 4)):
        far = tag("f")
        invite.answer(200, far)
        yield
        ends.append(talk(bed, invite, far))
        for _ in range(bed.rng.randrange(3)):
            next(ends[-1], None)
            yield
    for end in ends:
        yield from end


def twin(bed: Bed) -> Script:
    """The same call by two branches (a fork before the agent); each ends as it likes."""
    here = leg(bed)
    invites = [here.invite(), here.invite()]
    yield
    for invite in invites:
        yield from ring(bed, invite)
        far = tag("f")
        status = bed.rng.choice((200, 482, 487))
        invite.answer(status, far)
        yield
        if status == 200:
            yield from talk(bed, invite, far)


def challenged(bed: Bed) -> Script:
    here = leg(bed, "out")
    invite = here.invite()
    yield
    status = bed.rng.choice((401, 407))
    invite.answer(status, tag("f"))
    yield
    name = "Authorization" if status == 401 else "Proxy-Authorization"
    again = here.invite(2, more=f"{name}: Digest x=y\r\n")
    yield
    invite.follow("ACK", tag("f"))
    yield
    yield from ring(bed, again)
    far = tag("f")
    status = bed.rng.choice((200, 200, 403, 486))
    again.answer(status, far)
    yield
    if status == 200:
        yield from talk(bed, again, far)


def advanced(bed: Bed) -> Script:
    """The next number is tried after, or before, the first has refused."""
    here = leg(bed, "out")
    first = here.invite()
    yield
    early = bed.rng.random() < 0.5
    if not early:
        first.answer(503, tag("f"))
        yield
    second = here.invite(2, called="+442071838799")
    yield
    if early:
        first.answer(503, tag("f"))
        yield
    far = tag("f")
    second.answer(200, far)
    yield
    yield from talk(bed, second, far)


def hairpin(bed: Bed) -> Script:
    """Out of acme, through the cloud, and back into acme: one Call-ID, one pair of tags, two legs."""
    out = leg(bed, "out")
    back = Leg(bed, "in", out.call_id, out.near, NUMBERS[0])
    there = out.invite()
    yield
    here = back.invite(received=there.passed)
    yield
    for status in (180, bed.rng.choice((200, 200, 200, 486))):
        far = tag("f")
        here.answer(status, far)
        yield
        there.answer(status, far)
        yield
    if status == 200:
        callee = bed.rng.random() < 0.5
        for invite in (here, there) if callee else (there, here):
            bye = invite.inside("BYE", far, callee)
            yield
            bye.answer(200)
            yield


def rings_for_ever(bed: Bed) -> Script:
    invite = leg(bed).invite()
    yield
    yield from ring(bed, invite)


def refused_by_all_and_answered(bed: Bed) -> Script:
    """RFC 3261 §16.7 step 5: a 2xx may follow a 6xx."""
    invite = leg(bed).invite()
    yield
    invite.answer(603, tag("f"))
    yield
    far = tag("f")
    invite.answer(200, far)
    yield
    yield from talk(bed, invite, far)


SCRIPTS = (
    answered, answered, answered, refused, refused, cancelled, forked, twin, challenged, advanced, hairpin,
    rings_for_ever, refused_by_all_and_answered,
)  # fmt: skip


def play(bed: Bed, calls: int, at_once: int = 200, alone: bool = True) -> None:
    """So many calls of all kinds, their datagrams mixed, some of them twice.

    ``alone``: time passes, and the count is checked after each. Else it stands still, since other workers' would go on.
    """
    running: list[Script] = []
    started = 0
    while running or started < calls:
        while len(running) < at_once and started < calls:
            running.append(bed.rng.choice(SCRIPTS)(bed))
            started += 1
        if alone:
            bed.now += bed.rng.randrange(30_000_000)
            if bed.rng.random() < 0.0005:
                bed.now += bed.rng.choice((40, 150, 1000, 3 * 3600)) * SECOND
        script = bed.rng.choice(running)
        if next(script, running) is running:
            running.remove(script)
        if bed.rng.random() < 0.3 and bed.sent:
            bed.copy()
        if alone:
            bed.check()
            if bed.steps % 500 < 2:
                bed.oracle.forget(bed.now)
