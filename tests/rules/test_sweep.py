"""sweep: targets that don't exist, tried one after the other, told by answers whose hash is good; it refuses nothing."""

from __future__ import annotations

import pytest

from edge_agent.policy.load import ConfigError
from tests.agent import ACME, CLOUD, OWN, PSAP, Agent, dial, inbound, policy
from tests.proxy.callers import (
    CALLER,
    OTHER,
    ROOMY,
    STRANGER,
    ack,
    ask,
    call,
    challenge,
    credentials,
    open_policy,
    plain_policy,
    prove,
    refused_call,
    register,
)
from tests.proxy.message import Source, response

FAILED = "404 Not Found"
REPORT = "203.0.113.66/32 sweep 20 acme proven"


def far(n: int) -> str:
    """Numbers of which no two are neighbours."""
    return f"+4420718{n * 7:05d}"


def swept(party: Agent, source: Source, targets: list[str], status: str = FAILED, *, acked: bool = False) -> int:
    """How many calls it took until the rule found something; 0: it found nothing."""
    for n, target in enumerate(targets, 1):
        sent = call(target)
        _, told = ask(party, sent, source, status)
        if acked:
            assert party.send(ack(sent, told), source).short == "forward pass"
        party.wait(0.2)
        if told.monitored:
            assert told.monitored == ("sweep",)
            return n
    return 0


@pytest.fixture
def party() -> Agent:
    return Agent(open_policy(rules=ROOMY))


@pytest.mark.parametrize("status", ["404 Not Found", "484 Address Incomplete", "604 Nowhere", "410 Gone"])
def test_hit(party: Agent, status: str) -> None:
    """The fifteenth; two findings ask for a ban of a caller who acknowledged the answers."""
    assert swept(party, CALLER, [far(n) for n in range(20)], status, acked=True) == 15
    assert party.strikes() == []
    assert swept(party, CALLER, [far(n) for n in range(20, 40)], status, acked=True) == 15
    assert party.strikes() == [REPORT]


def test_neighbours_strike_sooner(party: Agent) -> None:
    assert swept(party, CALLER, [f"+44207183{n:04d}" for n in range(20)], acked=True) == 6
    assert swept(party, CALLER, [f"+44207184{n:04d}" for n in range(20)], acked=True) == 6
    assert party.strikes() == [REPORT]


def test_credentials_strike_where_their_nonce_went(party: Agent) -> None:
    """REGISTERs for users that aren't there, by one who has an account."""
    for nonce, struck in (("abc", [REPORT]), ("guessed", [])):
        ask(party, register("x"), CALLER, "401 Unauthorized", challenge("abc"))
        for n in range(30):
            ask(party, register(f"{nonce}{n * 5}", credentials(nonce)), CALLER, FAILED)
        assert party.strikes() == struck
        party.wait(3600)


def test_near_miss(party: Agent) -> None:
    assert swept(party, CALLER, [far(n) for n in range(14)], acked=True) == 0
    for status in ("486 Busy Here", "487 Gone", "500 Oh", "503 Full", "408 Late", "302 There", "603 No"):
        assert swept(party, CALLER, [far(n) for n in range(100, 130)], status) == 0
    assert party.strikes() == []


def test_neighbours_weigh_three(party: Agent) -> None:
    """+1, +2, +3, upwards, downwards, and with another in between."""
    assert swept(party, CALLER, [f"+44207183{n:04d}" for n in range(20)]) == 6
    assert swept(party, OTHER, [str(n) for n in range(199, 100, -1)]) == 6
    mixed = [number for n in range(20) for number in (f"70{n:02d}", f"90{n:02d}")]
    assert swept(party, STRANGER, mixed) == 7


def test_a_target_that_was_tried_weighs_nothing(party: Agent) -> None:
    """A, B, A, B: somebody redials."""
    assert swept(party, CALLER, [far(n % 2) for n in range(100)]) == 0


def test_another_spelling_of_the_target_is_another(party: Agent) -> None:
    """What differs in Request-URI or To counts: an attacker gains nothing by it."""
    for n in range(15):
        sent = call("+4420718").set("To", f"<sip:{far(n)}@x>")
        told = ask(party, sent, CALLER, FAILED)[1]
    assert told.monitored == ("sweep",)
    for n in range(15):
        told = ask(party, call(far(n)).set("To", "<sip:always@same.example>"), OTHER, FAILED)[1]
    assert told.monitored == ("sweep",)


def test_answered_calls_give_back(party: Agent) -> None:
    """Two failures to an answer, or one to a busy one, are no sweep; an answer's copies are one answer."""
    targets = [far(n) for n in range(200)]
    for n in range(60):
        assert swept(party, CALLER, targets[3 * n : 3 * n + 2]) == 0
        assert swept(party, CALLER, targets[3 * n + 2 : 3 * n + 3], "200 OK") == 0
    asked, _ = ask(party, call(far(999)), OTHER, "200 OK")
    for n in range(14):
        swept(party, OTHER, [far(1000 + n)])
        party.send(response(asked.message, "200 OK", "cloud"), CLOUD)
    assert swept(party, OTHER, [far(n) for n in range(2000, 2004)]) == 2  # of the fourteen, one was taken back


def test_they_are_forgotten(party: Agent) -> None:
    """One in forty seconds is nobody's concern."""
    for n in range(100):
        assert swept(party, CALLER, [far(n)]) == 0
        party.wait(40)


def test_asking_who_it_is_counts_for_callers_of_open_trunks(party: Agent) -> None:
    """svwar sees by 401 who exists: REGISTERs to one Request-URI, and another To each."""
    for n in range(15):
        told = ask(party, register(f"u{n * 5}"), CALLER, "401 Unauthorized")[1]
    assert told.monitored == ("sweep",)
    plain = Agent(plain_policy())
    for n in range(30):
        told = ask(plain, register(f"u{n * 5}"), ACME, "401 Unauthorized")[1]
    assert told.monitored == ()


def test_each_caller_by_itself(party: Agent) -> None:
    for n in range(60):
        assert swept(party, (f"203.0.{n // 10}.5", 5060), [far(n)]) == 0
    rotating = [swept(party, (f"2001:db8:7:1:{n:x}::1", 5060), [far(n)]) for n in range(1, 16)]
    assert rotating == [0] * 14 + [1]


def test_who_acknowledged_nothing_is_told_of_and_never_struck(party: Agent) -> None:
    """Nor by the ACKs of another host, with another tag, or of another call, however well he is proven otherwise."""
    prove(party, CALLER)
    for n in range(100):
        sent = call(far(n))
        _, told = ask(party, sent, CALLER, FAILED)
        party.send(ack(sent, told), OTHER)
        good = ack(sent, told)
        party.send(good.set("To", good.one("To").replace("tag=cloud", "tag=guess")), CALLER)
        party.send(good.set("Call-ID", "another"), CALLER)
    assert party.strikes() == []


@pytest.mark.parametrize("answer", ["407 Proxy Authentication Required", "480 Temporarily Unavailable"])
def test_an_office_behind_one_address_is_not_struck(party: Agent, answer: str) -> None:
    """Its phones are asked who they are, and call extensions beside each other; some are switched off."""
    for n in range(60):
        sent = call(f"{2000 + n}")
        _, told = ask(party, sent, CALLER, answer)
        assert party.send(ack(sent, told), CALLER).short == "forward pass"
        party.wait(1)
    assert party.strikes() == []


def test_what_was_forged_counts_with_nothing_that_is_proven(party: Agent) -> None:
    """A caller who dials one number that isn't there, while somebody sweeps in his name."""
    for n in range(60):
        ask(party, call(far(n)), CALLER, FAILED)
        swept(party, CALLER, [far(5000)], acked=True)
    assert party.strikes() == []


def test_an_acknowledgement_counts_once(party: Agent) -> None:
    for n in range(14):
        sent = call(far(n))
        _, told = ask(party, sent, CALLER, FAILED)
        for _ in range(10):
            party.send(ack(sent, told), CALLER)
    assert party.strikes() == []


def test_no_call_is_refused(party: Agent) -> None:
    prove(party, CALLER)
    for n in range(200):
        assert ask(party, call(f"{n:04d}"), CALLER, FAILED)[1].action == "forward"


@pytest.mark.parametrize("mode", ["", "monitor", "enforce"])
def test_a_trunk_counts_as_a_whole_and_is_only_told_of(mode: str) -> None:
    party = Agent(plain_policy(f'rules.sweep.mode = "{mode}"' if mode else ""))
    for n in range(15):
        told = ask(party, call(far(n)), ACME, FAILED)[1]
        assert told.monitored == (("sweep",) if n == 14 else ())
    assert (told.event.peer, told.event.rule, told.event.source) == ("acme", "sweep", ACME)
    assert (told.event.monitored, told.event.value, told.event.limit) == (True, 15, 15)
    assert party.engine.counters()["monitored"] == {("sweep", "acme"): 1}
    assert party.strikes() == []


def test_off() -> None:
    for text in (plain_policy('rules.sweep.mode = "off"'), open_policy('rules.sweep.mode = "off"', rules=ROOMY)):
        party = Agent(text)
        for n in range(40):
            assert ask(party, call(far(n)), ACME, FAILED)[1].monitored == ()


def test_what_a_trunk_answers_counts_against_nobody() -> None:
    """404 to calls from the cloud."""
    party = Agent(policy())
    for n in range(60):
        asked = party.send(inbound(f"+1415555{n * 3:04d}", OWN), CLOUD)
        told = party.send(response(asked.message, FAILED, "pbx"), ("198.51.100.10", 5070))
        assert (told.short, told.monitored) == ("forward pass", ())


def test_emergency_calls_never_count() -> None:
    party = Agent(open_policy('emergency = "route"\nemergency_upstream = "psap"', rules=ROOMY))
    for _ in range(60):
        asked = party.send(dial("911"), CALLER)
        assert asked.to == PSAP
        assert party.send(response(asked.message, FAILED, "psap"), PSAP).monitored == ()
        party.wait(1)


def test_forged_answers_count_for_nothing(party: Agent) -> None:
    prove(party, CALLER)
    for n in range(60):
        asked = party.send(call(far(n)), CALLER)
        good = response(asked.message, FAILED, "cloud")
        via = good.all("Via")
        assert party.send(good, STRANGER).action == "drop"
        assert party.send(good.set("Via", via[0][:-2] + "zz", *via[1:]), CLOUD).action == "drop"
    assert party.strikes() == []
    assert party.engine.counters()["monitored"] == {}


def test_copies_of_one_answer_count_once(party: Agent) -> None:
    for n in range(14):
        asked, _ = ask(party, call(far(n)), CALLER, FAILED)
        for _ in range(7):
            assert party.send(response(asked.message, FAILED, "cloud"), CLOUD).monitored == ()


def test_reload_and_limits() -> None:
    party = Agent(open_policy(rules=ROOMY))
    assert swept(party, CALLER, [far(n) for n in range(10)]) == 0
    party.reload(open_policy(rules=ROOMY + "[rules.sweep]\ntargets = 5\nadjacent = 1\n"))
    assert swept(party, CALLER, [far(500)]) == 1
    assert swept(party, OTHER, [str(n) for n in range(100, 110)]) == 5


@pytest.mark.parametrize("text", ["targets = 1", "adjacent = 0", 'forget = "0s"', 'forget = "1d"', "per_second = 1"])
def test_bad_settings(text: str) -> None:
    with pytest.raises(ConfigError):
        Agent(policy(rules=f"[rules.sweep]\n{text}"))


def test_calls_that_we_refuse_tell_nothing(party: Agent) -> None:
    for _ in range(60):
        refused_call(party, CALLER)
    assert party.engine.counters()["monitored"] == {}
