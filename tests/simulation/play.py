"""Days of several trunks through one engine, in virtual time: every INVITE, answer, ACK, CANCEL and BYE, each at its moment.

The far side answers what the agent forwarded, from its bytes. Time goes in steps
of a quarter of a second; what is due in one goes through ``Engine.process`` in
batches. No socket, no clock. It never tells the engine anything but messages.
"""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from edge_agent import _hot
from edge_agent.policy.compile import compile_policy
from edge_agent.policy.load import load
from edge_agent.rules import RULES
from tests.simulation.habits import ANSWER, DAY, GIVEN_UP, Call, Kind

STEP = 0.25
START = 1_000_000_000_000_000
FULL = 64
CLOUD = ("192.0.2.60", 5060)
HEAD = """
[[listen]]
address = "192.0.2.1:5060"
[[upstream]]
name = "cloud"
targets = ["192.0.2.60:5060"]
domains = ["cloud.example.net"]
[redress]
url = "https://example.net/redress"
"""
TRUNK = """
[[trunk]]
name = "t{n}"
sources = ["198.51.100.{host}/32"]
upstream = "cloud"
contact = ["198.51.100.{host}:5070"]
caller_ids = ["+1212{exchange}*"]
"""
INVITE, RING, END, BYE = range(4)
STATUS = {
    180: b"180 Ringing",
    200: b"200 OK",
    404: b"404 Not Found",
    480: b"480 Temporarily Unavailable",
    486: b"486 Busy Here",
    487: b"487 Request Terminated",
    603: b"603 Decline",
}


@dataclass
class Told:
    """What became of one trunk's day."""

    name: str
    """Of its kind."""
    calls: int = 0
    refused: int = 0
    """Of wanted calls."""
    unwanted: int = 0
    stopped: int = 0
    """Of unwanted ones."""
    found_after: int = -1
    """Unwanted calls that went on before the first was stopped; -1: none was."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Of refusals, by rule."""
    recorded: dict[str, int] = field(default_factory=dict)
    """Calls that rules in monitor mode found something in, by rule."""


def policy(trunks: int, enforce: bool) -> str:
    """``enforce``: every rule, at its defaults. Else as shipped."""
    text = HEAD
    if enforce:
        for rule in RULES:
            # What depends on the trunk's class stays with that.
            if not rule.structural and rule.classes is None and rule.built:
                text += f'[rules.{rule.name}]\nmode = "enforce"\n'
    return text + "".join(TRUNK.format(n=n, host=10 + n, exchange=230 + n) for n in range(trunks))


def compiled(text: str) -> _hot.Policy:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "policy.toml")
        path.write_text(text)
        return compile_policy(load(path), 1)


class Town:
    """One engine, and the trunks of one day."""

    def __init__(self, kinds: list[Kind], seed: int, enforce: bool) -> None:
        self.engine = _hot.Engine(transactions_mib=16, deferred_mib=1, secret=bytes(range(32)))
        self.engine.publish(compiled(policy(len(kinds), enforce)))
        self.batch, self.out = _hot.Batch(FULL), _hot.OutBatch()
        self.told = [Told(kind.name) for kind in kinds]
        self.calls: list[tuple[int, Call]] = []
        self.due: list[list[int]] = [[] for _ in range(int(DAY / STEP) + 1)]
        self.up: dict[int, tuple[bytes, bytes, bytes]] = {}
        """Of a call that goes on: what an answer repeats, its cookie's Route, and the head of what its caller sends."""
        for trunk, kind in enumerate(kinds):
            for call in kind.day(random.Random(f"{seed} {trunk}")):
                self.at(call.start, len(self.calls) << 2 | INVITE)
                self.calls.append((trunk, call))

    def at(self, seconds: float, what: int) -> None:
        step = int(seconds / STEP)
        if step < len(self.due):
            self.due[step].append(what)

    def run(self) -> list[Told]:
        for step, due in enumerate(self.due):
            if due:
                self.step(step * STEP, START + int(step * STEP * 1e9), due)
                self.due[step] = []
        for (action, rule, reason, peer), count in self.engine.counters()["by_verdict"].items():
            # Every message is a part of a call that is up: nothing else may happen to one.
            assert action != "drop" and (action == "forward" or rule), (action, reason, peer)
            if action == "answer":
                reasons = self.told[int(peer[1:])].reasons
                reasons[rule] = reasons.get(rule, 0) + count
        for (rule, peer), count in self.engine.counters()["monitored"].items():
            if peer != "cloud":
                self.told[int(peer[1:])].recorded[rule] = count
        return self.told

    def step(self, seconds: float, now: int, due: list[int]) -> None:
        quiet: list[tuple[bytes, tuple[str, int]]] = []
        byes: list[int] = []
        invites: list[int] = []
        for what in due:
            number, stage = what >> 2, what & 3
            if stage == INVITE:
                invites.append(number)
            elif stage == BYE:
                byes.append(number)
            elif stage == RING:
                quiet.append((answer(self.up[number][0], 180), CLOUD))
            else:
                self.end(number, seconds, quiet)
        self.send(quiet, now)
        self.hang_up(byes, now)
        for first in range(0, len(invites), FULL):
            self.begin(invites[first : first + FULL], seconds, now)

    def send(self, messages: list[tuple[bytes, tuple[str, int]]], now: int) -> None:
        """What leaves isn't looked at."""
        batch = self.batch
        for first in range(0, len(messages), FULL):
            batch.clear()
            for data, source in messages[first : first + FULL]:
                batch.add(data, source)
            self.engine.process(batch, now, None)

    def begin(self, numbers: list[int], seconds: float, now: int) -> None:
        batch, out = self.batch, self.out
        batch.clear()
        for number in numbers:
            trunk, call = self.calls[number]
            batch.add(invite(number, trunk, call), source(trunk))
        self.engine.process(batch, now, out)
        for place, number in enumerate(numbers):
            trunk, call = self.calls[number]
            told, data = self.told[trunk], out[place][0]
            told.calls += 1
            if not call.wanted:
                told.unwanted += 1
            if data[:6] != b"INVITE":
                if call.wanted:
                    told.refused += 1
                else:
                    told.stopped += 1
                    # 486 is a rate's: it holds back whoever is fast, and finds nobody.
                    if told.found_after < 0 and data[8:11] != b"486":
                        told.found_after = told.unwanted - 1
                continue
            self.up[number] = (*parts(data), own(number, trunk, call))
            if call.end in (ANSWER, GIVEN_UP, 480, 603) and call.ring > 2:
                self.at(seconds + min(2.0, call.ring / 2), number << 2 | RING)
            self.at(seconds + call.ring, number << 2 | END)

    def end(self, number: int, seconds: float, quiet: list[tuple[bytes, tuple[str, int]]]) -> None:
        trunk, call = self.calls[number]
        repeated, route, head = self.up[number]
        uri = b"sip:+" + call.callee.encode() + b"@cloud.example.net SIP/2.0\r\n"
        if call.end == GIVEN_UP:
            quiet.append((b"CANCEL " + uri + head + b"CSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n", source(trunk)))
        quiet.append((answer(repeated, call.end), CLOUD))
        ack = b"ACK " + uri + head[:-2] + b";tag=far\r\nCSeq: 1 ACK\r\n"
        if call.end == ANSWER:
            quiet.append((ack + route + b"Content-Length: 0\r\n\r\n", source(trunk)))
            self.at(seconds + call.talk, number << 2 | BYE)
        else:
            quiet.append((ack + b"Content-Length: 0\r\n\r\n", source(trunk)))
            del self.up[number]

    def hang_up(self, numbers: list[int], now: int) -> None:
        for first in range(0, len(numbers), FULL):
            some = numbers[first : first + FULL]
            self.batch.clear()
            for number in some:
                trunk, call = self.calls[number]
                _, route, head = self.up.pop(number)
                uri = b"BYE sip:+" + call.callee.encode() + b"@192.0.2.60 SIP/2.0\r\n"
                bye = head.replace(b"branch=z9hG4bK", b"branch=z9hG4bKb", 1)[:-2] + b";tag=far\r\nCSeq: 2 BYE\r\n"
                self.batch.add(uri + bye + route + b"Content-Length: 0\r\n\r\n", source(trunk))
            self.engine.process(self.batch, now, self.out)
            self.send([(answer(parts(self.out[n][0])[0], 200), CLOUD) for n in range(len(some))], now)


def source(trunk: int) -> tuple[str, int]:
    return (f"198.51.100.{10 + trunk}", 5060)


def own(number: int, trunk: int, call: Call) -> bytes:
    """The headers that a caller repeats in what it sends in this call, To last."""
    return (
        b"Via: SIP/2.0/UDP 198.51.100.%d:5060;branch=z9hG4bK%d;rport\r\nMax-Forwards: 70\r\n"
        b"From: <sip:+1212%d%04d@pbx.example>;tag=%d\r\nCall-ID: %d@pbx.example\r\nTo: <sip:+%b@cloud.example.net>\r\n"
        % (10 + trunk, number, 230 + trunk, call.caller % 10_000, number, number, call.callee.encode())
    )


def invite(number: int, trunk: int, call: Call) -> bytes:
    return (
        b"INVITE sip:+%b@cloud.example.net SIP/2.0\r\n%bCSeq: 1 INVITE\r\n"
        b"Contact: <sip:pbx@198.51.100.%d:5060>\r\nContent-Length: 0\r\n\r\n"
        % (call.callee.encode(), own(number, trunk, call), 10 + trunk)
    )


def parts(forwarded: bytes) -> tuple[bytes, bytes]:
    """Of a request as its callee gets it: the headers that an answer repeats, and its cookie as a Route."""
    kept, cookie = [], b""
    for line in forwarded.split(b"\r\n"):
        if line[:4] in (b"Via:", b"From", b"To: ", b"Call", b"CSeq", b"Reco"):
            kept.append(line)
            if line[:4] == b"Reco":
                cookie = b"Route" + line[12:] + b"\r\n"
    return b"\r\n".join(kept), cookie


def answer(repeated: bytes, status: int) -> bytes:
    at = repeated.index(b"\r\nTo: ") + 2
    end = repeated.find(b"\r\n", at)
    if end < 0:
        end = len(repeated)
    tag = b"" if b";tag=" in repeated[at:end] else b";tag=far"
    return b"SIP/2.0 %b\r\n%b%b%b\r\nContent-Length: 0\r\n\r\n" % (STATUS[status], repeated[:end], tag, repeated[end:])
