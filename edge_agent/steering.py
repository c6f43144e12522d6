"""The classic BPF program that tells known sources from strangers, before a datagram is queued.

    networks -> disjoint ranges -> binary decisions over their ends -> index of a socket

The kernel runs it for every datagram of a SO_REUSEPORT group, whose sockets are
the workers' known ones and then their strangers': index w, or workers + w. Among
the workers a datagram is placed by its source address and port, so whatever one
sender sends stays in order. Only the queue is chosen here: who may do what is
the engine's to say, and a source in the wrong queue is screened all the same.

A program has 4,096 instructions at most. Networks that need more are covered by
fewer, wider ranges: the closest neighbours are joined first, so a few strangers
between two customers share their queue. IPv6 networks count as their /64.

Pure: no socket is touched here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

ROOM = 4096  # BPF_MAXINSNS of linux/bpf_common.h

# linux/filter.h: loads at this offset and above count from the network header. The data itself starts at the UDP payload.
NET = 0xFFF00000
V4_SOURCE, V6_SOURCE, V6_NEXT, V6_PORT = NET + 12, NET + 8, NET + 6, NET + 40
UDP = 17

LD_W, LD_H, LD_B, LD_H_AT_X, LD_IMM = 0x20, 0x28, 0x30, 0x48, 0x00
LDX_HEADER_LENGTH, LDX_MEM, ST = 0xB1, 0x61, 0x02
ADD_X, MUL, MOD, RSH, XOR_X, TAX = 0x0C, 0x24, 0x94, 0x74, 0xAC, 0x07
JA, JEQ, JGT, JGE, RET, RET_A = 0x05, 0x15, 0x25, 0x35, 0x06, 0x16
SHORT = 255  # longest conditional jump

SPREAD = 0x9E3779B1  # odd, near 2**32 / golden ratio: Knuth's multiplicative hash

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, constant: struct sock_filter."""
Range = tuple[int, int]
"""First address and the one behind the last: 32 bits of IPv4, the upper 64 of IPv6."""


class Program(NamedTuple):
    """A program, and how many ranges it tells apart out of how many there were."""

    instructions: tuple[Instruction, ...]
    ranges: int
    wanted: int

    def pack(self) -> bytes:
        """An array of struct sock_filter."""
        return b"".join(struct.pack("@HBBI", *instruction) for instruction in self.instructions)


def program(networks: Iterable[IPv4Network | IPv6Network], v6: bool, workers: int, room: int = ROOM) -> Program:
    """The program of a listener of that family. Networks of the other one are passed over."""
    wanted = ranges(network for network in networks if network.version == (6 if v6 else 4))
    kept = wanted
    while True:
        code = _assemble(kept, v6, workers)
        if len(code) <= room or len(kept) <= 1:
            return Program(tuple(code), len(kept), len(wanted))
        kept = _join(kept, max(1, min(len(kept) - 1, len(kept) * room // len(code))))


def everybody(v6: bool, workers: int) -> Program:
    """The program that knows every source: what holds until a policy says more."""
    return program([IPv6Network("::/0") if v6 else IPv4Network("0.0.0.0/0")], v6, workers)


def ranges(networks: Iterable[IPv4Network | IPv6Network]) -> list[Range]:
    """Sorted, disjoint, and not touching each other. An IPv6 network longer than /64 is that /64."""
    found: list[Range] = []
    for low, high in sorted(map(_range, networks)):
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return found


def _range(network: IPv4Network | IPv6Network) -> Range:
    first, last = int(network.network_address), int(network.broadcast_address)
    return (first >> 64, (last >> 64) + 1) if network.version == 6 else (first, last + 1)


def _join(found: Sequence[Range], most: int) -> list[Range]:
    """At most so many ranges: the narrowest gaps are closed."""
    gaps = sorted(range(1, len(found)), key=lambda i: found[i][0] - found[i - 1][1])
    closed = set(gaps[: len(found) - most])
    joined: list[Range] = []
    for i, (low, high) in enumerate(found):
        if i in closed:
            joined[-1] = (joined[-1][0], high)
        else:
            joined.append((low, high))
    return joined


def _assemble(found: Sequence[Range], v6: bool, workers: int) -> list[Instruction]:
    top = 1 << (64 if v6 else 32)
    # Of the ends at or below an address an odd number says that a range is open there.
    ends = [end for pair in found for end in pair if end != top]
    inside_first = bool(ends) and ends[0] == 0
    if inside_first:
        del ends[0]
    head: list[Instruction] = [] if v6 else [(LD_W, 0, 0, V4_SOURCE)]
    tree = head + _tree(ends, 0, len(ends), inside_first, v6)
    tail = _spread(v6, workers)
    return [*(_leaf(one, at, len(tree), workers) for at, one in enumerate(tree)), *tail]


# In a tree under construction a leaf is a RET of one of these.
_KNOWN, _STRANGER = (RET, 0, 0, 1), (RET, 0, 0, 0)


def _tree(ends: Sequence[int], low: int, high: int, inside_first: bool, v6: bool) -> list[Instruction]:
    if low == high:
        return [_KNOWN if (low % 2 == 1) != inside_first else _STRANGER]
    middle = (low + high) // 2
    below = _tree(ends, low, middle, inside_first, v6)
    above = _tree(ends, middle + 1, high, inside_first, v6)
    return [*(_decide_v6 if v6 else _decide_v4)(ends[middle], len(below)), *below, *above]


def _decide_v4(end: int, below: int) -> list[Instruction]:
    """Goes on with the next instruction below the end, and behind so many at or above it. The address is in A."""
    if below <= SHORT:
        return [(JGE, below, 0, end)]
    return [(JGE, 0, 1, end), (JA, 0, 0, below)]


def _decide_v6(end: int, below: int) -> list[Instruction]:
    """The same for the upper half of an address, word by word."""
    high, low = end >> 32, end & 0xFFFFFFFF
    if low == 0:
        return [(LD_W, 0, 0, V6_SOURCE), *_decide_v4(high, below)]
    if below + 3 <= SHORT:
        return [
            (LD_W, 0, 0, V6_SOURCE),
            (JGT, below + 3, 0, high),
            (JEQ, 0, 2, high),
            (LD_W, 0, 0, V6_SOURCE + 4),
            (JGE, below, 0, low),
        ]
    return [
        (LD_W, 0, 0, V6_SOURCE),
        (JGT, 4, 0, high),
        (JEQ, 0, 2, high),
        (LD_W, 0, 0, V6_SOURCE + 4),
        (JGE, 1, 0, low),
        (JA, 0, 0, 1),
        (JA, 0, 0, below),
    ]


def _leaf(one: Instruction, at: int, end: int, workers: int) -> Instruction:
    """One worker: the index itself. Several: on to the spreading behind the tree, for strangers first."""
    if one not in (_KNOWN, _STRANGER):
        return one
    known = one == _KNOWN
    if workers == 1:
        return (RET, 0, 0, 0 if known else 1)
    return (JA, 0, 0, end - at - 1 + (2 if known else 0))


def _spread(v6: bool, workers: int) -> list[Instruction]:
    """Index of a worker by the source, plus that of its group's first socket."""
    if workers == 1:
        return []
    hash_source: list[Instruction]
    if v6:
        hash_source = [(LD_W, 0, 0, V6_SOURCE)]
        for word in (4, 8, 12):
            hash_source += [(TAX, 0, 0, 0), (LD_W, 0, 0, V6_SOURCE + word), (XOR_X, 0, 0, 0)]
        # Behind extension headers the port is not looked for: all of that sender is one worker's.
        hash_source += [
            (ST, 0, 0, 1),
            (LD_B, 0, 0, V6_NEXT),
            (JEQ, 1, 0, UDP),
            (LD_IMM, 0, 0, 0),
            (JEQ, 0, 1, UDP),
            (LD_H, 0, 0, V6_PORT),
            (MUL, 0, 0, SPREAD),
            (LDX_MEM, 0, 0, 1),
        ]
    else:
        hash_source = [
            (LDX_HEADER_LENGTH, 0, 0, NET),
            (LD_H_AT_X, 0, 0, NET),
            (MUL, 0, 0, SPREAD),
            (TAX, 0, 0, 0),
            (LD_W, 0, 0, V4_SOURCE),
        ]
    return [
        (LD_IMM, 0, 0, workers),
        (JA, 0, 0, 1),
        (LD_IMM, 0, 0, 0),
        (ST, 0, 0, 0),
        *hash_source,
        (ADD_X, 0, 0, 0),
        (MUL, 0, 0, SPREAD),
        (RSH, 0, 0, 16),
        (MOD, 0, 0, workers),
        (LDX_MEM, 0, 0, 0),
        (ADD_X, 0, 0, 0),
        (RET_A, 0, 0, 0),
    ]
