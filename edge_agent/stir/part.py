"""STIR as a part of the daemon: makes certificates and the service out of the settings, and turns them.

The thread starts with the first configuration that verifies or signs; one that
does neither costs nothing. Nothing that goes wrong in here ends the calls: they
get ``on_unavailable``.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_agent.events.record import clean
from edge_agent.stir.refused import Refused

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from edge_agent.policy.load import Loaded
    from edge_agent.policy.settings import Settings
    from edge_agent.stir.fetch import Certificates
    from edge_agent.stir.material import Material
    from edge_agent.stir.service import Engine, Service

FOLDER = "certificates"  # in state_dir
BUG_SECONDS = 60.0  # between two lines about bugs
PEM_BYTES = 65_536
TEXT = 512


def wanted(settings: Settings) -> bool:
    """Does any call of this configuration need verification or a signature?"""
    return any(trunk.stir != "ignore" for trunk in settings.trunk) or any(
        upstream.sign is not None for upstream in settings.upstream
    )


class StirError(Exception):
    """What a command asks for can't be done; the text is the line an operator reads."""


class Stir:
    """Made before the daemon serves, ``start``ed on its loop, ``publish``ed to, ``run`` as a task, ``close``d at the end."""

    def __init__(self, engine: Engine, loaded: Loaded, log: FilteringBoundLogger) -> None:
        self._engine, self._log = engine, log
        self._folder = Path(loaded.settings.agent.state_dir) / FOLDER
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Future[None] | None = None
        self._flights: set[asyncio.Task[None]] = set()
        self._certificates: Certificates | None = None
        self._service: Service | None = None
        self._told_at = -BUG_SECONDS
        self._closing = False
        self._configured: frozenset[str] = frozenset()
        # Read before the first call: a start waits for nothing else.
        if wanted(loaded.settings):
            self._certificates = self._make(_material(loaded))
            self._use(self._certificates, _material(loaded))
            self._certificates.restore()

    def start(self, loaded: Loaded) -> None:
        """The thread begins, where there is something to do."""
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        if self._certificates is not None:
            self._serve(loaded)

    async def publish(self, loaded: Loaded) -> None:
        """A policy is in force: its roots, revocations, limits and rules hold, for what is known too."""
        if self._service is None and not wanted(loaded.settings):
            return
        if self._certificates is None:
            self._certificates = self._make(_material(loaded))
            await asyncio.to_thread(self._certificates.restore)
        await asyncio.to_thread(self._use, self._certificates, _material(loaded))
        self._serve(loaded)

    async def run(self) -> None:
        """For ever; raises when the thread ends, which nothing makes it."""
        assert self._ended is not None
        await self._ended

    async def close(self) -> None:
        """Ends fetches and thread."""
        self._closing = True
        for flight in list(self._flights):
            flight.cancel()
        await asyncio.gather(*self._flights, return_exceptions=True)
        if self._certificates is not None:
            await self._certificates.close()
        if self._service is not None:
            await asyncio.to_thread(self._service.close)

    def _make(self, material: Material) -> Certificates:
        from edge_agent.stir.fetch import Certificates

        return Certificates(
            material.roots,
            clock=time.time,
            limits=material.limits,
            revoked=material.revoked,
            store=self._folder,
            tls=material.tls,
        )

    def _use(self, certificates: Certificates, material: Material) -> None:
        certificates.use(material.roots, material.revoked, material.limits, material.tls, material.preload)
        self._configured = frozenset(url for url, _ in material.preload)

    def _serve(self, loaded: Loaded) -> None:
        from edge_agent.stir.judge import subject
        from edge_agent.stir.service import Rules, Service

        assert self._certificates is not None
        settings = loaded.settings
        rules = Rules(
            settings.stir.freshness,
            settings.stir.on_unavailable == "reject",
            {trunk.name: subject(settings, trunk) for trunk in settings.trunk},
            _material(loaded).signers,
        )
        if self._service is not None:
            self._service.use(rules)
            return
        self._service = Service(self._engine, self._certificates, self._ask, self._bug)
        self._service.use(rules)
        self._service.start(self._thread_ended)

    # From the thread

    def _ask(self, url: str) -> None:
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._fetch, url)

    def _bug(self) -> None:
        if time.monotonic() >= self._told_at + BUG_SECONDS:
            self._told_at = time.monotonic()
            self._log.exception("stir-bug")

    def _thread_ended(self, why: BaseException | None) -> None:
        assert self._loop is not None
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end, why)

    # On the loop

    def _end(self, why: BaseException | None) -> None:
        if self._ended is not None and not self._ended.done() and not self._closing:
            self._ended.set_exception(why or RuntimeError("the thread returned"))

    def _fetch(self, url: str) -> None:
        assert self._loop is not None
        task = self._loop.create_task(self._fly(url), name="certificate")
        self._flights.add(task)
        task.add_done_callback(self._flights.discard)

    async def _fly(self, url: str) -> None:
        assert self._certificates is not None and self._service is not None
        try:
            await self._certificates.fetch(url)
        except Refused:
            pass  # the cache knows why
        except Exception:  # noqa: BLE001 - a bug here must not keep calls waiting
            self._bug()
        finally:
            self._service.landed(url)

    # What commands ask for

    def certificates(self) -> list[dict[str, Any]]:
        """All that is known, in rows."""
        return self._certificates.rows() if self._certificates is not None else []

    async def preload(self, url: str, pem: bytes) -> dict[str, Any]:
        """Takes a certificate, for this run and the next ones, until it is cleared. Raises StirError."""
        if self._certificates is None:
            raise StirError("nothing is verified here: no trunk has stir set to tag or require")
        if len(pem) > PEM_BYTES:
            raise StirError(f"a file of {len(pem)} bytes is no certificate")
        if url in self._configured:
            raise StirError("[stir] preload names that URL; change it there")
        try:
            self._certificates.host(url)
            credential = await asyncio.to_thread(self._certificates.preload, url, pem)
        except Refused as fault:
            what = fault.reason.sentence + (f": {fault.detail}" if fault.detail else "")
            raise StirError(f"{what} ({fault.reason.name})") from None
        self._log.info("certificate-preloaded", url=clean(url, TEXT), subject=clean(credential.subject, TEXT))
        return {"url": url, "subject": credential.subject, "not_after": int(credential.not_after)}

    async def clear(self, url: str | None) -> int:
        """Forgets one, or all but the configuration's own; how many. Raises StirError."""
        if self._certificates is None:
            return 0
        if url is not None and url in self._configured:
            raise StirError("[stir] preload names that URL; take it out there and reload")
        cleared = await asyncio.to_thread(self._certificates.clear, url)
        if url is not None and not cleared:
            raise StirError("nothing is known of that URL")
        self._log.info("certificates-cleared", url=clean(url or "all", TEXT), count=cleared)
        return cleared

    def status(self) -> dict[str, Any]:
        """Counts since the start."""
        if self._service is None or self._certificates is None:
            return {"running": False}
        return {
            "running": True,
            "verified": {name: count for name, count in self._service.results.items() if count},
            "calls": self._service.status(),
            "certificates": {**self._certificates.counts, "known": len(self._certificates)},
        }


def _material(loaded: Loaded) -> Material:
    from edge_agent.stir.material import Material

    return loaded.stir or Material()
