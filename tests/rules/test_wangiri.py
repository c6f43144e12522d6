"""wangiri: calls given up after one ring, or before any; not the impatient, and not who is told no."""

from __future__ import annotations

from itertools import count

import pytest

from tests.agent import CALLED, CLOUD, OWN, invite
from tests.proxy.calls import reply
from tests.rules.phones import PASS, Phones, first_refused, fixed, patterns


def rung(party: Phones) -> tuple[float, float]:
    known = party.known()
    return float(known["rung"]), float(known["ends"])  # type: ignore[arg-type]


@pytest.mark.parametrize(("ring", "counted"), [(1, 1), (5.4, 1), (5.6, 0), (20, 0)])
def test_limit(ring: float, counted: int) -> None:
    """Five seconds of ringing, which begins half a second after the call."""
    party = Phones()
    party.call(OWN, CALLED, "cancel", ring=ring)
    party.run()
    assert rung(party) == (counted, 1)


def test_a_long_way_to_the_first_ring() -> None:
    """Ten seconds until it rings, then one ring: that counts from the ring on, and from the first one."""
    party = Phones()
    sent = invite()
    out = party.put(sent)
    party.wait(10)
    party.answer(out, 100)
    party.answer(out, 183)
    party.wait(2)
    party.answer(out, 180)
    party.wait(2)
    party.given_up(sent, out, ("198.51.100.10", 5060))
    assert rung(party) == (1, 1)


def test_a_ping_that_never_rings() -> None:
    party = Phones()
    sent = invite()
    out = party.put(sent)
    party.wait(1)
    party.given_up(sent, out, ("198.51.100.10", 5060))
    assert rung(party) == (1, 1)


def test_seconds() -> None:
    party = Phones(patterns(wangiri='seconds = "2s"'))
    party.call(OWN, CALLED, "cancel", ring=4)
    party.run()
    assert rung(party) == (0, 1)


def test_a_cancel_alone_counts_nothing() -> None:
    """Any address of the trunk can send one; only the 487 of the callee's side says that it ended."""
    party = Phones()
    sent = invite()
    party.put(sent)
    cancel = sent.set("CSeq", "1 CANCEL").set("Content-Type").set("Content-Length", "0")
    for _ in range(3):
        party.put(bytes(cancel).replace(b"INVITE ", b"CANCEL ", 1))
    assert rung(party) == (0, 0)


def test_a_bot_is_found() -> None:
    party = Phones()
    told = party.play(fixed((party.anybody() for _ in count()), end="cancel", ring=2.5), 300)
    assert 115 <= first_refused(told) <= 130
    assert party.known()["patterns"] == ("dispersal", "low-answer", "wangiri")


def test_a_bot_that_lets_some_be_answered() -> None:
    """A third of them are quick to answer, and are hung up on."""
    party = Phones()
    ends = ({"end": "answer", "ring": 2, "talk": 1} if n % 3 == 0 else {"end": "cancel", "ring": 3} for n in count())
    told = party.play(((party.anybody(), next(ends)) for _ in count()), 300)
    assert first_refused(told) > 0


def test_a_bot_that_changes_callers() -> None:
    party = Phones()
    habit = fixed((party.anybody() for _ in count()), end="cancel", ring=2.5)
    told = party.play(habit, 1200, caller=lambda n: f"+1212555{2000 + n % 500}")
    assert 300 < first_refused(told) < 700


def test_follow_me() -> None:
    """A switch that rings one phone for three seconds and goes on to the next: always the same few."""
    party = Phones()
    told = party.play(fixed((f"+1415555200{n % 4}" for n in count()), end="cancel", ring=3.5), 400)
    assert set(told) == {PASS}


def test_a_predictive_dialler_that_waits() -> None:
    """It gives up after a quarter of a minute of ringing: that is nobody's one ring."""
    party = Phones()
    fates = ({"end": "cancel", "ring": 15.5} if n % 10 < 6 else {"end": "answer", "talk": 120} for n in count())
    told = party.play(((party.anybody(), next(fates)) for _ in count()), 600)
    assert set(told) == {PASS}
    assert party.known()["patterns"] == ("dispersal",)


@pytest.mark.parametrize("status", [486, 480, 404, 603])
def test_who_is_told_no_at_once_gave_nothing_up(status: int) -> None:
    party = Phones()
    sent = invite()
    party.put(reply(party.put(sent), status, "far"), CLOUD)
    assert rung(party) == (0, 1)


def test_reload() -> None:
    party = Phones(patterns("monitor"))
    party.play(fixed((party.anybody() for _ in count()), end="cancel", ring=2.5), 300)
    party.reload(patterns("enforce"))
    assert party.send(invite()).status == 603
    party.reload(patterns("enforce", wangiri="weight = 5"))
    assert party.send(invite()).short == PASS


def test_it_is_the_reason_where_it_decides() -> None:
    text = patterns("off").replace(
        '[rules.wangiri]\nmode = "off"\n', '[rules.wangiri]\nmode = "enforce"\nweight = 100\n'
    )
    party = Phones(text)
    told = party.play(fixed(iter([CALLED] * 300), end="cancel", ring=2), 300)
    assert first_refused(told) > 0
    assert party.send(invite()).short == "603 wangiri"
