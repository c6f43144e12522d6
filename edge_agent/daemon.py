"""Main path of the process: load, compile, bind, serve, reload, drain.

    load -> compile -> engine -> sockets -> one pump thread per worker
                                         -> control plane on this thread (asyncio on uvloop)

The pumps hold no GIL and wait for nothing here. What starts is all or nothing:
an error before READY is one line per fault and exit 1. A reload builds beside
the running policy and swaps it whole; on any error the running one stays.

Never looks at a message, and never changes what a "start" setting once was.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from edge_agent import __version__, _hot, findings, heap
from edge_agent.admin import server, status
from edge_agent.ages import keep_ages
from edge_agent.bans.guard import Guard
from edge_agent.dnc.keeper import Requests
from edge_agent.errors import ConfigError
from edge_agent.events.log import open_log
from edge_agent.events.record import address, timestamp
from edge_agent.events.verdicts import VerdictLog
from edge_agent.hours import keep_hours
from edge_agent.keys import KeyFileError, dialog_secret, end_old_secret
from edge_agent.lifespan import keep_running
from edge_agent.listeners import RECEIVE_BUFFER, BindError, Listeners
from edge_agent.metrics import balance
from edge_agent.policy.compile import known_networks
from edge_agent.policy.lists import NumberCache
from edge_agent.policy.load import Loaded, load
from edge_agent.policy.sections import Tables
from edge_agent.policy.settings import Settings
from edge_agent.policy.swap import grace_end, swap
from edge_agent.policy.ways import all_ways
from edge_agent.stir.part import Stir
from edge_agent.systemd import Notifier, credentials_directory, stream_is_journal, watchdog_seconds
from edge_agent.tollbook import TollBook
from edge_agent.upstream.health import Health, Target

if TYPE_CHECKING:
    from edge_agent.events.webhook import Webhook

TICK_SECONDS = 0.25  # how often the event ring is drained; nothing here runs more often
MOST_WORKERS = 64  # of the engine
SUM_SECONDS = 1.0  # the second of "lines per reason and second"
DRAIN_SECONDS = 5.0
STDERR = 2


class StartError(Exception):
    """Why the daemon can't start; the text is the line an operator reads."""


def run(config: Path) -> int:
    """The whole life of a daemon. Returns its exit code."""
    heap.tune()
    # Who asks for a reload while the configuration is being read gets what is read; the default would end us.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        daemon = Daemon(config)
    except ConfigError as error:
        for problem in error.problems:
            print(f"edge-agent: {problem}", file=sys.stderr)
        return 1
    except (StartError, KeyFileError, BindError, server.SocketInUse) as error:
        print(f"edge-agent: {error}", file=sys.stderr)
        return 1
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(daemon.serve())


class Daemon:
    """One running agent. Making one does all that can fail for the operator's fault."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self._numbers = NumberCache()
        self._numbers.compiled.keeping = True
        self._loaded = load(config, self._numbers)
        settings = self._loaded.settings
        self._workers = settings.agent.workers or min(MOST_WORKERS, os.cpu_count() or 1)
        secret = dialog_secret(
            settings.keys.dialog, Path(settings.agent.state_dir), credentials_directory(), time.time()
        )
        # While the old key proves the calls from before, nothing was lost and no grace is needed.
        self._key_made = secret.made if secret.old is None else 0.0
        self._rotated = secret.made if secret.old is not None else None
        # Cheap and likely to fail before dear and certain.
        self._listeners = Listeners([(at.address.host, at.address.port) for at in settings.listen], self._workers)
        # At once: what comes while the tables are made waits already, and a flood must not wait with the customers.
        self._listeners.steer(known_networks(settings))
        self._admin_socket = _bind_admin(Path(settings.admin.socket))
        try:
            self._engine = _hot.Engine(
                workers=self._workers,
                rates_mib=settings.tables.rates_mib,
                transactions_mib=settings.tables.transactions_mib,
                leases_mib=settings.tables.leases_mib,
                callers_mib=settings.tables.callers_mib,
                deferred_mib=settings.tables.deferred_mib,
                behaviour_mib=settings.tables.behaviour_mib,
                secret=secret.current,
                old_secret=secret.old,
            )
        except MemoryError:
            raise StartError(_no_room(config, settings.tables)) from None
        self._generation = 1
        self._steering = self._publish(self._loaded, self._generation)

        self._started = time.monotonic()
        self._started_at = self._loaded_at = timestamp(time.time_ns())
        self._failed_reload: list[str] = []
        self._unsent = 0
        journal = settings.events.log == "journal" and stream_is_journal(STDERR)
        self._log, self._lines = open_log(STDERR, priorities=journal)
        self._webhook: Webhook | None = None
        self._verdicts = VerdictLog(self._log, agent=settings.agent.name, notify=self._notify)
        self._examples = findings.Examples()
        self._notifier = Notifier()
        self._bans = Guard(self._engine, self._loaded, self._log)
        self._requests = Requests(self._engine, self._loaded, self._log)
        self._toll = TollBook(self._engine, Path(settings.agent.state_dir), self._log)
        self._stir = Stir(self._engine, self._loaded, self._log)
        self._health = Health(settings.agent.name, self._engine.set_target, self._log)
        self._reloading = asyncio.Lock()
        self._reloads: set[asyncio.Task[dict[str, Any]]] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._threads: list[threading.Thread] = []
        self._stopping = False
        # From now on what compiles a list does so while calls run.
        self._numbers.compiled.calm = True

    async def serve(self) -> int:
        """Runs until a signal, or until a part that must not end does. Returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        admin = server.Server(
            self._admin_socket, self._status, self.reload, self._bans.keeper, self._stir, self._found, self._requests
        )
        await admin.start()
        self._tell_notices(self._loaded)
        self._tell_receive_buffer()
        self._tell_processor()
        self._tell_steering()
        self._bans.start()
        self._stir.start(self._loaded)
        self._aim_webhook()
        ended: asyncio.Queue[Exception] = asyncio.Queue()
        for worker in range(self._workers):
            thread = threading.Thread(target=self._pump, args=(worker, loop, ended), name=f"pump-{worker}", daemon=True)
            thread.start()
            self._threads.append(thread)
        self._watch_targets()
        tasks = [
            loop.create_task(self._account(), name="account"),
            loop.create_task(self._bans.run(), name="bans"),
            loop.create_task(self._stir.run(), name="stir"),
            loop.create_task(self._feed_watchdog(), name="watchdog"),
            loop.create_task(keep_hours(lambda: self._policy), name="hours"),
            loop.create_task(keep_ages(lambda: self._loaded, self._log), name="ages"),
            loop.create_task(self._requests.run(), name="requests"),
            loop.create_task(self._toll.run(), name="toll"),
            loop.create_task(self._end_old_key(), name="old-key"),
            loop.create_task(_first_end(ended), name="pump"),
        ]
        self._headroom = heap.take_headroom()
        self._log.info("started", version=__version__, **self._summary())
        self._notifier.ready(self._status_line())

        stop = loop.create_task(self._stop.wait())
        await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
        failed = [task for task in tasks if task.done()]
        for task in failed:
            self._log.critical("part-ended", part=task.get_name(), exc_info=task.exception())
        await self._shut_down(admin, [stop, *tasks])
        return 3 if failed else 0

    # Data plane

    def _pump(self, worker: int, loop: asyncio.AbstractEventLoop, ended: asyncio.Queue[Exception]) -> None:
        """A worker's thread: nothing but the engine's loop."""
        sockets = [(sock.fileno(), index) for index, sock in enumerate(self._listeners.sockets[worker])]
        strangers = [(sock.fileno(), index) for index, sock in enumerate(self._listeners.strangers[worker])]
        why: Exception = RuntimeError(f"pump {worker} returned")
        try:
            self._engine.pump(worker, sockets, strangers)
        except Exception as error:  # noqa: BLE001 - told where the daemon is ended for it
            why = error
        if not self._stopping:
            loop.call_soon_threadsafe(ended.put_nowait, why)

    def _publish(self, loaded: Loaded, generation: int) -> list[str]:
        """Puts a configuration in force. Returns what an operator should know about it."""
        # The engine's clock is monotonic; the key's age is wall time and outlives the process.
        grace_until = grace_end(self._key_made, loaded.settings.keys.grace, time.time(), time.monotonic_ns())
        wall_ahead = time.time_ns() - time.monotonic_ns()
        self._policy = swap(self._engine, loaded, generation, grace_until, wall_ahead, time.time())
        told = self._listeners.steer(known_networks(loaded.settings))
        self._listeners.measure(any(trunk.distance != "ignore" for trunk in loaded.settings.trunk))
        return [told] if told else []

    # Control plane

    async def _account(self) -> None:
        """Drains the event ring, and each second tells what its caps hid."""
        clock = asyncio.get_running_loop().time
        next_sum = clock() + SUM_SECONDS
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._write_events()
            if clock() >= next_sum:
                next_sum = clock() + SUM_SECONDS
                self._sum_up()

    def _sum_up(self) -> None:
        counters = self._engine.counters()
        self._write_events()
        self._verdicts.sum_up(counters)
        self._tell_unsent(counters)

    def _write_events(self) -> None:
        events = self._engine.events()
        self._verdicts.write(events)
        self._examples.add(events)

    def _notify(self, notification: dict[str, Any]) -> None:
        if self._webhook is not None:
            self._webhook.put(notification)

    def _aim_webhook(self) -> None:
        """The webhook of the configuration in force; one that was taken away still gets what waited for it."""
        url = self._loaded.settings.events.webhook
        if self._webhook is not None and url:
            self._webhook.retarget(url)
        elif self._webhook is not None:
            task = asyncio.get_running_loop().create_task(self._webhook.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
            self._webhook = None
        elif url:
            from edge_agent.events.webhook import Webhook

            self._webhook = Webhook(url, self._log)

    async def _feed_watchdog(self) -> None:
        """A sign of life only while every worker's loop turns; this loop's own turning is proven by sending it."""
        period = watchdog_seconds()
        if period is None:
            await asyncio.Event().wait()
            return
        beats: list[int] = []
        while True:
            seen = list(self._engine.counters()["heartbeats"])
            if not beats or all(now > before for now, before in zip(seen, beats, strict=True)):
                self._notifier.watchdog()
            else:
                self._log.error("worker-stuck", heartbeats=seen)
            beats = seen
            # Pumps wake at least once per second, so a healthy one has moved by then.
            await asyncio.sleep(max(2.0, period / 3))

    async def _end_old_key(self) -> None:
        """After a rotation: the day in which the old key's dialogs are known ends while the agent runs."""
        if self._rotated is not None:
            await end_old_secret(self._rotated, self._engine.forget_old_secret)
            self._log.info("old-key-forgotten")
        await asyncio.Event().wait()

    def _watch_targets(self) -> None:
        settings = self._loaded.settings
        watched = [(upstream.name, upstream.targets, upstream.probe_every) for upstream in settings.upstream]
        watched += [(trunk.name, trunk.contact, trunk.probe_every) for trunk in settings.trunk if trunk.probe_every]
        targets = [
            Target(name, index, target.host, target.port, every)
            for name, addresses, every in watched
            for index, target in enumerate(addresses)
        ]
        self._health.watch(targets, [at.address.host for at in settings.listen])

    # Reload

    def _hang_up(self) -> None:
        task = asyncio.get_running_loop().create_task(self.reload())
        # The loop alone keeps no task alive.
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def reload(self) -> dict[str, Any]:
        """Loads the configuration anew. What went wrong is logged, returned, and changes nothing."""
        async with self._reloading:
            self._notifier.reloading()
            try:
                loaded, notices = await asyncio.to_thread(self._build)
            except ConfigError as error:
                self._failed_reload = [str(problem) for problem in error.problems]
            except Exception as error:  # noqa: BLE001 - a bug in a reload must not end the running policy
                self._log.exception("reload-bug")
                self._failed_reload = [f"internal error: {error!r}; see the log"]
            else:
                self._loaded, self._failed_reload = loaded, []
                self._generation += 1
                self._loaded_at = timestamp(time.time_ns())
                await self._bans.publish(loaded)
                await self._stir.publish(loaded)
                self._requests.publish(loaded)
                self._watch_targets()
                self._aim_webhook()
                self._tell_notices(loaded)
                for notice in notices:
                    self._log.warning("notice", message=notice)
                self._log.info("reloaded", **self._summary())
                notices = [*_notices(loaded), *notices]
                return {"ok": True, "generation": self._generation, "notices": notices, "errors": []}
            finally:
                self._notifier.ready(self._status_line())
            for line in self._failed_reload:
                self._log.error("reload-error", message=line)
            self._log.error("reload-failed", errors=len(self._failed_reload), generation=self._generation)
            return {"ok": False, "generation": self._generation, "notices": [], "errors": self._failed_reload}

    def _build(self) -> tuple[Loaded, list[str]]:
        """Off the loop's thread: read, check, compile, publish."""
        loaded = load(self._config, self._numbers)
        settings, keys = keep_running(self._loaded.settings, loaded.settings)
        loaded = replace(loaded, settings=settings, ways=all_ways(settings))
        told = self._publish(loaded, self._generation + 1)
        return loaded, [*(f"{self._config}: {key}: takes effect at the next start" for key in keys), *told]

    # Stop

    async def _shut_down(self, admin: server.Server, tasks: Sequence[asyncio.Task[Any]]) -> None:
        self._stopping = True
        self._notifier.stopping()
        self._health.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await admin.close()
        await self._bans.close()
        await self._stir.close()
        self._requests.close()
        self._engine.stop()
        deadline = time.monotonic() + DRAIN_SECONDS
        for thread in self._threads:
            await asyncio.to_thread(thread.join, max(0.0, deadline - time.monotonic()))
        if late := [thread.name for thread in self._threads if thread.is_alive()]:
            self._log.error("drain-cut", threads=late, seconds=DRAIN_SECONDS)
        self._listeners.close()
        await self._toll.close()
        self._sum_up()
        if self._webhook is not None:
            await self._webhook.close()
        await asyncio.gather(*self._closing)
        equation = balance(self._engine.counters())
        self._log.info("stopped", **equation._asdict(), missing=equation.missing)

    # What is told

    def _tell_notices(self, loaded: Loaded) -> None:
        for notice in _notices(loaded):
            self._log.warning("notice", message=notice)

    def _tell_receive_buffer(self) -> None:
        granted = self._listeners.receive_buffer
        if granted < RECEIVE_BUFFER:
            hint = f"sysctl -w net.core.rmem_max={RECEIVE_BUFFER}"
            self._log.warning("receive-buffer", granted=granted, wanted=RECEIVE_BUFFER, hint=hint)

    def _tell_processor(self) -> None:
        if not _hot.AES_FAST:
            hint = "each message takes longer. A virtual machine may hide them: let it have its host's processor"
            self._log.warning("notice", message=f"no AES instructions that the engine knows: {hint}")

    def _tell_unsent(self, counters: dict[str, Any]) -> None:
        """What the kernel refused to send in this second, in one line."""
        if counters["unsent"] is not None and counters["send_errors"] > self._unsent:
            count, self._unsent = counters["send_errors"] - self._unsent, counters["send_errors"]
            number, to, place = counters["unsent"]
            listener = str(self._loaded.settings.listen[place].address)
            why = os.strerror(number)
            self._log.warning(
                "send-errors", count=count, why=why, to=address((to[0].strip("[]"), to[1])), listener=listener
            )

    def _tell_steering(self) -> None:
        for notice in self._steering:
            self._log.warning("notice", message=notice)
        if self._listeners.plain:
            hint = "a flood of strangers can fill the queue that customers wait in"
            self._log.warning("one-queue", why=self._listeners.plain, hint=hint)

    def _summary(self) -> dict[str, Any]:
        settings = self._loaded.settings
        return {
            "name": settings.agent.name,
            "generation": self._generation,
            "file": str(self._config),
            "mode": settings.agent.mode,
            "listen": [str(at.address) for at in settings.listen],
            "trunks": len(settings.trunk),
            "upstreams": len(settings.upstream),
            "workers": self._workers,
        }

    def _status_line(self) -> str:
        where = ", ".join(str(at.address) for at in self._loaded.settings.listen)
        failed = "; the last reload failed" if self._failed_reload else ""
        return f"Screening on {where}, policy {self._generation}{failed}"

    def _found(self) -> dict[str, Any]:
        return findings.report(self._engine.findings(), self._examples, self._started_at)

    def _status(self) -> dict[str, Any]:
        settings = self._loaded.settings
        return status.report(
            name=settings.agent.name,
            pid=os.getpid(),
            uptime=time.monotonic() - self._started,
            policy={
                "generation": self._generation,
                "file": str(self._config),
                "loaded_at": self._loaded_at,
                "mode": settings.agent.mode,
                "notices": _notices(self._loaded),
                "failed_reload": self._failed_reload,
            },
            peers=_peers(settings),
            upstreams=self._health.states(),
            calls=self._engine.calls(time.monotonic_ns()),
            counters=self._engine.counters(),
            tables=self._engine.tables(),
            log_lines_lost=self._lines.dropped,
            queues=self._listeners.dropped(),
            bans=self._bans.keeper.status(),
            stir=self._stir.status(),
            webhook=self._webhook.status() if self._webhook is not None else {"state": "off"},
        )


def _no_room(config: Path, tables: Tables) -> str:
    sizes = {key: getattr(tables, key) for key in type(tables).model_fields if key != "explain_mib"}
    largest = max(sizes, key=lambda key: int(sizes[key]))
    return f"{config}: tables.{largest}: the state tables don't fit into memory ({sizes[largest]} MiB; lower it)"


async def _first_end(ended: asyncio.Queue[Exception]) -> None:
    raise await ended.get()


def _bind_admin(path: Path) -> socket.socket:
    try:
        return server.bind_socket(path)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = "what is there is no socket; name another path" if taken else f"can't be bound: {error.strerror}"
        raise StartError(f"admin.socket {path}: {why}") from None


def _notices(loaded: Loaded) -> list[str]:
    """But for the receive buffer: the load can only guess what the kernel will grant; here it has answered."""
    return [str(notice) for notice in loaded.notices if notice.code != "receive-buffer"]


def _peers(settings: Settings) -> list[dict[str, Any]]:
    trunks = [{"name": trunk.name, "kind": "trunk", "upstream": trunk.upstream} for trunk in settings.trunk]
    return trunks + [{"name": upstream.name, "kind": "upstream"} for upstream in settings.upstream]
