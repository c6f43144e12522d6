"""Calls that wait for the thread, by peer: each peer's in its turn, and the longest queue is the one that is cut.

So one peer's flood of signed calls costs that peer's calls, and nobody else's.
Pure; one thread.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar


class FromPeer(Protocol):
    """Whatever a peer sent."""

    @property
    def peer(self) -> str: ...


T = TypeVar("T", bound=FromPeer)


class Queues(Generic[T]):
    """Round robin over the peers that have something."""

    def __init__(self) -> None:
        self._peers: dict[str, deque[T]] = {}
        self._turn: deque[str] = deque()
        self._length = 0

    def put(self, item: T, room: int) -> T | None:
        """Takes it. With ``room`` or more waiting already: what is left out for it, the last of the longest queue."""
        left_out: T | None = None
        if self._length >= room:
            longest = max(self._peers, key=lambda peer: len(self._peers[peer]), default=item.peer)
            own = self._peers.get(item.peer)
            if longest not in self._peers or (own is not None and len(own) >= len(self._peers[longest])):
                return item
            left_out = self._peers[longest].pop()
            self._length -= 1
            if not self._peers[longest]:
                del self._peers[longest]
                self._turn.remove(longest)
        queue = self._peers.get(item.peer)
        if queue is None:
            queue = self._peers[item.peer] = deque()
            self._turn.append(item.peer)
        queue.append(item)
        self._length += 1
        return left_out

    def take(self) -> T | None:
        """The next one, or None."""
        if not self._turn:
            return None
        peer = self._turn.popleft()
        queue = self._peers[peer]
        item = queue.popleft()
        self._length -= 1
        if queue:
            self._turn.append(peer)
        else:
            del self._peers[peer]
        return item

    def take_many(self, count: int) -> list[T]:
        """The next ones, so many at most."""
        taken: list[T] = []
        while len(taken) < count and (item := self.take()) is not None:
            taken.append(item)
        return taken

    def __len__(self) -> int:
        return self._length
