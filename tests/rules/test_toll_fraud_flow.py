"""toll-fraud beside the rest of the engine: calls that wait to be verified, and a trunk's place that another one gets."""

from __future__ import annotations

from dataclasses import replace

from tests.agent import ACME, CLOUD, Agent, dial, request, tables
from tests.proxy.message import response
from tests.rules.legs import place
from tests.rules.test_toll_fraud import MINUTE, PREMIUM, calls, cost, limits, used
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


def test_behind_an_outside_line() -> None:
    party = Agent(limits("calls_per_day = 2"))
    told = [
        party.send(dial(f"sip:{user}@cloud.example.net")).short for user in (f"9{PREMIUM}", f"9,{PREMIUM[1:]}", PREMIUM)
    ]
    assert told == ["forward pass"] * 2 + ["403 toll-calls"]


def test_a_to_tag_proves_no_call() -> None:
    party = Agent(limits("calls_per_day = 1", acme='rules.dialog.mode = "off"'))
    dear = [request("INVITE", f"sip:{PREMIUM}@cloud.example.net", "+12125552000", to_tag="far") for _ in range(2)]
    assert [party.send(one).short for one in dear] == ["forward pass", "403 toll-calls"]


def test_a_trunk_that_gets_another_s_place_has_used_nothing() -> None:
    """With 1,024 peers the places run out: what the last one's calls still cost is nobody's."""
    made = tables(limits("calls_per_day = 3"))
    acme = next(number for number, peer in enumerate(made.peers) if peer.name == "acme")
    fill = tuple(
        made.peers[acme]._replace(name=f"fill{number}", numbers=()) for number in range(1024 - len(made.peers))
    )
    party = Agent()
    party.publish(replace(made, peers=made.peers + fill))
    call = place(party, dial(PREMIUM)).up()
    assert calls(party, PREMIUM, 3) == ["forward pass"] * 2 + ["403 toll-calls"]
    newer = (*made.peers[:acme], made.peers[acme]._replace(name="newer"), *made.peers[acme + 1 :])
    party.publish(replace(made, peers=newer + fill))
    assert not party.engine.budgets(party.now) and party.engine.tables()["toll"]["entries"] == 0
    call.answer("200 OK")
    party.wait(5 * 3600)
    party.engine.calls(party.now)
    assert calls(party, PREMIUM, 4) == ["forward pass"] * 3 + ["403 toll-calls"]
    assert {budget.trunk for budget in party.engine.budgets(party.now)} == {"newer"}
    assert used(party, trunk="newer") == (3, 0, 0)
