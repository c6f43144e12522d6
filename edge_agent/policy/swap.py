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

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from edge_agent import _hot
from edge_agent.hours import tell_hours
from edge_agent.policy.compile import compile_policy
from edge_agent.policy.load import Loaded
from edge_agent.policy.tables import PeerRow, SourceRow, Tables

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


def swap(
    engine: _hot.Engine,
    loaded: Loaded,
    generation: int,
    grace_until: int = 0,
    wall_ahead: int = 0,
    wall: float = 0.0,
) -> _hot.Policy:
    """Puts the configuration in force in ``engine``, or raises and leaves it as it was. ``wall`` is the time, in seconds."""
    policy = compile_policy(loaded, generation, grace_until, wall_ahead)
    tell_hours(policy, wall)
    try_out(policy)
    engine.publish(policy)
    return policy


def grace_end(made: float, grace: float, wall: float, monotonic_ns: int) -> int:
    """Until when, by the engine's clock, unproven in-dialog requests may pass; 0: no longer.

    ``made`` is when the key was made, ``wall`` what time it is now; a key from the future was made now.
    """
    left = min(made, wall) + grace - wall
    return monotonic_ns + int(left * 1e9) if left > 0 else 0


def try_out(policy: _hot.Policy) -> None:
    """Raises TrialFailed with the first message that a sound policy would have treated in another way."""
    engine = _hot.Engine(rates_mib=1, transactions_mib=1, leases_mib=1, callers_mib=1, secret=bytes(32))
    engine.publish(policy)
    trial = Trial(engine, policy.tables)
    for number, source in senders(policy.tables):
        trial.run(number, source)
    trial.run_stranger()


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
        self._number = 0
        self._numbers: dict[int, int] = {}
        for low, _, owner in tables.owners:
            self._numbers.setdefault(owner, low)

    def run(self, number: int, source: tuple[str, int]) -> None:
        peer = self._tables.peers[number]
        caller = "+" + _hot.number_text(self._numbers[number]) if number in self._numbers else CALLED
        self._call(peer, source, caller)
        self._broken(peer, source)
        if not peer.upstream_kind:
            self._emergency(peer, source, caller)

    def run_stranger(self) -> None:
        if not any(ip_address(STRANGER[0]) in _network(row) for row in self._tables.sources):
            seed = self._seed("a stranger's call", INVITE, STRANGER)
            outcome = self._process(seed)
            self._expect(outcome.action != "forward", seed, outcome)

    def _call(self, peer: PeerRow, source: tuple[str, int], caller: str) -> None:
        seed = self._seed(f"a call of {peer.name}", INVITE, source, caller=caller)
        outcome = self._process(seed)
        self._expect(outcome.action != "drop", seed, outcome)
        if outcome.action == "forward" and peer.upstream is not None:
            self._expect(_leads_to(outcome, self._tables.peers[peer.upstream]), seed, outcome)

    def _broken(self, peer: PeerRow, source: tuple[str, int]) -> None:
        seed = self._seed(f"broken bytes of {peer.name}", BROKEN, source)
        outcome = self._process(seed)
        self._expect(outcome.action != "forward", seed, outcome)
        # What is refused leaves an event, and that says whose it was.
        taken_for = [event.peer for event in self._engine.events()][-1:]
        if taken_for != [peer.name]:
            raise TrialFailed(f"{seed.what} from {seed.source[0]} port {seed.source[1]}: taken for {taken_for}'s")

    def _emergency(self, trunk: PeerRow, source: tuple[str, int], caller: str) -> None:
        code = min(self._tables.emergencies[trunk.emergency_table].exact)
        seed = self._seed(f"an emergency call of {trunk.name}", INVITE, source, called=code, caller=caller)
        outcome = self._process(seed)
        # A customer that may no longer call there can still have its upstream.
        if trunk.emergency_route and trunk.emergency_upstream is not None:
            self._expect(_leads_to(outcome, self._tables.peers[trunk.emergency_upstream]), seed, outcome)
        else:
            status = 302 if trunk.emergency_redirect else 403
            self._expect((outcome.action, outcome.status) == ("answer", status), seed, outcome)

    def _seed(
        self, what: str, template: str, source: tuple[str, int], called: str = CALLED, caller: str = CALLED
    ) -> Seed:
        listeners = self._tables.listeners
        v6 = ":" in source[0]
        at = next((index for index, listener in enumerate(listeners) if (":" in listener.host) == v6), 0)
        self._number += 1
        text = template.format(called=called, caller=caller, host=listeners[at].sent_by, number=self._number)
        return Seed(what, text.encode(), source, at)

    def _process(self, seed: Seed) -> Outcome:
        self._batch.clear()
        self._batch.add(seed.data, seed.source, seed.listener)
        # A second apart, so that no limit and no cap on events is met.
        now = NOW + self._number * 10**9
        self._engine.process(self._batch, now, self._out)
        for waiting in self._engine.deferred():
            # Of those that are to be signed; none here has an Identity header to verify.
            self._engine.resolve(waiting.ticket)
            self._engine.resume(now, self._out)
        if not len(self._out):
            return Outcome("drop", 0, None)
        data, destination, _ = self._out[0]
        if data.startswith(b"SIP/2.0 "):
            return Outcome("answer", int(data[8:11]), destination)
        return Outcome("forward", 0, destination)

    def _expect(self, good: bool, seed: Seed, outcome: Outcome) -> None:
        if not good:
            raise TrialFailed(f"{seed.what} from {seed.source[0]} port {seed.source[1]}: {outcome}")


def _leads_to(outcome: Outcome, upstream: PeerRow) -> bool:
    if outcome.action != "forward" or outcome.destination is None:
        return False
    return _plain(outcome.destination) in map(_plain, upstream.targets)


def _plain(address: tuple[str, int]) -> tuple[IPv4Address | IPv6Address, int]:
    """An address has many spellings, and an IPv4 one may stand in an IPv6 one."""
    host = ip_address(address[0])
    return (host.ipv4_mapped if isinstance(host, IPv6Address) and host.ipv4_mapped else host), address[1]


def _network(row: SourceRow) -> IPv4Network | IPv6Network:
    return ip_network(f"{row.host}/{row.bits if ':' in row.host else row.bits - 96}")
