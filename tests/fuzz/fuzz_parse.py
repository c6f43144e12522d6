# Invariant: whatever the bytes, and whatever lies behind them in memory, edge_agent._hot.parse returns within a bounded
# time a dict whose slices all lie in the datagram, and it is the dict that the oracle reads; where the oracle finds
# faults, the engine names one of them.
"""Fuzz target of the parser: ``python -m tests.fuzz.fuzz_parse --seconds 60 [--seed 7]``.

Seeds are the torture set and generated messages; changes come from the generator and from ``sip.dict``. With the
package ``atheris`` at hand, ``one`` is an entry point for it as it stands. A finding is printed as the bytes that
break the invariant, made as short as deleting lines and bytes makes them; nothing is written to disk.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.conformance.torture import TORTURE
from tests.fuzz.changes import timed
from tests.oracle.compare import difference
from tests.oracle.message import parse as oracle_parse
from tests.property.generate import Maker

Parse = Callable[..., dict[str, Any]]  # of the bytes, and of what to write behind them
PADS = (0x0A, 0x22, 0x41)
SLOWEST = 0.05  # seconds for one datagram of the engine's; a thousand times what it needs


def dictionary() -> tuple[bytes, ...]:
    """The tokens of sip.dict, in the form that libFuzzer reads: ``"text\\x00"``, one a line."""
    text = (Path(__file__).parent / "sip.dict").read_text()
    tokens = re.findall(r'^(?:\w+=)?"((?:[^"\\]|\\.)*)"$', text, re.MULTILINE)
    return tuple(token.encode("latin-1").decode("unicode_escape").encode("latin-1") for token in tokens)


def seeds(generated: int = 200) -> Iterator[bytes]:
    """The torture set, then messages of every kind that the generator makes."""
    for case in TORTURE:
        yield case.data
    for number in range(generated):
        yield Maker(random.Random(number)).message()


def slices(value: Any) -> Iterator[bytes]:
    """Every byte string in a parsed message."""
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from slices(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from slices(item)


def check(parse: Parse, data: bytes) -> str:
    """What breaks the invariant, or nothing."""
    read, slow = timed(lambda: parse(data), SLOWEST)
    if slow:
        return "slow"
    if not all(value in data for value in slices(read)):
        return "a slice outside the datagram"
    if any(parse(data, pad) != read for pad in PADS):
        return "what lies behind the datagram matters"
    return difference(read, oracle_parse(data))


def one(data: bytes) -> None:
    """Entry point for a coverage-guided fuzzer."""
    from edge_agent import _hot

    assert not check(_hot.parse, data)


def kind(wrong: str) -> str:
    """A finding without the values that it shows, so that the same fault counts once."""
    return re.sub(r"(b'|b\"|\{|\[).*", "", wrong)


def shrink(parse: Parse, data: bytes) -> bytes:
    """A shorter datagram that breaks the invariant in the same way: lines go first, then bytes."""
    same = check(parse, data)
    for pieces in (lambda d: re.split(rb"(?<=\r\n)", d), lambda d: [d[n : n + 1] for n in range(len(d))]):
        parts = pieces(data)
        at = 0
        while at < len(parts):
            rest = parts[:at] + parts[at + 1 :]
            if check(parse, b"".join(rest)) == same:
                parts = rest
            else:
                at += 1
        data = b"".join(parts)
    return data


def run(seconds: float, seed: int, most: int = 10) -> int:
    """Mutates for that long; the count of different findings is the exit status."""
    from edge_agent import _hot

    maker = Maker(random.Random(seed))
    tokens = dictionary()
    pool = list(seeds())
    found: dict[str, bytes] = {}
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end and len(found) < most:
        count += 1
        data = maker.mutate(pool[maker.rng.randrange(len(pool))] if not maker.chance(3) else maker.message())
        if maker.chance(3):
            at = maker.rng.randrange(len(data) + 1)
            data = data[:at] + maker.pick(tokens) + data[at:]
        wrong = check(_hot.parse, data)
        if wrong and kind(wrong) not in found:
            found[kind(wrong)] = shrink(_hot.parse, data)
            print(wrong, found[kind(wrong)], sep="\n", flush=True)
    print(f"{count} datagrams, {len(found)} findings")
    return len(found)


def main() -> int:
    ask = argparse.ArgumentParser(prog="python -m tests.fuzz.fuzz_parse", description="The parser against the oracle.")
    ask.add_argument("--seconds", type=float, default=60)
    ask.add_argument("--seed", type=int, default=1)
    chosen = ask.parse_args()
    return run(chosen.seconds, chosen.seed)


if __name__ == "__main__":
    sys.exit(main())
