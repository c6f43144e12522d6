# Invariant: whatever the bytes and whoever sends them, Engine.process takes each datagram once (received = forwarded +
# answered + dropped), sends at most one for it, never answers a response or an ACK, never sends an unknown source more
# than it sent, and forwards only what the oracle can read, with body, caller and callee as they came, to a peer; but for
# an authorised trunk's emergency call, which goes to its emergency upstream, and nowhere else, for all its soft faults,
# with the mark that this wants. No header that a URI carries goes on.
"""Fuzz target of the whole screen: ``python -m tests.fuzz.fuzz_process --seconds 60 [--seed 7]``.

One engine with a small policy hears from trunks, an upstream and strangers; messages are generated, mutated, sent
again, and answered by the upstream with what was forwarded. A finding is printed with its datagram and source.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.fuzz.fuzz_parse import seeds
from tests.oracle.message import parse
from tests.property.generate import Maker

POLICY = """
[[listen]]
address = "127.0.0.1:5060"
advertise = "edge.example.net:5060"
[[upstream]]
name = "cloud"
targets = ["192.0.2.60:5060"]
domains = ["cloud.example.net", "a.example.org", "x", "[2001:db8::9]", "192.0.2.9"]
[[upstream]]
name = "psap"
targets = ["192.0.2.61:5060"]
emergency_uri = "urn"
[[trunk]]
name = "open-minded"
sources = ["198.51.100.1/32"]
upstream = "cloud"
contact = ["198.51.100.1:5070"]
caller_ids = ["+1212555*", "+4416329*"]
calls_per_second = 1000
burst = 1000
emergency = "route"
emergency_upstream = "psap"
emergency_location = "https://lis.example/open"
rules.interface.mode = "off"
rules.dialog.mode = "off"
rules.caller-format.mode = "off"
rules.caller-owned.mode = "off"
rules.caller-consistent.mode = "off"
rules.caller-anonymous.mode = "off"
[[trunk]]
name = "strict"
sources = ["198.51.100.2/32"]
upstream = "cloud"
contact = ["198.51.100.2:5070"]
caller_ids = ["+1646555*"]
emergency = "redirect"
emergency_upstream = "psap"
"""
SOURCES = (("198.51.100.1", 5060), ("198.51.100.2", 5060), ("192.0.2.60", 5060), ("203.0.113.9", 5060))
UNKNOWN = SOURCES[3]
PSAP = ("192.0.2.61", 5060)
TARGETS = {("192.0.2.60", 5060), PSAP, ("198.51.100.1", 5070), ("198.51.100.2", 5070)}
SAME = ("kind", "method", "status", "from", "from_tag", "to", "to_tag", "call_id", "cseq", "user_agent")
ASSERTED, PREFERRED = "p-asserted-identity", "p-preferred-identity"


class Gate:
    """The engine, a clock that goes on by fractions of a second, and what it forwarded last."""

    def __init__(self, seed: int) -> None:
        from edge_agent import _hot
        from edge_agent.policy.compile import compile_policy
        from edge_agent.policy.load import load

        self.engine = _hot.Engine(rates_mib=1, transactions_mib=1, leases_mib=1, secret=bytes(32))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "policy.toml"
            path.write_text(POLICY)
            self.engine.publish(compile_policy(load(path), 1))
        self.batch, self.out = _hot.Batch(1), _hot.OutBatch()
        self.now = 10**12
        self.maker = Maker(random.Random(seed))
        self.pool = list(seeds(100))
        self.sent: list[tuple[bytes, tuple[str, int]]] = []
        self.forwarded: list[bytes] = []

    def next(self) -> tuple[bytes, tuple[str, int]]:
        """A datagram and who sends it."""
        maker = self.maker
        self.now += maker.rng.randrange(10**8)
        kind = maker.rng.randrange(8)
        if kind == 0 and self.sent:  # once more, perhaps changed on its way
            data, source = self.sent[maker.rng.randrange(len(self.sent))]
            return (maker.mutate(data, 1) if maker.chance(3) else data), source
        if kind == 1 and self.forwarded:
            data = response(self.forwarded[maker.rng.randrange(len(self.forwarded))], maker)
            return (maker.mutate(data, 1) if maker.chance(3) else data), SOURCES[2]
        data = self.pool[maker.rng.randrange(len(self.pool))] if kind == 2 else maker.message()
        if maker.chance(3):
            data = maker.mutate(data, 2)
        return data, SOURCES[min(maker.rng.randrange(6), 3)]

    def step(self, data: bytes, source: tuple[str, int]) -> str:
        """Sends one datagram; what breaks the invariant, or nothing."""
        before = self.engine.counters()
        self.batch.clear()
        self.batch.add(data, source)
        self.engine.process(self.batch, self.now, self.out)
        after = self.engine.counters()
        change = {key: after[key] - before[key] for key in ("received", "forwarded", "answered", "dropped")}
        if change.pop("received") != 1 or sorted(change.values()) != [0, 0, 1]:
            return f"the counters don't balance: {change}"
        if len(self.out) != 1 - change["dropped"]:
            return f"{len(self.out)} datagrams out for {change}"
        if change["dropped"]:
            return ""
        output, destination, _ = self.out[0]
        read = parse(data)
        if source == UNKNOWN and len(output) > len(data):
            return "an unknown source gets more than it sent"
        return (
            self.answer(data, read, output)
            if change["answered"]
            else self.forward(data, source, read, output, destination)
        )

    def answer(self, data: bytes, read: dict[str, Any], output: bytes) -> str:
        start = data.lstrip(b"\r\n")[:4].upper()
        if read["kind"] in ("response", "keepalive") or start in (b"SIP/", b"ACK "):
            return f"an answer to {start!r}"
        return "" if output.startswith(b"SIP/2.0 ") else "an answer that is none"

    def forward(
        self, data: bytes, source: tuple[str, int], read: dict[str, Any], output: bytes, destination: tuple[str, int]
    ) -> str:
        if read["kind"] == "error":
            return self.spare(data, source, output, destination)
        went = parse(output)
        if read["kind"] not in ("request", "response") or went["kind"] != read["kind"]:
            return f"forwarded: {read['kind']} as {went['kind']}"
        if read["kind"] == "request" and destination not in TARGETS:
            return f"a request forwarded to {destination}"
        start = output.partition(b"\r\n")[0].lower()
        if (
            read["kind"] == "request"
            and re.match(rb"[^ ]+ (sips?|tel):[^ ]*\?", start)
            and b"?" not in start.partition(b"@")[0]
        ):
            return f"headers that a URI carries: {start!r}"
        if (
            (destination == PSAP) != (b" urn:service:sos" in start or b" urn:service:test" in start)
            and source == SOURCES[0]
            and not read.get("to_tag")
        ):
            return f"to the PSAP without its mark, or marked elsewhere: {start!r}"
        for key in SAME:
            if went[key] != read[key]:
                return f"{key} went as {went[key]!r}, came as {read[key]!r}"
        if wrong := identities(read, went, destination == PSAP):
            return wrong
        if went["via_count"] - read["via_count"] != (1 if read["kind"] == "request" else -1):
            return "Vias that don't add up"
        body = data.lstrip(b"\r\n")[: read["length"]].partition(b"\r\n\r\n")[2]
        if output.partition(b"\r\n\r\n")[2] != body:
            return "another body"
        if read["kind"] == "request":
            self.remember(data, source, output)
        return ""

    def spare(self, data: bytes, source: tuple[str, int], output: bytes, destination: tuple[str, int]) -> str:
        """What the oracle can't read may go on in the emergency lane, as it came but for the headers of a proxy."""
        if (source, destination) != (SOURCES[0], PSAP):
            return f"unreadable, and forwarded from {source} to {destination}"
        came, went = data.lstrip(b"\r\n"), output
        if not came.partition(b"\r\n\r\n")[2].startswith(went.partition(b"\r\n\r\n")[2]):
            return "another body"
        if came.split(b" ", 1)[0] != went.split(b" ", 1)[0]:
            return "another method"
        self.remember(data, source, output)
        return ""

    def remember(self, data: bytes, source: tuple[str, int], output: bytes) -> None:
        """May be sent again, and answered."""
        self.forwarded = [*self.forwarded[-50:], output]
        self.sent = [*self.sent[-50:], (data, source)]


def identities(came: dict[str, Any], went: dict[str, Any], lane: bool) -> str:
    """Only what its sender may not assert is missing, and only what he preferred is asserted instead.

    In the emergency lane what says who calls goes on as it came.
    """
    own = (ASSERTED, PREFERRED)
    others = [[one for one in read["identities"] if one[0] not in own] for read in (came, went)]
    said = [uri for name, uri in came["identities"] if name in own]
    left = [(name, uri) for name, uri in went["identities"] if name in own]
    if others[0] != others[1] or any(
        name != ASSERTED and came["kind"] == "request" and not lane or uri not in said for name, uri in left
    ):
        return f"identities went as {went['identities']!r}, came as {came['identities']!r}"
    return ""


def response(forwarded: bytes, maker: Maker) -> bytes:
    """What an upstream answers to a forwarded request."""
    head = forwarded.partition(b"\r\n\r\n")[0]
    _, *rows = head.replace(b"\r\n ", b"\t ").replace(b"\r\n\t", b"\t ").split(b"\r\n")
    keep = (b"via", b"v", b"from", b"f", b"to", b"t", b"call-id", b"i", b"cseq", b"record-route")
    rows = [row for row in rows if row.partition(b":")[0].strip().lower() in keep]
    status = maker.pick((b"100 Trying", b"180 Ringing", b"200 OK", b"302 Moved", b"404 Not Found", b"487 Cancelled"))
    return b"\r\n".join([b"SIP/2.0 " + status, *rows, b"Content-Length: 0", b"", b""])


def run(seconds: float, seed: int, most: int = 10, count: int = 10**12) -> list[tuple[str, bytes, tuple[str, int]]]:
    """The findings of that long, or of ``count`` datagrams."""
    gate = Gate(seed)
    found: dict[str, tuple[str, bytes, tuple[str, int]]] = {}
    end = time.monotonic() + seconds
    done = 0
    while time.monotonic() < end and len(found) < most and done < count:
        done += 1
        data, source = gate.next()
        wrong = gate.step(data, source)
        if wrong:
            found.setdefault(wrong.partition("b'")[0], (wrong, data, source))
    totals = gate.engine.counters()
    print(
        f"{done} datagrams: {totals['forwarded']} forwarded, {totals['answered']} answered, {totals['dropped']} dropped"
    )
    return list(found.values())


def main() -> int:
    ask = argparse.ArgumentParser(prog="python -m tests.fuzz.fuzz_process", description="The screen against its laws.")
    ask.add_argument("--seconds", type=float, default=60)
    ask.add_argument("--seed", type=int, default=1)
    chosen = ask.parse_args()
    findings = run(chosen.seconds, chosen.seed)
    for finding in findings:
        print(*finding, sep="\n", flush=True)
    return len(findings)


if __name__ == "__main__":
    sys.exit(main())
