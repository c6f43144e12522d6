"""What the kernel should hold and what it holds, as far as this process knows. Pure: the time is an argument.

An element's timeout is that of its ban, or ``LEASE_SECONDS`` where the ban is
longer: it is renewed while somebody is there to do it. So a table whose keepers
have all died is empty after that time, whatever a ban's length was.
"""

from __future__ import annotations

from collections.abc import Iterable

from edge_agent.nft.ruleset import Listing

LEASE_SECONDS = 600.0
SLACK_SECONDS = 2.0  # between the ends here and in the kernel, which tells whole seconds


class Content:
    """Networks with their ends (monotonic seconds)."""

    def __init__(self) -> None:
        self._wanted: dict[str, float] = {}
        self._held: dict[str, float] = {}
        self._changed: dict[str, None] = {}
        self.slowest = 0.0
        """Seconds that the slowest transaction took: an element's time runs from its end, ours from its start."""

    def __len__(self) -> int:
        """Elements in the kernel, as far as is known."""
        return len(self._held)

    @property
    def wanted(self) -> int:
        return len(self._wanted)

    @property
    def changes(self) -> int:
        return len(self._changed)

    def clear(self) -> None:
        """Nothing is wanted any more; what is held isn't touched."""
        self._wanted.clear()
        self._changed = dict.fromkeys(self._held)

    def ban(self, network: str, ends: float) -> None:
        self._wanted[network] = ends
        self._changed[network] = None

    def lift(self, network: str) -> None:
        self._wanted.pop(network, None)
        self._changed[network] = None

    def everything(self, now: float) -> list[tuple[str, int]]:
        """All that is wanted, with timeouts. Taken to be held from now on: call ``spoil`` when that went wrong."""
        self._changed.clear()
        self._held.clear()
        return self._hold(list(self._wanted), now)

    def changed(self, now: float) -> tuple[list[tuple[str, int]], list[str]]:
        """What to put in and what to take out. Taken to be done: call ``spoil`` when that went wrong."""
        networks, self._changed = self._changed, {}
        bans = self._hold([network for network in networks if network in self._wanted], now)
        put = {network for network, _ in bans}
        lifts = [network for network in networks if network not in put and self._held.pop(network, 0) > now]
        return bans, lifts

    def _hold(self, networks: Iterable[str], now: float) -> list[tuple[str, int]]:
        result = []
        for network in networks:
            seconds = int(min(self._wanted[network] - now, LEASE_SECONDS))
            if seconds > 0:
                self._held[network] = now + seconds
                result.append((network, seconds))
        return result

    def renew(self, now: float) -> None:
        """Drops what is over, and marks for a change what runs out before its ban does."""
        over = now - SLACK_SECONDS - self.slowest
        self._wanted = {network: ends for network, ends in self._wanted.items() if ends > now}
        self._held = {network: ends for network, ends in self._held.items() if ends > over}
        for network, ends in self._wanted.items():
            held = self._held.get(network, 0.0)
            if held < now + LEASE_SECONDS / 2 and held < ends - 1.0:
                self._changed[network] = None

    def drift(self, listing: Listing, asked: float, answered: float) -> str:
        """How the kernel's elements differ from what it was given, in words; "" when they don't.

        The listing was made at some time between ``asked`` and ``answered``.
        """
        missing = wrong = 0
        for network, ends in self._held.items():
            if network not in listing.elements:
                missing += ends > answered + SLACK_SECONDS
                continue
            expires = listing.elements[network]
            late = ends - asked + SLACK_SECONDS + self.slowest
            wrong += expires is None or not ends - answered - SLACK_SECONDS <= expires <= late
        foreign = sum(network not in self._held for network in listing.elements)
        counted = ((missing, "missing"), (foreign, "foreign"), (wrong, "with another time"))
        return ", ".join(f"{count} {what}" for count, what in counted if count)
