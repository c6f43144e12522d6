"""The agent as the tests see it: an engine with a policy, a clock of their own, and the parties around it.

    acme   198.51.100.10                --v4--> agent 192.0.2.1     --v4--> cloud  192.0.2.60
    beta   198.51.100.11 (emergency)    --v4--> agent 192.0.2.1     --v4--> cloud, psap 192.0.2.61
    west   198.51.100.20                --v4--> agent 2001:db8::1   --v6--> cloud6 2001:db8::60
    six    2001:db8:a::10               --v6--> agent 2001:db8::1   --v4--> cloud

Nothing here opens a socket or waits.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import NamedTuple

from edge_agent import _hot
from edge_agent.policy.compile import compile_tables
from edge_agent.policy.load import load
from edge_agent.policy.tables import Tables
from tests.proxy.message import SDP, Message, Source, answered, param, passed, response, tag, uri_in

POLICY = """
[agent]
aliases = ["sbc.example.net"]
[[listen]]
address = "192.0.2.1:5060"
[[listen]]
address = "[2001:db8::1]:5060"
[[upstream]]
name = "cloud"
targets = ["192.0.2.60:5060"]
domains = ["cloud.example.net"]
sources = ["192.0.2.60/32", "192.0.2.62/32"]
[[upstream]]
name = "psap"
targets = ["192.0.2.61:5060"]
[[upstream]]
name = "cloud6"
targets = ["[2001:db8::60]:5060"]
[[trunk]]
name = "acme"
sources = ["198.51.100.10/32"]
upstream = "cloud"
contact = ["198.51.100.10:5070"]
caller_ids = ["+12125552000..+12125552099"]
calls_per_second = 10
burst = 20
[[trunk]]
name = "beta"
sources = ["198.51.100.11/32"]
upstream = "cloud"
contact = ["198.51.100.11:5060"]
caller_ids = ["+12125553000..+12125553099"]
emergency = "route"
emergency_upstream = "psap"
[[trunk]]
name = "west"
sources = ["198.51.100.20/32"]
upstream = "cloud6"
contact = ["198.51.100.20:5060"]
caller_ids = ["+12125554000..+12125554099"]
[[trunk]]
name = "six"
sources = ["2001:db8:a::10/128"]
upstream = "cloud"
contact = ["[2001:db8:a::10]:5060"]
caller_ids = ["+12125556000..+12125556099"]
"""
ACME, BETA, WEST = ("198.51.100.10", 5060), ("198.51.100.11", 5060), ("198.51.100.20", 5060)
SIX = ("2001:db8:a::10", 5060)
CLOUD, PSAP, CLOUD6 = ("192.0.2.60", 5060), ("192.0.2.61", 5060), ("2001:db8::60", 5060)
CONTACT = ("198.51.100.10", 5070)  # where acme's calls from the cloud go
STRANGER = ("203.0.113.66", 5060)
AT, AT6 = "192.0.2.1:5060", "[2001:db8::1]:5060"

SECRET = bytes(range(32))
SECOND = 1_000_000_000
EPOCH = 1 << 36  # ns: how long a To tag's epoch lasts
NOW = 1_000 * EPOCH  # the first moment of an epoch
LIFE = 33 * SECOND  # of an entry of the transaction cache

_numbers = count(1)
_batch, _out = _hot.Batch(1), _hot.OutBatch()


@cache
def tables(text: str = POLICY, grace_until: int = 0) -> Tables:
    """The compiled policy of a configuration."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "policy.toml")
        path.write_text(text)
        return compile_tables(load(path), 1, grace_until)


class Result(NamedTuple):
    """What the agent did with one datagram. ``data`` is "" bytes when nothing was sent."""

    action: str
    reason: str
    peer: str
    data: bytes
    to: Source | None
    listener: int

    @property
    def message(self) -> Message:
        return Message.read(self.data)

    @property
    def branch(self) -> str:
        return param(self.message.all("Via")[0], "branch")

    @property
    def record(self) -> list[str]:
        """The Record-Route values, ours and others'."""
        return self.message.all("Record-Route")

    @property
    def told(self) -> str:
        """Action and reason in one word for tables."""
        status = f" {self.message.status}" if self.action == "answer" else ""
        return f"{self.action}{status} {self.reason}"


class World:
    """One engine and its clock. Every datagram is checked against the balance of the counters."""

    def __init__(self, text: str = POLICY, *, now: int = NOW, grace_until: int = 0, **engine: object) -> None:
        options: dict[str, object] = {
            "rates_mib": 1,
            "transactions_mib": 1,
            "leases_mib": 1,
            "callers_mib": 1,
            "deferred_mib": 1,
            "secret": SECRET,
        }
        self.engine = _hot.Engine(**(options | engine))  # type: ignore[arg-type]
        self.generation = 0
        self.now = now
        self.publish(text, grace_until)

    def publish(self, text: str = POLICY, grace_until: int = 0) -> None:
        """Puts a configuration in force, as a reload does."""
        self.generation += 1
        self.engine.publish(_hot.Policy(replace(tables(text, grace_until), generation=self.generation)))

    def send(self, data: Message | bytes, source: Source, listener: int | None = None) -> Result:
        """One datagram in, at the listener of the source's family if none is named."""
        if listener is None:
            listener = 1 if ":" in source[0] else 0
        before = self.engine.counters()
        _batch.clear()
        _batch.add(bytes(data), source, listener)
        self.engine.process(_batch, self.now, _out)
        after = self.engine.counters()
        assert after["received"] == after["forwarded"] + after["answered"] + after["dropped"]
        assert after["received"] == before["received"] + 1
        [((action, _, reason, peer), _)] = after["by_verdict"].items() - before["by_verdict"].items()
        assert len(_out) == (action != "drop")
        return Result(action, reason, peer, *(_out[0] if len(_out) else (b"", None, -1)))

    def wait(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)

    def count(self, reason: str) -> int:
        """Messages that ended with this reason so far."""
        verdicts = self.engine.counters()["by_verdict"]
        return sum(n for (_, _, name, _), n in verdicts.items() if name == reason)

    def forward(
        self,
        sent: Message,
        source: Source,
        to: Source,
        *,
        at: str = AT,
        record: bool = False,
        uri: str = "",
        routes: Sequence[str] | None = None,
        reason: str = "pass",
        listener: int | None = None,
    ) -> Result:
        """The request is forwarded there, with the documented edits and no other.

        ``at``: the listener that sends it. ``record``: with our Record-Route above all others. ``uri``: the
        Request-URI that it goes on with, where that changes. ``routes``: the Routes that are left, where any go.
        """
        result = self.send(sent, source, listener)
        assert (result.action, result.reason, result.to) == ("forward", reason, to), result
        own = [value for value in result.record if value not in sent.all("Record-Route")]
        assert bool(own) == record
        sent = sent.to(uri) if uri else sent
        sent = sent if routes is None else sent.set("Route", *routes)
        wanted = passed(sent, source, result.branch, own, at)
        assert result.data.decode() == bytes(wanted).decode()
        return result

    def answer(self, sent: Message, source: Source, status: str, *, extra: Sequence[tuple[str, str]] = ()) -> Result:
        """The request is answered so, to its sender by the way it came, and with nothing else in it."""
        result = self.send(sent, source)
        assert (result.action, result.to) == ("answer", source), result
        ours = tag(result.message.one("To"))
        assert result.data.decode() == bytes(answered(sent, source, status, ours, extra)).decode()
        return result

    def drop(self, sent: Message | bytes, source: Source, reason: str) -> None:
        result = self.send(sent, source)
        assert (result.action, result.reason) == ("drop", reason)


@dataclass(frozen=True)
class Call:
    """One call's names. Every method writes a message of it as a sound user agent would; none sends it."""

    number: int
    caller: Source
    agent: str  # what the caller's side calls its next hop: host[:port] of the Request-URI
    from_user: str
    to_user: str
    contact: str  # of the caller
    answerer: str  # Contact of the callee

    @classmethod
    def outbound(cls, source: Source = ACME, user: str = "+12125552000", agent: str = "cloud.example.net") -> Call:
        """A trunk calls the world."""
        contact = f"sip:{user}@{sent_by(source)}"
        return cls(next(_numbers), source, agent, user, "+442071838750", contact, "sip:b@192.0.2.60:5060")

    @classmethod
    def inbound(cls, to_user: str = "+12125552001", answerer: str = "sip:pbx@198.51.100.10:5070") -> Call:
        """The world calls a trunk."""
        return cls(next(_numbers), CLOUD, AT, "+442071838750", to_user, "sip:a@192.0.2.60:5060", answerer)

    @property
    def branch(self) -> str:
        return f"z9hG4bKcall{self.number}"

    @property
    def call_id(self) -> str:
        return f"call{self.number}@198.51.100.10"

    def request(self, method: str, *, cseq: int = 1, branch: str = "", to_tag: str = "", body: str = "") -> Message:
        """A request of the caller; of the same transaction as the INVITE unless ``branch`` says otherwise."""
        to = f"<sip:{self.to_user}@{self.agent}>"
        headers = [
            ("Via", f"SIP/2.0/UDP {sent_by(self.caller)};branch={branch or self.branch};rport"),
            ("Max-Forwards", "70"),
            ("From", f'"Caller" <sip:{self.from_user}@example.com>;tag=caller'),
            ("To", f"{to};tag={to_tag}" if to_tag else to),
            ("Call-ID", self.call_id),
            ("CSeq", f"{cseq} {method}"),
        ]
        if method in ("INVITE", "UPDATE", "REFER", "SUBSCRIBE"):
            headers.append(("Contact", f"<{self.contact}>"))
        if body:
            headers.append(("Content-Type", "application/sdp"))
        headers.append(("Content-Length", str(len(body))))
        return Message(f"{method} sip:{self.to_user}@{self.agent} SIP/2.0", tuple(headers), body)

    def invite(self, cseq: int = 1) -> Message:
        return self.request("INVITE", cseq=cseq, body=SDP)

    def inside(self, method: str, routes: Sequence[str], *, cseq: int = 2, body: str = "") -> Message:
        """A request of the caller in its dialog."""
        sent = self.request(method, cseq=cseq, branch=f"{self.branch}-{method}-{cseq}", to_tag="callee", body=body)
        return _routed(sent.to(self.answerer), routes)

    def inside_back(self, method: str, routes: Sequence[str], source: Source, *, cseq: int = 1) -> Message:
        """A request of the callee in that dialog: From and To have changed places."""
        sent = self.request(method, cseq=cseq, branch=f"{self.branch}-back-{method}-{cseq}")
        here, there = sent.one("From"), sent.one("To")
        sent = sent.set("From", f"{there};tag=callee").set("To", here)
        branch = f"{self.branch}-back-{method}-{cseq}"
        sent = sent.set("Via", f"SIP/2.0/UDP {sent_by(source)};branch={branch};rport")
        return _routed(sent.to(self.contact), routes)


def sent_by(source: Source) -> str:
    host, port = source
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _routed(sent: Message, routes: Sequence[str]) -> Message:
    at = next(i for i, (name, _) in enumerate(sent.headers) if name == "Max-Forwards")
    rows = tuple(("Route", route) for route in routes)
    return replace(sent, headers=sent.headers[:at] + rows + sent.headers[at:])


class Dialog(NamedTuple):
    """An answered call: what either side has learnt."""

    call: Call
    invite: Result
    caller_routes: tuple[str, ...]  # the route set of the caller: Record-Routes of the 200, reversed
    callee_routes: tuple[str, ...]  # of the callee: Record-Routes of the INVITE, in order

    @property
    def cookie(self) -> str:
        return uri_in(self.callee_routes[0]).removeprefix("sip:").partition("@")[0]


def establish(world: World, call: Call, callee: Source) -> Dialog:
    """The call is set up: INVITE forwarded, 200 passed back."""
    invite = world.send(call.invite(), call.caller)
    assert invite.action == "forward", invite
    ok = world.send(response(invite.message, "200 OK", "callee", call.answerer), callee, invite.listener)
    assert (ok.action, ok.to) == ("forward", call.caller), ok
    routes = tuple(ok.message.all("Record-Route"))
    return Dialog(call, invite, routes[::-1], tuple(invite.record))
