"""What rules in monitor mode would have refused: counted once for each call, and again when it is answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from edge_agent.reasons import BY_NAME, REASONS
from tests.agent import OWN, Agent, dial, invite, policy
from tests.proxy.callers import CALLER, open_policy
from tests.proxy.message import Message, Source, response
from tests.proxy.test_distance import FAR, NEAR, Measured
from tests.proxy.world import ACME, CLOUD, CONTACT, POLICY, Call, Result, World, establish
from tests.rules.test_toll_fraud import PREMIUM

# A caller that acme doesn't own is only recorded; all else is judged as ever.
RECORDED = POLICY.replace('name = "acme"', 'name = "acme"\nrules = { caller-owned = { mode = "monitor" } }')
FOREIGN = "+13125550000"
MANY = 50


def found(world: World) -> dict[tuple[str, str, str], tuple[int, int]]:
    return world.engine.findings()


def end(world: World, call: Call, status: str) -> Result:
    """The call goes on and ends so."""
    invite = world.send(call.invite(), call.caller)
    assert invite.action == "forward", invite
    return world.send(response(invite.message, status, "callee"), CLOUD)


def test_calls_and_answers() -> None:
    world = World(RECORDED)
    establish(world, Call.outbound(), CLOUD)
    end(world, Call.outbound(), "486 Busy Here")
    establish(world, Call.outbound(user=FOREIGN), CLOUD)
    end(world, Call.outbound(user=FOREIGN), "486 Busy Here")
    end(world, Call.outbound(user=FOREIGN), "404 Not Found")
    assert found(world) == {("acme", "from", ""): (5, 2), ("acme", "from", "caller-owned"): (3, 1)}


def test_a_call_counts_once() -> None:
    """However often its INVITE, its 200 and a second far side's 200 come."""
    world = World(RECORDED)
    call = Call.outbound(user=FOREIGN)
    invite = world.send(call.invite(), call.caller)
    for _ in range(3):
        assert world.send(call.invite(), call.caller).reason == "retransmission"
    for callee in ("callee", "callee", "fork", "callee"):
        world.send(response(invite.message, "200 OK", callee, call.answerer), CLOUD)
    assert found(world)["acme", "from", "caller-owned"] == (1, 1)


def test_what_is_refused_is_no_call_that_went_on() -> None:
    world = World()
    assert world.send(Call.outbound(user=FOREIGN).invite(), ACME).reason == "caller-owned"
    assert found(world) == {}


def test_an_answer_that_nobody_asked_for_counts_nothing() -> None:
    world = World(RECORDED)
    call = Call.outbound(user=FOREIGN)
    invite = world.send(call.invite(), call.caller)
    forged = response(invite.message, "200 OK", "callee")
    forged = forged.set("Via", forged.all("Via")[0].replace("z9hG4bKea1", "z9hG4bKea2"), *forged.all("Via")[1:])
    assert world.send(forged, CLOUD).action == "drop"
    assert found(world)["acme", "from", "caller-owned"] == (1, 0)


def test_calls_to_a_trunk_are_its_own_row() -> None:
    world = World()
    call = replace(Call.inbound(), from_user="+12125552005")  # one of ours, from outside
    invite = world.send(call.invite(), CLOUD)
    assert invite.action == "forward"
    world.send(response(invite.message, "200 OK", "callee", call.answerer), CONTACT)
    told = found(world)
    assert told["acme", "to", ""] == (1, 1)
    assert told["acme", "to", "own-number-inbound"] == (1, 1)


def test_a_reload_keeps_the_counts() -> None:
    world = World(RECORDED)
    for _ in range(3):
        establish(world, Call.outbound(user=FOREIGN), CLOUD)
    before = found(world)
    world.publish(RECORDED + "\n")
    assert found(world) == before
    world.publish(POLICY)
    assert found(world) == before, "what it found while it was in monitor mode"


def test_many_calls() -> None:
    world = World(RECORDED.replace("calls_per_second = 10\nburst = 20", "calls_per_second = 1000\nburst = 1000"))
    for number in range(MANY):
        call = Call.outbound(user=FOREIGN if number % 2 else "+12125552000")
        assert end(world, call, "480 Temporarily Unavailable").action == "forward"
    assert found(world)["acme", "from", ""] == (MANY, 0)
    assert found(world)["acme", "from", "caller-owned"] == (MANY // 2, 0)


# What is found, and would refuse nothing


def counted(party: Agent, made: Message, source: Source = ACME) -> set[str]:
    """Sends a call that goes on and is answered; the rules that are said to would have refused it."""
    seen = party.send(made, source)
    assert seen.action == "forward" and seen.monitored, seen
    party.send(response(seen.message, "200 OK", "callee"), CLOUD)
    told = party.engine.findings()
    assert told["acme", "from", ""] == (1, 1)
    return {rule for _, _, rule in told if rule and told["acme", "from", rule] == (1, 1)}


STRIPPED = f"<sip:{OWN};verstat=TN-Validation-Passed@pbx.example>"
STIR_RULES = ("stir-signature", "stir-attestation", "stir-replay")
IDENTITY = ("Identity", "a.b.c;info=<https://cr.example.net/a.pem>")


@pytest.mark.parametrize("mode", ["monitor", "enforce"])
@pytest.mark.parametrize(
    "made", [lambda: invite(STRIPPED), lambda: invite(OWN, ("Priority", "emergency"))], ids=["verstat", "priority"]
)
def test_a_marking_that_is_taken_out_refuses_nothing(mode: str, made: Callable[[], Message]) -> None:
    party = Agent(policy(rules=f'[rules.forged-marking]\nmode = "{mode}"'))
    assert counted(party, made()) == set()


def test_a_marking_that_would_be_refused() -> None:
    party = Agent(policy(rules='[rules.forged-marking]\nmode = "monitor"'))
    assert counted(party, invite(OWN, ("Resource-Priority", "esnet.0"))) == {"forged-marking"}


def test_an_emergency_number_in_to_alone() -> None:
    assert counted(Agent(policy()), invite().set("To", "<sip:911@cloud.example.net>")) == set()


def test_beside_one_that_only_tells() -> None:
    party = Agent(policy(rules='[rules.caller-owned]\nmode = "monitor"'))
    assert counted(party, invite(FOREIGN).set("To", "<sip:911@cloud.example.net>")) == {"caller-owned"}


def test_a_warning_of_a_budget() -> None:
    """From 80 % on it is told of, and from the end of the budget would be refused."""
    party = Agent(policy(rules="[rules.toll-fraud]\ncalls_per_day = 10\ncaller_calls_per_day = 100"))
    found = []
    for _ in range(12):
        party.send(dial(PREMIUM))
        found.append(party.engine.findings().get(("acme", "from", "toll-fraud"), (0, 0))[0])
    assert party.engine.counters()["monitored"]["toll-fraud", "acme"] > 2
    assert found == [0] * 10 + [1, 2]


def test_another_distance() -> None:
    world = Measured("monitor")
    world.prove(NEAR)
    before = found(world)
    assert world.told(Call.outbound().invite(), FAR) == "forward"
    assert ("acme", "from", "unknown-source") not in before
    assert found(world)["acme", "from", "unknown-source"] == (1, 0)


def test_the_rate_of_an_open_trunks_caller() -> None:
    """Asked before a message is read."""
    slow = '[rules.source-rate]\nmode = "monitor"\nper_second = 1\nburst = 1\n'
    party = Agent(open_policy(rules=slow))
    assert [party.send(invite(), CALLER).monitored for _ in range(3)] == [(), ("source-rate",), ("source-rate",)]
    told = party.engine.findings()
    assert told["acme", "from", ""] == (3, 0) and told["acme", "from", "source-rate"] == (2, 0)


@pytest.mark.parametrize("stir", ["tag", "require"])
@pytest.mark.parametrize("mode", ["monitor", "enforce"])
def test_a_signature_that_is_missing(stir: str, mode: str) -> None:
    """Nobody refuses it where calls are only tagged."""
    party = Agent(policy(f'stir = "{stir}"', rules=f'[rules.stir-signature]\nmode = "{mode}"'))
    seen = party.send(invite())
    assert (seen.short == "428 identity-missing") == (stir == "require" and mode == "enforce")
    told = party.engine.findings()
    assert (("acme", "from", "stir-signature") in told) == (stir == "require" and mode == "monitor")


@pytest.mark.parametrize("mode", ["monitor", "enforce"])
def test_the_rate_of_those_that_nobody_vouches_for(mode: str) -> None:
    limit = f'[rules.stir-attestation]\nmode = "{mode}"\nunsigned_per_second = 1\nunsigned_burst = 1'
    party = Agent(policy('stir = "tag"', rules=limit))
    for _ in range(3):
        party.send(invite())
    assert party.engine.findings().get(("acme", "from", "stir-attestation")) == ((2, 0) if mode == "monitor" else None)


@pytest.mark.parametrize(
    ("stir", "mode", "reason", "counts"),
    [
        ("tag", "monitor", "identity-syntax", False),
        ("tag", "enforce", "identity-syntax", False),
        ("require", "monitor", "identity-syntax", True),
        ("require", "monitor", "certificate-unavailable", False),
        ("tag", "monitor", "attestation-level", False),
        ("require", "monitor", "attestation-level", True),
        ("tag", "monitor", "attestation-rate", True),
        ("tag", "monitor", "signer-rate", True),
        ("tag", "monitor", "stir-replay", True),
    ],
)
def test_what_a_verification_found(stir: str, mode: str, reason: str, counts: bool) -> None:
    """Nobody refuses a bad signature, or a low level, of calls that are only tagged."""
    rules = "".join(f'[rules.{rule}]\nmode = "{mode}"\n' for rule in STIR_RULES)
    party = Agent(policy(f'stir = "{stir}"', rules=rules))

    def resolve() -> None:
        [waiting] = party.engine.deferred()
        assert party.engine.resolve(waiting.ticket, verstat=2, monitored=(BY_NAME[reason],))

    party.control = resolve
    assert counted(party, invite(OWN, IDENTITY)) == ({REASONS[BY_NAME[reason]].rule} if counts else set())
