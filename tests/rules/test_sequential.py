"""sequential: ranges that are walked are found in any stride, interleaved or shuffled; a called list isn't."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count, islice
from statistics import mean

import pytest

from tests.agent import invite
from tests.rules.phones import PASS, Phones, first_refused, fixed, patterns, walk

FIRST = 14155550000


def near(callees: Iterator[str], calls: int = 300) -> float:
    """The share of new numbers that are near: the mean of nine engines, since each has sketch keys of its own."""
    numbers = list(islice(callees, calls))
    shares = []
    for _ in range(9):
        party = Phones(patterns("monitor"))
        party.play(fixed(iter(numbers)), calls, 0.5)
        known = party.known()
        shares.append(float(known["near"]) / float(known["fresh"]))  # type: ignore[arg-type]
    return mean(shares)


def shuffled(size: int) -> Iterator[str]:
    """Window after window of a range, each in an order of its own."""
    draw = random.Random(size)
    for start in count(FIRST, size):
        numbers = list(range(start, start + size))
        draw.shuffle(numbers)
        yield from (f"+{number}" for number in numbers)


def woven(*walks: Iterator[str]) -> Iterator[str]:
    while True:
        for one in walks:
            yield next(one)


@pytest.mark.parametrize(
    ("step", "least"), [(1, 0.95), (2, 0.95), (3, 0.95), (-1, 0.95), (-3, 0.95), (7, 0.85), (16, 0.7)]
)
def test_strides(step: int, least: float) -> None:
    """A number that the sketch takes for a known one leaves a gap in the longest strides."""
    assert near(walk(FIRST, step)) > least


def test_beyond_the_reach() -> None:
    assert near(walk(FIRST, 17)) == 0


@pytest.mark.parametrize("walks", [2, 5, 12])
def test_interleaved(walks: int) -> None:
    """A, B, A, B: each goes on where it was."""
    assert near(woven(*(walk(FIRST + 1_000_000 * n) for n in range(walks)))) > 0.9


@pytest.mark.parametrize(("size", "least"), [(10, 0.9), (50, 0.9), (200, 0.8), (1000, 0.45)])
def test_shuffled_windows(size: int, least: float) -> None:
    assert near(shuffled(size)) > least


def test_growing_steps_and_both_ways() -> None:
    def zigzag() -> Iterator[str]:
        for n in count(1):
            yield f"+{FIRST + 2 * n}"
            yield f"+{FIRST - 2 * n}"

    assert near(zigzag()) > 0.9
    draw = random.Random(5)
    at = [FIRST]

    def jumps() -> Iterator[str]:
        while True:
            at[0] += draw.randint(1, 9)
            yield f"+{at[0]}"

    assert near(jumps()) > 0.9


def test_padded_with_numbers_that_are_far() -> None:
    """Every second call goes elsewhere: half of the new numbers are near."""
    party = Phones()
    assert near(woven(walk(FIRST), (party.anybody() for _ in count()))) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("spelling", ["{}", "+{}", "+1-415-555-{1}", "011{}", "%2B{}", "{};ext=5"])
def test_reformatted(spelling: str) -> None:
    numbers = (spelling.format(n, f"{n % 10_000:04d}") for n in count(FIRST))
    assert near(numbers) > (0.95 if not spelling.startswith("011") else -1)


# Near misses


def test_a_list_is_no_walk() -> None:
    """Numbers of one small town: three exchanges."""
    draw = random.Random(3)
    assert near(f"+1207{draw.choice((555, 556, 557))}{draw.randrange(10_000):04d}" for _ in count()) < 0.1


def test_the_extensions_of_a_branch_office() -> None:
    """A hundred numbers in a row, each called many times: only the first call to each is one to a new number."""
    draw = random.Random(4)
    party = Phones()
    callees = (f"+{FIRST + draw.randrange(100)}" for _ in count())
    told = party.play(fixed(callees, talk=90), 1000, 20)
    assert first_refused(told) == -1
    assert party.known()["score"] == 0


def test_a_sorted_list_of_parents() -> None:
    """Sorted and close together: two patterns, and no block."""
    draw = random.Random(5)
    numbers = iter(sorted(draw.sample(range(12075550000, 12075580000), 2000)))
    party = Phones()
    told = party.play(((f"+{n}", party.fate(0.02, 0.75, 30)) for n in numbers), 2000, 0.3)
    assert first_refused(told) == -1


# Hit, limit, reload


def test_a_walker_is_found() -> None:
    party = Phones()
    told = party.play(((callee, party.fate(0.35, 0.3, 3)) for callee in walk(FIRST)), 300)
    assert 115 <= first_refused(told) <= 140
    assert "sequential" in party.known()["patterns"]  # type: ignore[operator]
    found = party.send(invite())
    assert found.status == 603


@pytest.mark.parametrize("found", [True, False])
def test_limit(found: bool) -> None:
    """The share of near ones, from which on it is a pattern."""
    party = Phones(patterns("monitor", sequential=f"share = {0.45 if found else 0.55}"))
    party.play(fixed(woven(walk(FIRST), (party.anybody() for _ in count()))), 300)
    assert ("sequential" in party.known()["patterns"]) is found  # type: ignore[operator]


def test_decides_by_its_weight() -> None:
    """An operator may let it decide alone; then it is the reason."""
    party = Phones(
        patterns("monitor").replace(
            '[rules.sequential]\nmode = "monitor"\n', '[rules.sequential]\nmode = "enforce"\nweight = 100\n'
        )
    )
    told = party.play(fixed(walk(FIRST)), 300)
    assert first_refused(told) > 0
    assert party.send(invite()).short == "603 sequential"


def test_reload() -> None:
    party = Phones(patterns("monitor"))
    party.play(fixed(walk(FIRST)), 300)
    assert party.send(invite()).short == PASS
    party.reload(patterns(sequential="weight = 60"))
    assert party.send(invite()).status == 603
    party.reload(patterns("off"))
    assert party.send(invite()).short == PASS
