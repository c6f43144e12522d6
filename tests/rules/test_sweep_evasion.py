"""sweep, of refused calls that come again in another form: what is an attempt, what is a retry, and whom it strikes."""

from __future__ import annotations

import pytest

from tests.agent import ACME, BETA, CLOUD, NOBODY, Agent, Decision, MakeAgent, dial, inbound, invite, policy, request
from tests.proxy.callers import CALLER, OTHER, ROOMY, ack, open_policy, prove
from tests.proxy.message import Message

FAST = "calls_per_second = 1000000\nburst = 1000000"
FOREIGN = "+14155552671"  # not acme's, so it is refused
TO = "+442071838750"


def rules(more: str = "", mode: str = "") -> str:
    text = f"[rules.sweep]\nevasions = 2\n{more}"
    return policy(FAST, rules=text + (f'mode = "{mode}"\n' if mode else ""))


def one(caller: str = FOREIGN, callee: str = TO, *more: tuple[str, str]) -> Message:
    return invite(caller, *more, uri=f"sip:{callee}@cloud.example.net").set("To", f"<sip:{callee}@cloud.example.net>")


def is_attempt(again: Message) -> bool:
    """Told with a limit of one attempt to spare: the refusal, an attempt that is sure, and this."""
    party = Agent(rules())
    party.send(one())
    sure = party.send(one(callee="+442071838751"))
    assert sure.monitored == ()
    return "sweep" in party.send(again).monitored


@pytest.mark.parametrize(
    "again",
    [
        one("14155552671"),
        one("4155552671"),
        one("%2B14155552671"),
        one("+1-415-555-2671"),
        one("+1(415)5552671"),
        one(callee="+44-20-7183-8750"),
        one(callee="011442071838750"),
        one(callee="%2B442071838750"),
        one(callee="+442071838750;npdi"),
        one(callee="*67+442071838750"),
    ],
    ids=lambda sent: sent.uri + sent.one("From")[:24],
)
def test_reformatted(again: Message) -> None:
    assert is_attempt(again)


@pytest.mark.parametrize(
    "again",
    [
        one("+14155552672"),
        one("+13125550199"),
        one("+12125552000"),  # its own number: it goes on, and was tried all the same
        one('"Bank" <sip:+14155552671@pbx.example>'),
        one("<sip:+14155552671@pbx.example;user=phone>"),
        one(FOREIGN, TO, ("User-Agent", "other/1.0")),
        one(FOREIGN, TO, ("P-Asserted-Identity", "<sip:+12125552000@pbx.example>")),
        one(FOREIGN, TO, ("Privacy", "id")),
        one().to(f"sip:{TO}@192.0.2.60"),
        one(callee="+442071838752"),
        one(callee="+442071838747"),
        request("REFER", f"sip:{TO}@cloud.example.net", FOREIGN, ("Refer-To", f"<sip:{TO}@cloud.example.net>")),
    ],
    ids=lambda sent: sent.method + sent.uri + sent.one("From")[:24],
)
def test_one_thing_changed(again: Message) -> None:
    assert is_attempt(again)


@pytest.mark.parametrize(
    "again",
    [one(), one(callee="+442071838759"), one("+12125552000", "+33142685300"), one(callee="helpdesk")],
    ids=["the same again", "four further", "another call", "a name"],
)
def test_no_attempts(again: Message) -> None:
    assert not is_attempt(again)


def test_a_trunk_is_told_of_and_goes_on(agent: MakeAgent) -> None:
    """An event of the call it was found with; no strike, no ban, and the answers stay what they are."""
    party = agent(rules(mode="enforce"))
    told = [party.send(one(f"+1415555{n:04d}")) for n in range(2600, 2612)]
    assert {found.short for found in told} == {"403 caller-owned"}
    assert [("sweep" in found.monitored) for found in told].count(True) == 5
    [found] = [found for found in told if found.monitored][:1]
    assert (found.event.reason, found.event.finding, found.event.peer) == ("caller-owned", "evasion", "acme")
    assert party.strikes() == []
    assert party.send(invite()).short == "forward pass"


def test_the_default_is_five(agent: MakeAgent) -> None:
    party = agent(policy(FAST))
    told = [party.send(one(f"+1415555{n:04d}")) for n in range(2600, 2606)]
    assert [found.monitored for found in told] == [()] * 5 + [("sweep",)]


def test_what_goes_on_after_a_refusal_is_told(agent: MakeAgent) -> None:
    """The way through that was looked for: a number of its own for the same callee."""
    party = agent(rules())
    party.send(one())
    party.send(one("+14155552672"))
    found = party.send(one("+12125552001"))
    assert (found.short, found.monitored) == ("forward pass", ("sweep",))
    assert (found.event.finding, found.event.value, found.event.limit) == ("evasion", 2, 2)


def test_limits_are_no_refusals(agent: MakeAgent) -> None:
    """486 for a rate says nothing about what was sent."""
    party = agent(policy("calls_per_second = 0.01\nburst = 1", rules="[rules.sweep]\nevasions = 2"))
    told = [party.send(one(f"+121255520{n:02d}")) for n in range(10)]
    assert {found.status for found in told[1:]} == {486}
    assert {found.monitored for found in told} == {()}


def test_it_is_forgotten(agent: MakeAgent) -> None:
    party = agent(rules())
    for n in range(6):
        assert party.send(one(f"+1415555{2600 + n}")).monitored == ()
        party.wait(301)


def test_emergency_calls_are_never_looked_at(agent: MakeAgent) -> None:
    party = agent(rules())
    for caller in ("+12125553000", "12125553000", "+14155552671", "%2B12125553000") * 3:
        assert party.send(dial("911", caller), BETA).monitored == ()
        assert party.send(dial("911", caller), ACME).status == 403


def test_copies_and_calls_from_the_cloud(agent: MakeAgent) -> None:
    party = agent(rules())
    sent = one()
    assert {party.send(sent).monitored for _ in range(6)} == {()}
    for n in range(6):
        assert party.send(inbound(FOREIGN, f"+1999555{n:04d}"), CLOUD).monitored == ()


def test_off(agent: MakeAgent) -> None:
    party = agent(rules(mode="off"))
    assert {party.send(one(f"+1415555{n:04d}")).monitored for n in range(2600, 2612)} == {()}
    assert party.engine.tables()["evaders"]["entries"] == 0


# Strangers, and callers of open trunks


def stranger(party: Agent, *sent: Message) -> list[Decision]:
    found = []
    for message in sent:
        party.wait(1)
        found.append(party.send(message, NOBODY))
    return found


def test_a_strangers_attempts_are_strikes(agent: MakeAgent) -> None:
    """Ten at once when it is found: a ban is asked for after ten messages, not twenty."""
    party = agent(policy())
    told = stranger(party, *(one(callee=f"+4420718387{n:02d}") for n in range(9)))
    assert {found.short for found in told} == {"drop unknown-source"}
    # The first isn't kept: most strangers send no second.
    assert [("sweep" in found.monitored) for found in told].index(True) == 6
    assert party.strikes() == []
    stranger(party, one())
    assert party.strikes() == ["203.0.113.66/32 unknown-source 20"]
    party = agent(policy())
    stranger(party, *(one() for _ in range(19)))
    assert party.strikes() == []
    stranger(party, one())
    assert party.strikes() == ["203.0.113.66/32 unknown-source 20"]


def test_another_method(agent: MakeAgent) -> None:
    party = agent(rules())
    uri = f"sip:{TO}@192.0.2.1"
    told = stranger(party, *(request(method, uri, FOREIGN) for method in ("MESSAGE", "INVITE", "OPTIONS", "REGISTER")))
    assert [("sweep" in found.monitored) for found in told] == [False, False, False, True]


def test_a_caller_of_an_open_trunk_is_struck_for_refusals_that_he_acknowledged(agent: MakeAgent) -> None:
    text = open_policy(rules=ROOMY + "[rules.sweep]\nevasions = 2\n")
    for acked in (False, True):
        party = agent(text)
        prove(party, CALLER)
        for n in range(8):
            sent = one(f"+1415555{2600 + n}")
            told = party.send(sent, CALLER)
            if acked:
                party.send(ack(sent, told), CALLER)
        assert party.strikes()[:1] == (["203.0.113.66/32 evasion 20 acme proven"] if acked else [])
        party.send(one(f"+1415555{2608}"), OTHER)
        assert party.strikes() == []


def test_a_flood_of_strangers_takes_no_trunks_place(agent: MakeAgent) -> None:
    party = agent(rules())
    party.send(one())
    party.send(one("+14155552672"))
    size = party.engine.tables()["evaders"]["bytes"]
    for n in range(9_000):
        party.now += 1_000_000
        for _ in range(2):
            party.batch.clear()
            party.batch.add(bytes(one()), (f"203.0.{n % 250}.{n // 250 + 1}", 5060))
            party.engine.process(party.batch, party.now, party.out)
    after = party.engine.tables()["evaders"]
    assert (after["bytes"], after["evictions"] > 0) == (size, True)
    assert party.send(one("+14155552673")).monitored == ("sweep",)


def test_reload(agent: MakeAgent) -> None:
    """What was refused stays known."""
    party = agent(rules())
    party.send(one())
    party.send(one("+14155552672"))
    party.reload(rules("adjacent = 4\n"))
    assert party.send(one("+14155552673")).monitored == ("sweep",)
