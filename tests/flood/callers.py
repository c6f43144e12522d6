"""Floods that play with numbers: callers that collide, alternate or count up, and ten thousand that call one victim."""

from __future__ import annotations

import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable

from tests.flood.lab import BRAVO, Lab, Options, Report, Trial
from tests.flood.trunks import OWNED, passed

RATE, BURST = 5, 10
CALLERS = f'[trunk.rules.caller-rate]\nmode = "enforce"\nper_second = {RATE}\nburst = {BURST}\n'
CALLEES = f'[trunk.rules.callee-rate]\nmode = "enforce"\nper_second = {RATE}\nburst = {BURST}\n'
WIDE = "calls_per_second = 1000000\nburst = 1000000\n"
NUMBERS = range(13122200000, 13123000000)
FIRST, SECOND, VICTIM = "+13122200001", "+13122200002", "+442071838750"


def fnv(text: bytes) -> int:
    """FNV-1a, 32 bits: what a table without a key of its own often hashes with."""
    value = 2166136261
    for byte in text:
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


def colliding(hash_of: Callable[[bytes], int], numbers: Iterable[int], bits: int, wanted: int) -> list[str]:
    """Numbers whose hashes have the same low bits, as an attacker finds them who knows the function."""
    found: dict[int, list[str]] = defaultdict(list)
    for number in numbers:
        same = found[hash_of(b"+%d" % number) & (1 << bits) - 1]
        same.append(f"+{number}")
        if len(same) == wanted:
            return same
    raise ValueError("too few numbers")


def colliding_callers(lab: Lab, trial: Trial) -> None:
    """Callers chosen to collide under FNV-1a and CRC-32: each has its own budget all the same, and no bucket runs full."""
    share = 20 if lab.short else 80
    numbers = [number for each in (fnv, zlib.crc32) for number in colliding(each, NUMBERS, 12, share)]
    with lab.scene(bravo=WIDE + CALLERS) as scene:
        (scene.folder / "numbers").write_text("\n".join(numbers) + "\n")
        options: Options = {"source": BRAVO, "from_": f"file:{scene.folder / 'numbers'}", "rate": 4000}
        options["count"] = len(numbers) * BURST
        outcome = lab.under(scene, trial, scene.floods(options), seconds=1)
    trial.equal("calls within each caller's burst that passed", outcome.sent, passed(outcome))
    trial.equal("cells that gave way", 0, outcome.after.status["tables"]["rates"]["evictions"])


def alternating(lab: Lab, trial: Trial) -> None:
    """A, B, A, B, … gives neither of two callers, nor of two called numbers, more than its own budget."""
    two = f"turn:{FIRST},{SECOND}"
    for who, more, numbers in (
        ("callers", CALLERS, {"from_": two}),
        ("called numbers", CALLEES, {"from_": OWNED, "to": two}),
    ):
        with lab.scene(bravo=WIDE + more) as scene:
            options: Options = {"source": BRAVO, "seconds": lab.seconds, "rate": lab.flood_rate / 50, **numbers}
            outcome = lab.under(scene, trial, scene.floods(options))
        budget = 2 * (BURST + RATE * outcome.floods[0]["seconds"])
        trial.between(f"passed of two {who}", int(0.9 * budget) - 4, int(budget) + 4, passed(outcome))


def counting_up(lab: Lab, trial: Trial) -> None:
    """+1, +2, +3, … as callers or called numbers: new numbers are no way round the trunk's own limit."""
    limit, burst = 100, 20
    for who, more, numbers in (
        ("callers", CALLERS, {"from_": "step:+13122200000,1"}),
        ("called numbers", CALLEES, {"from_": OWNED, "to": "step:+442071838000,1"}),
    ):
        with lab.scene(bravo=f"calls_per_second = {limit}\nburst = {burst}\n{more}") as scene:
            options: Options = {"source": BRAVO, "seconds": lab.seconds, "rate": lab.flood_rate / 50, **numbers}
            outcome = lab.under(scene, trial, scene.floods(options))
        budget = burst + limit * outcome.floods[0]["seconds"]
        trial.between(f"passed of ever new {who}", int(0.9 * budget) - 10, int(budget) + 10, passed(outcome))


def one_victim(lab: Lab, trial: Trial) -> None:
    """Ten thousand callers on one victim: its budget passes and no more, and who called it a minute before still gets through."""
    friend, count = "+13122999999", lab.count(10_000)
    with lab.scene(bravo=WIDE + CALLEES) as scene:
        again: list[Report] = []
        known: Options = {"source": "127.0.0.11:5071", "from_": friend, "to": VICTIM}
        scene.flood(count=1, rate=10, **known).wait()
        time.sleep(61)  # one of the crowd that called first is no old acquaintance

        def attack() -> list[Report]:
            crowd = scene.flood(source=BRAVO, from_="step:+13122200000,1", to=VICTIM, count=count, rate=count / 5)
            again.append(scene.flood(count=4, rate=1, **known).wait())
            return [crowd.wait()]

        outcome = lab.under(scene, trial, attack, seconds=8, others=200)
    budget = BURST + RATE * (outcome.floods[0]["seconds"] + 1)
    trial.at_most("passed of all callers", int(2 * budget), passed(outcome))
    trial.at_most("answered by the victim", int(budget) + 4, outcome.floods[0]["answers"]["2xx"])
    trial.equal("calls of one who had called before that passed", 4, again[0]["answers"]["2xx"])
