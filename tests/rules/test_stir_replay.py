"""stir-replay: one token for so many calls, told apart by Call-ID; whatever its signature's bytes, as long as it is fresh."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from edge_agent.stir import base64url, sign
from tests.agent import CLOUD, OWN, OWN2, Agent, inbound, invite, policy
from tests.proxy.message import Message
from tests.vouch import URL, Vouch, loaded

HIT, PASS = "403 stir-replay", "forward pass"
ENFORCE = '[rules.stir-replay]\nmode = "enforce"\n'


class Party:
    """An agent and who signs for its calls."""

    def __init__(self, acme: str = 'stir = "require"', rules: str = ENFORCE) -> None:
        self.agent = Agent(policy(acme, rules=rules))
        self.vouch = Vouch(self.agent, loaded(policy(acme, rules=rules)))

    def send(self, call: Message | None = None, how: str = "again") -> str:
        return self.agent.send(self.vouch.signed(call or invite(OWN), how)).short

    def reload(self, acme: str = 'stir = "require"', rules: str = ENFORCE) -> None:
        self.agent.reload(policy(acme, rules=rules))
        self.vouch.use(loaded(policy(acme, rules=rules)))


MakeParty = Callable[..., Party]


@pytest.fixture
def party() -> Iterator[MakeParty]:
    made: list[Party] = []

    def make(*arguments: str, **named: str) -> Party:
        made.append(Party(*arguments, **named))
        return made[-1]

    yield make
    for one in made:
        one.vouch.close()


def test_the_fourth_call_of_a_token(party: MakeParty) -> None:
    one = party()
    assert [one.send(how="A"), one.send(), one.send(), one.send(), one.send()] == [PASS, PASS, PASS, HIT, HIT]
    assert one.send(how="A") == PASS, "another token"


def test_near_miss_one_call_by_many_ways(party: MakeParty) -> None:
    """A call that fails on one route and comes by the next has the same Call-ID: it is one call, however often it comes."""
    one = party()
    call = invite(OWN)
    assert one.send(call, "A") == PASS
    for number in range(9):
        via = call.one("Via").replace("branch=z9hG4bK", f"branch=z9hG4bK{number}")
        assert one.send(call.set("Via", via)) == PASS


@pytest.mark.parametrize("calls", [1, 2, 5])
def test_the_limit_is_set(party: MakeParty, calls: int) -> None:
    one = party(rules=f"{ENFORCE}calls = {calls}\n")
    assert [one.send(how="A" if not number else "again") for number in range(calls + 1)] == [PASS] * calls + [HIT]


def test_it_only_records_by_default(party: MakeParty) -> None:
    one = party(rules="")
    for _ in range(3):
        one.send(how="A" if not one.vouch.token else "again")
    seen = one.agent.send(one.vouch.signed(invite(OWN), "again"))
    assert (seen.short, seen.monitored) == (PASS, ("stir-replay",))
    assert seen.event.finding == "stir-replay"


def test_off_and_a_reload(party: MakeParty) -> None:
    one = party(rules='[rules.stir-replay]\nmode = "off"\n')
    assert [one.send(how="A" if not number else "again") for number in range(9)] == [PASS] * 9
    one.reload()
    assert [one.send() for _ in range(4)] == [PASS, PASS, PASS, HIT], "counted from here on"
    one.reload(rules=f"{ENFORCE}calls = 4\n")
    assert [one.send(), one.send()] == [PASS, HIT], "what was counted stays"


def test_evasion_by_a_second_signature(party: MakeParty) -> None:
    """ES256 has any number of signatures for one content; who has the key may make them, and the content is the same."""
    one = party()
    assert one.send(how="A") == PASS
    claims = json.loads(base64url.decode(one.vouch.token.split(".")[1]))
    seen = []
    for _ in range(3):
        one.vouch.token = sign.header(one.vouch.leaf.key, URL, "shaken", claims)
        seen.append(one.send())
    assert seen == [PASS, PASS, HIT]


def test_evasion_by_another_spelling(party: MakeParty) -> None:
    """The last character of a signature has slack, the header has optional blanks: no new token out of either."""
    one = party()
    assert one.send(how="A") == PASS
    token, _, parameters = one.vouch.token.partition(";")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    one.vouch.token = f"{token[:-1]}{alphabet[alphabet.index(token[-1]) ^ 1]};{parameters}"
    assert one.send() == "438 passport-syntax"
    one.vouch.token = f"{token} ; {parameters}"
    assert [one.send(), one.send(), one.send()] == [PASS, PASS, HIT]


def test_a_token_that_fails_is_not_remembered(party: MakeParty) -> None:
    """Who sends somebody's token with a call it isn't for spends none of its uses."""
    one = party()
    assert one.send(how="A") == PASS
    assert [one.send(invite(OWN2)) for _ in range(5)] == ["438 passport-orig"] * 5
    assert [one.send(), one.send(), one.send()] == [PASS, PASS, HIT]


def test_calls_to_the_trunk_too(party: MakeParty) -> None:
    one = party()
    seen = []
    for how in ("A", "again", "again", "again"):
        seen.append(one.agent.send(one.vouch.signed(inbound(), how), CLOUD).short)
    assert seen == [PASS, PASS, PASS, HIT]
