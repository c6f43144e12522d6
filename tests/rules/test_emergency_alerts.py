"""Events of emergency calls: a ring of their own, so that no flood of anything hides one that went on."""

from __future__ import annotations

import pytest

from tests.agent import ACME, BETA, BETAS, CLOUD, FOREIGN, NOBODY, OWN, Agent, MakeAgent, dial, inbound, invite, policy
from tests.rules.faulty import CORE

WIDE = "[rules.emergency]\nper_second = 1000000\nburst = 1000000\nconcurrent = 1000000"
PER_SECOND = 20
ALERTS = 1024


class Silent:
    """An agent whose rings nobody reads until they are asked for."""

    def __init__(self, text: str) -> None:
        self.party = Agent(text)

    def send(self, data: object, source: tuple[str, int]) -> None:
        self.party.batch.clear()
        self.party.batch.add(bytes(data), source, 0)  # type: ignore[call-overload]
        self.party.engine.process(self.party.batch, self.party.now, self.party.out)

    def reasons(self, limit: int = 100_000) -> list[str]:
        return [f"{event.peer} {event.reason}" for event in self.party.engine.events(limit)]


def test_a_flood_of_refused_ones_hides_no_other_trunk_s(agent: MakeAgent) -> None:
    quiet = Silent(policy())
    for _ in range(500):
        quiet.send(dial("911"), ACME)
    quiet.send(dial("911", BETAS), BETA)
    quiet.send(dial("911"), CLOUD)
    told = quiet.reasons()
    assert told.count("acme emergency-not-authorised") == PER_SECOND
    assert told[PER_SECOND:] == ["beta emergency-routed", "cloud emergency-not-authorised"]
    counted = quiet.party.engine.counters()
    assert counted["by_verdict"]["answer", "emergency", "emergency-not-authorised", "acme"] == 500
    assert counted["alerts_dropped"] == counted["events_dropped"] == 0


def test_nor_does_a_flood_of_other_events(agent: MakeAgent) -> None:
    quiet = Silent(policy())
    for second in range(300):
        for n in range(25):
            quiet.send(invite(FOREIGN), ACME)
            quiet.send(dial("911"), NOBODY)
        quiet.party.wait(1)
        assert second < 299 or n
    quiet.send(dial("911", BETAS), BETA)
    assert quiet.party.engine.counters()["events_dropped"] > 0
    assert quiet.reasons()[0] == "beta emergency-routed"


def test_refused_ones_leave_half_of_the_ring(agent: MakeAgent) -> None:
    quiet = Silent(policy(rules=WIDE))
    for _ in range(40):
        for _ in range(PER_SECOND + 5):
            quiet.send(dial("911"), ACME)
        quiet.party.wait(1)
    assert quiet.party.engine.counters()["alerts_dropped"] == 40 * PER_SECOND - ALERTS // 2
    for n in range(ALERTS):
        quiet.send(dial("911", f"+1212555{n:04}"), BETA)
    told = quiet.reasons()
    assert told.count("acme emergency-not-authorised") == told.count("beta emergency-routed") == ALERTS // 2
    assert quiet.party.engine.counters()["alerts_dropped"] == 40 * PER_SECOND - ALERTS // 2 + ALERTS // 2
    # A full ring costs its events, never a call.
    assert quiet.party.engine.counters()["forwarded"] == ALERTS


def test_limited_ones_are_bounded_too(agent: MakeAgent) -> None:
    quiet = Silent(policy(rules="[rules.emergency]\nper_second = 1\nburst = 3"))
    for n in range(200):
        quiet.send(dial("911", f"+1312555{n:04}"), BETA)
    assert quiet.reasons() == ["beta emergency-routed"] * 3 + ["beta emergency-limit"] * PER_SECOND


@pytest.mark.parametrize("fault", ["no CSeq", *list(CORE)[:3]])
def test_what_can_t_be_read_is_told_as_well(agent: MakeAgent, fault: str) -> None:
    """A call for help that was refused for its form: somebody should know."""
    change = CORE[fault][1] if fault in CORE else lambda sent: sent.set("CSeq")
    told = agent().send(change(dial("911", BETAS)), BETA)
    assert (told.action, told.event.lane in ("call", ""), told.event.peer) == ("answer", True, "beta")


def test_refused_on_the_way(agent: MakeAgent) -> None:
    party = agent()
    told = party.send(dial("911", BETAS).set("Max-Forwards", "0"), BETA)
    assert (told.short, told.event.lane) == ("483 hops", "call")
    told = party.send(dial("911", BETAS).set("CSeq"), BETA)
    assert (told.short, told.event.lane) == ("400 missing-header", "call")
    told = party.send(invite(BETAS).set("Max-Forwards", "0"), BETA)
    assert (told.short, told.event.lane) == ("483 hops", "")


def test_what_an_event_says(agent: MakeAgent) -> None:
    party = agent()
    event = party.send(dial("911", BETAS, ("Geolocation", "<cid:x@y>")), BETA).event
    assert (event.lane, event.location.uri, event.peer, event.from_user) == ("call", "cid:x@y", "beta", BETAS)
    assert party.send(dial("933", BETAS), BETA).event.lane == "test"
    assert party.send(dial("911", OWN), ACME).event.lane == "call"
    assert party.send(dial("911"), NOBODY).event.lane == ""
    assert party.send(inbound(), CLOUD).events == ()


def test_each_second_anew(agent: MakeAgent) -> None:
    quiet = Silent(policy())
    for _ in range(3):
        for _ in range(30):
            quiet.send(dial("911"), ACME)
        quiet.party.wait(1)
    assert len(quiet.reasons()) == 3 * PER_SECOND
