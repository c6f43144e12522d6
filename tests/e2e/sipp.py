"""Drives the daemon and SIPp for the end-to-end tests and the load harness.

Everything is started by an argument list, waited for by a condition (a ready
message, a bound port, an exit) and stopped by the handle that started it. It
never uses a shell, never looks for processes by name and never decides what is
right: that is what the tests say.
"""

from __future__ import annotations

import csv
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

SCENARIOS = Path(__file__).resolve().parents[1] / "sipp"

# One range for all that the tests bind, away from what a developer's machine
# usually runs and below the kernel's ephemeral ports.
PORTS = range(22000, 23000)


class Address(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


# Two test runs at once start at different places of the range.
_next_port = itertools.cycle([*PORTS[os.getpid() % len(PORTS) :], *PORTS[: os.getpid() % len(PORTS)]])


def free_address(host: str, kind: socket.SocketKind = socket.SOCK_DGRAM) -> Address:
    """An address of this host that nobody has bound; none is given out twice before all were."""
    for port in itertools.islice(_next_port, len(PORTS)):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return Address(host, port)
    raise RuntimeError(f"no free port on {host} in {PORTS}")


def _is_bound(address: Address) -> bool:
    """Whether some process holds this UDP address (read from the kernel, nothing is sent)."""
    packed = int.from_bytes(socket.inet_aton(address.host), sys.byteorder)
    want = f"{packed:08X}:{address.port:04X}"
    with open("/proc/net/udp", encoding="ascii") as table:
        return any(line.split(maxsplit=2)[1] == want for line in table)


# --- messages ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Message:
    """One SIP message of a SIPp log, as it was on the wire (line ends as LF)."""

    sent: bool
    text: str

    @property
    def start_line(self) -> str:
        return self.text.partition("\n")[0].strip()

    @property
    def status(self) -> int:
        """The status code; 0 for a request."""
        match = re.match(r"SIP/2\.0 (\d{3}) ", self.start_line + " ")
        return int(match[1]) if match else 0

    @property
    def method(self) -> str:
        """The method of a request; of a response, that of its CSeq."""
        return self.header("CSeq").split()[-1] if self.status else self.start_line.split(" ")[0]

    def headers(self, name: str) -> list[str]:
        head = self.text.partition("\n\n")[0]
        pairs = (line.partition(":") for line in head.split("\n")[1:])
        return [value.strip() for key, _, value in pairs if key.strip().lower() == name.lower()]

    def header(self, name: str) -> str:
        """The one header of that name."""
        values = self.headers(name)
        assert len(values) == 1, f"{len(values)} {name} headers in\n{self.text}"
        return values[0]

    @property
    def branches(self) -> list[str]:
        """The branches of its Vias, the top one first."""
        return [branch for via in self.headers("Via") for branch in re.findall(r";branch=([^;,\s]+)", via)]


def _read_messages(path: Path) -> list[Message]:
    if not path.exists():
        return []
    text = path.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n")
    parts = re.split(r"^-{20,} \d{4}-.*\nUDP message (sent|received) .*:\n\n", text, flags=re.MULTILINE)
    return [Message(kind == "sent", body) for kind, body in zip(parts[1::2], parts[2::2], strict=True)]


# --- SIPp -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """What one SIPp process did."""

    scenario: str
    exit_code: int
    statistics: Mapping[str, str]  # the last line of its statistics file
    messages: Sequence[Message]  # empty unless traced
    errors: str

    def count(self, name: str) -> int:
        """A cumulative counter of the statistics, such as SuccessfulCall."""
        return int(self.statistics.get(f"{name}(C)", "0"))

    @property
    def succeeded(self) -> int:
        return self.count("SuccessfulCall")

    @property
    def failed(self) -> int:
        return self.count("FailedCall")

    def received(self, method: str, status: int = 0) -> list[Message]:
        return [m for m in self.messages if not m.sent and m.method == method and m.status == status]

    def sent(self, method: str, status: int = 0) -> list[Message]:
        return [m for m in self.messages if m.sent and m.method == method and m.status == status]

    def require(self, calls: int) -> Self:
        """Fails with what SIPp saw unless exactly so many calls went through and none failed."""
        if self.exit_code or self.failed or self.succeeded != calls:
            log = "\n".join(f"{'>>' if m.sent else '<<'} {m.text}" for m in self.messages[-12:])
            raise AssertionError(
                f"{self.scenario}: exit {self.exit_code}, {self.succeeded} of {calls} calls good, {self.failed} failed\n"
                f"{self.errors[-3000:]}\n{log}"
            )
        return self


# Keys that a scenario names must all be given: SIPp refuses unknown words in brackets.
_KEYS = {
    "caller": "+12125000100",
    "called": "+13125550123",
    "domain": "cloud.example.net",
    "extra": "",
    "version": "SIP/2.0",
    "hops": "70",
    "agent": "Desk 1.0",
    "body_type": "application/sdp",
}


SHORT_TRACE = ("-trace_shortmsg", "-shortmessage_file", "short.log")


class Sipp:
    """One SIPp process on one scenario."""

    def __init__(
        self,
        folder: Path,
        scenario: str,
        bind: Address,
        *,
        to: Address | None = None,
        calls: int = 1,
        rate: float = 100,
        keys: Mapping[str, str] = {},
        expect: int = 403,
        method: str = "REGISTER",
        trace: bool = True,
        seconds: float = 10,
        arguments: Sequence[str] = (),
    ) -> None:
        self.scenario, self.bind, self.seconds = scenario, bind, seconds
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        text = (SCENARIOS / f"{scenario}.xml").read_text(encoding="utf-8")
        # SIPp takes status codes and methods as literals only: these two stand for those of the test.
        text = re.sub(r'(response="|SIP/2\.0 )403', rf"\g<1>{expect}", text)
        text = re.sub(r"(?m)^( *|.*CSeq: 1 )REGISTER\b", rf"\g<1>{method}", text)
        (folder / "scenario.xml").write_text(text, encoding="utf-8")
        program = shutil.which("sipp")
        if program is None:
            raise RuntimeError("sipp is not installed (Debian: apt-get install sip-tester)")
        self._command = [program, "-sf", "scenario.xml", "-i", bind.host, "-p", str(bind.port)]
        self._command += ["-cp", str(free_address("0.0.0.0").port), "-m", str(calls), "-nostdin"]
        self._command += ["-timeout", f"{seconds}s", "-timeout_error"]
        self._command += ["-trace_stat", "-stf", "statistics.csv", "-fd", "1"]
        self._command += ["-trace_err", "-error_file", "errors.log"]
        if trace:
            self._command += ["-trace_msg", "-message_file", "messages.log"]
        for key, value in {**_KEYS, "contact": f"cloud@{bind}", **keys}.items():
            self._command += ["-key", key, value]
        if to is not None:
            self._command += ["-r", f"{rate:g}"]
        self._command += arguments
        if to is not None:
            self._command.append(str(to))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Starts it and returns when its port is bound."""
        with open(self._folder / "screen.log", "wb") as screen:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=screen,
                stderr=subprocess.STDOUT,
                # SIPp draws a screen and wants to know on what.
                env={**os.environ, "TERM": "xterm"},
            )
        deadline = time.monotonic() + 10
        while not _is_bound(self.bind) and self._process.poll() is None:
            if time.monotonic() > deadline:
                self.stop()
                raise TimeoutError(f"{self.scenario}: {self.bind} not bound within 10 s")
            time.sleep(0.005)
        return self

    def wait(self) -> Result:
        """Waits until it has done its calls and says what happened."""
        assert self._process is not None, "not started"
        try:
            self._process.wait(self.seconds + 5)
        except subprocess.TimeoutExpired:
            self.stop()
        return self.result()

    def result(self) -> Result:
        assert self._process is not None and self._process.returncode is not None, "still running"
        statistics: dict[str, str] = {}
        if (file := self._folder / "statistics.csv").exists():
            with open(file, encoding="ascii", newline="") as rows:
                for row in csv.DictReader(rows, delimiter=";"):
                    statistics = {key: value for key, value in row.items() if isinstance(value, str) and key}
        errors = "".join(
            path.read_text(encoding="utf-8", errors="replace")
            for name in ("errors.log",) + (("screen.log",) if not statistics else ())
            if (path := self._folder / name).exists()
        )
        messages = _read_messages(self._folder / "messages.log")
        return Result(self.scenario, self._process.returncode, statistics, messages, errors)

    def answer_times(self) -> list[float]:
        """Milliseconds from each call's first INVITE to its first answer; needs SHORT_TRACE in the arguments.

        SIPp's own response times come from a clock that ticks every few milliseconds.
        """
        asked: dict[str, float] = {}
        times: list[float] = []
        with open(self._folder / "short.log", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                _, _, at, way, call, cseq, *_ = line.split("\t")
                if not cseq.endswith(" INVITE"):
                    continue
                if way == "S":
                    asked.setdefault(call, float(at))
                elif call in asked:
                    times.append(1000 * (float(at) - asked[call]))
                    asked[call] = float("inf")
        return [time for time in times if time >= 0]

    def stop(self) -> None:
        """Ends it if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


# --- the daemon -------------------------------------------------------------------------------


class Usage(NamedTuple):
    cpu_seconds: float
    resident_bytes: int


class Agent:
    """The real daemon on a configuration text."""

    def __init__(self, folder: Path, toml: str, command: Sequence[str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.configuration = folder / "edge_agent.toml"
        self.configuration.write_text(toml, encoding="utf-8")
        self._command = [*(command or default_command()), "run", "-c", str(self.configuration)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, seconds: float = 20) -> Self:
        """Starts it and returns when it says READY=1 (as it would to systemd)."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, open(self._log_file, "wb") as log:
            name = self._folder / "notify"
            ready.bind(str(name))
            ready.settimeout(0.05)
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "NOTIFY_SOCKET": str(name)},
            )
            deadline = time.monotonic() + seconds
            try:
                while True:
                    if self._process.poll() is not None:
                        raise RuntimeError(f"the daemon ended with {self._process.returncode}:\n{self.log()}")
                    try:
                        if b"READY=1" in ready.recv(4096).split(b"\n"):
                            return self
                    except TimeoutError:
                        if time.monotonic() > deadline:
                            self.stop()
                            raise RuntimeError(f"the daemon wasn't ready within {seconds} s:\n{self.log()}") from None
            finally:
                name.unlink()

    @property
    def _log_file(self) -> Path:
        return self._folder / "agent.log"

    def log(self, start: int = 0) -> str:
        """What it wrote, from a byte on."""
        return self._log_file.read_bytes()[start:].decode("utf-8", "replace") if self._log_file.exists() else ""

    def log_size(self) -> int:
        return self._log_file.stat().st_size

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def usage(self) -> Usage:
        """CPU time spent since its start and memory held now, of the process itself."""
        assert self._process is not None
        process = Path(f"/proc/{self._process.pid}")
        # Nanoseconds per thread; the ticks of stat are too coarse for a short step.
        spent = sum(int(task.read_text(encoding="ascii").split()[0]) for task in process.glob("task/*/schedstat"))
        resident = int((process / "statm").read_text(encoding="ascii").split()[1])
        return Usage(spent / 1e9, resident * os.sysconf("SC_PAGE_SIZE"))

    def kill(self) -> None:
        """Ends it as a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """Ends it as systemd would and gives its exit code."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        return self._process.returncode

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def default_command() -> list[str]:
    """The installed command beside this Python, or what EDGE_AGENT names."""
    named = os.environ.get("EDGE_AGENT")
    return named.split() if named else [str(Path(sys.executable).with_name("edge-agent"))]


_call_numbers = itertools.count(1)


def ask_options(agent: Address, source_host: str, seconds: float = 5) -> str:
    """Sends one OPTIONS to the agent from a trunk's address and returns the answer.

    The engine works in the order of arrival, and loopback delivers at once, so
    this is also a fence: what was sent before it has had its effect when the
    answer is here.
    """
    source = free_address(source_host)
    number = next(_call_numbers)
    request = (
        f"OPTIONS sip:{agent} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {source};rport;branch=z9hG4bKf{os.getpid()}x{number}\r\n"
        "Max-Forwards: 70\r\n"
        f"From: <sip:{source}>;tag=f{number}\r\n"
        f"To: <sip:{agent}>\r\n"
        f"Call-ID: fence-{os.getpid()}-{number}@{source_host}\r\n"
        "CSeq: 1 OPTIONS\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.bind(source)
        asking.settimeout(seconds)
        asking.sendto(request, agent)
        return asking.recv(65536).decode("utf-8", "replace")
