"""Calls that wait until certificates have been fetched, and how many may: by peer, by host, in all, and per second.

An attacker writes the URLs, so each bound has a share per peer: dead hosts in
one peer's headers cost that peer's calls their certificates, and nobody else's.
Pure; one thread. Times are monotonic seconds.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from edge_agent.stir.queues import FromPeer
from edge_agent.stir.rates import Rates

SECONDS = 2.0
"""What a caller may be kept waiting for: more, and a user hears that nothing happens."""
PER_HOST = 64
"""A host that is up answers within 100 ms: as many waiting calls for one are 640 calls per second."""
URLS_PER_PEER = 64
"""A quarter of what may be in flight at once."""
FETCHES = (50.0, 100)
"""Per second, and at once: each is a TLS handshake and a path to check, 3 ms of this process. A country's few thousand
certificates are fetched within a minute after a first start, and then once a day."""
FETCHES_PER_PEER = (25.0, 50)
FETCHES_PER_HOST = (10.0, 20)
"""So that nobody has us ask a third party more often than a browser would."""
HOST_CELLS = 4096

T = TypeVar("T", bound=FromPeer)


@dataclass(eq=False)
class Waiting(Generic[T]):
    """One call, the URLs that it still needs, and until when."""

    call: T
    hosts: Mapping[str, str]
    urls: set[str]
    until: float


class Room(Generic[T]):
    """Where calls wait. ``per_peer`` and ``total`` are calls. ``shed`` counts by the bound that was met."""

    def __init__(self, per_peer: int, total: int) -> None:
        self._per_peer, self._total = per_peer, total
        self._ends: list[tuple[float, int, Waiting[T]]] = []
        """A heap; those that have left stay in it until their end."""
        self._entered = 0
        self._by_url: dict[str, list[Waiting[T]]] = {}
        self._peers: Counter[str] = Counter()
        self._hosts: Counter[str] = Counter()
        self._asked: dict[str, str] = {}
        """URLs in flight, each with the peer that had it asked for."""
        self._asking: Counter[str] = Counter()
        self._rates = Rates(HOST_CELLS)
        self._length = 0
        self.shed: Counter[str] = Counter(dict.fromkeys(("peer", "host", "total", "rate"), 0))

    def enter(self, call: T, hosts: Mapping[str, str], until: float, now: float) -> list[str] | None:
        """Has a call wait for URLs (each with its host). Those of them to ask for; None: it may not wait."""
        if bound := self._over(call.peer, hosts):
            self.shed[bound] += 1
            return None
        new = [url for url in hosts if url not in self._asked]
        if not all(self._may_ask(call.peer, hosts[url], now) for url in new):
            self.shed["rate"] += 1
            return None
        one = Waiting(call, dict(hosts), set(hosts), until)
        self._entered += 1
        heapq.heappush(self._ends, (until, self._entered, one))
        self._peers[call.peer] += 1
        self._length += 1
        for url, host in hosts.items():
            self._by_url.setdefault(url, []).append(one)
            self._hosts[host] += 1
        for url in new:
            self._asked[url] = call.peer
            self._asking[call.peer] += 1
        return new

    def refresh(self, url: str, host: str, now: float) -> bool:
        """May a URL be asked for that no call waits for?"""
        if url in self._asked or not self._may_ask("", host, now):
            return False
        self._asked[url] = ""
        return True

    def landed(self, url: str) -> list[T]:
        """A fetch has ended, well or not: the calls that wait for nothing else."""
        peer = self._asked.pop(url, "")
        if peer:
            _less(self._asking, peer)
        ready: list[T] = []
        for one in self._by_url.pop(url, []):
            one.urls.discard(url)
            if not one.urls:
                ready.append(one.call)
                self._leave(one)
        return ready

    def expired(self, now: float) -> Iterator[T]:
        """The calls that have waited long enough."""
        while (end := self.next_end()) is not None and end <= now:
            one = heapq.heappop(self._ends)[2]
            for url in one.urls:
                others = self._by_url[url]
                others.remove(one)
                if not others:
                    del self._by_url[url]
            one.urls.clear()
            self._leave(one)
            yield one.call

    def next_end(self) -> float | None:
        """When the next one has waited long enough."""
        while self._ends and not self._ends[0][2].urls:
            heapq.heappop(self._ends)
        return self._ends[0][0] if self._ends else None

    def __len__(self) -> int:
        return self._length

    def _over(self, peer: str, hosts: Mapping[str, str]) -> str:
        if self._length >= self._total:
            return "total"
        new = sum(url not in self._asked for url in hosts)
        if self._peers[peer] >= self._per_peer or self._asking[peer] + new > URLS_PER_PEER:
            return "peer"
        if any(self._hosts[host] >= PER_HOST for host in hosts.values()):
            return "host"
        return ""

    def _may_ask(self, peer: str, host: str, now: float) -> bool:
        # The narrow ones first: who is over its own share takes nothing of the others'.
        return (
            self._rates.take(("host", host), FETCHES_PER_HOST, now)
            and self._rates.take(("peer", peer), FETCHES_PER_PEER, now)
            and self._rates.take("all", FETCHES, now)
        )

    def _leave(self, one: Waiting[T]) -> None:
        self._length -= 1
        _less(self._peers, one.call.peer)
        for host in one.hosts.values():
            _less(self._hosts, host)


def _less(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
