"""service: calls that are served in groups come to what each comes to by itself, and none costs another its verification."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from uuid import UUID

import pytest

from edge_agent.stir import service, sign, verify
from edge_agent.stir.chain import Credential
from edge_agent.stir.fetch import Certificates
from edge_agent.stir.judge import Subject
from edge_agent.stir.service import Rules, Service
from edge_agent.stir.verify import Call
from tests.ca import Authority, number
from tests.stir.engine import FakeEngine

CALLER, CALLED = "12025550143", "12125550100"
URL, NARROW, GONE = (f"https://cr.example.net/{name}.pem" for name in ("good", "narrow", "gone"))


class Bench:
    """A service without its thread; its certificates never need a fetch."""

    def __init__(self) -> None:
        self.engine, self.bugs = FakeEngine(), 0
        self.authority = Authority()
        self.now = self.authority.now.timestamp() + 1
        self.leaf = self.authority.leaf()
        # A certificate for numbers that aren't the caller's.
        self.narrow = self.authority.leaf(number("12025550199"))
        self.certificates = Certificates([self.authority.root.certificate], clock=time.time)
        self.certificates.preload(URL, self.leaf.pem)
        self.certificates.preload(NARROW, self.narrow.pem)
        self.service = Service(self.engine, self.certificates, lambda url: None, self._bug, wall=lambda: self.now)
        self.service.use(Rules(subjects={"acme": Subject("acme", requires=True)}))

    def _bug(self) -> None:
        self.bugs += 1

    def token(self, kind: str, serial: int) -> str:
        key, url = (self.narrow.key, NARROW) if kind == "number" else (self.leaf.key, GONE if kind == "gone" else URL)
        orig = "12025550144" if kind == "orig" else CALLER
        dest = "12125550101" if kind == "dest" else CALLED
        age = {"stale": 100, "ahead": -100}.get(kind, 0)
        value = sign.shaken(key, url, orig, dest, "ABC"[serial % 3], UUID(int=serial), int(self.now) - age)
        if kind == "signature":
            before, after = value[:100], value[100:]
            end = after.index(";")
            return (
                before
                + after[: end - 6]
                + ("AAAA" if after[end - 6 : end - 2] != "AAAA" else "BBBB")
                + after[end - 2 :]
            )
        if kind == "plain":
            return value.replace("ppt=shaken", 'ppt = "shaken"')
        return "nothing" if kind == "nothing" else value

    def close(self) -> None:
        self.service.close()
        self.engine.close()


@pytest.fixture
def at() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


WANTED = {
    "good": "pass",
    "plain": "pass",
    "signature": "passport-signature",
    "stale": "passport-stale",
    "ahead": "passport-stale",
    "orig": "passport-orig",
    "dest": "passport-dest",
    "number": "certificate-number",
    "nothing": "identity-syntax",
}


def test_as_one_by_one(at: Bench) -> None:
    kinds = [kind for kind in WANTED for _ in range(service.GROUP)]
    random.Random(8224).shuffle(kinds)
    values = [at.token(kind, serial) for serial, kind in enumerate(kinds)]
    tickets = [at.engine.defer(value) for value in values]
    while not set(tickets) <= at.engine.told.keys():
        at.service.turn()
    for ticket, kind, value in zip(tickets, kinds, values, strict=True):
        told = at.engine.told[ticket]
        assert told.reason == WANTED[kind], kind
        assert told.attest == ("ABC"[kinds_at(tickets, ticket) % 3] if WANTED[kind] == "pass" else "")
        alone = at.engine.defer(value, call_id=f"alone-{ticket}")
        at.service._take()
        one = at.service._queues.take()
        assert one is not None
        at.service._serve(one)
        again = at.engine.told[alone]
        assert (again.reason, again.verstat, again.attest, again.monitored)[:3] == (
            told.reason,
            told.verstat,
            told.attest,
        )
    assert at.bugs == 0
    assert at.service.results["passed"] == 2 * 2 * service.GROUP


def kinds_at(tickets: list[int], ticket: int) -> int:
    return tickets.index(ticket)


@pytest.mark.parametrize("where", ["outcome", "usual", "signed"])
def test_a_bug_in_the_middle_of_a_group(at: Bench, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Costs its call the verification at most, and no other call anything."""
    real = getattr(service, where)
    seen: list[int] = []

    def broken(*arguments: object) -> object:
        seen.append(1)
        if len(seen) == 3:
            raise RuntimeError("a bug")
        return real(*arguments)

    monkeypatch.setattr(service, where, broken)
    tickets = [at.engine.defer(at.token("good", serial)) for serial in range(5)]
    at.service.turn()
    assert [at.engine.told[ticket].reason for ticket in tickets] == ["pass"] * 5
    verified = [at.engine.told[ticket].verstat == 1 for ticket in tickets]
    assert verified == ([True, True, False, True, True] if where == "outcome" else [True] * 5)


@pytest.mark.parametrize("kind", WANTED)
def test_the_short_cut_says_what_the_long_way_says(at: Bench, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Reason, level, who signed, until when, and what of the header is told."""

    def credential(url: str) -> Credential:
        found = at.certificates.look(url)
        assert found is not None and found.credential is not None
        return found.credential

    call, value = Call(CALLER, CALLED, CALLED, None), at.token(kind, 7)
    for _ in range(2):  # the second time the signer is known
        short = verify.verify([value], call, at.now, credential)
    monkeypatch.setattr(verify, "usual", lambda *_: None)
    long = verify.verify([value], call, at.now, credential)
    assert short[:-3] == long[:-3] and short[-2:] == long[-2:]
    for one, other in zip(short.headers, long.headers, strict=True):
        assert one[:2] == other[:2] and str(one.fault) == str(other.fault)
