"""Forwarded calls and calls between customers: the engine against the plain reading, whatever history is told and in whatever order calls come."""

from __future__ import annotations

import random
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from tests.agent import BETA, BETAS, CLOUD, FOREIGN, OWN, OWN2, Agent, inbound, invite, policy
from tests.oracle.diverted import count, stations

choices = st.randoms(use_true_random=False)
OTHER = "+16465550000"
TAILS = [
    "", ";reason=unknown", ";counter=1", ";counter=2", ";Counter = 3", ";counter=0", ";counter=100", ";counter=x", ";counter",
    ';reason="a;counter=9"', ";counter=1;counter=9", ";counter=007",
]  # fmt: skip
INDEXES = ["1", "1.1", "1.1.1", "2"]
WORDS = ["", "mp", "rc", "np", "MP", "xmp"]


@cache
def trusting() -> Agent:
    rules = "[rules.caller-owned]\ntrusted_share = 1\n" + "\n".join(
        f'[rules.{rule}]\nmode = "off"' for rule in ("display-name", "caller-rate", "callee-rate")
    )
    return Agent(policy('forwards = "trust"', rules=rules))


@given(choices)
def test_how_often_a_call_was_diverted(rng: random.Random) -> None:
    party = trusting()
    party.wait(1)
    values = [f"<sip:{OWN}@x>{rng.choice(TAILS)}" for _ in range(rng.randrange(1, 11))]
    rows = [("Diversion", ", ".join(values))] if rng.randrange(2) else [("Diversion", value) for value in values]
    told = party.send(invite(OWN, *rows))
    assert told.short == ("forward pass" if count(values) <= 12 else "403 caller-diversions")


def entry(rng: random.Random) -> str:
    word = rng.choice(WORDS)
    how = f"{rng.choice([';', ' ; '])}{word}{rng.choice(['=', ' = '])}{rng.choice(INDEXES)}" if word else ""
    index = rng.choice(["", f";index={rng.choice(INDEXES)}", f"; INDEX = {rng.choice(INDEXES)}"])
    return f"<sip:{rng.choice([OWN, OTHER, OTHER])}@x>{''.join(rng.sample([how, index], 2))}"


@given(choices)
def test_which_entry_forwarded(rng: random.Random) -> None:
    party = trusting()
    party.wait(1)
    history = [entry(rng) for _ in range(rng.randrange(1, 5))]
    told = party.send(invite(FOREIGN, ("History-Info", ", ".join(history))))
    own = [OWN in value and station for value, station in zip(history, stations(history), strict=True)]
    assert told.short == ("forward pass" if any(own) else "403 caller-owned")


calls = st.lists(
    st.tuples(
        st.sampled_from(["out", "out", "in"]),
        st.sampled_from([OWN, OWN2, BETAS, FOREIGN]),
        st.sampled_from([OWN, BETAS, "+12125553001", OTHER]),
        st.sampled_from([0.0, 1.0, 20.0, 59.5, 61.0]),
    ),
    min_size=3,
    max_size=25,
)


@given(calls)
def test_our_numbers_call_from_outside_only_after_they_called(sequence: list[tuple[str, str, str, float]]) -> None:
    party = Agent(policy(rules='[rules.own-number-inbound]\nmode = "enforce"'))
    went: dict[tuple[str, str], int] = {}
    for way, caller, called, wait in sequence:
        party.wait(wait)
        if way == "out":
            source = BETA if caller == BETAS else ("198.51.100.10", 5060)
            if party.send(invite(caller, uri=f"sip:{called}@cloud.example.net"), source).action == "forward":
                went[caller, called] = party.now
        else:
            told = party.send(inbound(caller, called), CLOUD)
            if called == OTHER:
                assert told.status == (404 if caller == FOREIGN else 403)
                continue
            fine = caller == FOREIGN or party.now - went.get((caller, called), -(10**12)) < 60 * 10**9
            assert told.short == ("forward pass" if fine else "403 own-number-inbound")
