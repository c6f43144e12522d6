"""Runs every folder beside it through an engine: see README.md there. It knows no case by name."""

from __future__ import annotations

import tomllib
from collections import Counter
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import dpkt
import pytest
from pydantic import BaseModel, ConfigDict, Field

from edge_agent.policy.compile import compile_tables
from edge_agent.policy.load import load
from edge_agent.rules import BY_NAME
from tests.agent import Agent, Decision
from tests.cases.record import START, address, frame, record
from tests.proxy.message import Message, Source, hang_up, response
from tests.vouch import Vouch

HERE = Path(__file__).parent
FOLDERS = sorted(path for path in HERE.iterdir() if path.is_dir() and not path.name.startswith("__"))

Text = Annotated[str, Field(min_length=1)]


class Entry(BaseModel):
    """Unknown keys are refused, so that a typing mistake is no test that can't fail."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Send(Entry):
    file: Text
    source: Text
    is_: Annotated[Text, Field(alias="is")]
    after: float = 0
    times: Annotated[int, Field(ge=1)] = 1
    to: str = ""
    holds: list[Text] = []
    lacks: list[Text] = []
    monitored: list[Text] = []
    signed: Literal["", "A", "B", "C", "again"] = ""


class Capture(Entry):
    file: Text
    is_: Annotated[dict[str, int], Field(alias="is")]
    after: float = 0


class Calls(Entry):
    file: Text
    source: Text
    times: Annotated[int, Field(ge=1)]
    is_: Annotated[dict[str, int], Field(alias="is")]
    every: float = 1.0
    step: int = 1
    answers: list[Text] = []
    cloud: str = ""
    hung_up: float = 0.0


class Reload(Entry):
    policy: Text


class Answer(Entry):
    status: Text
    source: Text
    headers: list[Text] = []
    is_: Annotated[Text, Field(alias="is")] = "forward pass"
    to: str = ""
    monitored: list[Text] = []


class Strikes(Entry):
    is_: Annotated[list[Text], Field(alias="is")]


class Ban(Entry):
    network: Text
    seconds: Annotated[float, Field(gt=0)]


class Queue(Entry):
    fill: Annotated[float, Field(ge=0, le=1)]


Step: TypeAlias = Send | Answer | Calls | Capture | Reload | Strikes | Ban | Queue
KINDS: dict[str, type[Step]] = {
    "send": Send,
    "answer": Answer,
    "calls": Calls,
    "capture": Capture,
    "reload": Reload,
    "strikes": Strikes,
    "ban": Ban,
    "queue": Queue,
}


def entries(text: str) -> list[Step]:
    """In the order of the file: TOML keeps the tables of one kind together, the text has them as they are meant."""
    read = {kind: iter(tables) for kind, tables in tomllib.loads(text).items()}
    heads = [line.strip()[2:-2].strip() for line in text.splitlines() if line.startswith("[[")]
    found = [KINDS[head].model_validate(next(read[head])) for head in heads]
    assert all(next(rest, None) is None for rest in read.values())
    return found


class Run:
    """One folder in progress."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.agent = Agent(folder=folder)
        self.used = {"README.md", "policy.toml", "expect.toml"}
        self.rules: set[str] = set()
        self.listeners: list[Source] = []
        self.left = b""
        self.vouch: Vouch | None = None
        self.look(folder / "policy.toml")

    def look(self, policy: Path) -> None:
        self.settings = load(policy).settings
        self.listeners = [(one.address.host, one.address.port) for one in self.settings.listen]
        if self.vouch is not None:
            self.vouch.use(self.settings)

    def one(self, data: bytes, source: Source, to: Source) -> Decision:
        seen = self.agent.send(data, source, self.listeners.index(to))
        self.rules |= {seen.rule, *seen.monitored}
        self.left = seen.data if seen.action == "forward" else self.left
        return seen

    def send(self, entry: Send) -> None:
        data, source = (self.folder / entry.file).read_bytes(), address(entry.source)
        version = ip_address(source[0]).version
        to = next(one for one in self.listeners if ip_address(one[0]).version == version)
        self.agent.wait(entry.after)
        if entry.signed:
            self.vouch = self.vouch or Vouch(self.agent, self.settings)
            data = self.vouch.signed(data, entry.signed)
        for _ in range(entry.times):
            seen = self.one(data, source, to)
            assert seen.short == entry.is_, entry
            assert list(seen.monitored) == sorted(entry.monitored), entry
            assert not entry.to or seen.to == address(entry.to), entry
            left = seen.data.decode(errors="replace")
            assert [text for text in entry.holds if text not in left] == [], left
            assert [text for text in entry.lacks if text in left] == [], left

    def answer(self, entry: Answer) -> None:
        reply = response(Message.read(self.left), entry.status, "far")
        more = tuple((name, value) for name, _, value in (line.partition(": ") for line in entry.headers))
        reply = Message(reply.start, (*reply.headers[:-1], *more, reply.headers[-1]))
        seen = self.one(bytes(reply), address(entry.source), self.listeners[0])
        assert seen.short == entry.is_, entry
        assert list(seen.monitored) == sorted(entry.monitored), entry
        assert not entry.to or seen.to == address(entry.to), entry

    def capture(self, entry: Capture) -> None:
        told: Counter[str] = Counter()
        self.agent.wait(entry.after)
        start = self.agent.now
        first = None
        for time, data, source, to in datagrams(self.folder / entry.file):
            if to in self.listeners:
                first = time if first is None else first
                self.agent.now = start + round((time - first) * 1e9)
                told[self.one(data, source, to).short] += 1
        assert dict(told) == entry.is_

    def calls(self, entry: Calls) -> None:
        """Whole calls, one after the other: "{n}" in the file is each one's own number, with four digits."""
        told: Counter[str] = Counter()
        text = (self.folder / entry.file).read_bytes().decode()
        for n in range(entry.times):
            self.agent.wait(entry.every)
            sent = text.replace("{n}", f"{n * entry.step % 10_000:04d}")
            seen = self.one(sent.encode(), address(entry.source), self.listeners[0])
            told[seen.short] += 1
            if seen.action != "forward":
                continue
            for status in entry.answers:
                assert self.far(seen.message, status, entry.cloud).short == "forward pass"
            if entry.hung_up:
                self.agent.wait(entry.hung_up)
                bye = self.one(
                    bytes(hang_up(Message.read(sent.encode()), seen.message, "far")),
                    address(entry.source),
                    self.listeners[0],
                )
                assert self.far(bye.message, "200 OK", entry.cloud).short == "forward pass"
        assert dict(told) == entry.is_

    def far(self, request: Message, status: str, cloud: str) -> Decision:
        return self.one(bytes(response(request, status, "far")), address(cloud), self.listeners[0])

    def reload(self, entry: Reload) -> None:
        policy = self.folder / entry.policy
        self.agent.publish(compile_tables(load(policy), 1))
        self.look(policy)

    def queue(self, entry: Queue) -> None:
        for wait in (0, 0.1):
            self.agent.wait(wait)
            self.agent.engine.set_load(entry.fill, self.agent.now)

    def entry(self, entry: Step) -> None:
        if isinstance(entry, Send):
            self.send(entry)
            self.used.add(entry.file)
        elif isinstance(entry, Answer):
            self.answer(entry)
        elif isinstance(entry, Calls):
            self.calls(entry)
            self.used.add(entry.file)
        elif isinstance(entry, Capture):
            self.capture(entry)
            self.used.add(entry.file)
        elif isinstance(entry, Reload):
            self.reload(entry)
            self.used.add(entry.policy)
        elif isinstance(entry, Strikes):
            assert self.agent.strikes() == entry.is_
        elif isinstance(entry, Queue):
            self.queue(entry)
        else:
            assert self.agent.ban(entry.network, entry.seconds)


def datagrams(path: Path) -> list[tuple[float, bytes, Source, Source]]:
    """Time, payload, source and destination of every UDP datagram."""
    found = []
    with path.open("rb") as file:
        for time, raw in dpkt.pcap.UniversalReader(file):
            packet = dpkt.ethernet.Ethernet(raw).data
            if isinstance(packet, dpkt.ip.IP | dpkt.ip6.IP6) and isinstance(packet.data, dpkt.udp.UDP):
                udp = packet.data
                source, to = str(ip_address(packet.src)), str(ip_address(packet.dst))
                found.append((float(time), bytes(udp.data), (source, udp.sport), (to, udp.dport)))
    return found


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_case(folder: Path) -> None:
    rule = next((name for name in sorted(BY_NAME, key=len, reverse=True) if folder.name.startswith(f"{name}-")), "")
    assert rule, "a folder is named RULE-WHAT"
    assert (folder / "README.md").read_text().startswith("# ")
    run = Run(folder)
    steps = entries((folder / "expect.toml").read_text())
    assert steps
    for step in steps:
        run.entry(step)
    if run.vouch is not None:
        run.vouch.close()
    counted = run.agent.engine.counters()
    assert counted["received"] == counted["forwarded"] + counted["answered"] + counted["dropped"] > 0
    assert sum(counted["by_verdict"].values()) == counted["received"]
    assert rule in run.rules, "nothing in it is decided by the rule that it is named after"
    assert {path.name for path in folder.iterdir()} <= run.used, "a file that nothing uses"


def test_a_recorded_capture_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    four, six = (("203.0.113.66", 5070), ("192.0.2.1", 5060)), (("2001:db8::9", 1), ("2001:db8::1", 65535))
    record(path, [(0, frame(b"one", *four)), (1.5, frame(b"", *six))])
    assert datagrams(path) == [(START, b"one", *four), (START + 1.5, b"", *six)]


@pytest.mark.parametrize(
    "text",
    [
        '[[send]]\nfile = "a.sip"\nsource = "192.0.2.1:1"\nis = "drop x"\ntime = 2',
        '[[send]]\nfile = "a.sip"\nsource = "192.0.2.1:1"',
        '[[capture]]\nfile = "a.pcap"\nis = "drop x"',
        '[[sent]]\nfile = "a.sip"',
    ],
)
def test_a_mistake_in_an_expectation_is_told(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        entries(text)
