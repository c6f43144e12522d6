"""The one who knows all bans: what the engine drops, the kernel drops and the store holds is what stands here.

    engine.strikes -> judge -> Keeper -> engine.ban, kernel, store, log
    a command      ->          Keeper -> the same

Each tick takes what the engine asks for and ends what is over. Each publish of a
policy lifts what touches a peer, an upstream, an own address or an allowed
network, whoever banned it, but for a peer that an operator banned by force; and what
the engine banned without proof where an open trunk's customers call from. Ends are
monotonic, so a clock that is set changes no ban; only the store holds wall time, and
gets it anew after such a step.

Belongs to the loop's thread. Waits for nothing, looks at no message.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, Protocol

from edge_agent.bans.judge import ENGINE, OPERATOR, Ban, Judge
from edge_agent.bans.networks import (
    BadNetwork,
    Network,
    Protected,
    callers,
    never_in_kernel,
    own,
    parent,
    protected,
    read_network,
)
from edge_agent.bans.store import Row
from edge_agent.bans.told import BanLog
from edge_agent.events.record import clean, timestamp

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from edge_agent._hot import Strike
    from edge_agent.policy.settings import Settings

TABLE_LIMIT = 65536  # entries of the engine's table
AT_ONCE = 1000  # bans looked at before the loop gets its turn again
STEP_SECONDS = 2.0  # the wall clock was set
ALARM_SECONDS = 60.0  # between two alarms of one kind
LONGEST_BY_HAND = 30 * 86400.0
NOTE_LIMIT = 200


Allowed = Callable[[Network], bool]
"""Does the network touch one of the allow list, now?"""


def nobody(network: Network) -> bool:
    """An empty allow list."""
    return False


class BanError(Exception):
    """A ban that can't be made or lifted; the text is the line an operator reads."""


class Engine(Protocol):
    """What of the engine is needed here."""

    def strikes(self, limit: int = 1000) -> list[Strike]: ...
    def ban(self, network: str, until_ns: int, forced: bool = False) -> bool: ...
    def lift(self, network: str) -> bool: ...


class Kernel(Protocol):
    """Bans in the kernel, or nowhere."""

    def ban(self, network: str, ends: float) -> None: ...
    def lift(self, network: str) -> None: ...
    def status(self) -> dict[str, Any]: ...


class Store(Protocol):
    """Bans over a restart."""

    rows: tuple[Row, ...]
    incomplete: bool
    dropped: int

    @property
    def state(self) -> str: ...
    def save(self, row: Row) -> None: ...
    def forget(self, network: str) -> None: ...


class Keeper:
    """All bans of one agent. ``restore`` once, then ``tick`` a few times per second."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        settings: Settings,
        log: FilteringBoundLogger,
        *,
        allowed: Allowed = nobody,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._engine, self._store, self._log = engine, store, log
        self._told = BanLog(log)
        self._clock, self._wall = clock, wall
        self._kernel: Kernel | None = None
        self._live: dict[str, Ban] = {}
        self._offloaded: set[str] = set()
        self._ends: list[tuple[float, str]] = []
        self._judge = Judge(settings.bans.first, settings.bans.longest)
        self._offset = wall() - clock()
        self._next_sum = 0.0
        self._alarmed: dict[str, float] = {}
        self._counts = {"banned": 0, "lifted": 0, "ended": 0, "spared": 0, "table_full": 0}
        self._take(settings, allowed)

    def use_kernel(self, kernel: Kernel) -> None:
        """Hands every change on to it; what holds already it asks for (``everything``)."""
        self._kernel = kernel

    # Start and publish

    def restore(self) -> None:
        """Puts in force again what the store held, each for the time that is left of it."""
        now, wall = self._clock(), self._wall()
        lost = 0
        for row in self._store.rows:
            try:
                network = str(read_network(row.network))
            except BadNetwork:
                self._store.forget(row.network)
                continue
            # The wall clock may have been set meanwhile: never longer than it was meant to last.
            granted = max(0.0, row.ends - row.started)
            longest = LONGEST_BY_HAND if row.who == OPERATOR else self._longest
            left = min(row.ends - wall, granted, longest)
            ban = Ban(
                network,
                now + min(0.0, row.started - wall),
                now + left,
                row.who,
                row.rule,
                row.reason,
                row.trunk,
                row.times,
                row.strikes,
                bool(row.proven),
                row.note,
                bool(row.forced),
            )
            if left <= 0:
                self._judge.remember(network, row.times, ban.ends)
            elif self._lift_if_touching(ban):
                continue
            elif not self._put(ban):
                lost += 1
            elif abs(ban.ends + self._offset - row.ends) > 1.0:
                self._store.save(self._row(ban))
        if self._live or lost:
            self._log.info("bans-restored", bans=len(self._live), no_room=lost)

    async def publish(self, settings: Settings, allowed: Allowed = nobody) -> None:
        """A policy is in force: nothing that it calls its own or allows stays banned."""
        self._take(settings, allowed)
        for number, ban in enumerate(list(self._live.values())):
            if number % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
            if self._live.get(ban.network) is ban and not self._lift_if_touching(ban):
                self._offload(ban, again=False)

    def _take(self, settings: Settings, allowed: Allowed) -> None:
        self._protected: Protected = protected(settings)
        self._own: Protected = own(settings)
        self._callers: Protected = callers(settings)
        self._allowed = allowed
        self._not_in_kernel = never_in_kernel(settings)
        self._longest = settings.bans.longest
        self._open = any(trunk.open for trunk in settings.trunk)
        self._judge.set_terms(settings.bans.first, settings.bans.longest)

    def _lift_if_touching(self, ban: Ban) -> bool:
        whose = self._touching(ip_network(ban.network), ban.forced, unproven=ban.who == ENGINE and not ban.proven)
        if whose is None:
            return False
        self._lift(ban, "protected", touches=whose)
        return True

    def _touching(self, network: Network, forced: bool = False, unproven: bool = False) -> str | None:
        """What a ban of the network would touch that it mustn't, in words; a forced one may touch peers."""
        if forced:
            return self._own.touching(network)
        whose = self._protected.touching(network) or ("the allow list" if self._allowed(network) else None)
        return self._callers.touching(network) if whose is None and unproven else whose

    # Each tick

    def tick(self) -> None:
        """Takes what the engine asks for, and ends what is over."""
        now = self._clock()
        self._end_those_over(now)
        for strike in self._engine.strikes():
            self._judge_strike(strike, now)
        self._look_at_the_clock()
        if now >= self._next_sum:
            self._next_sum = now + 1.0
            self._told.sum_up()

    def _judge_strike(self, strike: Strike, now: float) -> None:
        if strike.network in self._live:
            return  # reported before the ban was seen
        network = read_network(strike.network)
        whose = self._touching(network, unproven=not strike.proven)
        if whose is not None:
            self._counts["spared"] += 1
            self._alarm("ban-spared", network=strike.network, touches=whose, rule=strike.rule, reason=strike.reason)
            return
        times, seconds = self._judge.sentence(strike.network, now)
        ban = Ban(
            strike.network,
            now,
            now + seconds,
            rule=strike.rule,
            reason=strike.reason,
            trunk=strike.trunk,
            times=times,
            count=strike.count,
            proven=strike.proven,
        )
        if self._start(ban):
            self._widen(ban, now)

    def _widen(self, ban: Ban, now: float) -> None:
        """Bans the prefix when many of its hosts are, and these no more by themselves."""
        crowd = self._judge.crowded(ban)
        if crowd is None:
            return
        prefix, networks = crowd
        if prefix in self._live or self._touching(read_network(prefix)) is not None:
            return
        # Forged packets must not ban the neighbours of an open trunk's callers.
        proven = all(self._live[network].proven for network in networks)
        if self._open and not proven:
            return
        times, seconds = self._judge.sentence(prefix, now)
        wide = replace(ban, network=prefix, ends=now + seconds, times=times, count=len(networks), proven=proven)
        if self._start(wide):
            for network in networks:
                if (host := self._live[network]).ends <= wide.ends:
                    self._drop(host)
                    self._store.save(self._row(replace(host, ends=now)))
            self._widen(wide, now)

    def _end_those_over(self, now: float) -> None:
        for _ in range(AT_ONCE):
            if not self._ends or self._ends[0][0] > now:
                break
            ends, network = heapq.heappop(self._ends)
            ban = self._live.get(network)
            if ban is None or ban.ends != ends:
                continue  # lifted, or another one by now
            # Engine and kernel let it go by themselves; the store's row is history for a day.
            del self._live[network]
            self._offloaded.discard(network)
            self._judge.ended(ban)
            self._counts["ended"] += 1
            lasted = round(ban.ends - ban.started)
            self._told.tell("ban-ended", ban.reason, network=network, rule=ban.rule, count=ban.count, seconds=lasted)

    def _look_at_the_clock(self) -> None:
        offset = self._wall() - self._clock()
        if abs(offset - self._offset) > STEP_SECONDS or self._store.incomplete:
            self._offset, self._store.incomplete = offset, False
            for ban in self._live.values():
                self._store.save(self._row(ban))

    # What operators ask for

    def add(self, network: str, seconds: float, note: str = "", force: bool = False) -> dict[str, Any]:
        """Bans a network by hand; the row of ``listing``. Only by ``force`` one that touches a peer. Raises BanError."""
        try:
            parsed = read_network(network)
        except BadNetwork as error:
            raise BanError(str(error)) from None
        if not 1 <= seconds <= LONGEST_BY_HAND:
            raise BanError(f"a ban lasts from 1s to {LONGEST_BY_HAND / 86400:.0f}d; a deny list of [lists] has no end")
        if (whose := self._own.touching(parsed)) is not None:
            raise BanError(f"{parsed}: touches {whose}, which can't be banned: it is this agent itself")
        whose = self._touching(parsed)
        if whose is not None and not force:
            raise BanError(
                f"{parsed}: touches {whose}; --force drops all of its messages but emergency calls that it may make"
            )
        now = self._clock()
        text = clean(note, NOTE_LIMIT)
        ban = Ban(str(parsed), now, now + seconds, OPERATOR, "banned", "operator", note=text, forced=whose is not None)
        if not self._start(ban):
            raise BanError(f"{parsed}: the table of bans is full ({len(self._live)} bans)")
        return self._describe(ban, now)

    def lift(self, network: str) -> int:
        """Lifts one ban. Raises BanError."""
        try:
            parsed = read_network(network)
        except BadNetwork as error:
            raise BanError(str(error)) from None
        ban = self._live.get(str(parsed))
        if ban is None:
            above = parent(parsed)
            while above is not None and str(above) not in self._live:
                above = parent(above)
            hint = "" if above is None else f"; {above} is, and holds it"
            raise BanError(f"{parsed}: is not banned{hint}")
        self._lift(ban, OPERATOR)
        return 1

    async def lift_all(self) -> int:
        """Lifts every ban; how many there were."""
        lifted = 0
        for ban in list(self._live.values()):
            if self._live.get(ban.network) is ban:
                self._lift(ban, OPERATOR)
                lifted += 1
                if lifted % AT_ONCE == 0:
                    await asyncio.sleep(0)
        return lifted

    async def listing(self) -> list[dict[str, Any]]:
        """Every ban in force, the one that ends first in front."""
        now, bans = self._clock(), list(self._live.values())
        return await asyncio.to_thread(
            lambda: [self._describe(ban, now) for ban in sorted(bans, key=lambda ban: ban.ends)]
        )

    def everything(self) -> list[tuple[str, float]]:
        """Each network that the kernel should hold, with its monotonic end."""
        return [(network, self._live[network].ends) for network in self._offloaded]

    def status(self) -> dict[str, Any]:
        """Counts since the start, and how store and kernel are."""
        kernel = {"state": "off"} if self._kernel is None else self._kernel.status()
        store = {"store": self._store.state, "store_dropped": self._store.dropped}
        return {"live": len(self._live), **self._counts, **store, "kernel": kernel}

    def _describe(self, ban: Ban, now: float) -> dict[str, Any]:
        wall = self._wall() - now
        return {
            "network": ban.network,
            "seconds_left": round(max(0.0, ban.ends - now), 1),
            "since": timestamp(int((ban.started + wall) * 1e9)),
            "until": timestamp(int((ban.ends + wall) * 1e9)),
            "who": ban.who,
            "rule": ban.rule,
            "reason": ban.reason,
            "trunk": ban.trunk,
            "times": ban.times,
            "count": ban.count,
            "note": ban.note,
            "forced": ban.forced,
        }

    # One ban

    def _start(self, ban: Ban) -> bool:
        if not self._put(ban):
            self._counts["table_full"] += 1
            self._alarm("ban-table-full", network=ban.network, bans=len(self._live))
            return False
        self._counts["banned"] += 1
        self._store.save(self._row(ban))
        fields = {"trunk": ban.trunk} if ban.trunk else {}
        self._told.tell(
            "banned",
            ban.reason,
            network=ban.network,
            rule=ban.rule,
            count=ban.count,
            seconds=round(ban.ends - ban.started),
            times=ban.times,
            who=ban.who,
            **fields,
        )
        return True

    def _put(self, ban: Ban) -> bool:
        if not self._engine.ban(ban.network, int(ban.ends * 1e9), ban.forced):
            return False
        before = self._live.pop(ban.network, None)
        if before is not None:
            self._judge.ended(before)
        self._live[ban.network] = ban
        heapq.heappush(self._ends, (ban.ends, ban.network))
        if len(self._ends) > 4 * TABLE_LIMIT:  # what was lifted is still in it
            self._ends = [(live.ends, live.network) for live in self._live.values()]
            heapq.heapify(self._ends)
        self._judge.began(ban)
        self._offload(ban)
        return True

    def _offload(self, ban: Ban, again: bool = True) -> None:
        """Puts a ban into the kernel, or takes it out when an emergency call might come from there."""
        # The kernel can't tell a peer's emergency calls, and answers of the cloud, from the rest.
        inside = not ban.forced and self._not_in_kernel.touching(ip_network(ban.network)) is None
        if inside == (ban.network in self._offloaded) and not (inside and again):
            return
        if inside:
            self._offloaded.add(ban.network)
            if self._kernel is not None:
                self._kernel.ban(ban.network, ban.ends)
        else:
            self._unload(ban.network)

    def _unload(self, network: str) -> None:
        self._offloaded.discard(network)
        if self._kernel is not None:
            self._kernel.lift(network)

    def _lift(self, ban: Ban, why: str, **fields: Any) -> None:
        """Before its end, and forgiven; also of one that was only in the store."""
        self._drop(ban)
        self._judge.forgive(ban.network)
        self._store.forget(ban.network)
        self._counts["lifted"] += 1
        self._told.tell(
            "ban-lifted", ban.reason, network=ban.network, rule=ban.rule, count=ban.count, why=why, **fields
        )

    def _drop(self, ban: Ban) -> None:
        self._engine.lift(ban.network)
        if self._live.pop(ban.network, None) is not None:
            self._judge.ended(ban)
        self._unload(ban.network)

    def _row(self, ban: Ban) -> Row:
        offset = self._offset
        return Row(
            ban.network,
            ban.started + offset,
            ban.ends + offset,
            ban.who,
            ban.rule,
            ban.reason,
            ban.trunk,
            ban.times,
            ban.count,
            int(ban.proven),
            ban.note,
            int(ban.forced),
        )

    def _alarm(self, event: str, **fields: Any) -> None:
        now = self._clock()
        if now >= self._alarmed.get(event, -ALARM_SECONDS) + ALARM_SECONDS:
            self._alarmed[event] = now
            self._log.warning(event, **fields)
