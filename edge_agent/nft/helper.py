"""The helper's process: takes bans from one agent over a unix socket and holds them in the kernel.

    connection -> Content -> a batch each 100 ms, or of 500 -> nft -j -f -
                             nft -j list table -> compared -> drift: the whole table anew, and told

Who may connect is told by the kernel (SO_PEERCRED): root, or the agent's user.
One agent at a time. While none is connected nothing is renewed, so the bans run
out by themselves; at a clean stop the table goes.

Never runs a shell, and never gives nft anything that wasn't parsed (``protocol.py``).
"""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.events.log import open_log
from edge_agent.nft import ruleset
from edge_agent.nft.content import Content
from edge_agent.nft.protocol import (
    LINE_LIMIT,
    NETWORKS_LIMIT,
    BanSome,
    Filled,
    LiftSome,
    Listener,
    ProtocolError,
    Report,
    Reset,
    read_message,
    write_report,
)
from edge_agent.systemd import Notifier, stream_is_journal

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

BATCH_SECONDS = 0.1
BATCH_CHANGES = 500
REPORT_SECONDS = 1.0
RENEW_SECONDS = 10.0
READ_SECONDS = 5.0  # between two readings at rest; a twentieth of the time at most goes into it
READ_SHARE = 20
NFT_SECONDS = 30.0
RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0)
STDERR = 2


class NftError(Exception):
    """nft can't be run, or said no."""


class TableGone(NftError):
    """There is no such table."""


Nft = Callable[[list[str], bytes], Awaitable[bytes]]


def nft_command(command: str) -> Nft:
    """Runs ``nft`` with these arguments and this input; its output, or NftError."""

    async def run(arguments: list[str], data: bytes) -> bytes:
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(command, *arguments, stdin=pipe, stdout=pipe, stderr=pipe)
        except OSError as error:
            raise NftError(f"{command}: {error.strerror}") from None
        try:
            async with asyncio.timeout(NFT_SECONDS):
                output, complaint = await process.communicate(data)
        except TimeoutError:
            raise NftError(f"{command}: no answer within {NFT_SECONDS:.0f} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            lines = complaint.decode(errors="replace").strip().splitlines()
            what = lines[0] if lines else f"exit code {process.returncode}"
            raise TableGone(what) if "No such file or directory" in what else NftError(what)
        return output

    return run


class Firewall:
    """One table of the kernel: made, changed, read back and repaired by the one task that runs ``work``."""

    def __init__(self, nft: Nft, table: str, read_seconds: float, log: FilteringBoundLogger) -> None:
        self._nft, self._table, self._log = nft, table, log
        self._read_seconds = read_seconds
        self._content = Content()
        self._listeners: tuple[Listener, ...] = ()
        self._wake = asyncio.Event()
        self._filled = self._whole = False
        self._elements = 0
        self._rules = ""
        self._next_read = self._next_renew = 0.0
        self._failed = 0
        self._retry_at = 0.0
        self._counted = (0, 0)
        self._drifts, self._drift, self._error = 0, "", ""

    def take(self, message: Reset | BanSome | LiftSome | Filled) -> None:
        """What the agent asked for. ProtocolError when it asks for too much."""
        now = time.monotonic()
        match message:
            case Reset(listeners):
                self._listeners, self._filled, self._whole = listeners, False, False
                self._content.clear()
            case BanSome(bans):
                if self._content.wanted + len(bans) > NETWORKS_LIMIT:
                    raise ProtocolError("too many networks")
                for network, seconds in bans:
                    self._content.ban(network, now + seconds)
            case LiftSome(networks):
                for network in networks:
                    self._content.lift(network)
            case Filled():
                self._filled = True
        if self._filled:
            self._wake.set()

    def leave(self) -> None:
        """The agent is gone: what is in the kernel runs out by itself."""
        self._filled = False

    def report(self) -> Report:
        # "on": made, and read back once.
        state = "failing" if self._error else "on" if self._whole and self._rules else "filling"
        return Report(state, self._elements, *self._counted, self._drifts, self._drift, self._error)

    async def work(self) -> None:
        """For ever: changes as they come, reading back, repair."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(BATCH_SECONDS * 10):
                    await self._wake.wait()
            if not self._filled:
                self._wake.clear()
                continue
            if self._wake.is_set() and self._content.changes < BATCH_CHANGES:
                await asyncio.sleep(BATCH_SECONDS)
            self._wake.clear()
            if time.monotonic() >= self._retry_at:
                await self._turn()

    async def _turn(self) -> None:
        try:
            await self._apply()
            if self._filled and time.monotonic() >= self._next_read:
                await self._read_back()
        except (NftError, ValueError) as error:
            self._whole = False
            wait = RETRY_SECONDS[min(self._failed, len(RETRY_SECONDS) - 1)]
            self._failed += 1
            self._retry_at = time.monotonic() + wait
            if str(error) != self._error:
                self._error = str(error)
                self._log.error("nft-failed", why=self._error)
            return
        if self._error:
            self._log.info("nft-works-again")
        self._failed, self._error = 0, ""

    async def _apply(self) -> None:
        now = time.monotonic()
        if now >= self._next_renew:
            self._next_renew = now + RENEW_SECONDS
            self._content.renew(now)
        if not self._whole:
            await self._count_before()
            made = ruleset.make(self._table, self._listeners, self._content.everything(now), self._counted)
            # Before, since an agent may say "reset" while nft runs: that must not be taken for done.
            self._whole, self._rules = True, ""
            await self._commit(made, now)
        elif self._content.changes:
            bans, lifts = self._content.changed(now)
            if bans or lifts:
                await self._commit(ruleset.change(self._table, bans, lifts), now)

    async def _commit(self, commands: list[ruleset.Command], started: float) -> None:
        await self._nft(["-j", "-f", "-"], ruleset.text(commands))
        took = time.monotonic() - started
        self._elements = len(self._content)
        self._content.slowest = max(self._content.slowest, took)
        self._next_read = min(self._next_read, time.monotonic() + (READ_SHARE * took if self._rules else 0.0))

    async def _count_before(self) -> None:
        """What a table that stands already has counted goes on counting."""
        with suppress(NftError, ValueError):
            listing = ruleset.read(await self._nft(["-j", "list", "table", "inet", self._table], b""))
            self._counted = max(self._counted, (listing.packets, listing.bytes))

    async def _read_back(self) -> None:
        asked = time.monotonic()
        try:
            listing = ruleset.read(await self._nft(["-j", "list", "table", "inet", self._table], b""))
        except TableGone:
            listing = None
        answered = time.monotonic()
        self._next_read = answered + max(self._read_seconds, READ_SHARE * (answered - asked))
        if not self._whole:
            return  # an agent has started anew meanwhile
        found = self._differences(listing, asked, answered)
        if listing is not None:
            self._counted = max(self._counted, (listing.packets, listing.bytes))
            self._rules = self._rules or listing.rules
        if found:
            self._drifts += 1
            self._drift = found
            self._whole = False
            self._log.error("nft-drift", table=self._table, found=found)
            await self._apply()
            self._next_read = time.monotonic()

    def _differences(self, listing: ruleset.Listing | None, asked: float, answered: float) -> str:
        if listing is None:
            return "the table is gone"
        elements = self._content.drift(listing, asked, answered)
        # The first reading after a table was made is what its rules are compared with from then on.
        rules = "other rules" if self._rules and listing.rules != self._rules else ""
        return ", ".join(filter(None, (rules, elements)))

    async def remove(self) -> None:
        """Takes the table away."""
        with suppress(NftError):
            await self._nft(["-j", "-f", "-"], ruleset.text(ruleset.remove(self._table)))


class Helper:
    """The socket, and the agent that is connected to it."""

    def __init__(self, firewall: Firewall, user: str, log: FilteringBoundLogger) -> None:
        self._firewall, self._user, self._log = firewall, user, log
        self._agent: int | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        pid, uid = _peer(writer)
        try:
            if not self._allowed(uid):
                self._log.warning("refused", uid=uid, pid=pid, why=f"neither root nor {self._user}")
            elif self._agent is not None:
                self._log.warning("refused", uid=uid, pid=pid, why=f"process {self._agent} is connected")
            else:
                self._agent = pid
                try:
                    await self._talk(reader, writer, pid)
                finally:
                    self._agent = None
                    self._firewall.leave()
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pid: int) -> None:
        self._log.info("connected", pid=pid)
        telling = asyncio.create_task(self._tell(writer))
        why = "it went"
        try:
            while line := await reader.readline():
                self._firewall.take(read_message(line))
        except ProtocolError as error:
            why = str(error)
        except ValueError:  # of readline: a line above the limit
            why = "a line is too long"
        except OSError as error:
            why = str(error)
        finally:
            telling.cancel()
            self._log.info("disconnected", pid=pid, why=why)

    async def _tell(self, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while True:
                writer.write(write_report(self._firewall.report()))
                await writer.drain()
                await asyncio.sleep(REPORT_SECONDS)

    def _allowed(self, uid: int) -> bool:
        # Looked up each time: a dynamic user exists only while its service runs.
        try:
            return uid == 0 or uid == pwd.getpwnam(self._user).pw_uid
        except KeyError:
            return False


def _peer(writer: asyncio.StreamWriter) -> tuple[int, int]:
    """Process and user at the other end."""
    sock: socket.socket = writer.get_extra_info("socket")
    pid, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid


def run(path: Path, user: str, table: str, command: str, read_seconds: float = READ_SECONDS) -> int:
    """The whole life of the helper. Returns its exit code."""
    return asyncio.run(_run(path, user, table, command, read_seconds))


async def _run(path: Path, user: str, table: str, command: str, read_seconds: float) -> int:
    log, _ = open_log(STDERR, priorities=stream_is_journal(STDERR))
    firewall = Firewall(nft_command(command), table, read_seconds, log)
    helper = Helper(firewall, user, log)
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(helper.serve, path, limit=LINE_LIMIT)
        # Anybody may connect and is then looked at: the agent's group needn't exist.
        os.chmod(path, 0o666)
    except OSError as error:
        log.critical("no-socket", path=str(path), why=error.strerror)
        return 1
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    working = asyncio.create_task(firewall.work())
    waiting = asyncio.create_task(stop.wait())
    notifier = Notifier()
    notifier.ready(f"Holding bans in table inet {table}")
    log.info("started", socket=str(path), table=table, user=user)
    await asyncio.wait([working, waiting], return_when=asyncio.FIRST_COMPLETED)
    notifier.stopping()
    failed = working.done()
    if failed:
        log.critical("part-ended", part="nft", exc_info=working.exception())
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    server.close()
    await firewall.remove()
    path.unlink(missing_ok=True)
    log.info("stopped")
    return 3 if failed else 0
