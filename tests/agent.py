"""An agent in this process: a policy out of a TOML text, a clock that the test turns, and the parties around it.

    acme    198.51.100.10   a customer that may not call emergency services
    beta    198.51.100.11   a customer that may: its emergency calls go to psap
    cloud   192.0.2.60      the provider
    psap    192.0.2.61      the gateway of the emergency services
    nobody  203.0.113.66    whom nobody configured

It opens no socket and never waits. Every message is checked against the
balance of the counters: received = forwarded + answered + dropped.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import NamedTuple, TypeAlias

from edge_agent import _hot
from edge_agent.policy.compile import compile_tables
from edge_agent.policy.load import load
from edge_agent.policy.tables import Tables
from tests.proxy.message import SDP, Header, Message, Source

ACME, BETA = ("198.51.100.10", 5060), ("198.51.100.11", 5060)
CLOUD, PSAP = ("192.0.2.60", 5060), ("192.0.2.61", 5060)
NOBODY = ("203.0.113.66", 5060)
US = "192.0.2.1:5060"  # the agent itself

OWN, OWN2 = "+12125552000", "+12125552001"  # acme's
BETAS = "+12125553000"
FOREIGN = "+14155552671"  # somebody else's
CALLED = "+442071838750"
SECOND = 1_000_000_000

MakeAgent: TypeAlias = "Callable[..., Agent]"
_serial = count(1)


def policy(
    acme: str = "",
    *,
    beta: str = "",
    agent: str = "",
    rules: str = "",
    cloud: str = "",
    owned: str = f"{OWN}..+12125552099",
) -> str:
    """A configuration with those parties. Each text is put into the table it is named after; ``owned`` is acme's list."""
    return f"""
[agent]
aliases = ["sbc.example.net"]
{agent}
[[listen]]
address = "{US}"
[[upstream]]
name = "cloud"
targets = ["192.0.2.60:5060"]
domains = ["cloud.example.net"]
{cloud}
[[upstream]]
name = "psap"
targets = ["192.0.2.61:5060"]
[[trunk]]
name = "acme"
sources = ["198.51.100.10/32"]
upstream = "cloud"
contact = ["198.51.100.10:5070"]
caller_ids = ["{owned}"]
{acme}
[[trunk]]
name = "beta"
sources = ["198.51.100.11/32"]
upstream = "cloud"
contact = ["198.51.100.11:5070"]
caller_ids = ["+12125553000..+12125553099"]
emergency = "route"
emergency_upstream = "psap"
{beta}
{rules}
"""


class Decision(NamedTuple):
    """What became of one message."""

    action: str
    rule: str
    reason: str
    peer: str
    monitored: tuple[str, ...]
    """Rules in monitor mode that found something."""
    data: bytes
    to: Source | None
    """Where the one datagram that left went; None when none did."""
    events: tuple[_hot.Event, ...]

    @property
    def status(self) -> int:
        return int(self.data[8:11]) if self.action == "answer" else 0

    @property
    def short(self) -> str:
        """Status or action, and reason: "403 caller-owned", "forward pass", "drop unknown-source"."""
        return f"{self.status or self.action} {self.reason}"

    @property
    def event(self) -> _hot.Event:
        [event] = self.events
        return event

    @property
    def message(self) -> Message:
        return Message.read(self.data)


@cache
def tables(text: str) -> Tables:
    """The compiled policy of a configuration."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "policy.toml")
        path.write_text(text)
        return compile_tables(load(path), 1)


class Agent:
    """One engine with small tables."""

    def __init__(self, text: str = "", *, folder: Path | None = None) -> None:
        self.engine = _hot.Engine(
            rates_mib=1, transactions_mib=1, leases_mib=1, callers_mib=1, deferred_mib=1, secret=bytes(range(32))
        )
        self.batch, self.out = _hot.Batch(1), _hot.OutBatch()
        self.now = 1_000_000 * SECOND  # ahead of any machine's own clock, so a ban of the test's isn't tidied away
        self.generation = 0
        self.control: Callable[[], None] | None = None
        """The control plane, where there is one: it answers for the calls that wait."""
        self.publish(compile_tables(load(folder / "policy.toml"), 1) if folder else tables(text or policy()))

    def reload(self, text: str) -> None:
        self.publish(tables(text))

    def publish(self, made: Tables, grace_until: int = 0) -> None:
        self.generation += 1
        self.engine.publish(_hot.Policy(replace(made, generation=self.generation, grace_until=grace_until)))

    def wait(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)

    def ban(self, network: str, seconds: float, forced: bool = False) -> bool:
        """Bans a network for so long from now."""
        return self.engine.ban(network, self.now + round(seconds * SECOND), forced)

    def strikes(self) -> list[str]:
        """The reports that wait, in short: "203.0.113.66/32 unknown-source 20", and whose caller, proven or not."""
        found = self.engine.strikes()
        return [
            " ".join([s.network, s.reason, str(s.count), *([s.trunk] if s.trunk else []), *(["proven"] * s.proven)])
            for s in found
        ]

    def send(self, data: Message | bytes, source: Source = ACME, listener: int = 0) -> Decision:
        before = self.engine.counters()
        self.batch.clear()
        self.batch.add(bytes(data), source, listener)
        self.engine.process(self.batch, self.now, self.out)
        if self.control is not None and self.engine.counters()["waiting"]:
            self.control()
            self.engine.resume(self.now, self.out)
        after = self.engine.counters()
        assert after["received"] == after["forwarded"] + after["answered"] + after["dropped"] == before["received"] + 1
        [((action, rule, reason, peer), _)] = after["by_verdict"].items() - before["by_verdict"].items()
        monitored = sorted(rule for (rule, _), _ in after["monitored"].items() - before["monitored"].items())
        assert len(self.out) == (action != "drop")
        sent, to, _ = self.out[0] if len(self.out) else (b"", None, 0)
        return Decision(action, rule, reason, peer, tuple(monitored), sent, to, tuple(self.engine.events()))

    def burst(self, make: Callable[[], Message | bytes], times: int, source: Source = ACME) -> list[str]:
        """So many messages at once; what became of each, in short."""
        return [self.send(make(), source).short for _ in range(times)]


def request(method: str, uri: str, caller: str, *more: Header, to_tag: str = "", body: str = "") -> Message:
    """A new request. ``caller``: a user part, or the whole From without its tag."""
    number = next(_serial)
    written = caller if re.search("[<:]", caller) else f"<sip:{caller}@pbx.example>"
    headers = [
        ("Via", f"SIP/2.0/UDP 198.51.100.10:5060;branch=z9hG4bKnew{number};rport"),
        ("Max-Forwards", "70"),
        ("From", f"{written};tag=from{number}"),
        ("To", f"<sip:callee@cloud.example.net>{';tag=' if to_tag else ''}{to_tag}"),
        ("Call-ID", f"new{number}@pbx.example"),
        ("CSeq", f"1 {method}"),
        ("Contact", "<sip:pbx@198.51.100.10:5060>"),
        *more,
    ]
    if body:
        headers.append(("Content-Type", "application/sdp"))
    headers.append(("Content-Length", str(len(body))))
    return Message(f"{method} {uri} SIP/2.0", tuple(headers), body)


def invite(caller: str = OWN, *more: Header, uri: str = f"sip:{CALLED}@cloud.example.net") -> Message:
    """A new call of a customer's."""
    return request("INVITE", uri, caller, *more, body=SDP)


def inbound(caller: str = FOREIGN, called: str = OWN, *more: Header) -> Message:
    """A new call of the cloud's, to a customer."""
    return request("INVITE", f"sip:{called}@{US}", caller, *more, body=SDP)


def dial(uri: str, caller: str = OWN, *more: Header) -> Message:
    """A new call to a Request-URI: a whole one, or a user part at the cloud."""
    return invite(caller, *more, uri=uri if ":" in uri.split("@")[0].split(";")[0] else f"sip:{uri}@cloud.example.net")
