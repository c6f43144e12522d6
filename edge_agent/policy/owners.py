"""Numbers that trunks own, to one index of disjoint ranges and the long lists beside it. It knows no trunk, only indexes."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from edge_agent._hot import NumberSet

MERGED_SINGLES = 4096
"""A number list up to this long is merged into the index of owners; a longer one is asked by itself."""


def owners_of(
    owned: Sequence[Sequence[NumberSet]],
) -> tuple[tuple[tuple[int, int, int], ...], tuple[tuple[NumberSet, int], ...]]:
    """Disjoint (low, high, owner) ranges of packed numbers, and the long lists with their owners."""
    ranges: list[tuple[int, int, int]] = []
    files: list[tuple[NumberSet, int]] = []
    for number, sets in enumerate(owned):
        for numbers in sets:
            ranges += [(low, high, number) for low, high in numbers.ranges()]
            if numbers.single_count > MERGED_SINGLES:
                files.append((numbers, number))
            else:
                ranges += [(single, single, number) for single in numbers.singles()]
    return tuple(disjoint(ranges)), tuple(files)


def disjoint(ranges: Iterable[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """(low, high, owner) ranges that don't overlap: where some do, the lowest owner has it."""
    ordered = sorted(ranges)
    result: list[tuple[int, int, int]] = []
    open_: list[tuple[int, int]] = []  # owner, high: those that hold at `at`
    at = 0
    position = 0
    while position < len(ordered) or open_:
        if not open_:
            at = ordered[position][0]
        while position < len(ordered) and ordered[position][0] <= at:
            _, high, owner = ordered[position]
            heapq.heappush(open_, (owner, high))
            position += 1
        while open_ and open_[0][1] < at:
            heapq.heappop(open_)
        if not open_:
            continue
        owner, high = open_[0]
        if position < len(ordered):
            high = min(high, ordered[position][0] - 1)
        if result and result[-1][2] == owner and result[-1][1] + 1 == at:
            result[-1] = (result[-1][0], high, owner)
        else:
            result.append((at, high, owner))
        at = high + 1
    return result
