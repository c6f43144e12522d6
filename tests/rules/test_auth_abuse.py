"""auth-abuse: credentials that are refused again and again, told by answers whose hash is good; it refuses nothing."""

from __future__ import annotations

import pytest

from edge_agent.policy.load import ConfigError
from tests.agent import ACME, CLOUD, Agent, Decision, policy
from tests.proxy.callers import (
    CALLER,
    OTHER,
    ROOMY,
    STRANGER,
    ask,
    call,
    challenge,
    credentials,
    open_policy,
    plain_policy,
    prove,
    register,
)
from tests.proxy.message import Header, Source, response

REPORT = "203.0.113.66/32 auth-abuse 20 acme proven"


def guess(
    party: Agent, source: Source = CALLER, user: str = "x", status: str = "401 Unauthorized", *more: Header
) -> Decision:
    """Credentials, and the cloud's answer to them: what became of that."""
    party.wait(0.2)
    return ask(party, register(user, credentials("n", user)), source, status, *more)[1]


def found(party: Agent, times: int, source: Source = CALLER, **how: str) -> int:
    """How many guesses it took to be found; 0: it wasn't."""
    for n in range(1, times + 1):
        told = guess(party, source, **how)
        if told.monitored:
            assert told.monitored == ("auth-abuse",)
            return n
    return 0


@pytest.fixture
def party() -> Agent:
    return Agent(open_policy(rules=ROOMY + '[rules.sweep]\nmode = "off"\n'))


@pytest.mark.parametrize("status", ["401 Unauthorized", "407 Proxy Authentication Required", "403 Forbidden"])
def test_hit(party: Agent, status: str) -> None:
    """Twenty refusals; two findings ask for a ban of a caller who was given the nonce."""
    ask(party, register("x"), CALLER, "401 Unauthorized", challenge("n"))
    assert found(party, 30, status=status) == 20
    assert party.strikes() == []
    assert found(party, 30, status=status) == 20
    assert party.strikes() == [REPORT]


def test_near_miss(party: Agent) -> None:
    """Other failures, first challenges and nonces that are merely old are nobody's fault."""
    for _ in range(60):
        assert guess(party, CALLER, "x", "500 Oh").monitored == ()
        assert guess(party, CALLER, "x", "404 Not Found").monitored == ()
        assert guess(party, CALLER, "x", "401 Unauthorized", challenge("m", stale=True)).monitored == ()
        assert ask(party, register("x"), CALLER, "401 Unauthorized", challenge("n"))[1].monitored == ()
        assert ask(party, call("1"), CALLER, "403 Forbidden")[1].monitored == ()
    assert found(party, 19) == 0


def test_a_wrong_password_in_a_phone_is_left_alone(party: Agent) -> None:
    """It tries each half minute or more slowly."""
    for _ in range(100):
        assert guess(party).monitored == ()
        party.wait(30)


def test_users_that_change_weigh_double(party: Agent) -> None:
    told = [bool(guess(party, user=f"u{n}").monitored) for n in range(12)]
    assert told.index(True) == 10  # 1 + 10 * 2


def test_success_takes_back_what_the_user_failed(party: Agent) -> None:
    """Somebody mistypes, and mistypes again tomorrow."""
    for _ in range(20):
        assert found(party, 15) == 0
        assert guess(party, status="200 OK").monitored == ()


def test_success_of_another_user_takes_nothing_back(party: Agent) -> None:
    """Who has an account of his own can't wash his guesses clean with it."""
    told = 0
    for n in range(1, 30):
        if guess(party).monitored:
            told = n
            break
        guess(party, user="mine", status="200 OK")
    assert told == 20
    for n in range(1, 30):
        # Nor by failing on purpose before.
        guess(party, OTHER, "mine")
        if guess(party, OTHER).monitored or guess(party, OTHER, "mine", "200 OK").monitored:
            break
    assert n <= 20


def test_an_office_that_restarts_is_left_alone(party: Agent) -> None:
    """Fifty phones behind one address: challenged, and let in."""
    for n in range(50):
        ask(party, register(f"u{n}"), CALLER, "401 Unauthorized", challenge(f"n{n}"))
    for n in range(50):
        told = ask(party, register(f"u{n}", credentials(f"n{n}", f"u{n}")), CALLER, "200 OK")[1]
        assert told.monitored == ()
    assert found(party, 19) == 0


def test_each_caller_by_itself(party: Agent) -> None:
    for n in range(100):
        assert found(party, 1, (f"203.0.{n}.5", 5060)) == 0
    assert found(party, 30, OTHER) == 20


def test_who_was_given_no_nonce_is_told_of_and_never_struck(party: Agent) -> None:
    """However well he is proven otherwise, and whoever was given one."""
    prove(party, CALLER)
    ask(party, register("x"), OTHER, "401 Unauthorized", challenge("n"))
    ask(party, register("x"), ("203.0.113.66", 5061), "401 Unauthorized", challenge("n"))
    for _ in range(100):
        guess(party)
    assert party.strikes() == []


@pytest.mark.parametrize("first", [CALLER, OTHER])
def test_a_nonce_that_two_were_given_proves_neither(party: Agent, first: Source) -> None:
    """A provider that makes all nonces of a second alike tells each guesser those of his victims."""
    for source in (first, OTHER if first == CALLER else CALLER):
        ask(party, register("x"), source, "401 Unauthorized", challenge("n"))
    for _ in range(100):
        guess(party)
        party.wait(30)
    assert party.strikes() == []


def test_one_that_was_given_again_to_the_same_still_does(party: Agent) -> None:
    for _ in range(3):
        ask(party, register("x"), CALLER, "401 Unauthorized", challenge("n"))
    assert (found(party, 30), found(party, 30)) == (20, 20)
    assert party.strikes() == [REPORT]


def test_what_was_forged_counts_with_nothing_that_is_proven(party: Agent) -> None:
    """A caller who mistypes now and then, while somebody guesses in his name."""
    for _ in range(100):
        ask(party, register("x"), CALLER, "401 Unauthorized", challenge("given"))
        ask(party, register("x", credentials("given")), CALLER, "401 Unauthorized")
        for _ in range(5):
            guess(party)
        party.wait(30)
    assert party.strikes() == []


@pytest.mark.parametrize("mode", ["", "monitor", "enforce"])
def test_a_trunk_counts_as_a_whole_and_is_only_told_of(mode: str) -> None:
    party = Agent(
        plain_policy(
            f'rules.auth-abuse.mode = "{mode}"' if mode else "", rules="[rules.trunk-rate]\nregister_burst = 300\n"
        )
    )
    assert found(party, 30, ACME) == 20
    assert party.engine.counters()["monitored"] == {("auth-abuse", "acme"): 1}
    assert party.strikes() == []


def test_off() -> None:
    party = Agent(open_policy('rules.auth-abuse.mode = "off"\nrules.sweep.mode = "off"', rules=ROOMY))
    assert found(party, 50) == 0


def test_forged_answers_count_for_nothing(party: Agent) -> None:
    """Nor do they clear anything."""
    prove(party, CALLER)
    for status in ("401 Unauthorized", "200 OK"):
        for _ in range(30):
            asked = party.send(register("x", credentials("n")), CALLER)
            good = response(asked.message, status, "cloud")
            assert party.send(good, STRANGER).action == "drop"
            via = good.all("Via")
            assert party.send(good.set("Via", via[0][:-2] + "zz", *via[1:]), CLOUD).action == "drop"
        assert party.engine.counters()["monitored"] == {}
        assert found(party, 19) == 0
        party.wait(600)


def test_copies_of_one_answer_count_once(party: Agent) -> None:
    for _ in range(19):
        asked, _ = ask(party, register("x", credentials("n")), CALLER, "401 Unauthorized")
        for _ in range(5):
            assert party.send(response(asked.message, "401 Unauthorized", "cloud"), CLOUD).monitored == ()


def test_reload_and_limits(party: Agent) -> None:
    assert found(party, 10) == 0
    party.reload(open_policy(rules=ROOMY + "[rules.auth-abuse]\nfailures = 3\n"))
    assert found(party, 30) == 1
    assert found(party, 30) == 3


@pytest.mark.parametrize("text", ["failures = 1", 'forget = "0s"', 'forget = "5h"', "burst = 5"])
def test_bad_settings(text: str) -> None:
    with pytest.raises(ConfigError):
        Agent(policy(rules=f"[rules.auth-abuse]\n{text}"))
