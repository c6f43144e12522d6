"""Which peer owns a number: the lists of all peers as one index of disjoint ranges. Pure; it reads no list."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from edge_agent import _hot

MERGED_SINGLES = 4096
"""A number list up to this long is merged into the index of owners; a longer one is asked by itself."""


def owned(
    numbers_of: Sequence[Sequence[_hot.NumberSet]],
) -> tuple[tuple[tuple[int, int, int], ...], tuple[tuple[_hot.NumberSet, int], ...]]:
    """The index of owners, and the long lists that are asked by themselves, each with its peer.

    ``numbers_of``: the sets of each peer, by its index.
    """
    ranges: list[tuple[int, int, int]] = []
    files: list[tuple[_hot.NumberSet, int]] = []
    for number, sets in enumerate(numbers_of):
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
