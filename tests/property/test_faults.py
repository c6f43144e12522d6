"""Any mix of faults at any place: the first one is the reason everywhere, and soft ones alone pass in the lane, nowhere else."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent import ACME, BETA, BETAS, CLOUD, NOBODY, Agent, dial, invite, policy
from tests.proxy.message import Header, Message

# Lines that break a sound call wherever they stand, with the reason each is refused for.
SOFT_LINES: list[tuple[str, list[Header]]] = [
    ("identity-header", [("Diversion", "<sip:a@>")]),
    ("identity-header", [("P-Asserted-Identity", "<sip:a@b>, <sip:c@d>")]),
    ("identity-header", [("Remote-Party-ID", '"x')]),
    ("contact", [("m", "<")]),
    ("route", [("Record-Route", "sip:x;lr")]),
    ("route", [("Route", "<sip:a;lr>, <x")]),
    ("max-forwards", [("Max-Forwards", "x")]),
    ("duplicate-header", [("Subject", "x"), ("s", "x")]),
    ("duplicate-header", [("User-Agent", "a"), ("user-agent", "b")]),
]
CORE_LINES: list[tuple[str, list[Header]]] = [
    ("via", [("v", "SIP/2.0/UDP")]),
    ("header-name", [("No Name", "x")]),
    ("control-byte", [("X", "\x02")]),
    ("identity-header", [("Refer-To", "<sip:a@>")]),
]
choices = st.randoms(use_true_random=False)


@pytest.fixture(scope="module")
def party() -> Agent:
    return Agent(policy(rules="[rules.emergency]\nper_second = 1000000.0\nburst = 1000000"))


def broken(rng: random.Random, sent: Message, core: bool) -> tuple[Message, str]:
    """The message with one to four faults among its headers, and the reason of the first."""
    sent = sent.set("Max-Forwards")  # one of the faults is an unreadable one
    count = rng.randint(1, 4)
    faults = rng.sample(SOFT_LINES, count)
    if core:
        faults[rng.randrange(count)] = rng.choice(CORE_LINES)
    groups: list[tuple[str, list[Header]]] = [("", [row]) for row in sent.headers]
    for fault in faults:
        groups.insert(rng.randrange(len(groups) + 1), fault)
    first = next(reason for reason, _ in groups if reason)
    return Message(sent.start, tuple(row for _, rows in groups for row in rows), sent.body), first


@given(choices, st.booleans())
def test_soft_and_core(party: Agent, rng: random.Random, core: bool) -> None:
    party.wait(10)
    sent, first = broken(rng, dial("911", BETAS), core)
    told = party.send(sent, BETA)
    if core:
        assert told.short == f"400 {first}"
    else:
        assert (told.short, told.event.finding) == ("forward emergency-routed", first)
    assert party.send(sent, ACME).short == f"400 {first}"
    assert party.send(sent, CLOUD).short == f"400 {first}"
    assert party.send(sent, NOBODY).short == f"drop {first}"


@given(choices, st.booleans())
def test_outside_the_lane_nothing_differs(party: Agent, rng: random.Random, core: bool) -> None:
    party.wait(10)
    sent, first = broken(rng, invite(BETAS), core)
    for source in (BETA, ACME, CLOUD):
        told = party.send(sent, source)
        assert (told.short, told.monitored, told.event.finding) == (f"400 {first}", (), "")
    assert party.send(sent, NOBODY).short == f"drop {first}"
