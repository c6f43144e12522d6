"""What the tests share of calls that come with tokens of any content. It holds no test of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

from edge_agent.stir import sign
from tests.agent import CALLED, OWN, Agent, Decision, policy
from tests.proxy.message import Message, Source
from tests.vouch import URL, Vouch, loaded

TAG = 'stir = "tag"'


class Signing:
    """An agent, and who signs what it is told to."""

    def __init__(self, text: str) -> None:
        self.agent = Agent(text)
        self.vouch = Vouch(self.agent, loaded(text))

    def token(self, kind: str, orig: str = OWN, dest: str = CALLED, age: float = 0, **claims: Any) -> str:
        """An Identity header of that kind, by the trusted certificate; numbers with or without "+"."""
        base = {"dest": {"tn": [dest.lstrip("+")]}, "iat": int(time.time() - age), "orig": {"tn": orig.lstrip("+")}}
        if kind == "shaken":
            base |= {"attest": "A", "origid": str(uuid4())}
        return sign.header(self.vouch.leaf.key, URL, kind, base | claims)

    def send(self, call: Message, source: Source, *identities: str) -> Decision:
        return self.agent.send(with_identity(call, *identities), source)

    def reload(self, text: str) -> None:
        self.agent.reload(text)
        self.vouch.use(loaded(text))


@contextmanager
def signing(acme: str = TAG, **tables: str) -> Iterator[Signing]:
    made = Signing(policy(acme, **tables))
    try:
        yield made
    finally:
        made.vouch.close()


def with_identity(call: Message, *identities: str) -> Message:
    return replace(call, headers=(*call.headers[:-2], *(("Identity", one) for one in identities), *call.headers[-2:]))
