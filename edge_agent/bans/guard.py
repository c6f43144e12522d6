"""The part of the daemon that bans: makes keeper, store and kernel out of the settings, and turns them.

Nothing that goes wrong in here ends the daemon or keeps it from serving: an error
is a line in the log, and the bans that hold go on holding.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.bans.keeper import Allowed, Engine, Keeper
from edge_agent.bans.kernel import Kernel
from edge_agent.bans.store import FILE_NAME, Store
from edge_agent.nft.protocol import LOWEST_PORT, Listener

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from edge_agent.policy.load import Loaded

TICK_SECONDS = 0.25
BUG_SECONDS = 60.0  # between two lines about the same bug
CLOSE_SECONDS = 2.0


class Guard:
    """Made before the daemon serves, ``start``ed on its loop, ``run`` as a task of it, ``close``d at the end."""

    def __init__(self, engine: Engine, loaded: Loaded, log: FilteringBoundLogger) -> None:
        self._log = log
        settings = loaded.settings
        self._loop: asyncio.AbstractEventLoop | None = None
        self._store = Store(Path(settings.agent.state_dir) / FILE_NAME, self._alarm)
        self.keeper = Keeper(engine, self._store, settings, log, allowed=_allowed(loaded))
        self._settings = settings
        self._kernel: Kernel | None = None

    def start(self) -> None:
        """Puts the bans of the last run in force again."""
        self._loop = asyncio.get_running_loop()
        try:
            self.keeper.restore()
        except Exception:  # noqa: BLE001 - the agent serves, with the bans that were read so far
            self._log.exception("bans-bug")
        if self._settings.bans.kernel:
            listeners = [
                Listener("tcp" if at.transport == "tls" else at.transport, at.address.host, at.address.port)
                for at in self._settings.listen
                if at.address.port >= LOWEST_PORT  # the helper takes no others
            ]
            self._kernel = Kernel(self._settings.bans.helper, listeners, self.keeper.everything, self._log)
            self.keeper.use_kernel(self._kernel)

    async def publish(self, loaded: Loaded) -> None:
        """A policy is in force: nothing that it calls its own or allows stays banned."""
        await self.keeper.publish(loaded.settings, _allowed(loaded))

    async def run(self) -> None:
        """For ever: strikes to bans, bans to the kernel."""
        kernel = asyncio.create_task(self._run_kernel(self._kernel)) if self._kernel is not None else None
        try:
            await self._tick()
        finally:
            if kernel is not None:
                kernel.cancel()
                with suppress(asyncio.CancelledError):
                    await kernel

    async def _tick(self) -> None:
        told_at = -BUG_SECONDS
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                self.keeper.tick()
            except Exception:  # noqa: BLE001 - a bug here must not end the calls
                if time.monotonic() >= told_at + BUG_SECONDS:
                    told_at = time.monotonic()
                    self._log.exception("bans-bug")

    async def _run_kernel(self, kernel: Kernel) -> None:
        while True:
            try:
                await kernel.run()
            except Exception:  # noqa: BLE001 - nor this one
                self._log.exception("ban-kernel-bug")
                await asyncio.sleep(BUG_SECONDS)

    async def close(self) -> None:
        """Writes what the store still has to write."""
        if not await asyncio.to_thread(self._store.close, CLOSE_SECONDS):
            self._log.error("ban-store-failed", why=f"the disk takes longer than {CLOSE_SECONDS:.0f} s")

    def _alarm(self, kind: str, what: str) -> None:
        """From any thread."""
        if self._loop is None:
            self._tell(kind, what)
        else:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._tell, kind, what)

    def _tell(self, kind: str, what: str) -> None:
        line = self._log.info if kind == "back" else self._log.error
        line(f"ban-store-{kind}", why=what)


def _allowed(loaded: Loaded) -> Allowed:
    return lambda network: loaded.networks.never_banned(network, time.time_ns())
