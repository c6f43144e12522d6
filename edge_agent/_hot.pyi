"""Typed face of the compiled engine, with the contracts that its types can't say. It holds no code.

``Engine.process`` is the seam: packets and a time in, packets out. It reads no
clock and no socket and makes no Python object per packet. ``Engine.pump`` puts
the kernel's sockets around it.

Times are monotonic nanoseconds. An address is ``(host, port)`` with the host as
a literal, IPv6 without brackets. A listener is its place in the configuration.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self, TypeAlias

from typing_extensions import disjoint_base

from edge_agent.numbering.plans import Plan
from edge_agent.policy.tables import Tables

_Address: TypeAlias = tuple[str, int]

ACTIONS: tuple[str, ...]
"""Names of a verdict's actions, by the engine's number."""
METHODS: tuple[str, ...]
"""Names of the methods it knows, by number; "" is any other."""
ASSERTS: tuple[str, ...]
"""Markings that a peer may assert, by the engine's bit."""
DEAR_CLASSES: tuple[str, ...]
"""Classes of dear prefixes, by the engine's number less 1."""
TOKEN_LEVELS: tuple[str, ...]
"""Attestation levels that a usual token may have."""
OP_NAMES: tuple[str, ...]
"""What a row of the screen may call, by number."""
AES_FAST: bool
"""The engine uses the AES of an x86-64 processor; without, the keyed hashes of a message take many times as long."""

def parse(data: bytes, pad: int = 0) -> dict[str, Any]:
    """Reads one datagram, for tests, probes and explain; never on the path of a call.

    ``kind`` is request, response, keepalive or error; an error has ``reason`` (a
    name of ``reasons.py``), and it and a keepalive have nothing else. Else:
    method, status, uri (of a request), from, from_tag, to, to_tag, call_id, cseq, cseq_method,
    max_forwards (-1: absent), via_count, vias (the first two), content_length (-1:
    absent), content_type, length (without what stands behind the message),
    identities, routes (the first four), user_agent, refer_to, privacy, headers.
    ``pad`` is written behind the datagram and must never matter.
    """

def canonical(number: str, plan: Plan) -> str:
    """E.164 digits of a number as written (``+...`` or digits) under a country's plan; "" when it can't be told."""

def uri_number(uri: bytes, plan: Plan) -> str:
    """The same of the number in a URI, with what its parameters say of it; "" also for what is no URI."""

def called(user: str, plan: Plan) -> list[str]:
    """Digits that a user part without a canonical number may lead to, first as the plan has it; "" for no number."""

def number_text(number: int) -> str:
    """The digits of a packed number, as ``NumberSet.ranges`` and ``singles`` give them."""

def derive(secret: bytes, purpose: str) -> bytes:
    """16 bytes for one purpose out of the secret of ``[keys]``. The same secret and purpose: the same bytes."""

def peer_id(name: str) -> int:
    """The 32-bit id that branches and cookies carry for a trunk or upstream; the same on every node, never 0."""

STORY_SHARE: float
"""What a call's story takes beside its lease."""

class Location(NamedTuple):
    """Of an emergency call."""

    uri: str
    """Of the Geolocation that it says or is given; "" without one."""
    supplied: bool
    """It is the trunk's default one."""

class Event(NamedTuple):
    """A refused or monitored message, as the ring holds it. Texts are cut to a fixed length, raw otherwise."""

    time_ns: int
    action: str
    """forward, answer or drop."""
    rule: str
    reason: str
    status: int
    """Of the answer; 0 without one."""
    monitored: bool
    method: str
    peer: str
    """Trunk or upstream; "" for nobody's."""
    source: _Address
    call_id: str
    from_user: str
    to_user: str
    """Of the Request-URI."""
    user_agent: str
    value: int
    """What the rule saw."""
    limit: int
    """What it would have allowed."""
    finding: str = ""
    """Reason of the first finding that only was recorded; "" without one."""
    lane: str = ""
    """What a peer's request asked of the emergency lane: "call", "test" or nothing."""
    location: Location = ...
    id: str = ""
    """What a 603+ answer named the call by."""
    caller_owned: bool = False
    """Of an emergency call: From, or the asserted caller where From names no number, is a number of the trunk."""
    asserted: str = ""
    """Of an emergency call: the asserted caller where that is another one than From's, as "+" and digits."""

class Deferred(NamedTuple):
    """An INVITE that passed every rule and waits to be verified, or to get an Identity header."""

    ticket: int
    """Names it in ``resolve``."""
    time_ns: int
    peer: str
    """Trunk or upstream that sent it."""
    subject: str
    """The trunk whose settings hold: who sent it, or who is called."""
    upstream: str
    """Where a trunk's call will go; "" for a call to a trunk."""
    verify: bool
    sign: bool
    owned: bool
    """With ``sign``: the caller is a number of the trunk's own."""
    caller: str
    """Canonical digits of the asserted number (tel before sip), else of From; "" when there is none. ``to`` and ``called`` alike."""
    to: str
    called: str
    """Of the Request-URI."""
    date: str
    """The Date header; "" without one."""
    identities: list[str]
    """Values of its Identity headers, unfolded, in order."""
    call_id: str

class Budget(NamedTuple):
    """What is used of one budget of dear calls."""

    trunk: str
    scope: str
    """trunk, off-hours, caller, or a class of ``rules.toll_fraud.CLASSES``."""
    number: str
    """The caller's digits."""
    used: tuple[float, float, float]
    """Calls, minutes, money; calls that are up among them."""
    limit: tuple[float, float, float]
    """A day; 0: none."""
    up: int
    """Calls that are answered."""

class Step(NamedTuple):
    """What one rule makes of a message. The last step of an explanation has the rule ``verdict``."""

    rule: str
    mode: str
    applies: bool
    reason: str
    answer: str
    value: int
    limit: int
    note: str

class Strike(NamedTuple):
    """A source that got too many strikes: the engine asks for a ban."""

    time_ns: int
    network: str
    """``198.51.100.7/32``, ``2001:db8:1:2::/64``; an IPv6 /128 where a peer has an address in that /64."""
    rule: str
    """Of the last strike."""
    reason: str
    trunk: str
    """The open trunk whose caller it is; "" for a stranger."""
    proven: bool
    """Its address was proven. Callers of open trunks are only reported then."""
    count: int  # type: ignore[assignment]
    """Strikes that it took."""

class NumberListError(ValueError):
    """Lines of a number list that can't be read."""

    errors: list[tuple[int, str]]
    """Line number from 1 and what is wrong; the first 20."""

    def __init__(self, errors: list[tuple[int, str]]) -> None: ...

SET_FORMAT: int
"""Number of the layout of compiled lists."""

@disjoint_base
class NumberBuilder:
    """The text of a list of numbers to a table, read twice: feed it all, ``begin``, feed it all again, ``finish``.

    ``dated``: entries may have an end.
    """

    plain: bool
    """Buckets, however long the list."""

    def __new__(cls, dated: bool = False) -> Self: ...
    @property
    def crowded(self) -> bool:
        """A number found no room within reach: ``finish`` raises ValueError, and only ``plain`` will do."""

    def feed(self, text: bytearray, n: int, last: bool) -> int:
        """Reads the whole lines in the first ``n`` bytes of ``text``, which needs 64 more behind them. Returns their bytes.

        ``last``: nothing follows. Raises NumberListError at the twentieth bad line, or at the end.
        """

    def room(self) -> int:
        """Bytes that ``begin`` needs for a table in memory that isn't the process's own."""

    def begin(self, memory: Any = None) -> None:
        """All was read once. ``memory``: a writable buffer of zeros for head and buckets; None: the process's own."""

    def finish(self, source: bytes = ...) -> None:
        """All was read twice. ``source``: the text's digest, 32 bytes. ValueError if it wasn't the same both times."""

    def tail(self) -> Iterator[bytes]:
        """What follows head and buckets in a file, in pieces."""

@disjoint_base
class Prefixes:
    """Prefixes of E.164 numbers, each with a value of 1 to 8191: read-only, shared by policies.

    ``entries``: digits of each prefix ("": of every number). ValueError when one is no prefix or no value.
    """

    def __new__(cls, entries: Mapping[str, int]) -> Self: ...
    def __len__(self) -> int:
        """Prefixes held."""

    def find(self, digits: str) -> int:
        """The value of the longest prefix of a number (digits, no ``+``; "": one that can't be read); 0: none."""

def usual_token(value: str) -> tuple[str, str, str, str, int, str, str, bytes, bytes, bytes] | None:
    """An Identity header that is a shaken token in canonical form, read in one pass; None for any other, right or wrong.

    Header segment, info, attest, dest, iat, orig, origid, what is signed, signature in DER, signature (RFC 8225 §9).
    """

@disjoint_base
class NumberSet:
    """A set of E.164 numbers: read-only, shared by policies, of a size that its text decides.

    One entry a line: ``+12125550100``, ``+12125000000..+12125099999`` or
    ``+1646555*``; in a ``dated`` list perhaps with its end behind it, a date (to its
    end) or a date and time, UTC unless it says otherwise; ``#`` comments, blank lines
    and the separators ``- . ( )`` are passed over. Of a number that is listed twice
    the longer lasting entry holds. Raises NumberListError.
    """

    def __new__(cls, text: bytes | None = None, dated: bool = False) -> Self: ...
    @staticmethod
    def mapped(memory: Any, source: bytes) -> NumberSet:
        """The set in a compiled file, which must not change while it is mapped. ``source``: the digest of its text.

        ValueError when it is of another text or format, or has sizes that don't fit.
        """

    def __len__(self) -> int:
        """Numbers covered; one that is listed alone and in a range counts twice."""

    def __contains__(self, digits: str) -> bool:
        """Is the number (digits, no ``+``) in the set, ended or not?"""

    def has(self, digits: str, wall_ns: int) -> bool:
        """Is it in the set at that wall time?"""

    def count(self, numbers: bytes, wall_ns: int = 0, apart: bool = False, ahead: int = 0) -> int:
        """How many of these are in the set: packed numbers of eight bytes each, native order, no "+".

        ``apart``: each look-up waits for the one before, as calls that come one by one do. ``ahead``: of so many
        numbers the first cache line is fetched before the first of them is asked, as the engine does for a group.
        """

    @property
    def single_count(self) -> int:
        """Numbers listed one by one."""

    @property
    def in_file(self) -> bool:
        """Is it mapped from a file?"""

    @property
    def nbytes(self) -> int:
        """Bytes held."""

    def ranges(self) -> list[tuple[int, int]]:
        """Ranges of packed numbers, sorted and disjoint, without their ends."""

    def singles(self) -> list[int]:
        """The numbers listed one by one, packed, in no order, without their ends."""

    def overlaps(self, other: NumberSet) -> str | None:
        """Digits of one number that both hold, or None; ends are not looked at."""

class NetworkListError(ValueError):
    """Lines of a list of networks that can't be read."""

    errors: list[tuple[int, str, str]]
    """Line number from 1, what is wrong, and what to write; the first 20."""

    def __init__(self, errors: list[tuple[int, str, str]]) -> None: ...

@disjoint_base
class NetworkSet:
    """A list of networks, each with an optional end: read-only, shared by policies.

    One a line: ``203.0.113.0/24`` or an address, then perhaps a date (to its end) or
    a date and time, UTC unless it says otherwise; ``#`` comments and blank lines are
    passed over. Of a network that is listed twice the longer lasting entry holds.
    Raises NetworkListError. Networks are given and told as text: "203.0.113.0/24".
    """

    def __new__(cls, text: bytes) -> Self: ...
    def __len__(self) -> int: ...
    @property
    def count(self) -> int:
        """Networks listed."""

    @property
    def nbytes(self) -> int:
        """Bytes held."""

    def within(self, network: str) -> tuple[str, int] | None:
        """The first listed network that is this one or lies inside it, and its line; whether it is in force or not."""

    def touches(self, network: str, wall_ns: int) -> bool:
        """Does a listed network that is in force at that wall time overlap this one?"""

    def shared(self, other: NetworkSet) -> tuple[str, int, int] | None:
        """A network that both list, its line here and there; None: there is none."""

@disjoint_base
class Batch:
    """Up to 64 datagrams on their way in, in an arena made once."""

    def __new__(cls, slots: int = 64) -> Self:
        """ValueError outside 1 to 64."""

    def __len__(self) -> int: ...
    def add(self, data: bytes, source: _Address, listener: int = 0, pad: int = 0, distance: int = 0) -> None:
        """Copies a datagram in; ``distance``: hops it had left (TTL), 0 not known. IndexError when full, ValueError above 65,536 bytes, OSError for no literal address."""

    def clear(self) -> None:
        """Empties the batch; its room is used again."""

    def parse(self) -> None:
        """Reads every packet and keeps nothing: what parsing alone costs."""

@disjoint_base
class OutBatch:
    """Datagrams on their way out, with room for one answer to every packet of a full Batch."""

    def __new__(cls) -> Self: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> tuple[bytes, _Address, int]:
        """Bytes, destination, and the listener that it leaves by, until the batch that was processed is filled anew.

        IndexError past the end, and below 0.
        """

    def clear(self) -> None:
        """Empties the batch; ``process`` does it first."""

@disjoint_base
class Policy:
    """One compiled policy: the tables as flat arrays. Read-only, but for the health of targets and the hours of callees.

    Made by ``policy.compile``, which has checked everything: nothing is checked twice here.
    """

    def __new__(cls, tables: Tables | None = None) -> Self: ...
    @property
    def tables(self) -> Tables: ...
    def set_closed(self, hours: int, closed: bytes) -> None:
        """Where it is outside these calling hours now, from this call on: bit n of byte n // 8 for each zone class.

        Classes past the end are closed, and so are all before the first call. ``hours`` is a place in
        ``tables.hours``; IndexError. Any thread may call it, one at a time.
        """

    def set_off_hours(self, peer: int, off: bool) -> None:
        """Is it outside of the business hours of the peer at that place now? IndexError."""

@disjoint_base
class Engine:
    """Screens batches of SIP messages against the published policy.

    Every table is made and faulted in here, and never grows. ``secret`` (32
    bytes) keys branches, tags and cookies; with ``old_secret`` the cookies of the
    one before stay valid until ``forget_old_secret``. ValueError for a bad size or count, MemoryError when the
    tables can't be had.

    ``process`` and ``pump`` may run in several threads at once, each with its own
    worker number, Batch and OutBatch; every other method belongs to one thread at
    a time, which may be another.
    """

    def __new__(
        cls,
        *,
        workers: int = 1,
        rates_mib: int = 16,
        transactions_mib: int = 64,
        leases_mib: int = 16,
        callers_mib: int = 8,
        deferred_mib: int = 8,
        behaviour_mib: int = 8,
        secret: bytes,
        old_secret: bytes | None = None,
    ) -> Self: ...
    def publish(self, policy: Policy) -> None:
        """Makes ``policy`` the one that screens, whole and at once; returns when no worker uses the old one.

        Rates, counters and target health of peers that stay are kept. Each policy
        needs a generation of its own, above 0. ValueError with more than 1,024 peers,
        or with fewer listeners than a pump was given.
        """

    def forget_old_secret(self) -> None:
        """The cookies of ``old_secret`` prove nothing from now on."""

    def set_target(self, upstream: str, target: int, up: bool) -> None:
        """The health of an upstream's target, by its place in ``targets``. Unknown ones are passed over.

        RuntimeError before the first publish.
        """

    def process(self, batch: Batch, now: int, out: OutBatch | None, worker: int = 0) -> None:
        """Screens every packet of ``batch`` at the time ``now``; what is to be sent goes into ``out``, emptied first.

        Without ``out`` it decides and counts, and writes nothing. ``now`` never goes back. The GIL is released. RuntimeError before the first publish,
        IndexError for a worker, or a packet's listener, that there isn't.
        """

    def pump(self, worker: int, sockets: list[tuple[int, int]], strangers: Sequence[tuple[int, int]] = ()) -> None:
        """Receives, screens and sends until ``stop``; one thread per worker, the GIL released.

        ``sockets``: (file descriptor, listener) for each listener of the policy, not
        blocking; ``strangers``: more of them, that are only read: in each round one
        batch, after the others. OSError when the kernel refuses to watch them,
        RuntimeError before the first publish, IndexError for a worker or listener that
        there isn't.
        """

    @property
    def deferred_fd(self) -> int:
        """An eventfd that is readable when INVITEs wait that nobody took; read 8 bytes to make it rest."""

    @property
    def deferred_share(self) -> int:
        """How many INVITEs of one peer may wait: a quarter of the slots."""

    def deferred(self, limit: int = 64) -> list[Deferred]:
        """Takes up to ``limit`` INVITEs that wait, each once, oldest first per worker. RuntimeError before the first publish.

        Who has taken one owes an answer; after 4 s it goes on as one whose certificate can't be had.
        """

    def resolve(
        self,
        ticket: int,
        reason: int = 0,
        verstat: int = 0,
        attest: str = "",
        monitored: Sequence[int] = (),
        text: bytes = b"",
        priority: Sequence[str] = (),
        callback: bool = False,
    ) -> bool:
        """Answers for an INVITE that was taken; its worker goes on with it at once. False: it waits no more.

        ``reason``: id in ``REASONS`` that refuses it, 0: it goes on. ``verstat``: what the called side
        is told, 0 nothing, 1 passed, 2 failed, 3 no validation. ``monitored``: ids of what was
        found and only is recorded; the first of the rule stir-signature is told on its replies as
        Reason: STIR. ``attest``: "A", "B", "C" or "". ``text``: value of an Identity header to put in;
        a Date goes with it where there is none. ``priority``: Resource-Priority values that a PASSporT
        vouches for, and ``callback``: it says that a PSAP calls back; such markings stay. ValueError for what is none of these.
        """

    def resume(self, now: int, out: OutBatch, worker: int = 0) -> int:
        """Lets those of this worker go on that are answered, cancelled or waited too long; ``out`` is emptied first.

        How many those were, at most 64 at a time. A pump does it itself. RuntimeError and IndexError as in ``process``.
        """

    def set_load(self, fill: float, now: int, worker: int = 0) -> None:
        """One look at a worker's receive queue, ``fill`` (0 to 1) of it full at the time ``now``; a pump looks for itself.

        What counts is the least fill of 100 ms: two looks, so far apart, make a standing one. IndexError for no worker.
        """

    def stop(self) -> None:
        """Ends every pump within a batch. Safe from any thread and from a signal handler."""

    def counters(self) -> dict[str, Any]:
        """Totals over all workers since the start. received = forwarded + answered + dropped + waiting, between batches.

        Also responses, events_dropped, alerts_dropped, strikes_dropped, send_errors and batches; ``by_verdict``:
        {(action, rule, reason, peer): n}; ``monitored``: {(rule, peer): n};
        ``methods``: {method: n}; ``overload``: the level (0 to 2) of
        each worker; ``heartbeats``: one number per worker, which moves at
        least once a second while its pump turns; ``unsent``: None, or errno, destination
        and listener of one of the last datagrams that the kernel refused.
        """

    def findings(self) -> dict[tuple[str, str, str], tuple[int, int]]:
        """Calls that went on, and of those the answered ones, since the start, by (peer, direction, rule).

        ``direction``: "from" the trunk or "to" it; ``rule``: one that would have refused those
        calls, but for its monitor mode, "" for all calls. Emergency calls aren't among them.
        """

    def events(self, limit: int = 1000) -> list[Event]:
        """Takes up to ``limit`` events out of the rings: emergency calls of peers first, oldest first per worker."""

    def ban(self, network: str, until_ns: int, forced: bool = False) -> bool:
        """Drops what comes from ``network`` until that monotonic time. False: no room, counted.

        What is a peer's is dropped only if ``forced``, and never an emergency call that
        its trunk may make. A ban of the same network gets the new end. ValueError unless it is an IPv4
        /32 or /24, or an IPv6 /128, /64, /56 or /48, without host bits.
        """

    def lift(self, network: str) -> bool:
        """Ends a ban. False: there was none in force. ValueError as in ``ban``."""

    def bans(self) -> list[tuple[str, int]]:
        """network and until_ns of each ban in force."""

    def strikes(self, limit: int = 1000) -> list[Strike]:
        """Takes up to ``limit`` reports out of the rings, oldest first per worker; call it often.

        No report names a network with an address of a peer, a target or a listener in it.
        """

    def tables(self) -> dict[str, dict[str, int]]:
        """entries, evictions and bytes of each state table. Walks them: not for often."""

    def behaviour(self, trunk: str, caller: str = "", *, now: int) -> dict[str, Any] | None:
        """Decayed counts of a trunk or of one caller (digits), its ``score`` and ``patterns``; None: it isn't kept."""

    def calls(self, now: int) -> dict[str, dict[str, int]]:
        """Of each trunk: ``out``, ``in`` and ``emergency``, its calls at the time ``now``, and ``limit``, what ``out`` may be.

        A call counts from its INVITE on. Collects what has expired, so it walks the leases: not for every second.
        """

    def request(self, number: str, trunk: str = "") -> bool:
        """From now on that number (digits) isn't called by ``trunk``; "": by nobody. False: no room. ValueError."""

    def unrequest(self, number: str, trunk: str = "") -> bool:
        """Takes such a request away. False: there was none. ValueError."""

    @property
    def toll_changes(self) -> int:
        """A number that moves with every dear call that begins or ends."""

    def budgets(self, now: int) -> list[Budget]:
        """Every budget of dear calls that somebody used, at the time ``now``."""

    def restore_budget(self, budget: Budget, now: int) -> bool:
        """Adds what was used before a restart. False: the trunk is gone, or no room."""

    def explain(self, data: bytes, source: _Address, listener: int, now: int) -> list[Step]:
        """Every rule in order, and the verdict last. Changes no state and counts nothing.

        RuntimeError before the first publish, IndexError for a listener that there isn't.
        """

def queue_fill(fd: int) -> float:
    """How full a UDP socket's receive buffer is, 0 to 1, as a pump sees it. 0 for what is no socket."""
