"""Calls and the requests inside them, as the tests of concurrent calls play them. It holds no test of its own."""

from __future__ import annotations

from dataclasses import dataclass

from tests.agent import ACME, CLOUD, OWN, Agent, Decision, inbound, invite, request
from tests.proxy.message import Header, Message, Source, response

CONTACT = ("198.51.100.10", 5070)  # where acme's calls from the cloud go


@dataclass
class Call:
    """A call of acme's (or into it) and the agent that it goes through."""

    agent: Agent
    sent: Message
    passed: Message
    near: Source = ACME
    far: Source = CLOUD

    def answer(self, status: str, tag: str = "far", *more: Header, source: Source | None = None) -> Decision:
        return self.agent.send(response(self.passed, status, tag).above(*more), source or self.far)

    def inside(self, method: str, tag: str = "far", *, back: bool = False) -> Inside:
        """A request in the dialog, forwarded."""
        [route] = self.passed.all("Record-Route")
        sent = request(method, f"sip:u@{(self.near if back else self.far)[0]}", OWN, ("Route", route), to_tag=tag)
        sent = sent.set("Call-ID", self.sent.one("Call-ID")).set("From", self.sent.one("From"))
        if back:
            near = self.sent.one("From").rpartition("tag=")[2]
            sent = sent.set("From", f"<sip:b@x>;tag={tag}").set("To", f"<sip:a@x>;tag={near}")
        source, other = (self.far, self.near) if back else (self.near, self.far)
        told = self.agent.send(sent, source)
        assert told.short == "forward pass", told.short
        return Inside(self.agent, told.message, CLOUD if other == CLOUD else CONTACT)

    def up(self, *more: Header) -> Call:
        assert self.answer("200 OK", "far", *more).short == "forward pass"
        return self

    def hang_up(self) -> None:
        self.inside("BYE").answer("200 OK")


@dataclass
class Inside:
    agent: Agent
    passed: Message
    asked: Source

    def answer(self, status: str, *more: Header, source: Source | None = None) -> Decision:
        return self.agent.send(response(self.passed, status).above(*more), source or self.asked)


def place(agent: Agent, sent: Message | None = None) -> Call:
    """A new call that passes."""
    sent = sent or invite()
    told = agent.send(sent)
    assert told.short == "forward pass", told.short
    return Call(agent, sent, told.message)


def receive(agent: Agent) -> Call:
    sent = inbound()
    told = agent.send(sent, CLOUD)
    assert told.short == "forward pass"
    return Call(agent, sent, told.message, CLOUD, CONTACT)


def out(agent: Agent, trunk: str = "acme") -> int:
    return agent.engine.calls(agent.now)[trunk]["out"]
