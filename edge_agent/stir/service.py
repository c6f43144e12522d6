"""The thread that verifies and signs the calls that the engine deferred. Outside the pumps and outside the event loop.

    engine.deferred -> queues -> verify -> judge -> engine.resolve
                               |  certificate unknown
                               v
                             room -> the loop fetches -> verify again

Verification holds the interpreter's lock for most of its time, so more threads
would do no more. What waits longer than a second of its work, or for a
certificate longer than two, gets ``on_unavailable``; so does what meets a bug.
Every call that was taken is resolved, exactly once.

Never waits for a file, the network or the loop; asks none of them by itself.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Protocol

from edge_agent.reasons import REASONS
from edge_agent.stir.chain import Credential
from edge_agent.stir.fetch import Certificates
from edge_agent.stir.judge import Decision, Judge, Subject, unavailable, unsigned
from edge_agent.stir.queues import Queues
from edge_agent.stir.refused import Refused
from edge_agent.stir.signer import Signer
from edge_agent.stir.verify import PASSED, Call, Result, Usual, outcome, signed, usual, verify
from edge_agent.stir.waiting import SECONDS, Room

if TYPE_CHECKING:
    from edge_agent._hot import Deferred

BATCH = 64
"""Calls served before the thread looks for new ones: about 8 ms."""
GROUP = 16
"""Calls whose signatures are checked one behind the other: a signature and the code around it push each other out of the
processor's caches. The first of them waits for the last, 2 ms."""
QUEUE_SECONDS = 1.0
"""Of its own work that may wait for the thread."""
FIRST_COST = 250e-6  # seconds a call, until some were measured
MOST_QUEUED = 65_536
IDLE_SECONDS = 1.0


class Engine(Protocol):
    """What of the engine is needed here."""

    @property
    def deferred_fd(self) -> int: ...
    @property
    def deferred_share(self) -> int: ...
    def deferred(self, limit: int = 64) -> Sequence[Deferred]: ...
    def resolve(
        self,
        ticket: int,
        reason: int,
        verstat: int,
        attest: str,
        monitored: Sequence[int],
        text: bytes,
        priority: Sequence[str] = (),
        callback: bool = False,
    ) -> bool: ...


@dataclass(frozen=True)
class Rules:
    """What of a configuration holds here; swapped whole."""

    freshness: float = 60.0
    reject_unavailable: bool = False
    subjects: Mapping[str, Subject] = field(default_factory=dict)
    signers: Mapping[str, Signer] = field(default_factory=dict)


class Service:
    """``start`` it once, ``close`` it once; ``use`` at each publish. ``ask`` has the loop fetch a URL; then ``landed``.

    ``turn`` is one round of the thread, for tests that bring their own time.
    """

    def __init__(
        self,
        engine: Engine,
        certificates: Certificates,
        ask: Callable[[str], None],
        bug: Callable[[], None],
        *,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._certificates, self._ask, self._bug = engine, certificates, ask, bug
        self._wall, self._clock = wall, clock
        self._rules = Rules()
        self._queues: Queues[Deferred] = Queues()
        share = engine.deferred_share
        self._room: Room[Deferred] = Room(max(1, share // 2), max(1, 2 * share))
        self._judge = Judge()
        self._cost = FIRST_COST
        self._landed: deque[str] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        results = dict.fromkeys((reason.name for reason in REASONS if reason.rule == "stir-signature"), 0)
        self.results: Counter[str] = Counter({"passed": 0} | results)
        """Verified calls by what their headers came to."""
        kinds = ("taken", "shed", "unavailable", "waited", "gone", "signed", "unsigned", "bugs")
        self.counts: Counter[str] = Counter(dict.fromkeys(kinds, 0))

    # From other threads

    def use(self, rules: Rules) -> None:
        """These rules hold from the next call on."""
        self._rules = rules

    def landed(self, url: str) -> None:
        """A fetch has ended, well or not."""
        self._landed.append(url)
        self.wake()

    def wake(self) -> None:
        with suppress(OSError, ValueError):  # closed
            os.eventfd_write(self._wake, 1)

    def start(self, ended: Callable[[BaseException | None], None]) -> None:
        """``ended`` is called in the thread, when it does."""
        self._thread = threading.Thread(target=self._run, args=(ended,), name="stir", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread; within a batch."""
        self._ended.set()
        self.wake()
        if self._thread is not None:
            self._thread.join(IDLE_SECONDS)
        if self._thread is None or not self._thread.is_alive():
            descriptor, self._wake = self._wake, -1
            os.close(descriptor)

    def status(self) -> dict[str, int]:
        """Counts since the start, and what waits now."""
        tables = self._judge
        return {
            **self.counts,
            **{f"shed_{bound}": count for bound, count in self._room.shed.items()},
            "queued": len(self._queues),
            "waiting": len(self._room),
            "tokens": len(tables.replays),
            "tokens_evicted": tables.replays.evictions,
            "rates_evicted": tables.levels.evictions + tables.signers.evictions,
        }

    # The thread

    def _run(self, ended: Callable[[BaseException | None], None]) -> None:
        why: BaseException | None = None
        try:
            poll = select.poll()
            poll.register(self._engine.deferred_fd, select.POLLIN)
            poll.register(self._wake, select.POLLIN)
            while not self._ended.is_set():
                for descriptor, _ in poll.poll(self._pause()):
                    with suppress(BlockingIOError):
                        os.eventfd_read(descriptor)
                self.turn()
        except BaseException as error:  # noqa: BLE001 - told where the daemon is ended for it
            why = error
        ended(why)

    def _pause(self) -> float:
        """Milliseconds until there is something to do by itself."""
        if len(self._queues):
            return 0
        end = self._room.next_end()
        return 1000 * (IDLE_SECONDS if end is None else min(IDLE_SECONDS, max(0.0, end - self._clock()))) + 1

    def turn(self) -> None:
        """Takes what waits, ends what has waited, serves a batch."""
        self._take()
        while self._landed:
            for deferred in self._room.landed(self._landed.popleft()):
                self._serve(deferred, last=True)
        for deferred in self._room.expired(self._clock()):
            self._serve(deferred, last=True)
        served = 0
        began = time.perf_counter()
        while served < BATCH and (calls := self._queues.take_many(GROUP)):
            self._serve_many(calls)
            served += len(calls)
        if served:
            cost = (time.perf_counter() - began) / served
            self._cost += (cost - self._cost) * served / (4 * BATCH)

    def _take(self) -> None:
        room = min(MOST_QUEUED, max(BATCH, int(QUEUE_SECONDS / self._cost)))
        while True:
            taken = self._engine.deferred(BATCH)
            self.counts["taken"] += len(taken)
            for deferred in taken:
                if (left_out := self._queues.put(deferred, room)) is not None:
                    self.counts["shed"] += 1
                    self._unavailable(left_out)
            if len(taken) < BATCH:
                return

    def _serve_many(self, calls: Sequence[Deferred]) -> None:
        """Those with a header of the usual form in three steps together, the others each by itself."""
        if len(calls) == 1:
            self._serve(calls[0])
            return
        rules, now = self._rules, self._wall()
        look = _Look(self._certificates, now)
        begun = [self._begin(deferred, rules, now, look) for deferred in calls]
        for url in look.due:
            self._refresh(url)
        good = [one and self._signed_well(one) for one in begun]
        for deferred, one, fine in zip(calls, begun, good, strict=True):
            if one is None or fine is None:
                self._serve(deferred)
                continue
            try:
                result = outcome(one, fine, rules.freshness, False)
                decision = self._decided(deferred, rules.subjects[deferred.subject], result, now)
            except Exception:  # noqa: BLE001 - as in _serve
                self._broken(deferred)
                continue
            self._resolve(deferred, decision, b"")

    @staticmethod
    def _signed_well(one: Usual) -> bool | None:
        """None: a bug, which is told when the call is served by itself."""
        try:
            return signed(one)
        except Exception:  # noqa: BLE001
            return None

    def _begin(self, deferred: Deferred, rules: Rules, now: float, look: _Look) -> Usual | None:
        """What there is of a call before its signature. None: it isn't one of the usual ones."""
        if not deferred.verify or deferred.sign or deferred.subject not in rules.subjects:
            return None
        try:
            return usual(
                deferred.identities,
                deferred.caller,
                deferred.to,
                deferred.called,
                now,
                look.credential,
                rules.freshness,
            )
        except Exception:  # noqa: BLE001 - told when it is served by itself
            return None

    def _serve(self, deferred: Deferred, last: bool = False) -> None:
        """``last``: with the certificates that are there, come what may."""
        try:
            decision = (
                self._verified(deferred, last)
                if deferred.verify
                else unsigned(self._rules.subjects.get(deferred.subject))
            )
            if decision is None:
                return
            text = self._signed(deferred) if deferred.sign and not decision.reason else b""
        except Exception:  # noqa: BLE001 - a bug in here costs this call its verification, and no other
            self._broken(deferred)
            return
        self._resolve(deferred, decision, text)

    def _broken(self, deferred: Deferred) -> None:
        self.counts["bugs"] += 1
        self._bug()
        self._unavailable(deferred)

    def _verified(self, deferred: Deferred, last: bool) -> Decision | None:
        """None: it waits for a certificate."""
        rules = self._rules
        who = rules.subjects.get(deferred.subject)
        if who is None:  # a reload took it away in this very moment
            return unavailable(None, False)
        now = self._wall()
        look = _Look(self._certificates, now)
        call = Call(deferred.caller, deferred.to, deferred.called, _date(deferred))
        result = verify(deferred.identities, call, now, look.credential, rules.freshness)
        for url in look.due:
            self._refresh(url)
        if look.missing and not last and _open(result) and self._waits(deferred, look.missing):
            return None
        return self._decided(deferred, who, result, now)

    def _decided(self, deferred: Deferred, who: Subject, result: Result, now: float) -> Decision:
        rules = self._rules
        self.results["passed" if result.verstat == PASSED else result.reason.name] += 1
        if result.reason.name == "certificate-unavailable":
            self.counts["unavailable"] += 1
            # A priority may be vouched for all the same, by another certificate.
            return unavailable(who, rules.reject_unavailable)._replace(
                priority=result.priority, callback=result.callback
            )
        return self._judge.decide(who, result, deferred.call_id, now, self._clock())

    def _waits(self, deferred: Deferred, missing: Sequence[str]) -> bool:
        """Has the call wait, and its certificates fetched. False: it may not, or none of them may be fetched."""
        hosts: dict[str, str] = {}
        for url in missing:
            try:
                hosts[url] = self._certificates.host(url)
            except Refused as fault:
                self._certificates.refuse(url, fault)
        if not hosts:
            # What may not be fetched is a fault of its own: look again, it is known now.
            self._serve(deferred, last=True)
            return True
        now = self._clock()
        asked = self._room.enter(deferred, hosts, deferred.time_ns / 1e9 + SECONDS, now)
        if asked is None:
            return False
        self.counts["waited"] += 1
        for url in asked:
            self._ask(url)
        return True

    def _refresh(self, url: str) -> None:
        """An old certificate serves on while a new one is asked for."""
        with suppress(Refused):
            if self._room.refresh(url, self._certificates.host(url), self._clock()):
                self._ask(url)

    def _signed(self, deferred: Deferred) -> bytes:
        signer = self._rules.signers.get(deferred.upstream)
        text = b""
        if signer is not None:
            text = signer.identity(
                deferred.peer, deferred.caller, deferred.to, deferred.called, deferred.owned, self._wall()
            )
        self.counts["signed" if text else "unsigned"] += 1
        return text

    def _unavailable(self, deferred: Deferred) -> None:
        rules = self._rules
        who = rules.subjects.get(deferred.subject)
        decision = unavailable(who, rules.reject_unavailable) if deferred.verify else unsigned(who)
        if deferred.sign:
            self.counts["unsigned"] += 1
        self._resolve(deferred, decision, b"")

    def _resolve(self, deferred: Deferred, decision: Decision, text: bytes) -> None:
        if not self._engine.resolve(
            deferred.ticket,
            decision.reason,
            decision.verstat,
            decision.attest,
            decision.monitored,
            text,
            decision.priority,
            decision.callback,
        ):
            self.counts["gone"] += 1


class _Look:
    """The certificates of one call, or of some that are served at once: what is known, what is missing, what is due for a newer one."""

    __slots__ = ("_certificates", "_now", "due", "missing")

    def __init__(self, certificates: Certificates, now: float) -> None:
        self._certificates, self._now = certificates, now
        self.missing: list[str] = []
        self.due: list[str] = []

    def credential(self, url: str) -> Credential:
        entry = self._certificates.look(url)
        if entry is not None and entry.credential is not None:
            if self._now >= entry.until and url not in self.due:
                self.due.append(url)
            return entry.credential
        if entry is None or self._now >= entry.until:
            if url not in self.missing:
                self.missing.append(url)
            raise Refused("certificate-unavailable", "not fetched yet")
        assert entry.fault is not None
        raise Refused(entry.fault.reason.name, entry.fault.detail)


def _open(result: Result) -> bool:
    """Could the certificates that are missing still change it? Not where the caller is vouched for and no priority is."""
    if result.verstat != PASSED:
        return True
    return any(
        checked.fault is not None
        and checked.fault.reason.name == "certificate-unavailable"
        and checked.identity is not None
        and checked.identity.ppt == "rph"
        for checked in result.headers
    )


def _date(deferred: Deferred) -> float | None:
    """POSIX seconds. Only a compact form needs it."""
    if not deferred.date or not any(value.lstrip(" \t").startswith("..") for value in deferred.identities):
        return None
    try:
        found = parsedate_to_datetime(deferred.date)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
