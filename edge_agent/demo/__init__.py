"""``edge-agent demo``: the real agent between a simulated cloud and simulated customers, on loopback, for ten seconds.

Both ends count what they sent and saw; the summary compares that with what must
be, and with the agent's own counters. It exits 1 unless every line is right.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import uvloop
from rich.live import Live

from edge_agent.admin.client import NoDaemon
from edge_agent.demo import table
from edge_agent.demo.cloud import FarEnd
from edge_agent.demo.customers import SILENCE, Customer, Tally
from edge_agent.demo.plan import KINDS, Kind, Seen
from edge_agent.demo.scene import Address, Agent, free_addresses
from edge_agent.demo.table import Check
from edge_agent.show import complain, console, print_json

REFRESH_SECONDS = 0.5  # of the table
LINE_SECONDS = 2.0  # between lines, where there is no terminal
SETTLE_SECONDS = 5.0  # for the last datagrams to be counted
CUSTOMERS = ("acme", "bravo", "busy", "stranger")


def run_demo(seconds: float, as_json: bool) -> int:
    """The whole demo. Returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="edge-agent-demo-") as folder:
        at = free_addresses()
        try:
            agent = Agent.start(Path(folder), at)
        except RuntimeError as error:
            complain([error])
            return 1
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                demo = Demo(agent, {name: Customer(at[name], at["agent"]) for name in CUSTOMERS}, at, seconds)
                right = runner.run(demo.run(as_json))
        except* NoDaemon as gone:
            # It went away while it was being shown; the traffic was ended.
            complain(gone.exceptions)
            right = False
        except* KeyboardInterrupt:
            right = False
        finally:
            code = agent.stop()
        if not right or code:
            complain([f"the agent's log ends with:\n{agent.log()}", f"the agent's exit code was {code}"])
        return 0 if right and code == 0 else 1


class Demo:
    """One run: the parties, the tallies, the clock."""

    def __init__(self, agent: Agent, customers: dict[str, Customer], at: dict[str, Address], seconds: float) -> None:
        self._agent = agent
        self._customers = customers
        self._cloud = FarEnd(at["cloud"], at["agent"])
        self._psap = FarEnd(at["psap"], at["agent"])
        self._parties: list[FarEnd | Customer] = [self._cloud, self._psap, *customers.values()]
        self._seconds = seconds
        self._tallies = {kind.name: Tally() for kind in KINDS}
        self._status: dict[str, Any] = {}

    async def run(self, as_json: bool) -> bool:
        """Sends, shows, sums up. Whether all was right."""
        for party in self._parties:
            await party.open()
        try:
            self._status = await asyncio.to_thread(self._agent.status)
            async with asyncio.TaskGroup() as traffic:
                tasks = [traffic.create_task(self._send(kind)) for kind in KINDS]
                if not as_json:
                    await self._show(tasks)
            checks = await self._settle()
        finally:
            for party in self._parties:
                party.close()
        result = table.summary_json(self._rows(), self._status, checks)
        if as_json:
            print_json(result)
        else:
            console().print(table.summary(self._rows(), self._status, checks))
        return bool(result["ok"])

    async def _send(self, kind: Kind) -> None:
        """One kind's traffic at its rate, until the time is over and every call has its outcome."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        calls: list[asyncio.Task[None]] = []
        tally = self._tallies[kind.name]
        while (passed := loop.time() - start) < self._seconds:
            # By the clock, not by the number of sleeps: a late wake-up is caught up with.
            while tally.sent < passed * kind.per_second:
                tally.sent += 1
                if kind.waits:
                    calls.append(asyncio.create_task(self._call(kind, tally, tally.sent)))
                else:
                    self._customers[kind.customer].shout(kind.name, kind.caller_of(tally.sent), kind.called)
            await asyncio.sleep(0.02)
        await asyncio.gather(*calls)

    async def _call(self, kind: Kind, tally: Tally, number: int) -> None:
        customer = self._customers[kind.customer]
        tally.outcomes[await customer.call(kind.name, kind.caller_of(number), kind.called, kind.extra())] += 1

    async def _show(self, traffic: list[asyncio.Task[None]]) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        screen = console()
        if not screen.is_terminal:
            while not all(task.done() for task in traffic):
                await asyncio.wait(traffic, timeout=LINE_SECONDS)
                print(table.line(self._rows(), await self._refresh()), flush=True)
            return
        with Live(console=screen, auto_refresh=False, transient=True) as view:
            while not all(task.done() for task in traffic):
                left = max(0.0, start + self._seconds - loop.time())
                view.update(table.live(self._rows(), await self._refresh(), left), refresh=True)
                await asyncio.wait(traffic, timeout=REFRESH_SECONDS)

    async def _refresh(self) -> dict[str, Any]:
        self._status = await asyncio.to_thread(self._agent.status)
        return self._status

    async def _settle(self) -> list[Check]:
        """Waits until the agent has counted all that was sent to it; then the sums."""
        deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
        while True:
            counters = (await self._refresh())["counters"]
            sent = sum(party.sent for party in self._parties)
            if counters["received"] >= sent or asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.1)
        accounted = counters["forwarded"] + counters["answered"] + counters["dropped"]
        refusals = sum(customer.refusals for customer in self._customers.values())
        strays = sum(customer.strays for customer in self._customers.values())
        targets = [row for row in self._status["upstreams"] if row["up"]]
        return [
            Check(
                "received by the agent = sent to it",
                f"{sent:,}",
                f"{counters['received']:,}",
                counters["received"] == sent,
            ),
            Check(
                "received = forwarded + answered + dropped",
                f"{counters['received']:,}",
                f"{counters['forwarded']:,} + {counters['answered']:,} + {counters['dropped']:,}",
                counters["received"] == accounted,
            ),
            Check(
                "answered = refusals that customers saw",
                f"{refusals:,}",
                f"{counters['answered']:,}",
                counters["answered"] == refusals,
            ),
            Check("answers that nobody asked for", "0", str(strays), strays == 0),
            Check("upstream targets that answer probes", "2", str(len(targets)), len(targets) == 2),
        ]

    def _rows(self) -> list[tuple[Kind, Seen]]:
        return [(kind, self._seen(kind)) for kind in KINDS]

    def _seen(self, kind: Kind) -> Seen:
        tally = self._tallies[kind.name]
        # Who doesn't wait for answers would see them as strays.
        outcomes = tally.outcomes if kind.waits else Counter({SILENCE: tally.sent})
        return Seen(tally.sent, outcomes, self._cloud.calls[kind.name], self._psap.calls[kind.name], self._seconds)
