"""A policy put in force: compiled beside the running one, tried on messages of its own, then published whole.

    compile -> trial on a scratch engine -> publish

The trial asks what every sound policy answers alike: whose message it is, that
a customer's call gets an answer or goes to its own upstream, that an emergency
call gets its treatment, that bytes which can't be read and strangers get
nowhere. It is no test of the operator's rules, which may refuse what they like.

A failed trial raises, and the running policy screens on. Nothing here reads a
file or a clock, and the running engine isn't touched before the last step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from edge_agent import _hot
from edge_agent.policy.compile import PeerRow, SourceRow, Tables, compile_policy
from edge_agent.policy.load import Loaded

NOW = 10**15  # of the trial; any time does, since its tables are empty
STRANGER = ("240.0.0.1", 5060)  # of the reserved class E: no host has it
CALLED = "+12125550100"

INVITE = (
    "INVITE sip:{called}@{host} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP seed.invalid;rport;branch=z9hG4bKseed{number}\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:{caller}@seed.invalid>;tag=seed\r\n"
    "To: <sip:{called}@{host}>\r\n"
    "Call-ID: seed{number}\r\n"
    "CSeq: 1 INVITE\r\n"
    "Contact: <sip:seed.invalid>\r\n"
    "Content-Length: 0\r\n\r\n"
)
BROKEN = (
    "INVITE sip:{called}@{host} SIP/2.0\r\nVia: SIP/2.0/UDP seed.invalid;branch=z9hG4bKbroken{number}\r\nFrom: \r\n\r\n"
)


class TrialFailed(Exception):
    """The new policy did what none may; the text says with which message. A fault of ours, not of the operator."""


class Seed(NamedTuple):
    """One message of the trial."""

    what: str
    data: bytes
    source: tuple[str, int]
    listener: int


class Outcome(NamedTuple):
    """What became of it. ``status`` is that of an answer, ``destination`` that of whatever was sent."""

    action: str
    status: int
    destination: tuple[str, int] | None


def swap(engine: _hot.Engine, loaded: Loaded, generation: int, grace_until: int = 0) -> None:
    """Puts the configuration in force in ``engine``, or raises and leaves it as it was."""
    policy = compile_policy(loaded, generation, grace_until)
    try_out(policy)
    engine.publish(policy)


def try_out(policy: _hot.Policy) -> None:
    """Raises TrialFailed with the first message that a sound policy would have treated in another way."""
    engine = _hot.Engine(rates_mib=1, transactions_mib=1, leases_mib=1, secret=bytes(32))
    engine.publish(policy)
    trial = Trial(engine, policy.tables)
    for number, source in senders(policy.tables):
        trial.run(number, source)
    trial.run_stranger()
    trial.check_counters()


def senders(tables: Tables) -> Iterator[tuple[int, tuple[str, int]]]:
    """The number of each peer with an address that is certainly its own; peers that have none such are left out."""
    longest: dict[str, int] = {}
    for row in tables.sources:
        longest[row.host] = max(longest.get(row.host, 0), row.bits)
    # Only a longer network with this very first address could take it from its row.
    rows = [row for row in tables.sources if row.bits == longest[row.host]]
    shared = {row.host for row in rows if row.ports}
    seen: set[int] = set()
    for row in rows:
        if row.peer not in seen and (row.ports or row.host not in shared):
            seen.add(row.peer)
            yield row.peer, (row.host, row.ports[0] if row.ports else 5060)


class Trial:
    """A scratch engine, and what it must say."""

    def __init__(self, engine: _hot.Engine, tables: Tables) -> None:
        self._engine = engine
        self._tables = tables
        self._batch, self._out = _hot.Batch(1), _hot.OutBatch()
        self._sent: Counter[str] = Counter()
        self._numbers: dict[int, int] = {}
        for low, _, owner in tables.owners:
            self._numbers.setdefault(owner, low)

    def run(self, number: int, source: tuple[str, int]) -> None:
        peer = self._tables.peers[number]
        caller = "+" + _hot.number_text(self._numbers[number]) if number in self._numbers else CALLED
        self._call(peer, source, caller)
        self._broken(peer, source)
        if not peer.upstream_kind:
            self._emergency(peer, source)

    def run_stranger(self) -> None:
        if not any(ip_address(STRANGER[0]) in _network(row) for row in self._tables.sources):
            seed = self._seed("a stranger's call", INVITE, STRANGER)
            outcome = self._process(seed, "")
            self._expect(outcome.action != "forward", seed, outcome)

    def check_counters(self) -> None:
        """Every message was taken for whose it is, and counted once."""
        counted: Counter[str] = Counter()
        for (_, _, _, peer), count in self._engine.counters()["by_verdict"].items():
            counted[peer] += count
        if counted != self._sent:
            raise TrialFailed(f"messages taken for another's: sent {dict(self._sent)}, counted {dict(counted)}")

    def _call(self, peer: PeerRow, source: tuple[str, int], caller: str) -> None:
        seed = self._seed(f"a call of {peer.name}", INVITE, source, caller=caller)
        outcome = self._process(seed, peer.name)
        self._expect(outcome.action != "drop", seed, outcome)
        if outcome.action == "forward" and peer.upstream is not None:
            self._expect(outcome.destination in self._tables.peers[peer.upstream].targets, seed, outcome)

    def _broken(self, peer: PeerRow, source: tuple[str, int]) -> None:
        seed = self._seed(f"broken bytes of {peer.name}", BROKEN, source)
        outcome = self._process(seed, peer.name)
        self._expect(outcome.action != "forward", seed, outcome)

    def _emergency(self, trunk: PeerRow, source: tuple[str, int]) -> None:
        code = min(self._tables.emergencies[trunk.emergency_table].exact)
        seed = self._seed(f"an emergency call of {trunk.name}", INVITE, source, called=code)
        outcome = self._process(seed, trunk.name)
        if trunk.emergency_upstream is None:
            self._expect((outcome.action, outcome.status) == ("answer", 403), seed, outcome)
        else:
            targets = self._tables.peers[trunk.emergency_upstream].targets
            self._expect(outcome.action == "forward" and outcome.destination in targets, seed, outcome)

    def _seed(
        self, what: str, template: str, source: tuple[str, int], called: str = CALLED, caller: str = CALLED
    ) -> Seed:
        listeners = self._tables.listeners
        v6 = ":" in source[0]
        at = next((index for index, listener in enumerate(listeners) if (":" in listener.host) == v6), 0)
        number = self._sent.total()
        text = template.format(called=called, caller=caller, host=listeners[at].sent_by, number=number)
        return Seed(what, text.encode(), source, at)

    def _process(self, seed: Seed, peer: str) -> Outcome:
        self._sent[peer] += 1
        self._batch.clear()
        self._batch.add(seed.data, seed.source, seed.listener)
        self._engine.process(self._batch, NOW, self._out)
        if not len(self._out):
            return Outcome("drop", 0, None)
        data, destination, _ = self._out[0]
        if data.startswith(b"SIP/2.0 "):
            return Outcome("answer", int(data[8:11]), destination)
        return Outcome("forward", 0, destination)

    def _expect(self, good: bool, seed: Seed, outcome: Outcome) -> None:
        if not good:
            raise TrialFailed(f"{seed.what} from {seed.source[0]} port {seed.source[1]}: {outcome}")


def _network(row: SourceRow) -> IPv4Network | IPv6Network:
    return ip_network(f"{row.host}/{row.bits if ':' in row.host else row.bits - 96}")
