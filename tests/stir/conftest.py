"""A minted authority and a call, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from edge_agent.stir import chain, sign
from edge_agent.stir.chain import Credential
from edge_agent.stir.refused import Refused
from edge_agent.stir.verify import Call, Result, verify
from tests.ca import Authority, Identity

URL = "https://cr.example.net/1234.pem"
ORIGID = UUID("7b1c3f0e-5a0d-4a8e-9d43-0123456789ab")
CALLER, CALLED, THIRD, FOURTH = "12025550143", "12125550100", "12125550101", "12125550102"


@dataclass
class World:
    """Who signs, whose certificates can be had, and what time it is (POSIX seconds)."""

    authority: Authority
    now: float
    served: dict[str, Identity | Refused] = field(default_factory=dict)
    revoked: chain.Revoked = chain.nobody_revoked

    def credential(self, url: str) -> Credential:
        found = self.served.get(url, Refused("certificate-unavailable", "nobody serves it"))
        if isinstance(found, Refused):
            raise found
        return chain.load(found.pem, [self.authority.root.certificate], self.revoked)

    def serve(self, identity: Identity, url: str = URL) -> Identity:
        self.served[url] = identity
        return identity

    def shaken(self, by: Identity, *, attest: str = "A", orig: str = CALLER, dest: str = CALLED, age: float = 0) -> str:
        return sign.shaken(by.key, URL, orig, dest, attest, ORIGID, int(self.now - age))

    def div(self, by: Identity, div: str, dest: str, *, orig: str = CALLER, url: str = URL, age: float = 0) -> str:
        return sign.diverted(by.key, url, orig, dest, div, int(self.now - age))

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Those of a good shaken token; None takes one away."""
        claims = {
            "attest": "A",
            "dest": {"tn": [CALLED]},
            "iat": int(self.now),
            "orig": {"tn": CALLER},
            "origid": str(ORIGID),
        } | changed
        return {name: value for name, value in claims.items() if value is not None}

    def verify(
        self,
        *values: str,
        caller: str = CALLER,
        to: str = CALLED,
        called: str = CALLED,
        date: float | None = None,
    ) -> Result:
        return verify(values, Call(caller, to, called, date), self.now, self.credential)


MakeWorld = Callable[[], World]


@pytest.fixture
def world() -> World:
    """A fresh authority; now is a second after it was made."""
    authority = Authority()
    return World(authority, authority.now.timestamp() + 1)
