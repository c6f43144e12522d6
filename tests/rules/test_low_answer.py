"""low-answer: few calls are answered, or many go to no number. Only the callee's side counts, and each call once."""

from __future__ import annotations

from itertools import count

import pytest

from tests.agent import CALLED, CLOUD, OWN, invite
from tests.proxy.calls import reply
from tests.rules.phones import PASS, Phones, first_refused, fixed, patterns


def ends(party: Phones) -> tuple[float, ...]:
    known = party.known()
    return tuple(float(known[name]) for name in ("ends", "answered", "refused", "rung"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "counted"),
    [
        (486, (1, 0, 0, 0)),
        (480, (1, 0, 0, 0)),
        (408, (1, 0, 0, 0)),
        (600, (1, 0, 0, 0)),
        (404, (1, 0, 1, 0)),
        (410, (1, 0, 1, 0)),
        (484, (1, 0, 1, 0)),
        (604, (1, 0, 1, 0)),
        (603, (1, 0, 1, 0)),
        (607, (1, 0, 1, 0)),
        (608, (1, 0, 1, 0)),
        (401, (0, 0, 0, 0)),
        (407, (0, 0, 0, 0)),
        (302, (0, 0, 0, 0)),
        (500, (0, 0, 0, 0)),
        (503, (0, 0, 0, 0)),
    ],
)
def test_what_a_status_says(status: int, counted: tuple[float, ...]) -> None:
    party = Phones()
    party.call(OWN, CALLED, status, ring=1)
    party.run()
    assert ends(party) == counted


def test_each_call_once() -> None:
    """A forked call fails twice, its answer comes again, and a 2xx behind a 6xx changes nothing."""
    party = Phones()
    sent = invite()
    out = party.put(sent)
    for _ in range(3):
        party.put(reply(out, 404, "far"), CLOUD)
    party.put(reply(out, 200, "other"), CLOUD)
    assert ends(party) == (1, 0, 1, 0)


@pytest.mark.parametrize(("answered", "there"), [(20, True), (32, False)])
def test_limit(answered: int, there: bool) -> None:
    """A quarter."""
    party = Phones()
    ends = ("answer" if n % 100 < answered else 480 for n in count())
    party.play(((CALLED, {"end": next(ends), "ring": 3}) for _ in count()), 300)
    assert ("low-answer" in party.known()["patterns"]) is there  # type: ignore[operator]


@pytest.mark.parametrize(("absent", "there"), [(30, True), (20, False)])
def test_limit_of_numbers_that_are_none(absent: int, there: bool) -> None:
    party = Phones()
    ends = (404 if n % 10 < absent / 10 else "answer" for n in count())
    party.play(((CALLED, {"end": next(ends), "ring": 3}) for _ in count()), 300)
    assert ("low-answer" in party.known()["patterns"]) is there  # type: ignore[operator]


def test_a_fax_that_is_never_answered_is_no_block() -> None:
    party = Phones()
    assert set(party.play(fixed(iter([CALLED] * 400), end=486, ring=1), 400)) == {PASS}
    assert party.known()["score"] == 40


def test_debt_collectors() -> None:
    """New numbers, hardly any answer, long talks: two patterns, told of and not blocked."""
    party = Phones()
    told = party.play(((party.anybody(), party.fate(0.05, 0.18, 240)) for _ in count()), 600, 3)
    assert set(told) == {PASS}
    assert party.known()["score"] == 80


def test_an_outage_of_the_cloud_is_held_against_nobody() -> None:
    party = Phones()
    party.play(fixed((party.anybody() for _ in count()), end=503, ring=1), 400)
    assert ends(party) == (0, 0, 0, 0)


def test_answers_of_somebody_else_clear_nobody() -> None:
    """A caller's own calls to itself through another trunk are answered, and count; forged 2xx don't."""
    party = Phones()
    out = party.put(invite())
    party.put(reply(out, 200, "far"), ("203.0.113.66", 5060))
    assert ends(party) == (0, 0, 0, 0)


def test_reload() -> None:
    party = Phones(patterns("monitor"))
    dialler = party.dialler()
    party.play(dialler, 250)
    party.reload(patterns("enforce"))
    assert party.send(invite()).status == 603
    party.reload(patterns("enforce", low_answer="weight = 5"))
    assert party.send(invite()).short == PASS


def test_it_is_the_reason_where_it_decides() -> None:
    text = patterns("off").replace(
        '[rules.low-answer]\nmode = "off"\n', '[rules.low-answer]\nmode = "enforce"\nweight = 100\n'
    )
    party = Phones(text)
    told = party.play(party.dialler(), 300)
    assert first_refused(told) > 0
    assert party.send(invite()).short == "603 low-answer"
