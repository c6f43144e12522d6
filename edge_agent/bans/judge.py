"""From strikes and history to a ban: how long, and of which network. Pure: the time is an argument.

The first ban of a network is short; each further one within a day of the last
lasts twice as long, up to a limit. Where many hosts of one prefix are banned at
once, the prefix is: else a rented network would take a table's entry, and a
ban's price, per address.

Never looks at who may not be banned; the keeper does, before it asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network

from edge_agent.bans.networks import parent

DAY_SECONDS = 86400.0
TIMES_LIMIT = 2**32 - 1  # of bans and of strikes: what the store holds for sure
HISTORY_LIMIT = 131072  # networks remembered; the one banned longest ago goes first

# Hosts of a prefix that are banned at the same time before the prefix is: 16 of 256 addresses, 8 of 256 subnets.
NEIGHBOURS = {4: 16, 6: 8}

ENGINE, OPERATOR = "engine", "operator"


@dataclass(frozen=True, slots=True)
class Ban:
    """A network that is shut out. Times are monotonic seconds."""

    network: str
    started: float
    ends: float
    who: str = ENGINE
    rule: str = ""
    reason: str = ""
    trunk: str = ""
    """The open trunk whose caller it is; "" for nobody's."""
    times: int = 1
    """The how-manieth within a day of the one before."""
    count: int = 0
    """Strikes that it took; of a prefix, the hosts that were banned in it."""
    proven: bool = False
    """It can receive what is sent to its address, so its packets aren't forged."""
    note: str = ""
    """The operator's own words."""
    forced: bool = False
    """Holds for a trunk or upstream as well: the operator knew, and said so."""


@dataclass(slots=True)
class _Record:
    times: int
    last: float


class Judge:
    """Remembers who was banned how often, and whose neighbours are."""

    def __init__(self, first: float, longest: float) -> None:
        self.set_terms(first, longest)
        self._history: dict[str, _Record] = {}
        self._neighbours: dict[str, set[str]] = {}

    def set_terms(self, first: float, longest: float) -> None:
        """The settings; bans that run keep their end."""
        self._first, self._longest = first, longest

    def sentence(self, network: str, now: float) -> tuple[int, float]:
        """The how-manieth ban of the network this would be, and its seconds. Changes nothing."""
        record = self._history.get(network)
        times = 1 if record is None or now - record.last > DAY_SECONDS else min(record.times + 1, TIMES_LIMIT)
        # Beyond 2^40 times anything is past the limit, and the power stays a float.
        return times, min(self._first * 2.0 ** min(times - 1, 40), self._longest)

    def remember(self, network: str, times: int, last: float) -> None:
        """A ban of the network, begun or found in the store, that ends or ended at ``last``."""
        self._history.pop(network, None)
        self._history[network] = _Record(times, last)
        if len(self._history) > HISTORY_LIMIT:
            del self._history[next(iter(self._history))]

    def began(self, ban: Ban) -> None:
        """A ban is in force."""
        self.remember(ban.network, ban.times, ban.ends)
        above = self._above(ban)
        if above:
            self._neighbours.setdefault(above, set()).add(ban.network)

    def ended(self, ban: Ban) -> None:
        """A ban is over, or was lifted."""
        above = self._above(ban)
        neighbours = self._neighbours.get(above)
        if neighbours is not None:
            neighbours.discard(ban.network)
            if not neighbours:
                del self._neighbours[above]

    def forgive(self, network: str) -> None:
        """Forgets that the network was ever banned."""
        self._history.pop(network, None)

    def crowded(self, ban: Ban) -> tuple[str, frozenset[str]] | None:
        """The prefix to ban because of this ban and its neighbours, and these; None while they are few."""
        above = self._above(ban)
        neighbours = self._neighbours.get(above, set())
        if not above or len(neighbours) < NEIGHBOURS[6 if ":" in above else 4]:
            return None
        return above, frozenset(neighbours)

    @staticmethod
    def _above(ban: Ban) -> str:
        # What an operator bans is his decision alone: it counts for nothing else.
        above = parent(ip_network(ban.network)) if ban.who == ENGINE else None
        return "" if above is None else str(above)
