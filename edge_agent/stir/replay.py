"""Which calls a token has vouched for already. Pure: the caller brings the time.

A token is the hash of what was signed (``Passport.content``), a call its
Call-ID. An entry lives as long as the token may be used, and the table has a
bounded size: the token that was first seen longest ago gives way, and is counted.
"""

from __future__ import annotations

from collections import OrderedDict

TOKENS = 65_536
"""About 20 MiB when full; at 60 s of freshness a thousand calls per second."""
AT_ONCE = 8  # expired ones that one call may sweep away


class Replays:
    """The tokens of late. One thread."""

    def __init__(self, limit: int = TOKENS) -> None:
        self._limit = limit
        self._tokens: OrderedDict[bytes, tuple[float, tuple[int, ...]]] = OrderedDict()
        self.evictions = 0

    def again(self, content: bytes, call_id: str, until: float, calls: int, now: float) -> bool:
        """Is this more than ``calls`` calls by one token? A call that comes again is the same; times are POSIX seconds."""
        # Python's own hash of a string is keyed, so nobody finds two Call-IDs of one hash.
        call = hash(call_id)
        known = self._tokens.get(content)
        if known is None or known[0] < now:
            self._tokens.pop(content, None)  # so that it goes to the end
            self._make_room(now)
            self._tokens[content] = (until, (call,))
            return False
        _, seen = known
        if call in seen:
            return False
        if len(seen) >= calls:
            return True
        self._tokens[content] = (max(known[0], until), (*seen, call))
        return False

    def __len__(self) -> int:
        return len(self._tokens)

    def _make_room(self, now: float) -> None:
        # In the order of their first use, which is nearly that of their ends.
        for _ in range(AT_ONCE):
            first = next(iter(self._tokens), None)
            if first is None or self._tokens[first][0] >= now:
                break
            del self._tokens[first]
        if len(self._tokens) >= self._limit:
            self._tokens.popitem(last=False)
            self.evictions += 1
