"""stir-signature, as far as the engine decides it: who needs an Identity header, and what a call without one gets.

What a verification comes to is in tests/stir/; how a call waits for it in tests/proxy/test_deferred.py.
"""

from __future__ import annotations

import pytest

from tests.agent import ACME, BETAS, CLOUD, OWN, Agent, MakeAgent, dial, inbound, invite, policy

HIT, PASS = "428 identity-missing", "forward pass"


def stir(mode: str, rules: str = "", agent: str = "") -> str:
    return policy(f'stir = "{mode}"', rules=rules, agent=agent)


def test_a_call_without_identity(agent: MakeAgent) -> None:
    assert agent(stir("require")).send(invite(OWN)).short == HIT
    assert agent(stir("require")).send(invite(OWN)).event.rule == "stir-signature"


@pytest.mark.parametrize("mode", ["ignore", "tag"])
def test_where_none_is_required(agent: MakeAgent, mode: str) -> None:
    decision = agent(stir(mode)).send(invite(OWN))
    assert decision.short == PASS
    assert ("verstat" in decision.message.one("From")) == (mode == "tag")


def test_calls_to_the_trunk_are_its_own_matter(agent: MakeAgent) -> None:
    assert agent(stir("require")).send(inbound(), CLOUD).short == HIT
    assert agent(stir("require")).send(inbound(called=BETAS), CLOUD).short == PASS


@pytest.mark.parametrize("name", ["X-Identity", "Identity-Info", "n", "P-Identity"])
def test_a_header_that_only_looks_like_one(agent: MakeAgent, name: str) -> None:
    assert agent(stir("require")).send(invite(OWN, (name, "a.b.c;info=<https://a.example/>"))).short == HIT


def test_only_calls_are_asked(agent: MakeAgent) -> None:
    """A request inside a call, or one that opens none, has nothing to vouch for."""
    party = agent(stir("require"))
    assert party.send(dial(f"sip:{OWN}@cloud.example.net", OWN).set("CSeq", "1 INVITE")).short == HIT
    text = bytes(invite(OWN)).replace(b"INVITE", b"OPTIONS")
    assert party.send(text).short == PASS


def test_an_emergency_call_is_never_asked(agent: MakeAgent) -> None:
    text = policy(beta='stir = "require"')
    assert agent(text).send(dial("911", BETAS), ("198.51.100.11", 5060)).reason == "emergency-routed"


@pytest.mark.parametrize(("written", "outcome"), [("off", PASS), ("monitor", PASS), ("enforce", HIT)])
def test_modes(agent: MakeAgent, written: str, outcome: str) -> None:
    party: Agent = agent(stir("require", rules=f'[rules.stir-signature]\nmode = "{written}"\n'))
    decision = party.send(invite(OWN))
    assert decision.short == outcome
    assert decision.monitored == (("stir-signature",) if written == "monitor" else ())


def test_an_agent_that_only_watches(agent: MakeAgent) -> None:
    decision = agent(stir("require", agent='mode = "monitor"')).send(invite(OWN))
    assert decision.short == PASS and decision.monitored == ("stir-signature",)


def test_reload(agent: MakeAgent) -> None:
    party = agent(stir("ignore"))
    assert party.send(invite(OWN), ACME).short == PASS
    party.reload(stir("require"))
    assert party.send(invite(OWN), ACME).short == HIT
    party.reload(stir("tag"))
    assert party.send(invite(OWN), ACME).short == PASS
