"""toll-fraud and calls that wait to be verified: each counts once it goes on, and one that is given up never does."""

from __future__ import annotations

from tests.agent import ACME, CLOUD, dial, request
from tests.proxy.message import response
from tests.rules.test_toll_fraud import MINUTE, PREMIUM, cost, used
from tests.rules.vouching import TAG, signing, with_identity

RULES = '[rules.toll-fraud]\nmode = "enforce"\ncalls_per_day = 2\nwarn = 1.0'


def test_a_verified_call_counts_when_it_goes_on() -> None:
    with signing(TAG, rules=RULES) as party:
        told = party.send(dial(PREMIUM), ACME, party.token("shaken", dest=PREMIUM))
        assert told.short == "forward pass" and used(party.agent) == (1, 0, 0)
        party.agent.send(response(told.message, "200 OK"), CLOUD)
        party.agent.wait(2 * MINUTE)
        assert cost(party.agent) == (2, 6)
        party.send(dial(PREMIUM), ACME, party.token("shaken", dest=PREMIUM))
        party.send(dial(PREMIUM), ACME, party.token("shaken", dest=PREMIUM))
        last = party.send(dial(PREMIUM), ACME, party.token("shaken", dest=PREMIUM))
        assert last.short == "403 toll-calls"


def test_a_call_that_is_taken_back_while_it_waits_never_counts() -> None:
    with signing(TAG, rules=RULES) as party:
        answers, party.agent.control = party.agent.control, None
        call = with_identity(dial(PREMIUM), party.token("shaken", dest=PREMIUM))
        agent = party.agent
        agent.batch.clear()
        agent.batch.add(bytes(call), ACME, 0)
        agent.engine.process(agent.batch, agent.now, agent.out)
        assert agent.engine.counters()["waiting"] == 1 and not agent.engine.budgets(agent.now)
        cancel = request("CANCEL", call.start.split(" ")[1], "+12125552000")
        for name in ("Via", "From", "To", "Call-ID"):
            cancel = cancel.set(name, call.one(name))
        agent.batch.clear()
        agent.batch.add(bytes(cancel), ACME, 0)
        agent.engine.process(agent.batch, agent.now, agent.out)
        agent.engine.resume(agent.now, agent.out)
        assert agent.engine.counters()["waiting"] == 0 and not agent.engine.budgets(agent.now)
        agent.control = answers
