"""The webhook: tells a URL of emergency calls, by POST of one JSON object each, and keeps what it couldn't tell.

``put`` never waits. What waits is bounded: ``ROOM`` notifications, ``KEEP_SECONDS``
and ``TRIES`` each, and half of the room is for calls that were let through, so
that a flood of refused ones pushes none of them out. What finds no room is
counted in a sum that is told later. A hook that fails is asked again by one
notification at a time, after 1 s, 2 s and so on up to a minute; one line says
that it fails and one that it is back. TLS is verified, redirects aren't
followed, an answer's body isn't read. Never delays a call, and never ends the
process.
"""

from __future__ import annotations

import asyncio
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
TRIES = 1000
KEEP_SECONDS = 6 * 3600.0
CLOSE_SECONDS = 1.0
LET_THROUGH = frozenset({"routed", "test", "redirected"})
# The hook can't read this very notification; asking again would change nothing.
UNREADABLE = frozenset({400, 413, 415, 422})
SUMMED = frozenset({"result", "reason", "test", "agent", "trunk", "time"})
"""What a sum keeps of the notifications in it."""
TELL_LOST_SECONDS = 60.0


@dataclass
class _Item:
    notification: Notification
    born: float
    tries: int = 0


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
        self._sums: dict[tuple[str, str], _Item] = {}
        self._flights: set[asyncio.Task[None]] = set()
        self._aloft = 0  # of them those whose end isn't known yet
        self._wake = asyncio.Event()
        self._failing_since: float | None = None
        self._failures = 0
        self._again = 0.0
        self._lost_told = -TELL_LOST_SECONDS
        self._lost_untold = 0
        self.counts: Counter[str] = Counter(sent=0, lost=0, summed=0, failed=0)
        self._session: aiohttp.ClientSession | None = None
        self._task = asyncio.get_running_loop().create_task(self._run(), name="webhook")

    # What others ask

    def put(self, notification: Notification) -> None:
        """Takes a notification in. Without room for it, it is one more of a sum."""
        through = notification["result"] in LET_THROUGH
        if notification["event"] == "emergency-calls" or len(self._waiting) >= (ROOM if through else ROOM - RESERVED):
            self._sum(notification)
        else:
            self._waiting.append(_Item(notification, self._clock()))
        self._wake.set()

    def retarget(self, url: str) -> None:
        """What waits goes to another URL from now on."""
        if url != self._url:
            self._url = url
            self._again, self._failures = 0.0, 0
            self._wake.set()

    def status(self) -> dict[str, Any]:
        return {
            "state": "failing" if self._failing_since is not None else "on",
            "waiting": len(self._waiting) + len(self._sums) + self._aloft,
            **self.counts,
        }

    async def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Lets what is on its way, and what can go at once, arrive within that time; the rest is lost and told."""
        deadline = asyncio.get_running_loop().time() + seconds
        while self._flights or (self._failing_since is None and (self._waiting or self._sums)):
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
        self._lose(len(self._waiting) + sum(int(item.notification["count"]) for item in self._sums.values()))
        self._waiting.clear()
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
            pause = max(0.0, self._again - self._clock()) if self._failing_since is not None else None
            try:
                await asyncio.wait_for(self._wake.wait(), pause or None)
            except TimeoutError:
                continue

    def _next(self) -> _Item | None:
        """The next to send: while the hook fails one at a time, after the pause."""
        if self._failing_since is not None and (self._flights or self._clock() < self._again):
            return None
        if len(self._flights) >= FLIGHTS:
            return None
        if self._waiting:
            return self._waiting.popleft()
        if self._sums:
            return self._sums.pop(next(iter(self._sums)))
        return None

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
            self._lose(int(item.notification.get("count", 1)))
            self._log.error("webhook-refused", host=self._host(), why=why, result=item.notification["result"])
        else:
            self._keep(item)
            self._failed(why)

    def _keep(self, item: _Item) -> None:
        if item.tries >= TRIES:
            self._lose(int(item.notification.get("count", 1)))
        elif item.notification["event"] == "emergency-calls":
            self._sum(item.notification)
        else:
            self._waiting.appendleft(item)

    def _failed(self, why: str) -> None:
        self.counts["failed"] += 1
        now = self._clock()
        if self._failing_since is None:
            self._failing_since = now
            self._log.error("webhook-failing", host=self._host(), why=why, waiting=len(self._waiting))
        if now >= self._again:
            self._again = now + min(LONGEST_PAUSE, self._first_pause * 2 ** min(self._failures, 16))
            self._failures += 1

    def _back(self) -> None:
        if self._failing_since is None:
            return
        seconds = round(self._clock() - self._failing_since, 1)
        self._failing_since, self._failures, self._again = None, 0, 0.0
        self._log.warning("webhook-back", host=self._host(), seconds=seconds, waiting=len(self._waiting))

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

    def _drop_old(self) -> None:
        oldest = self._clock() - KEEP_SECONDS
        while self._waiting and self._waiting[0].born < oldest:
            self._waiting.popleft()
            self._lose(1)
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


def _system_tls() -> ssl.SSLContext:
    return ssl.create_default_context()
