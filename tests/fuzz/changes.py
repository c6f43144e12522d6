"""What the fuzz targets of plain functions share: changes to seeds, what is slow, the loop, the command line. It knows no format."""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

Check = Callable[[bytes], str]
"""What breaks the target's invariant for these bytes, or nothing."""

TIMES = 5
Found = TypeVar("Found")


def timed(read: Callable[[], Found], limit: float) -> tuple[Found, bool]:
    """What it gives, and whether it is slow: it takes more seconds of this thread's CPU, each of several times.

    Once may be a garbage collection, or a neighbour that has the cache.
    """
    for _ in range(TIMES):
        began = time.thread_time()
        found = read()
        if time.thread_time() - began <= limit:
            return found, False
    return found, True


def change(rng: random.Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    """One to four edits: a byte set, cut, doubled or put in, a token put in, two places exchanged."""
    for _ in range(rng.randrange(1, 5)):
        at, to = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
        edits = (
            lambda d, a, b: d[:a] + bytes([rng.randrange(256)]) + d[a + 1 :],
            lambda d, a, b: d[:a] + d[b:],
            lambda d, a, b: d[:b] + d[a:b] + d[b:],
            lambda d, a, b: d[:a] + rng.choice(tokens) + d[a:],
            lambda d, a, b: d[b:] + d[:a],
            lambda d, a, b: d[:a] + rng.randbytes(rng.randrange(8)) + d[b:],
        )
        data = rng.choice(edits)(data, at, to)[:200_000]
    return data


def run(check: Check, seeds: Sequence[bytes], tokens: Sequence[bytes], rounds: int, seed: int) -> dict[str, bytes]:
    """Findings of that many changed seeds, one of each kind."""
    rng = random.Random(seed)
    found: dict[str, bytes] = {}
    for _ in range(rounds):
        data = change(rng, rng.choice(seeds), tokens)
        if wrong := check(data):
            found.setdefault(wrong, data)
    return found


def main(name: str, check: Check, seeds: Sequence[bytes], tokens: Sequence[bytes]) -> int:
    """The target as a command; its exit status is the number of different findings."""
    ask = argparse.ArgumentParser(prog=f"python -m tests.fuzz.{name}")
    ask.add_argument("--seconds", type=float, default=60)
    ask.add_argument("--seed", type=int, default=1)
    chosen = ask.parse_args()
    found: dict[str, bytes] = {}
    count, end = 0, time.monotonic() + chosen.seconds
    while time.monotonic() < end:
        for wrong, data in run(check, seeds, tokens, 1000, chosen.seed + count).items():
            if wrong not in found:
                found[wrong] = data
                print(wrong, data, sep="\n", flush=True)
        count += 1000
    print(f"{count} inputs, {len(found)} findings")
    return len(found)
