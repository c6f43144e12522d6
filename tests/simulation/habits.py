"""A day of a trunk, call by call: who is called when, and what becomes of it. Pure; the same seed is the same day.

Four customers that an agent must never get in the way of, and four that it is
there for. What they do is made up after what is published of such traffic:
answer rates and talk times of call centres and notification services, one ring of
two or three seconds for wangiri, numbers that don't exist for who dials a range.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

DAY = 86_400.0
ANSWER, GIVEN_UP = 200, 487
AREAS = (206, 305, 312, 415, 503, 602, 617, 713, 801, 919)
# Numbers of ranges that international revenue share fraud has used, with no more than their first digits true.
SHARED = ("3716", "88216", "675", "2316", "252", "5399")


class Call(NamedTuple):
    """One call. Times in seconds: from the day's start, from the INVITE to its end or answer, from answer to BYE."""

    start: float
    caller: int
    callee: str
    end: int
    ring: float
    talk: float
    wanted: bool


@dataclass(frozen=True)
class Kind:
    """What a trunk is."""

    name: str
    good: bool
    """All that it does is wanted."""
    day: Callable[[random.Random], Iterator[Call]]


def anybody(draw: random.Random) -> str:
    return f"1{draw.choice(AREAS)}{draw.randrange(2_000_000, 10_000_000)}"


def fate(draw: random.Random, *shares: tuple[float, int, tuple[float, float]], talk: float) -> tuple[int, float, float]:
    """(share, end, ring from..to): the first whose turn it is; the rest is answered. ``talk``: the mean."""
    at = draw.random()
    for share, end, (least, most) in shares:
        if at < share:
            return end, draw.uniform(least, most), 0.0
        at -= share
    return ANSWER, draw.uniform(3, 18), max(1.0, draw.expovariate(1 / talk))


def hours(draw: random.Random, calls: int, first: float, last: float) -> list[float]:
    """So many moments between two hours of the day."""
    return sorted(draw.uniform(first * 3600, last * 3600) for _ in range(calls))


# ---- who is wanted ----


def office(draw: random.Random) -> Iterator[Call]:
    """A small office: eight telephones, some two hundred numbers, now and then a new one."""
    known = [anybody(draw) for _ in range(200)]
    for start in hours(draw, draw.randint(100, 250), 8, 18):
        callee = anybody(draw) if draw.random() < 0.1 else draw.choice(known)
        end, ring, talk = fate(draw, (0.12, 480, (15, 30)), (0.06, 486, (1, 2)), (0.02, 404, (1, 2)), talk=150)
        yield Call(start, draw.randrange(8), callee, end, ring, talk, True)


def hospital(draw: random.Random) -> Iterator[Call]:
    """Day and night; most calls show the main number. Patients, and the extensions of its other houses in a row."""
    known = [anybody(draw) for _ in range(4_000)]
    block = 13_125_550_000 + draw.randrange(5_000)
    for start in sorted(hours(draw, 11_000, 7, 20) + hours(draw, 3_000, 0, 24)):
        at = draw.random()
        if at < 0.15:
            callee = str(block + draw.randrange(400))
        elif at < 0.4:
            callee = anybody(draw)
        else:
            callee = known[int(len(known) * draw.random() ** 2)]
        end, ring, talk = fate(draw, (0.2, 480, (15, 35)), (0.05, 486, (1, 2)), (0.02, 404, (1, 2)), talk=140)
        yield Call(start, 0 if draw.random() < 0.6 else draw.randrange(1, 300), callee, end, ring, talk, True)


def school(draw: random.Random) -> Iterator[Call]:
    """Some calls all day; once or twice two thousand parents in ten minutes, two of five answered by a machine."""
    parents = sorted(int(anybody(draw)) for _ in range(2_000))
    if draw.random() < 0.5:
        # All in one town, and called in the order of the list.
        parents = sorted(draw.sample(range(12_075_550_000, 12_075_590_000), 2_000))
    for start in hours(draw, 400, 7, 17):
        end, ring, talk = fate(draw, (0.2, 480, (15, 30)), (0.05, 486, (1, 2)), talk=120)
        yield Call(start, draw.randrange(30), str(draw.choice(parents)), end, ring, talk, True)
    for hour in draw.sample(range(7, 20), draw.randint(1, 2)):
        for n, parent in enumerate(parents):
            at = draw.random()
            end, ring, talk = ANSWER, draw.uniform(4, 20), draw.uniform(30, 42)
            if at < 0.22:
                end, ring, talk = 480, draw.uniform(25, 35), 0.0
            elif at < 0.25:
                end, ring, talk = 404, 1.0, 0.0
            elif at < 0.6:
                # Somebody answers; one in five hangs up at once.
                talk = draw.uniform(2, 6) if draw.random() < 0.2 else draw.uniform(10, 40)
            yield Call(hour * 3600 + 0.3 * n, 0, str(parent), end, ring, talk, True)


def centre(draw: random.Random) -> Iterator[Call]:
    """A call centre that sells: five numbers, new people, a third answers, one in seven of these hangs up at once."""
    for start in hours(draw, 16_000, 9, 19):
        end, ring, talk = fate(
            draw,
            (0.42, GIVEN_UP, (18, 26)),
            (0.1, 486, (1, 3)),
            (0.06, 480, (20, 30)),
            (0.05, 404, (1, 2)),
            (0.02, 603, (3, 9)),
            talk=200,
        )
        if end == ANSWER and draw.random() < 0.15:
            talk = draw.uniform(1, 6)
        yield Call(start, draw.randrange(5), anybody(draw), end, ring, talk, True)


# ---- who isn't ----


def callers(draw: random.Random) -> Callable[[], int]:
    """One number, a few, or hundreds in turn."""
    count = draw.choice((1, 1, 4, 40, 400))
    return lambda: draw.randrange(count)


def paced(draw: random.Random, calls: int, least: float, most: float) -> Iterator[float]:
    """Moments from some hour on, at a rate out of that span of calls per second."""
    start, rate = draw.uniform(6, 14) * 3600, draw.uniform(least, most)
    for n in range(calls):
        if start + n / rate < DAY:
            yield start + n / rate


def dialler(draw: random.Random) -> Iterator[Call]:
    """Robocalls to numbers out of nowhere: a third don't exist, a fifth answers, and hardly anybody listens."""
    caller, absent, answered = callers(draw), draw.uniform(0.25, 0.4), draw.uniform(0.12, 0.22)
    for start in paced(draw, 20_000, 0.6, 6):
        end, ring, _ = fate(draw, (absent, 404, (0.5, 2)), (1 - absent - answered, GIVEN_UP, (18, 25)), talk=1)
        talk = draw.uniform(1, 6) if draw.random() < 0.8 else draw.uniform(6, 40)
        yield Call(start, caller(), anybody(draw), end, ring, talk, False)


def wangiri(draw: random.Random) -> Iterator[Call]:
    """One ring, to be called back; who is quick to answer is hung up on."""
    caller = callers(draw)
    for start in paced(draw, 15_000, 0.4, 8):
        end, ring, talk = GIVEN_UP, draw.uniform(2.5, 5), 0.0
        at = draw.random()
        if at < 0.12:
            end, ring = 404, 1.0
        elif at < 0.2:
            end, ring, talk = ANSWER, 2.5, 1.0
        yield Call(start, caller(), anybody(draw), end, ring, talk, False)


def walker(draw: random.Random) -> Iterator[Call]:
    """Who finds out what numbers of ranges exist: strides of one to three, two ranges in turn, small shuffled windows."""
    caller, stride, shape = callers(draw), draw.randint(1, 3), draw.choice(("plain", "two", "shuffled"))
    first = [int(anybody(draw)) // 10_000 * 10_000 for _ in range(2)]
    window: list[int] = []
    for n, start in enumerate(paced(draw, 10_000, 0.4, 4)):
        if shape == "plain":
            number = first[0] + stride * n
        elif shape == "two":
            number = first[n % 2] + stride * (n // 2)
        else:
            if not window:
                window = list(range(first[0] + n, first[0] + n + 40))
                draw.shuffle(window)
            number = window.pop()
        end, ring, talk = fate(draw, (0.38, 404, (0.5, 2)), (0.27, GIVEN_UP, (5, 12)), (0.05, 486, (1, 2)), talk=3)
        yield Call(start, caller(), str(number), end, ring, min(talk, 5.0), False)


def shared_revenue(draw: random.Random) -> Iterator[Call]:
    """A small office whose switch was taken over: by night long calls to a few dear numbers, as many as it can hold."""
    yield from office(draw)
    targets = [f"{prefix}{draw.randrange(10**6, 10**7)}" for prefix in draw.sample(SHARED, 3)]
    start = draw.uniform(0.5, 4) * 3600
    for n in range(600):
        yield Call(start + 10 * n, draw.randrange(8), draw.choice(targets), ANSWER, 4.0, draw.uniform(300, 1800), False)


KINDS = (
    Kind("call centre", True, centre),
    Kind("school", True, school),
    Kind("hospital", True, hospital),
    Kind("small office", True, office),
    Kind("dialler", False, dialler),
    Kind("wangiri bot", False, wangiri),
    Kind("IRSF burst", False, shared_revenue),
    Kind("number walker", False, walker),
)
