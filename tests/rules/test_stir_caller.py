"""Whose number is compared with a token, and marked as verified: the one that the agent itself believes (RFC 3325 §5, §8)."""

from __future__ import annotations

import pytest

from tests.agent import ACME, CLOUD, FOREIGN, OWN, OWN2, Agent, inbound, invite, policy
from tests.rules.vouching import TAG, signing, with_identity

OTHER = "+14155552672"
PASSED, FAILED = "verstat=TN-Validation-Passed", "verstat=TN-Validation-Failed"
NO_PAI = 'asserts = ["verstat"]'
OFF = "\n".join(f'[rules.{rule}]\nmode = "off"' for rule in ("caller-owned", "caller-consistent", "forged-marking"))


def asserted(number: str, host: str = "cloud.example.net") -> tuple[str, str]:
    return ("P-Asserted-Identity", f"<sip:{number}@{host}>")


@pytest.mark.parametrize("token_for", [FOREIGN, OTHER])
def test_an_upstream_with_the_right(token_for: str) -> None:
    """Its assertion counts, From doesn't."""
    with signing() as at:
        told = at.send(inbound(FOREIGN, OWN, asserted(OTHER)), CLOUD, at.token("shaken", token_for, OWN))
        good = token_for == OTHER
        assert told.short == "forward pass"
        assert told.message.one("P-Asserted-Identity").count(PASSED if good else FAILED) == 1
        assert "verstat" not in told.message.one("From")


@pytest.mark.parametrize("mode", ["enforce", "monitor", "off"])
@pytest.mark.parametrize("token_for", [FOREIGN, OTHER])
def test_an_upstream_without_the_right(token_for: str, mode: str) -> None:
    """From counts, whether forged-marking takes its assertion out or leaves it: a number that is only claimed is never verified."""
    with signing(cloud=NO_PAI, rules=f'[rules.forged-marking]\nmode = "{mode}"') as at:
        told = at.send(inbound(FOREIGN, OWN, asserted(OTHER)), CLOUD, at.token("shaken", token_for, OWN))
        assert told.short == "forward pass"
        assert (PASSED if token_for == FOREIGN else FAILED) in told.message.one("From")
        assert told.message.all("P-Asserted-Identity") == ([] if mode == "enforce" else [asserted(OTHER)[1]])


def test_the_same_number_without_the_right() -> None:
    """The mark stands where it isn't taken out with the assertion."""
    with signing(cloud=NO_PAI) as at:
        told = at.send(inbound(FOREIGN, OWN, asserted(FOREIGN)), CLOUD, at.token("shaken", FOREIGN, OWN))
        assert told.message.all("P-Asserted-Identity") == [] and PASSED in told.message.one("From")


@pytest.mark.parametrize(("number", "counts"), [(OWN2, True), (OWN, True), (FOREIGN, False)])
def test_a_trunk_without_the_right(number: str, counts: bool) -> None:
    """A number that is its own counts; a foreign one doesn't, though no rule looks at it."""
    with signing(rules=OFF) as at:
        for token_for in {OWN, number}:
            told = at.send(invite(OWN, asserted(number)), ACME, at.token("shaken", token_for))
            where = "P-Asserted-Identity" if counts else "From"
            assert (PASSED if token_for == (number if counts else OWN) else FAILED) in told.message.one(where)


def test_a_trunk_with_the_right() -> None:
    with signing(f'{TAG}\nasserts = ["PAI"]', rules=OFF) as at:
        told = at.send(invite(OWN, asserted(FOREIGN)), ACME, at.token("shaken", FOREIGN))
        assert PASSED in told.message.one("P-Asserted-Identity")


def test_tel_before_sip() -> None:
    """Compared and marked: the same value."""
    both = ("P-Asserted-Identity", f"<sip:{OTHER}@cloud.example.net>, <tel:{FOREIGN}>")
    with signing() as at:
        told = at.send(inbound(OTHER, OWN, both), CLOUD, at.token("shaken", FOREIGN, OWN))
        assert told.message.one("P-Asserted-Identity") == f"<sip:{OTHER}@cloud.example.net>, <tel:{FOREIGN};{PASSED}>"


def test_what_the_control_plane_is_told() -> None:
    """The number of Deferred.caller, by the policy in force: a reload changes it for calls that wait."""
    agent = Agent(policy(TAG))
    for cloud, caller in ((NO_PAI, FOREIGN), ("", OTHER)):
        agent.reload(policy(TAG, cloud=cloud))
        call = with_identity(inbound(FOREIGN, OWN, asserted(OTHER)), "a.b.c;info=<https://cr.example.net/a.pem>")
        agent.batch.clear()
        agent.batch.add(bytes(call), CLOUD, 0)
        agent.engine.process(agent.batch, agent.now, agent.out)
        [one] = agent.engine.deferred()
        assert one.caller == caller.lstrip("+")
