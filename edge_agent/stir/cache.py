"""Certificates that are known, by URL: in memory for verification, on disk for the next start. It asks no network.

Good ones and faults are kept apart, so that nobody pushes a good certificate
out with URLs that lead nowhere. Both are bounded: by number, and good ones by
the bytes that they were served as too. What was asked for longest ago gives way.

Any thread may look; the lock is held for a few dictionary steps, never over a
file, a signature or the network.
"""

from __future__ import annotations

import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography import x509

from edge_agent.events.record import clean
from edge_agent.stir import chain
from edge_agent.stir.chain import Credential, Revoked
from edge_agent.stir.refused import Refused

URLS = 2048
"""Good certificates kept, and as many faults. A country's signing providers are about as many."""
KEPT_BYTES = 16 * 2**20
FETCHED, BY_COMMAND, CONFIGURED = "fetched", "command", "configuration"
FOREVER = float("inf")
TEXT = 512


@dataclass(frozen=True)
class Entry:
    """One URL: its certificate, or why there is none; due to be asked for again from ``until`` on (POSIX seconds)."""

    credential: Credential | None
    fault: Refused | None
    until: float
    pem: bytes = b""
    origin: str = FETCHED
    """Who brought it: the network, a command, the configuration. Only the first is ever asked for again."""


class Cache:
    """The entries in memory. ``counts``: evicted."""

    def __init__(self, counts: Counter[str]) -> None:
        self._lock = threading.Lock()
        self._good: OrderedDict[str, Entry] = OrderedDict()
        self._faults: OrderedDict[str, Entry] = OrderedDict()
        self._bytes = 0
        self._counts = counts

    def get(self, url: str) -> Entry | None:
        with self._lock:
            if (entry := self._good.get(url)) is not None:
                self._good.move_to_end(url)
                return entry
            return self._faults.get(url)

    def put(self, url: str, entry: Entry) -> None:
        with self._lock:
            self._forget(url)
            if entry.credential is None:
                self._faults[url] = entry
                while len(self._faults) > URLS:
                    self._faults.popitem(last=False)
                return
            self._good[url] = entry
            self._bytes += len(entry.pem)
            while len(self._good) > URLS or self._bytes > KEPT_BYTES:
                self._evict()

    def clear(self, url: str | None = None) -> list[str]:
        """Forgets one URL, or all but what the configuration names; which those were."""
        with self._lock:
            kept = {one for one, entry in self._good.items() if entry.origin == CONFIGURED}
            gone = [url] if url is not None else [one for one in self._all() if one not in kept]
            return [one for one in gone if self._forget(one)]

    def rejudge(self, judge: Callable[[str, Entry], Entry]) -> None:
        """Each good entry becomes what ``judge`` makes of it, unless another came meanwhile; faults are asked for anew."""
        with self._lock:
            before = list(self._good.items())
            self._faults.clear()
        for url, entry in before:
            after = judge(url, entry)
            if after is not entry:
                with self._lock:
                    current = self._good.get(url) is entry
                if current:
                    self.put(url, after)

    def rows(self) -> list[tuple[str, Entry]]:
        """All of them, good ones first, the one asked for last at the end."""
        with self._lock:
            return [*self._good.items(), *self._faults.items()]

    def __len__(self) -> int:
        return len(self._good) + len(self._faults)

    def _all(self) -> Iterator[str]:
        yield from self._good
        yield from self._faults

    def _forget(self, url: str) -> bool:
        if (entry := self._good.pop(url, None)) is not None:
            self._bytes -= len(entry.pem)
            return True
        return self._faults.pop(url, None) is not None

    def _evict(self) -> None:
        """The configuration's own stay while there is any other."""
        url = next((one for one, entry in self._good.items() if entry.origin != CONFIGURED), next(iter(self._good)))
        self._bytes -= len(self._good.pop(url).pem)
        self._counts["evicted"] += 1


# Disk


_HEAD = re.compile(rb"x5u: ([\x21-\x7e]{1,512})\nuntil: ([0-9]{1,12}|inf)\norigin: ([a-z]{1,16})\n\n")


class Store:
    """A folder of what was good, one file a URL: a few lines of text, which PEM readers skip, and the certificates."""

    def __init__(self, folder: Path, counts: Counter[str]) -> None:
        self._folder, self._counts = folder, counts

    def save(self, url: str, entry: Entry) -> None:
        """For the next start, when the repository may be down. A full disk costs that, and nothing else."""
        file = self._file(url)
        until = "inf" if entry.until == FOREVER else f"{entry.until:.0f}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_room(URLS - 1)
            part = file.with_suffix(".part")
            part.write_bytes(f"x5u: {url}\nuntil: {until}\norigin: {entry.origin}\n\n".encode() + entry.pem)
            part.replace(file)
        except OSError:
            self._counts["unsaved"] += 1

    def remove(self, url: str) -> None:
        with suppress(OSError):
            self._file(url).unlink(missing_ok=True)

    def read(self, url: str, roots: Sequence[x509.Certificate], revoked: Revoked) -> Entry | None:
        """What is there of one URL, if it is still good."""
        found = _read(self._file(url), roots, revoked)
        return found[1] if found is not None and found[0] == url else None

    def read_all(self, roots: Sequence[x509.Certificate], revoked: Revoked) -> list[tuple[str, Entry]]:
        """All that is still good, the newest last."""
        return [found for file in self._files() if (found := _read(file, roots, revoked)) is not None]

    def _file(self, url: str) -> Path:
        return self._folder / f"{sha256(url.encode()).hexdigest()}.pem"

    def _files(self) -> list[Path]:
        def age(file: Path) -> float:
            try:
                return file.stat().st_mtime
            except OSError:
                return 0.0

        try:
            return sorted(self._folder.glob("*.pem"), key=age)[-URLS:]
        except OSError:
            return []

    def _make_room(self, keep: int) -> None:
        files = self._files()
        for file in files[: max(0, len(files) - keep)]:
            file.unlink(missing_ok=True)


def _read(file: Path, roots: Sequence[x509.Certificate], revoked: Revoked) -> tuple[str, Entry] | None:
    try:
        with file.open("rb") as opened:
            text = opened.read(chain.BYTES + 1024)
        head = _HEAD.match(text)
        if head is None:
            return None
        pem = text[head.end() :]
        credential = chain.load(pem, roots, revoked)
    except (OSError, Refused):
        return None
    return head[1].decode(), Entry(credential, None, float(head[2]), pem, head[3].decode())


def told(url: str, entry: Entry) -> dict[str, Any]:
    """An entry as commands show it. Times are POSIX seconds; 0: never."""
    credential = entry.credential
    return {
        "url": clean(url, TEXT),
        "state": "good" if credential is not None else "refused",
        "origin": entry.origin,
        "until": 0 if entry.until == FOREVER else int(entry.until),
        "subject": clean(credential.subject, TEXT) if credential is not None else "",
        "not_after": int(credential.not_after) if credential is not None else 0,
        "reason": entry.fault.reason.name if entry.fault is not None else "",
        "detail": clean(entry.fault.detail, TEXT) if entry.fault is not None else "",
    }
