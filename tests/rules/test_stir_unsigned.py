"""stir-attestation: calls that nobody vouches for are a class of their own: without a header, or with one that comes to nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.agent import ACME, BETA, BETAS, CLOUD, FOREIGN, OWN, Agent, inbound, invite, policy, request
from tests.proxy.message import Message, response, tag
from tests.rules.vouching import signing, with_identity

PASS, RATE = "forward pass", "486 attestation-rate"
TAG, REQUIRE = 'stir = "tag"', 'stir = "require"'


def rules(text: str = "unsigned_per_second = 1\nunsigned_burst = 2", more: str = "") -> str:
    return f"[rules.stir-attestation]\n{text}\n{more}"


def agent(acme: str = TAG, text: str = rules(), **tables: str) -> Agent:
    return Agent(policy(acme, rules=text, **tables))


def times(count: int, at: Agent, make: Callable[[], Message] = invite) -> list[str]:
    return [at.send(make()).short for _ in range(count)]


def test_hit_and_limit() -> None:
    at = agent()
    assert times(4, at) == [PASS, PASS, RATE, RATE]
    at.wait(1)
    assert times(2, at) == [PASS, RATE]


def test_the_event_says_how_many() -> None:
    at = agent()
    times(2, at)
    told = at.send(invite())
    assert (told.rule, told.status, told.event.value, told.event.limit) == ("stir-attestation", 486, 2, 2)


def test_near_miss_a_signed_call() -> None:
    """Of another class, before and after."""
    with signing(rules=rules()) as at:
        for _ in range(3):
            assert at.send(invite(OWN), ACME, at.token("shaken")).short == PASS
        assert times(3, at.agent) == [PASS, PASS, RATE]
        assert at.send(invite(OWN), ACME, at.token("shaken")).short == PASS


@pytest.mark.parametrize("header", ["nonsense", "stale", "dead", "other kind"])
def test_evasion_a_header_that_comes_to_nothing(header: str) -> None:
    """One budget with those that have none: neither order gives more."""
    with signing(rules=rules()) as at:
        at.vouch.service._ask = lambda url: None
        dead = at.token("shaken").replace("1234.pem", "5678.pem")
        values: dict[str, Callable[[], str]] = {
            "nonsense": lambda: "nonsense",
            "stale": lambda: at.token("shaken", age=100),
            "dead": lambda: dead,
            "other kind": lambda: at.token("shaken").replace("ppt=shaken", "ppt=msgi"),
        }
        value = values[header]
        assert at.send(invite(OWN), ACME, value()).short == PASS
        assert times(1, at.agent) == [PASS]
        assert at.send(invite(OWN), ACME, value()).short == RATE
        assert times(1, at.agent) == [RATE]


def test_evasion_nobody_answers() -> None:
    with signing(rules=rules()) as at:
        at.agent.control = lambda: at.agent.wait(4.1)
        token = at.token("shaken")
        assert [at.send(invite(OWN), ACME, token).short for _ in range(3)] == [PASS, PASS, PASS], "4 s between them"
        at.reload(policy(TAG, rules=rules("unsigned_per_second = 0.001\nunsigned_burst = 1")))
        at.agent.wait(1000)
        assert [at.send(invite(OWN), ACME, token).short for _ in range(2)] == [PASS, RATE]


def test_evasion_calls_that_are_too_long_to_wait() -> None:
    at = agent(text=rules(more="[rules.interface]\nmax_bytes = 60000"))
    long = [("X-Long", "x" * 1000)] * 17
    assert times(3, at, lambda: with_identity(invite(OWN, *long), "a.b.c;info=<https://cr.example.net/a.pem>")) == [
        PASS,
        PASS,
        RATE,
    ]


@pytest.mark.parametrize(
    ("acme", "text"),
    [
        ('stir = "ignore"', rules()),
        (TAG, rules("unsigned_burst = 1")),
        (TAG, rules('unsigned_per_second = 1\nunsigned_burst = 1\nmode = "off"')),
        (TAG, rules("c_per_second = 1\nc_burst = 1")),
        (TAG, rules(more='[rules.stir-signature]\nmode = "off"')),
    ],
    ids=["ignored", "not set", "off", "another class", "not verified"],
)
def test_where_it_finds_nothing(acme: str, text: str) -> None:
    assert times(5, agent(acme, text)) == [PASS] * 5


def test_monitor() -> None:
    at = agent(text=rules('unsigned_per_second = 1\nunsigned_burst = 1\nmode = "monitor"'))
    assert [at.send(invite()).monitored for _ in range(2)] == [(), ("stir-attestation",)]
    told = at.send(invite())
    assert (told.short, told.event.finding) == (PASS, "attestation-rate")


def test_a_trunk_that_requires_a_signature_refuses_those_without_one_first() -> None:
    with signing(REQUIRE, rules=rules()) as at:
        assert times(3, at.agent) == ["428 identity-missing"] * 3
        assert [at.send(invite(OWN), ACME, "nonsense").short for _ in range(3)] == ["438 identity-syntax"] * 3
        at.reload(policy(REQUIRE, rules=rules(more='[rules.stir-signature]\nmode = "monitor"')))
        assert times(3, at.agent) == [PASS, PASS, RATE], "and none of them was counted"


def test_calls_to_a_trunk_count_with_those_from_it() -> None:
    at = agent()
    assert at.send(inbound(FOREIGN, OWN), CLOUD).short == PASS
    assert times(2, at) == [PASS, RATE]
    assert at.send(inbound(FOREIGN, OWN), CLOUD).short == RATE


def test_of_another_trunk_nothing_is_taken() -> None:
    at = agent(beta=TAG)
    assert times(3, at) == [PASS, PASS, RATE]
    other = [at.send(invite(BETAS), BETA).short for _ in range(3)]
    assert other == [PASS, PASS, RATE]


def test_a_copy_is_counted_once_and_so_is_a_challenged_call() -> None:
    at = agent(text=rules("unsigned_per_second = 0.001\nunsigned_burst = 2"))
    sent = invite()
    first = at.send(sent)
    assert [at.send(sent).short for _ in range(3)] == ["forward retransmission"] * 3
    at.send(response(first.message, "407 Proxy Authentication Required", "far"), CLOUD)
    again = sent.set("CSeq", "2 INVITE").set("Via", sent.one("Via").replace("z9hG4bK", "z9hG4bKagain"))
    again = again.above(("Proxy-Authorization", 'Digest username="a", nonce="b", response="c"'))
    assert tag(again.one("From")) == tag(sent.one("From"))
    assert at.send(again).short == PASS
    assert times(2, at) == [PASS, RATE]


def test_what_another_rule_refuses_is_not_counted() -> None:
    at = agent()
    assert times(3, at, lambda: invite(FOREIGN)) == ["403 caller-owned"] * 3
    assert times(3, at) == [PASS, PASS, RATE]


def test_emergency_calls_and_those_that_come_back() -> None:
    """Neither counted nor refused."""
    at = agent(beta=TAG, text=rules("unsigned_per_second = 0.001\nunsigned_burst = 1"))
    assert at.send(invite(BETAS), BETA).short == PASS
    emergency = request("INVITE", "sip:911@cloud.example.net", BETAS)
    told = at.send(emergency, BETA)
    assert told.short == "forward emergency-routed"
    at.send(response(told.message, "200 OK", "psap"), ("192.0.2.61", 5060))
    for _ in range(3):
        assert at.send(inbound("+12025550199", BETAS), CLOUD).short == "forward emergency-callback"
    assert at.send(invite(BETAS), BETA).short == RATE


def test_a_reload_changes_the_rate_and_forgets_nothing() -> None:
    at = agent()
    assert times(3, at) == [PASS, PASS, RATE]
    at.reload(policy(TAG, rules=rules("unsigned_per_second = 1\nunsigned_burst = 4")))
    assert times(3, at) == [PASS, PASS, RATE]
    at.reload(policy(TAG))
    assert times(9, at) == [PASS] * 9
