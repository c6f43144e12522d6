"""Which calls of a trunk are up: the law of the leases as plain sets, for as long as it takes. It knows no table and no bound.

A leg is (trunk, kind, Call-ID, originating tag, called number). It counts while
one of its INVITE transactions is open or one of its far sides is up.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SECOND = 1_000_000_000
EARLY, UP, ENDED = 200 * SECOND, 4 * 3600 * SECOND, 33 * SECOND


@dataclass
class Leg:
    trunk: str
    kind: str  # out, in or emergency
    call_id: str
    near: str
    called: str
    open: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    up: set[str] = field(default_factory=set)
    over: set[str] = field(default_factory=set)
    expiry: int = 0
    live: bool = True

    def settle(self, now: int) -> None:
        if self.live and not self.up and not self.open:
            self.live, self.expiry = False, now + ENDED
        elif self.live and not self.up:
            self.expiry = min(self.expiry, now + EARLY)

    def extend(self, far: str, until: int) -> None:
        """Where another far side is up too, never shorter than before."""
        self.expiry = max(self.expiry, until) if self.up - {far} else until
        self.up.add(far)


class Leases:
    def __init__(self) -> None:
        self.legs: dict[str, list[Leg]] = {}  # by Call-ID

    def count(self, trunk: str, kind: str, now: int) -> int:
        return sum(
            leg.live and leg.expiry > now and (leg.trunk, leg.kind) == (trunk, kind)
            for legs in self.legs.values()
            for leg in legs
        )

    def forget(self, now: int) -> None:
        self.legs = {
            call_id: kept for call_id, legs in self.legs.items() if (kept := [leg for leg in legs if leg.expiry > now])
        }

    def _legs(self, trunk: str, into: bool, call_id: str, now: int) -> list[Leg]:
        legs = self.legs.get(call_id, [])
        return [leg for leg in legs if leg.trunk == trunk and (leg.kind == "in") == into and leg.expiry > now]

    def invite(self, trunk: str, kind: str, call_id: str, near: str, called: str, transaction: str, now: int) -> None:
        """A new INVITE went on."""
        same = [
            leg
            for leg in self._legs(trunk, kind == "in", call_id, now)
            if (leg.kind, leg.near, leg.called) == (kind, near, called)
        ]
        known = [leg for leg in same if leg.live and (transaction in leg.open or not leg.up)]
        ended = [leg for leg in same if not leg.live]
        if known or ended:
            leg = (known or ended)[0]
        else:
            leg = Leg(trunk, kind, call_id, near, called)
            self.legs.setdefault(call_id, []).append(leg)
        leg.live = True
        leg.done.discard(transaction)
        leg.open.add(transaction)
        leg.expiry = now + EARLY

    def answer(
        self,
        trunk: str,
        into: bool,
        call_id: str,
        near: str,
        transaction: str,
        status: int,
        far: str,
        life: int,
        now: int,
    ) -> bool:
        """An answer to an INVITE that took a lease; False when none did. ``life`` in ns, 0: no Session-Expires."""
        legs = [leg for leg in self._legs(trunk, into, call_id, now) if leg.near == near]
        found = [leg for leg in legs if transaction in leg.open] or [leg for leg in legs if transaction in leg.done]
        if not found:
            return False
        leg = found[0]
        if status < 200:
            if transaction in leg.open and not leg.up:
                leg.expiry = now + EARLY
            return True
        leg.open.discard(transaction)
        leg.done.add(transaction)
        if status < 300 and far not in leg.over:
            leg.live = True
            leg.extend(far, now + (life or UP))
        leg.settle(now)
        return True

    def inside(
        self, trunk: str, into: bool, call_id: str, from_tag: str, to_tag: str, over: bool, life: int, now: int
    ) -> None:
        """A 2xx or 481 to BYE (``over``), or a 2xx to re-INVITE or UPDATE. ``into``: the request went to the trunk."""
        for way, near, far in ((into, from_tag, to_tag), (not into, to_tag, from_tag)):
            for leg in self._legs(trunk, way, call_id, now):
                if leg.near != near or far not in leg.up:
                    continue
                if over:
                    leg.up.discard(far)
                    leg.over.add(far)
                    leg.settle(now)
                else:
                    leg.extend(far, now + (life or UP))
