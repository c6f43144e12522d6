"""The laboratory of the flood scenarios: hosts, the real daemon, a customer with his cloud, and floods.

    agent   127.0.0.1:5060
    acme    127.0.0.10:5070    a customer whose calls must not suffer
    bravo   127.0.0.11:5070    a customer with small limits
    cloud   127.0.0.20:5080    where both call to; it answers what it isn't asked to expect by ``others``

The agent, the customer and the cloud come before the floods, and these before what else this
machine does, where root runs this: in the field each has a machine of its own.
All of it lives in a network namespace of its own (``python -m tests.flood``
makes one), and a Host in one more, behind a wire. Nothing here decides what is
right: that is what the scenarios say.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeAlias

from edge_agent.admin.client import call
from tests.e2e.sipp import Agent, default_command
from tests.flood.build import program

Report: TypeAlias = dict[str, Any]
"""What a program prints when it ends."""
Options: TypeAlias = dict[str, Any]
"""Of a program: ``burst_at="both"`` is ``--burst-at both``, ``from_`` is ``--from``, True a flag."""

AGENT, CLOUD = "127.0.0.1:5060", "127.0.0.20:5080"
ACME, BRAVO = "127.0.0.10:5070", "127.0.0.11:5070"
FIRST, SECOND = (("nice", "-n", "-10"), ("nice", "-n", "-5")) if os.geteuid() == 0 else ((), ())
GOOD_RATE = 500
FLOOD_RATE = 100 * GOOD_RATE

CONFIGURATION = """
[agent]
name = "flood"
state_dir = "{folder}/state"
workers = {workers}
[keys]
grace = "0s"
[[listen]]
address = "127.0.0.1:5060"
{listen}
[[upstream]]
name = "cloud"
targets = ["127.0.0.20:5080"]
domains = ["cloud.example.net"]
methods = ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "REGISTER"]
probe_every = "0s"
[[trunk]]
name = "acme"
sources = ["127.0.0.10/32"]
upstream = "cloud"
contact = ["127.0.0.10:5070"]
caller_ids = ["+12125000000..+12125099999"]
calls_per_second = 1000000
burst = 1000000
concurrent_calls = 1000000
[[trunk]]
name = "bravo"
sources = ["127.0.0.11/32"]
upstream = "{bravo_cloud}"
contact = ["127.0.0.11:5070"]
caller_ids = ["+13122200000..+13122999999"]
{bravo}
{more}
[tables]
rates_mib = {rates_mib}
[bans]
{bans}
[admin]
socket = "{folder}/control.sock"
[events]
log = "stderr"
"""


class Check(NamedTuple):
    """One line of the report."""

    what: str
    expected: str
    measured: str
    holds: bool


@dataclass
class Trial:
    """What one scenario found."""

    name: str
    law: str
    checks: list[Check] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def check(self, what: str, expected: object, measured: object, holds: bool) -> None:
        self.checks.append(Check(what, str(expected), str(measured), holds))

    def equal(self, what: str, expected: object, measured: object) -> None:
        self.check(what, expected, measured, expected == measured)

    def at_most(self, what: str, limit: float, measured: float, unit: str = "") -> None:
        self.check(what, f"≤ {limit:,.10g}{unit}", f"{measured:,.10g}{unit}", measured <= limit)

    def at_least(self, what: str, limit: float, measured: float) -> None:
        self.check(what, f"≥ {limit:,.10g}", f"{measured:,.10g}", measured >= limit)

    def between(self, what: str, low: float, high: float, measured: float) -> None:
        self.check(what, f"{low:,.10g} to {high:,.10g}", f"{measured:,.10g}", low <= measured <= high)

    @property
    def holds(self) -> bool:
        return bool(self.checks) and all(check.holds for check in self.checks)


class Program:
    """A compiled program on its way; it prints a JSON object when it ends."""

    def __init__(self, name: str, *arguments: object, host: Host | None = None, ready: bool = False) -> None:
        command = [*(host.inside if host else ()), *(FIRST if ready else SECOND), str(program(name))]
        command += map(str, arguments)
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if ready:
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
            if line != "ready\n":
                raise RuntimeError(f"{name}: {self._process.communicate()[1]}")

    def wait(self) -> Report:
        out, err = self._process.communicate(timeout=600)
        if self._process.returncode:
            raise RuntimeError(f"{self._process.args!r}: {err}")
        report: Report = json.loads(out)
        return report

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


class Host:
    """A network namespace at the other end of a wire: ``here`` is our address on it, ``there`` its own."""

    def __init__(self, name: str, here: str, there: str) -> None:
        self._process = subprocess.Popen(["unshare", "--net", "sleep", "1000000"], stdin=subprocess.DEVNULL)
        try:
            self._connect(name, here, there)
        except BaseException:
            self.close()
            raise

    def _connect(self, name: str, here: str, there: str) -> None:
        own = os.readlink("/proc/self/ns/net")
        deadline = time.monotonic() + 10
        while os.readlink(f"/proc/{self._process.pid}/ns/net") == own:
            if time.monotonic() > deadline:
                raise TimeoutError("no network namespace within 10 s")
            time.sleep(0.005)
        self.inside = ["nsenter", f"--net=/proc/{self._process.pid}/ns/net", "--"]
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "wire", "netns", str(self._process.pid))
        for around, end, address, gateway in (((), name, here, ""), (self.inside, "wire", there, here.split("/")[0])):
            run(*around, "ip", "address", "add", address, "dev", end, *(["nodad"] if ":" in address else []))
            run(*around, "ip", "link", "set", end, "up")
            if gateway:
                run(*around, "ip", "route", "add", "default", "via", gateway)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


@dataclass(frozen=True)
class Snapshot:
    """The daemon at one moment."""

    status: dict[str, Any]
    cpu_seconds: float

    def verdicts(self, *, peer: str | None = None, action: str = "", reason: str = "") -> int:
        """How many verdicts were so; ``peer`` "" is nobody's."""
        return sum(
            row["count"]
            for row in self.status["counters"]["verdicts"]
            if peer in (None, row["peer"]) and action in ("", row["action"]) and reason in ("", row["reason"])
        )

    @property
    def received(self) -> int:
        return int(self.status["counters"]["received"])


class Scene:
    """A running daemon and what is sent to it."""

    def __init__(self, lab: Lab, agent: Agent, folder: Path) -> None:
        self.lab, self.agent, self.folder = lab, agent, folder
        self._started: list[Program] = []

    def good(self, seconds: float, *, rate: float = GOOD_RATE, others: int = 404, **more: object) -> Program:
        """Whole calls of acme's, and the cloud."""
        options = {
            "agent": AGENT,
            "trunk": ACME,
            "cloud": CLOUD,
            "rate": rate,
            "seconds": seconds,
            "others": others,
        } | more
        return self._start(Program("calls", *arguments(options), ready=True))

    def flood(self, *, host: Host | None = None, **options: Any) -> Program:
        """Options are those of flood.c."""
        return self._start(Program("flood", *arguments({"target": AGENT} | options), host=host))

    def floods(self, *each: Options) -> Callable[[], list[Report]]:
        """An attack of floods at the same time."""

        def attack() -> list[Report]:
            started = [self.flood(**options) for options in each]
            return [flood.wait() for flood in started]

        return attack

    def _start(self, started: Program) -> Program:
        self._started.append(started)
        return started

    def stop(self) -> None:
        for started in self._started:
            started.stop()

    def snapshot(self) -> Snapshot:
        code, status = call(self.folder / "control.sock", "GET", "/api/status")
        assert code == 200, status
        return Snapshot(status, self.agent.usage().cpu_seconds)

    def pages(self) -> int:
        """Pages in memory. To ask the daemon for its status may cost it one, so that is never done between two of these."""
        return self.agent.usage().resident_bytes // os.sysconf("SC_PAGE_SIZE")

    def warm(self) -> None:
        """A little of everything, so that what the control plane makes at its first event is there already."""
        for mode in ("random", "malformed"):
            self.flood(network="198.18.0.0/15", mode=mode, source=BRAVO, forge=True, count=2000, rate=10000).wait()
        self.flood(source=BRAVO, mode="malformed", count=500, rate=2000).wait()
        for _ in range(3):
            self.snapshot()

    def rest(self) -> Snapshot:
        """A snapshot when all that was sent has been read."""
        last = self.snapshot()
        while True:
            time.sleep(0.2)
            if (now := self.snapshot()).received == last.received:
                return now
            last = now


@dataclass(frozen=True)
class Outcome:
    """Good calls without and with a flood, what the floods sent, and the daemon before and after."""

    quiet: Report
    during: Report
    floods: Sequence[Report]
    before: Snapshot
    after: Snapshot
    seconds: float
    """That the floods took."""

    def grown(self, **which: str) -> int:
        """Verdicts in the time between."""
        return self.after.verdicts(**which) - self.before.verdicts(**which)

    @property
    def sent(self) -> int:
        return sum(flood["sent"] for flood in self.floods)


@dataclass(frozen=True)
class Lab:
    """What all scenarios of a run share. ``short``: in the tests, where counts are judged and times aren't."""

    folder: Path
    seconds: float = 5
    short: bool = False

    def count(self, full: int) -> int:
        """How many of something: a fiftieth in a short run."""
        return full // 50 if self.short else full

    @property
    def good_rate(self) -> float:
        return GOOD_RATE / 5 if self.short else GOOD_RATE

    @property
    def flood_rate(self) -> float:
        return FLOOD_RATE / 5 if self.short else FLOOD_RATE

    @contextmanager
    def scene(
        self,
        *,
        workers: int = 1,
        listen: str = "",
        bravo: str = "",
        bravo_cloud: str = "cloud",
        more: str = "",
        bans: str = "kernel = false",
        rates_mib: int = 16,
        around: Sequence[str] = (),
    ) -> Iterator[Scene]:
        """A daemon of its own. Each text is put into the table that it is named after; ``around`` is put before its command."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        values = {"folder": folder, "workers": workers, "listen": listen, "bravo": bravo, "more": more, "bans": bans}
        text = CONFIGURATION.format(**values, bravo_cloud=bravo_cloud, rates_mib=rates_mib)
        agent = Agent(folder, text, [*FIRST, *around, *default_command()])
        with ExitStack() as stack:
            stack.enter_context(agent)
            scene = Scene(self, agent, folder)
            stack.callback(scene.stop)
            yield scene
            if not agent.running:
                raise RuntimeError(f"the daemon died:\n{agent.log()[-4000:]}")

    def under(
        self,
        scene: Scene,
        trial: Trial,
        attack: Callable[[], Sequence[Report]],
        *,
        seconds: float | None = None,
        judge: str = "calls delay",
        memory_kib: int = 1024,
        **good: Any,
    ) -> Outcome:
        """Good calls alone, then during the attack; what holds for every flood is checked, but for what ``judge`` leaves out.

        The default for memory is what the control plane may take for what it logs and the bans that it keeps.
        """
        options: Options = {"rate": self.good_rate} | good
        quiet = scene.good(1 if self.short else 3, **options).wait()
        scene.warm()
        before, pages = scene.rest(), scene.pages()
        during = scene.good((self.seconds if seconds is None else seconds) + 1, **options)
        time.sleep(0.5)
        began = time.monotonic()
        floods = attack()
        took = time.monotonic() - began
        good = during.wait()
        more = scene.pages() - pages
        outcome = Outcome(quiet, good, floods, before, scene.rest(), took)
        self._judge(trial, outcome, judge)
        trial.at_most("memory more", memory_kib, more * os.sysconf("SC_PAGE_SIZE") // 1024, " KiB")
        return outcome

    def _judge(self, trial: Trial, outcome: Outcome, judge: str) -> None:
        during, after = outcome.during, outcome.after
        received = after.received - outcome.before.received
        trial.figures = {
            "flood_sent": outcome.sent,
            "flood_pps": round(outcome.sent / outcome.seconds),
            "read_by_agent": received,
            "agent_cpu_us_per_packet": round(
                1e6 * (after.cpu_seconds - outcome.before.cpu_seconds) / max(1, received), 2
            ),
            "good": during,
            "quiet_p99_ms": outcome.quiet["p99_ms"],
        }
        if "calls" in judge:
            trial.equal("good calls lost", 0, during["sent"] - during["completed"])
            both = min(during["arrived"], during["answered"], during["byes_arrived"])
            trial.equal("good calls counted at both ends", during["sent"], both)
        if "delay" in judge and not self.short:
            limit = max(2 * outcome.quiet["p99_ms"], 10)
            trial.at_most("p99 delay of good calls", round(limit, 2), during["p99_ms"], " ms")
        trial.equal("messages that no counter has", 0, after.status["counters"]["missing"])


def arguments(options: Options) -> list[str]:
    """Options as words of a command."""
    words: list[str] = []
    for name, value in options.items():
        words.append(f"--{name.rstrip('_').replace('_', '-')}")
        if value is not True:
            words.append(str(value))
    return words


def enter(arguments: Sequence[str]) -> None:
    """Runs this very module again in a network namespace of its own; returns only inside it."""
    if os.environ.get("EDGE_FLOOD_NETNS") != "inside":
        root = [] if os.geteuid() == 0 else ["--map-root-user"]
        os.environ["EDGE_FLOOD_NETNS"] = "inside"
        os.execvp("unshare", ["unshare", *root, "--net", sys.executable, "-m", "tests.flood", *arguments])
    run("ip", "link", "set", "lo", "up")
    run("ip", "address", "add", "fd00::1/128", "dev", "lo", "nodad")
    # Answers to sources that don't exist have to go somewhere: here they vanish.
    run("ip", "route", "add", "default", "dev", "lo")
