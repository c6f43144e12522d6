"""The agent's end of the helper's socket: keeps the kernel filled with the bans that hold.

    keeper -> Kernel.ban, Kernel.lift -> lines -> helper -> nftables
    Kernel.status <- reports, each second

Whatever happens there costs speed, never safety: the engine drops what is banned
anyway. A helper that is gone is one alarm, and is looked for again; what changed
meanwhile isn't kept, since a helper that comes is told everything anew.

Never waits for the helper with anybody else waiting for it, and never tells it
of a peer's network: the keeper has none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edge_agent.nft.protocol import (
    LINE_LIMIT,
    Listener,
    ProtocolError,
    Report,
    read_report,
    write_bans,
    write_filled,
    write_lifts,
    write_reset,
)

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

RETRY_SECONDS = 1.0
REFUSED_SECONDS = 15.0
SILENCE_SECONDS = 60.0  # nft may take half of it
TOLD_SECONDS = 60.0  # between two alarms of drift

Everything = Callable[[], Sequence[tuple[str, float]]]
"""All networks that are banned now, each with its monotonic end."""


class Kernel:
    """The connection, and what is known of the kernel."""

    def __init__(
        self, path: str, listeners: Sequence[Listener], everything: Everything, log: FilteringBoundLogger
    ) -> None:
        self._path = path
        self._listeners = listeners
        self._everything = everything
        self._log = log
        self._changed: dict[str, float | None] = {}
        self._wake = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._report: Report | None = None
        self._state = "off"
        self._seen_drifts = 0
        self._untold_drifts = 0
        self._told_drift_at = -TOLD_SECONDS

    def ban(self, network: str, ends: float) -> None:
        self._change(network, ends)

    def lift(self, network: str) -> None:
        self._change(network, None)

    def _change(self, network: str, ends: float | None) -> None:
        if self._writer is not None:
            self._changed[network] = ends
            self._wake.set()

    def status(self) -> dict[str, Any]:
        """``state``: off, absent (no helper yet), filling, on, failing (nft can't), lost. Counts are the last known."""
        return {**asdict(self._report or Report("")), "state": self._state}

    async def run(self) -> None:
        """For ever: finds the helper, fills it, keeps it up to date."""
        wait = RETRY_SECONDS
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self._path, limit=LINE_LIMIT)
            except OSError as error:
                self._missing(f"{self._path}: {error.strerror}")
            else:
                self._writer = writer
                heard, self._report = self._report, None
                try:
                    why = await self._talk(reader, writer)
                finally:
                    self._writer = None
                    self._changed.clear()
                    writer.close()
                # One that says nothing serves another agent, and notes each of our visits.
                wait = RETRY_SECONDS if self._report is not None else REFUSED_SECONDS
                self._report = self._report or heard
                self._missing(why)
            await asyncio.sleep(wait)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        """Until the connection ends; why it did."""
        tasks = [asyncio.create_task(self._send(writer)), asyncio.create_task(self._listen(reader))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(iter(done)).result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, writer: asyncio.StreamWriter) -> str:
        try:
            writer.write(write_reset(self._listeners))
            now = time.monotonic()
            for line in write_bans((network, ends - now) for network, ends in self._everything() if ends > now):
                writer.write(line)
                await writer.drain()
            writer.write(write_filled())
            while True:
                await writer.drain()
                await self._wake.wait()
                self._wake.clear()
                changed, self._changed = self._changed, {}
                now = time.monotonic()
                bans = [(network, ends - now) for network, ends in changed.items() if ends is not None and ends > now]
                for line in write_bans(bans):
                    writer.write(line)
                    await writer.drain()
                for line in write_lifts(network for network, ends in changed.items() if ends is None):
                    writer.write(line)
                    await writer.drain()
        except OSError as error:
            return f"{self._path}: {error}"

    async def _listen(self, reader: asyncio.StreamReader) -> str:
        try:
            while True:
                # wait_for of Python 3.11 may swallow a cancellation.
                async with asyncio.timeout(SILENCE_SECONDS):
                    line = await reader.readline()
                if not line:
                    return f"{self._path}: the helper closed the connection"
                self._heard(read_report(line))
        except TimeoutError:
            return f"{self._path}: the helper says nothing"
        except (OSError, ProtocolError, ValueError) as error:
            return f"{self._path}: {error}"

    def _heard(self, report: Report) -> None:
        before, self._state, self._report = self._state, report.state, report
        if report.state == "on" and before != "on":
            again = before in ("lost", "failing") or self._was_lost
            self._log.info("ban-kernel-back" if again else "ban-kernel", elements=report.elements)
            self._was_lost = False
        elif report.state == "failing" and before != "failing":
            self._was_lost = True
            self._log.error(
                "ban-kernel-lost", why=report.error, hint="bans hold in the agent; the kernel drops nothing"
            )
        self._hear_drift(report)

    _was_lost = False

    def _hear_drift(self, report: Report) -> None:
        # A helper that is new counts from 0.
        self._untold_drifts += max(0, report.drifts - self._seen_drifts)
        self._seen_drifts = report.drifts
        now = time.monotonic()
        if self._untold_drifts and now >= self._told_drift_at + TOLD_SECONDS:
            self._told_drift_at = now
            self._log.error("ban-kernel-drift", found=report.drift, times=self._untold_drifts, repaired=True)
            self._untold_drifts = 0

    def _missing(self, why: str) -> None:
        """No helper, or no longer: told once."""
        if self._state == "off":
            self._state = "absent"
            hint = "start edge-agent-nft.service, or set bans.kernel = false"
            self._log.warning(
                "notice", message=f"bans hold in the agent alone, no helper for the kernel: {why} ({hint})"
            )
        elif self._state not in ("absent", "lost"):
            self._state = "lost"
            if not self._was_lost:
                self._was_lost = True
                hint = "bans hold in the agent; looking for the helper"
                self._log.error("ban-kernel-lost", why=why, hint=hint)
