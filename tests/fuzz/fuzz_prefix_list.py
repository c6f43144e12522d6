# Invariant: whatever the text, a list of prefixes is read or refused within a bounded time; each line is read as it is
# read alone; bad lines are in order, twenty at most; what was read is written and read again as the same; the engine's
# table finds each prefix; and a line with class and price (toll-fraud) has a known class and a price above 0, or is refused.
"""Fuzz target of prefix lists: ``python -m tests.fuzz.fuzz_prefix_list --seconds 60 [--seed 7]``."""

from __future__ import annotations

import sys

from edge_agent._hot import Prefixes
from edge_agent.numbering.prefixes import SHOWN, PrefixListError, read_prefixes, write_prefix
from edge_agent.policy.toll import BadLine, read_line
from edge_agent.rules.toll_fraud import CLASSES, ORDINARY
from tests.fuzz import changes

SLOWEST = 0.5
SEEDS = (
    b"# premium\n+1 (900)*\n\n+8835100 # satellites\r\n*\n+44-9*\n+123456789012345\n",
    b"+1900*\n+1900ABC\n1900*\n+0*\n+1900*5\n**\n+\n",
    b"+37190* premium 2.50\n+1809* ordinary\n+1 (876) 555* satellite\n+44 9* Premium 0\n+44 9* premium -1\n+1 premum 2,5\n* high-risk .5\n",
)
TOKENS = (
    b"+",
    b"*",
    b"#",
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
    b"+1900",
    b"0",
    b"premium",
    b" shared-cost 0.3",
    b" ordinary",
    b"1e5",
    b"nan",
    b"inf",
    b"\0",
    b"\xff",
    "٣".encode(),
    b"\x0b",
    "\u2028".encode(),
    b"." * 30,
)


def read(text: str) -> dict[str, int] | list[tuple[int, str]]:
    try:
        return read_prefixes(text)
    except PrefixListError as error:
        return error.errors


def check(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    found, slow = changes.timed(lambda: read(text), SLOWEST)
    if slow:
        return "slow"
    alone: dict[str, int] = {}
    bad: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        one = read(line)
        if isinstance(one, list):
            bad.append((number, one[0][1]))
        else:
            for prefix in one:
                alone.setdefault(prefix, number)
        if wrong := check_dear(line):
            return wrong
    if found != (bad[:SHOWN] if bad else alone):
        return "another reading line by line"
    if isinstance(found, list):
        return ""
    if any(not prefix.isascii() or not (prefix + "0").isdecimal() or len(prefix) > 15 for prefix in found):
        return "no prefix"
    if list(read_prefixes("\n".join(map(write_prefix, found)))) != list(found):
        return "written and read again it is another list"
    table = Prefixes({prefix: 1 + at % 8191 for at, prefix in enumerate(found)})
    if any(table.find(prefix) != 1 + at % 8191 for at, prefix in enumerate(found)):
        return "not found in its table"
    return ""


def check_dear(line: str) -> str:
    try:
        prefix, dear = read_line(line)
    except BadLine as error:
        return "" if error.what and error.hint else "refused without a word"
    if dear.kind not in (*CLASSES, ORDINARY) or (dear.price is not None and not 0 < dear.price <= 10_000):
        return "a class or price that is none"
    return "" if (prefix + "0").isdecimal() and len(prefix) <= 15 else "no prefix of a dear line"


if __name__ == "__main__":
    sys.exit(changes.main("fuzz_prefix_list", check, SEEDS, TOKENS))
