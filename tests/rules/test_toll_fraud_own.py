"""toll-fraud: the operator's own classes, each a budget of single prefixes, within a class of ours or where nothing is dear."""

from __future__ import annotations

import pytest

from edge_agent.policy.load import ConfigError
from tests.agent import Agent, MakeAgent, dial, policy

PASS, CLASS = "forward pass", "403 toll-class-calls"
WIDE = (
    '[rules.toll-fraud]\nmode = "enforce"\ncalls_per_day = 100000\nminutes_per_day = 100000\nspend_per_day = 1000000\n'
    "caller_calls_per_day = 100000\ncaller_minutes_per_day = 100000\ncaller_spend_per_day = 1000000\n"
)
OWN = 'prefixes = ["+1900555* own-1 2.0", "+4420* own-4"]\nclass_calls_per_day = { own-1 = 2, own-4 = 1 }\n'
PREMIUM, BESIDE, LONDON = "+19005552000", "+19006662000", "+442071838750"


def calls(party: Agent, number: str, times: int) -> list[str]:
    return [party.send(dial(number)).short for _ in range(times)]


def test_a_prefix_has_a_budget_by_itself(agent: MakeAgent) -> None:
    party = agent(policy("burst = 1000", rules=WIDE + OWN))
    assert calls(party, PREMIUM, 3) == [PASS, PASS, CLASS]
    assert calls(party, BESIDE, 5) == [PASS] * 5
    assert calls(party, LONDON, 2) == [PASS, CLASS]
    scopes = {budget.scope for budget in party.engine.budgets(party.now)}
    assert scopes >= {"trunk", "premium", "own-1", "own-4"}


def test_reload(agent: MakeAgent) -> None:
    """What was used stays used; a prefix that is no longer the operator's is what it was."""
    party = agent(policy("burst = 1000", rules=WIDE + OWN))
    calls(party, PREMIUM, 3)
    party.reload(policy("burst = 1000", rules=WIDE + OWN.replace("own-1 = 2", "own-1 = 3")))
    assert calls(party, PREMIUM, 2) == [PASS, CLASS]
    party.reload(policy("burst = 1000", rules=WIDE))
    assert calls(party, PREMIUM, 3) == [PASS] * 3


def test_there_are_four() -> None:
    with pytest.raises(ConfigError):
        Agent(policy(rules=WIDE + 'prefixes = ["+4420* own-5"]\n'))
