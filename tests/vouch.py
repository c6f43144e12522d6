"""Who signs and verifies the calls of an in-process agent: a minted authority, and the control plane's service without its thread.

It decides nothing itself; no certificate is ever fetched.
"""

from __future__ import annotations

import tempfile
import time
from functools import cache
from pathlib import Path
from uuid import uuid4

from edge_agent.numbering.plans import plan
from edge_agent.policy.load import load
from edge_agent.policy.settings import Settings
from edge_agent.stir import message, sign
from edge_agent.stir.fetch import Certificates
from edge_agent.stir.judge import subject
from edge_agent.stir.service import Rules, Service
from edge_agent.stir.signer import Signer
from tests.agent import Agent
from tests.ca import Authority
from tests.proxy.message import Message

URL = "https://cr.example.net/1234.pem"


class Vouch:
    """Answers for the calls that the agent's engine defers, by the settings in force."""

    def __init__(self, agent: Agent, settings: Settings) -> None:
        self.authority = Authority()
        self.leaf = self.first = self.authority.leaf()
        self.agent = agent
        self.token = ""
        certificates = Certificates([self.authority.root.certificate], clock=time.time)
        certificates.preload(URL, self.leaf.pem)
        self.service = Service(agent.engine, certificates, self._unknown, self._bug, clock=lambda: agent.now / 1e9)
        agent.control = self.service.turn
        self.use(settings)

    def use(self, settings: Settings) -> None:
        self.service.use(
            Rules(
                settings.stir.freshness,
                settings.stir.on_unavailable == "reject",
                {trunk.name: subject(settings, trunk) for trunk in settings.trunk},
                {one.name: Signer(self.leaf.key, URL, one.sign.attest) for one in settings.upstream if one.sign},
            )
        )

    def signed(self, call: Message | bytes, how: str) -> bytes:
        """The call with an Identity header: "A", "B" or "C", a new token; "again": the last one."""
        data = bytes(call)
        if how != "again":
            said = message.read(data, plan("US"))[1]
            self.token = sign.shaken(
                self.leaf.key, URL, said.caller, said.to or said.called, how, uuid4(), int(time.time())
            )
        return data.replace(b"\r\nContact:", b"\r\nIdentity: " + self.token.encode() + b"\r\nContact:", 1)

    def close(self) -> None:
        self.agent.control = None
        self.service.close()

    def _unknown(self, url: str) -> None:
        raise AssertionError(f"nothing is fetched here: {url}")

    def _bug(self) -> None:
        raise AssertionError("a bug in the service")


@cache
def loaded(text: str) -> Settings:
    """The settings of a configuration."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "policy.toml")
        path.write_text(text)
        return load(path).settings
