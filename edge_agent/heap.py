"""How the control plane takes memory from the system: in one heap, large blocks given back, and room taken before a flood.

The engine's tables aren't here: they are mapped and touched when they are made.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_TRIM_THRESHOLD = -1  # malloc.h
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_LARGE_BLOCK = 1 << 20
_HEADROOM = 512 << 10
_POOL = 16 << 10  # of Python's own allocator: one for each 16 bytes of size, up to 512
_POOLS = 16  # that any size may take next
_BYTES = 33  # that a bytes object has beside its content


def tune() -> None:
    """Settles the C library's ways, before any thread is there.

    By default it learns to keep large blocks: a few reloads of long number lists
    would leave tens of MiB more than the budget. And each thread would get a heap
    of its own, where a rare chore takes pages that lie free in the others; the
    workers' threads take no memory at all, so nobody waits for the one heap.
    """
    with suppress(AttributeError):  # a C library without this setting doesn't learn
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)
        mallopt(_M_TRIM_THRESHOLD, _LARGE_BLOCK)
        mallopt(_M_ARENA_MAX, 1)


def take_headroom() -> object:
    """Touches what log lines and counters of a flood will need, and frees it: the pages stay, and the flood adds none.

    Keep what it returns: Python's allocator gives an arena back once nothing lives in it.
    """
    tails: list[object] = [bytes(size) for size in range(0, 512 - _BYTES, 16) for _ in range(_POOL // (size + _BYTES))]
    tails += range(1 << 40, (1 << 40) + _POOL // 32)
    del tails
    pools = [bytes(512 - _BYTES) for _ in range(_POOLS * _POOL // 512)]
    large = bytearray(_HEADROOM)
    del large
    return pools[-1]
