"""A small policy around a whole engine, and one question to it: what becomes of this message?

Between two questions the clock goes on by minutes, so that no message is the retransmission of another.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest

from tests.conformance.torture.build import HOSTS, OURS
from tests.oracle.message import parse

SOURCES = {
    "upstream": ("192.0.2.60", 5060),
    "trunk": ("198.51.100.1", 5060),
    "strict": ("198.51.100.2", 5060),
    "emergency": ("198.51.100.3", 5060),
    "esinet": ("198.51.100.4", 5060),
    "unknown": ("203.0.113.9", 5060),
}

POLICY = """
[agent]
aliases = ["{ours}"]

[[listen]]
address = "127.0.0.1:5060"
advertise = "{ours}:5060"

[[upstream]]
name = "cloud"
targets = ["192.0.2.60:5060"]
domains = [{domains}]
probe_every = "0s"

[[upstream]]
name = "psap"
targets = ["192.0.2.61:5060"]
probe_every = "0s"

[[trunk]]
name = "trunk"
sources = ["198.51.100.1/32"]
upstream = "cloud"
{off}
rules.interface.mode = "off"

[[trunk]]
name = "strict"
sources = ["198.51.100.2/32"]
upstream = "cloud"
{off}

[[trunk]]
name = "emergency"
sources = ["198.51.100.3/32"]
upstream = "cloud"
emergency = "route"
emergency_upstream = "psap"
{off}
rules.interface.mode = "off"

[[trunk]]
name = "esinet"
sources = ["198.51.100.4/32"]
upstream = "cloud"
asserts = ["Resource-Priority"]
{off}
rules.interface.mode = "off"
"""
CALLER_RULES = ("caller-format", "caller-owned", "caller-consistent", "caller-anonymous", "dialog")


class Treatment(NamedTuple):
    """``action`` is forward, answer or drop; ``output`` what left the engine."""

    action: str
    status: int = 0
    reason: str = ""
    output: bytes = b""

    @property
    def short(self) -> str:
        """The word of an expected treatment: the status of an answer, else the action."""
        return str(self.status) if self.action == "answer" else self.action


class Treat(Protocol):
    """Sources: "trunk" (caller rules, ``interface`` and ``dialog`` off, so that structure decides), "strict" (with
    ``interface``), "emergency" (a trunk with a route for emergency calls), "esinet" (an element of an emergency
    network, which may assert a priority), "upstream", "unknown"."""

    def __call__(self, data: bytes, source: str = "trunk") -> Treatment: ...


class Agent:
    """The engine, its clock, and the batch that carries one message."""

    def __init__(self, hot: Any, policy: Any) -> None:
        self.engine = hot.Engine(rates_mib=1, transactions_mib=1, leases_mib=1, callers_mib=1, secret=bytes(32))
        self.engine.publish(policy)
        self.batch = hot.Batch(1)
        self.out = hot.OutBatch()
        self.now = 10**12

    def treat(self, data: bytes, source: str = "trunk") -> Treatment:
        self.now += 10**12
        before = self.engine.counters()
        self.batch.clear()
        self.batch.add(data, SOURCES[source])
        self.engine.process(self.batch, self.now, self.out)
        after = self.engine.counters()
        counted = after["by_verdict"].items() - before["by_verdict"].items()
        [((action, _, reason, _), _)] = counted
        assert after["received"] - before["received"] == 1
        assert len(self.out) == (action != "drop")
        if action == "drop":
            return Treatment(action, 0, reason)
        output, destination, _ = self.out[0]
        status = int(output[8:11]) if output.startswith(b"SIP/2.0 ") else 0
        if action == "answer":
            # What couldn't be read stands in the answer as it came; all else must be readable.
            assert parse(data)["kind"] == "error" or parse(output)["kind"] == "response", output
            assert destination[0] == SOURCES[source][0]
        return Treatment(action, status if action == "answer" else 0, reason, output)


def request_hosts() -> list[str]:
    """Every host that a Request-URI of the torture set or the corpus names."""
    hosts = dict.fromkeys(HOSTS)
    corpus = Path(os.environ.get("EDGE_CORPUS") or "/nonexistent")
    if corpus.is_dir():
        from tests.conformance.captures import DAMAGED, payloads

        files = [*corpus.glob("sip-torture/*/*.dat"), *corpus.glob("sip-messages/**/*.sip")]
        messages = [path.read_bytes() for path in sorted(files)]
        for capture in sorted(corpus.glob("pcap/*/*.pcap*")):
            if capture.name not in DAMAGED:
                messages += [payload.data for payload in payloads(capture)]
        for data in messages:
            uri = parse(data).get("uri")
            if uri and uri["scheme"] in ("sip", "sips"):
                host = uri["host"].decode().lower()
                hosts[f"[{host}]" if ":" in host else host] = None
    return [host.replace(":::", "::") for host in hosts]


@pytest.fixture(scope="session")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Agent:
    """One engine for the whole run, with the policy of this folder."""
    hot = pytest.importorskip("edge_agent._hot")
    from edge_agent.policy.compile import compile_policy
    from edge_agent.policy.load import load

    off = "\n".join(f'rules.{rule}.mode = "off"' for rule in CALLER_RULES)
    domains = ", ".join(f'"{host}"' for host in dict.fromkeys(request_hosts()))
    path = tmp_path_factory.mktemp("conformance") / "policy.toml"
    path.write_text(POLICY.format(ours=OURS, domains=domains, off=off))
    return Agent(hot, compile_policy(load(path), 1))


@pytest.fixture
def treat(agent: Agent) -> Treat:
    return agent.treat
