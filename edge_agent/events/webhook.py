"""The webhook: tells a URL of emergency calls, by POST of one JSON object each, and keeps what it couldn't tell.

``put`` never waits. What waits is bounded: ``ROOM`` notifications, ``KEEP_SECONDS``
and ``TRIES`` each, and half of the room is for calls that were let through, so
that a flood of refused ones pushes none of them out. What finds no room is
counted in a sum that is told later. A hook that fails is asked again by one
notification at a time, after 1 s, 2 s and so on up to a minute; one line says
that it fails and one that it is back. What failed waits behind what is new, by a
pause of its own, and new ones are tried within two seconds: so one that the hook
can't take, while it takes others, holds up none. What waits is in memory alone:
at the end it gets one more try within a second, and a restart begins with
nothing. TLS is verified, redirects aren't followed, an answer's body isn't read.
Never delays a call, and never ends the process.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import ssl
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp

from edge_agent import __version__

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

Notification = dict[str, Any]
"""What is told, as ``notice.py`` makes it; ``result`` and ``trunk`` say what it is summed with."""

ROOM = 4096
RESERVED = ROOM // 2
"""Places that only calls which were let through may take."""
FLIGHTS = 4
SECONDS = 5.0
"""Of one attempt, name look-up and all."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
NEW_PAUSES = 2
"""First pauses that a new notification waits at most for a hook that fails: it may be one other that the hook can't take."""
TRIES = 1000
KEEP_SECONDS = 6 * 3600.0
CLOSE_SECONDS = 1.0
LET_THROUGH = frozenset({"routed", "test", "redirected"})
# The hook can't read this very notification; asking again would change nothing.
UNREADABLE = frozenset({400, 413, 415, 422})
SUMMED = frozenset({"result", "reason", "test", "agent", "trunk", "time"})
"""What a sum keeps of the notifications in it."""
TELL_LOST_SECONDS = 60.0
LOOK_SECONDS = 10.0
"""Between two looks for those that are too old."""


@dataclass
class _Item:
    notification: Notification
    born: float
    tries: int = 0
    again: float = 0.0
    """Not before then."""
    sent: int | None = None
    """How many the hook had taken when this failed first."""
    alone: bool = False
    """The hook took others since."""


class Webhook:
    """One URL. Make it in a running loop; ``close`` ends it."""

    def __init__(
        self,
        url: str,
        log: FilteringBoundLogger,
        *,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
        first_pause: float = FIRST_PAUSE,
    ) -> None:
        self._url, self._log, self._clock, self._tls = url, log, clock, tls
        self._first_pause = first_pause
        self._waiting: deque[_Item] = deque()
        """New ones."""
        self._later: list[tuple[float, int, _Item]] = []
        """A heap of those that failed, by when they are due."""
        self._numbers = itertools.count()
        self._sums: dict[tuple[str, str], _Item] = {}
        self._flights: set[asyncio.Task[None]] = set()
        self._aloft = 0  # of them those whose end isn't known yet
        self._wake = asyncio.Event()
        self._failing_since: float | None = None
        self._failures = 0
        self._failed_at = self._again = 0.0
        self._next_look = 0.0
        self._closing = False
        self._lost_told = -TELL_LOST_SECONDS
        self._lost_untold = 0
        self.counts: Counter[str] = Counter(sent=0, lost=0, summed=0, failed=0)
        self._session: aiohttp.ClientSession | None = None
        self._task = asyncio.get_running_loop().create_task(self._run(), name="webhook")

    # What others ask

    def put(self, notification: Notification) -> None:
        """Takes a notification in. Without room for it, it is one more of a sum."""
        through = notification["result"] in LET_THROUGH
        room = ROOM if through else ROOM - RESERVED
        if notification["event"] == "emergency-calls" or len(self._waiting) + len(self._later) >= room:
            self._sum(notification)
        else:
            self._waiting.append(_Item(notification, self._clock()))
        self._wake.set()

    def retarget(self, url: str) -> None:
        """What waits goes to another URL from now on."""
        if url != self._url:
            self._url = url
            self._again, self._failures = 0.0, 0
            for item in self._failed_ones():
                item.sent, item.alone = None, False
            self._due_at_once()
            self._wake.set()

    def status(self) -> dict[str, Any]:
        return {
            "state": "failing" if self._failing_since is not None else "on",
            "waiting": len(self._waiting) + len(self._later) + len(self._sums) + self._aloft,
            **self.counts,
        }

    async def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Gives all that waits one more try within that time; the rest is lost and told."""
        deadline = asyncio.get_running_loop().time() + seconds
        self._closing = True
        self._wake.set()
        while self._flights or self._waiting or self._later or self._sums:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or self._task.done():
                break
            await asyncio.wait([self._task, *self._flights], timeout=min(left, 0.05))
        tasks = [self._task, *self._flights]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        self._lose(sum(_count(item) for item in (*self._waiting, *self._failed_ones())))
        self._waiting.clear()
        self._later.clear()
        self._sums.clear()
        self._tell_lost(0.0)

    # What happens

    async def _run(self) -> None:
        while True:
            try:
                await self._serve()
            except Exception:  # noqa: BLE001 - a bug here must not end the process, and not the notifications either
                self._log.exception("webhook-bug")
                await asyncio.sleep(self._first_pause)

    async def _serve(self) -> None:
        if self._session is None:
            # Reads the system's certificates: not on the loop.
            tls = self._tls if self._tls is not None else await asyncio.to_thread(_system_tls)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=FLIGHTS, ssl=tls),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=SECONDS),
                headers={"User-Agent": f"edge-agent/{__version__}"},
            )
        while True:
            self._wake.clear()
            self._drop_old()
            while (item := self._next()) is not None:
                task = asyncio.get_running_loop().create_task(self._fly(item))
                self._flights.add(task)
                task.add_done_callback(self._landed)
            try:
                await asyncio.wait_for(self._wake.wait(), self._pause())
            except TimeoutError:
                continue

    def _pause(self) -> float | None:
        """Until something may be due; None: nothing waits for a time."""
        due = [self._later[0][0]] if self._later else []
        due += [item.again for item in self._sums.values()]
        if self._waiting:
            due.append(0.0)
        if not due or len(self._flights) >= (FLIGHTS if self._failing_since is None else 1):
            return None
        at = min(due)
        if self._failing_since is not None:
            at = max(at, self._new_again() if self._waiting else self._again)
        return max(0.001, at - self._clock())

    def _new_again(self) -> float:
        """While the hook fails, when a new one may be tried."""
        return min(self._again, self._failed_at + NEW_PAUSES * self._first_pause)

    def _next(self) -> _Item | None:
        """The next to send: new ones first; while the hook fails one at a time, after the pause."""
        if len(self._flights) >= FLIGHTS:
            return None
        now = self._clock()
        if self._failing_since is not None and not self._closing:
            if self._flights:
                return None
            if self._waiting and now >= self._new_again():
                return self._likely()
            if now < self._again:
                return None
        if self._waiting:
            return self._waiting.popleft()
        if self._later and (self._closing or self._later[0][0] <= now):
            return heapq.heappop(self._later)[2]
        for key, item in self._sums.items():
            if self._closing or item.again <= now:
                return self._sums.pop(key)
        return None

    def _likely(self) -> _Item:
        """Of the new ones the newest call that was let through, else the newest: old ones may be what the hook can't take."""
        for at in range(len(self._waiting) - 1, -1, -1):
            if self._waiting[at].notification["result"] in LET_THROUGH:
                item = self._waiting[at]
                del self._waiting[at]
                return item
        return self._waiting.pop()

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flights.discard(task)
        self._wake.set()

    async def _fly(self, item: _Item) -> None:
        item.tries += 1
        self._aloft += 1
        assert self._session is not None
        try:
            body = json.dumps(item.notification, ensure_ascii=True, separators=(",", ":")).encode()
            async with self._session.post(
                self._url, data=body, headers={"Content-Type": "application/json"}, allow_redirects=False
            ) as answer:
                status = answer.status
            why = "" if 200 <= status < 300 else f"status {status}"
        except asyncio.CancelledError:
            self._waiting.appendleft(item)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, this attempt failed
            status, why = 0, type(error).__name__
        finally:
            self._aloft -= 1
        if not why:
            self.counts["sent"] += 1
            self._back()
        elif status in UNREADABLE and item.tries >= 2:
            self._lose(_count(item))
            self._log.error("webhook-refused", host=self._host(), why=why, result=item.notification["result"])
        else:
            self._keep(item)
            self._failed(item, why)

    def _keep(self, item: _Item) -> None:
        if item.tries >= TRIES or self._closing:
            self._lose(_count(item))
            return
        item.again = self._clock() + self._pause_after(item.tries - 1)
        if item.notification["event"] == "emergency-calls":
            self._keep_sum(item)
        else:
            heapq.heappush(self._later, (item.again, next(self._numbers), item))

    def _failed(self, item: _Item, why: str) -> None:
        self.counts["failed"] += 1
        if item.sent is None:
            item.sent = self.counts["sent"]
        elif self.counts["sent"] > item.sent:
            if not item.alone:
                item.alone = True
                self._log.error("webhook-refused", host=self._host(), why=why, result=item.notification["result"])
            return  # it isn't the hook that fails
        now = self._failed_at = self._clock()
        if self._failing_since is None:
            self._failing_since = now
            self._log.error("webhook-failing", host=self._host(), why=why, waiting=self.status()["waiting"])
        if now >= self._again:
            self._again = now + self._pause_after(self._failures)
            self._failures += 1

    def _pause_after(self, failures: int) -> float:
        return min(LONGEST_PAUSE, self._first_pause * float(2 ** min(failures, 16)))

    def _back(self) -> None:
        if self._failing_since is None:
            return
        seconds = round(self._clock() - self._failing_since, 1)
        self._failing_since, self._failures, self._again = None, 0, 0.0
        self._due_at_once()
        self._log.warning("webhook-back", host=self._host(), seconds=seconds, waiting=self.status()["waiting"])

    def _due_at_once(self) -> None:
        """What failed because the hook did needs no pause of its own any more."""
        for item in self._failed_ones():
            if not item.alone:
                item.again = 0.0
        self._later = [(item.again, number, item) for _, number, item in self._later]
        heapq.heapify(self._later)

    def _failed_ones(self) -> list[_Item]:
        return [*(item for _, _, item in self._later), *self._sums.values()]

    # What is too much, or too old

    def _sum(self, notification: Notification) -> None:
        key = (str(notification["result"]), str(notification["trunk"]))
        count = int(notification.get("count", 1))
        self.counts["summed"] += 1
        kept = self._sums.get(key)
        if kept is not None:
            kept.notification["count"] += count
        elif len(self._sums) < ROOM:
            summed: Notification = {name: value for name, value in notification.items() if name in SUMMED}
            summed |= {"event": "emergency-calls", "count": count}
            self._sums[key] = _Item(summed, self._clock())
        else:
            self._lose(count)

    def _keep_sum(self, item: _Item) -> None:
        """A sum that failed, with what was added up meanwhile."""
        key = (str(item.notification["result"]), str(item.notification["trunk"]))
        newer = self._sums.pop(key, None)
        if newer is not None:
            item.notification["count"] += newer.notification["count"]
        self._sums[key] = item

    def _drop_old(self) -> None:
        now = self._clock()
        oldest = now - KEEP_SECONDS
        while self._waiting and self._waiting[0].born < oldest:
            self._waiting.popleft()
            self._lose(1)
        if now >= self._next_look:
            self._next_look = now + LOOK_SECONDS
            kept = [late for late in self._later if late[2].born >= oldest]
            self._lose(len(self._later) - len(kept))
            heapq.heapify(kept)
            self._later = kept
        self._tell_lost(TELL_LOST_SECONDS)

    def _lose(self, count: int) -> None:
        self.counts["lost"] += count
        self._lost_untold += count

    def _tell_lost(self, pause: float) -> None:
        now = self._clock()
        if self._lost_untold and now - self._lost_told >= pause:
            self._log.error("webhook-lost", host=self._host(), notifications=self._lost_untold)
            self._lost_told, self._lost_untold = now, 0

    def _host(self) -> str:
        """What may be told of the URL: the rest may hold a secret."""
        return urlsplit(self._url).hostname or ""


def _count(item: _Item) -> int:
    return int(item.notification.get("count", 1))


def _system_tls() -> ssl.SSLContext:
    return ssl.create_default_context()
