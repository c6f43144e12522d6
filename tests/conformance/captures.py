"""SIP payloads out of pcap and pcapng files, in order: datagrams, and messages put together out of TCP segments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import dpkt

START = re.compile(rb"SIP/[0-9.]+ [0-9]{3} |[A-Za-z]+ [a-z]+:[^ ]+ SIP/[0-9.]+\r\n")
DAMAGED = {"BCF_005-1.pcap"}  # its bytes went through a text converter: no reader takes it
LENGTH = re.compile(rb"\r\n(?:Content-Length|l)[ \t]*:[ \t]*([0-9]+)[ \t]*\r\n", re.IGNORECASE)
# Bytes before the IP header by link type (https://www.tcpdump.org/linktypes.html): a protocol family, or nothing.
BARE = {dpkt.pcap.DLT_NULL: 4, 12: 0, 101: 0, 228: 0, 229: 0}


class Payload(NamedTuple):
    time: float
    transport: str
    source: tuple[bytes, int]
    data: bytes


def payloads(path: Path) -> Iterator[Payload]:
    """Every UDP payload that isn't media, every SIP message of a TCP stream, and every TCP payload that is no SIP at all."""
    streams: dict[tuple[bytes, ...], Stream] = {}
    with path.open("rb") as file:
        reader = dpkt.pcap.UniversalReader(file)
        for time, frame in reader:
            packet = _packet(frame, reader.datalink())
            if packet is None:
                continue
            segment = packet.data
            if isinstance(segment, dpkt.udp.UDP):
                data = bytes(segment.data)
                if not is_media(data):
                    yield Payload(time, "udp", (packet.src, segment.sport), data)
            elif isinstance(segment, dpkt.tcp.TCP) and segment.data:
                ends = (packet.src, packet.dst, segment.sport.to_bytes(2), segment.dport.to_bytes(2))
                stream = streams.setdefault(ends, Stream(segment.seq))
                for data in stream.take(segment.seq, bytes(segment.data)):
                    yield Payload(time, "tcp", (packet.src, segment.sport), data)


def _packet(frame: bytes, link: int) -> dpkt.ip.IP | dpkt.ip6.IP6 | None:
    if link in BARE:
        raw = frame[BARE[link] :]
        kind = {4: dpkt.ip.IP, 6: dpkt.ip6.IP6}.get(raw[0] >> 4 if raw else 0)
        return kind(raw) if kind else None
    assert link in (dpkt.pcap.DLT_EN10MB, dpkt.pcap.DLT_LINUX_SLL), link
    packet = (dpkt.sll.SLL if link == dpkt.pcap.DLT_LINUX_SLL else dpkt.ethernet.Ethernet)(frame).data
    return packet if isinstance(packet, dpkt.ip.IP | dpkt.ip6.IP6) else None


class Stream:
    """One direction of a TCP connection, from its first segment with data on."""

    def __init__(self, start: int) -> None:
        self._next, self._left, self._ahead = start, b"", dict[int, bytes]()

    def take(self, seq: int, data: bytes) -> Iterator[bytes]:
        """The messages that are whole with this segment; a copy of an earlier one brings none, a later one waits."""
        self._ahead[seq] = data
        while (data := self._ahead.pop(self._next, b"")) != b"":
            self._next = (self._next + len(data)) % 2**32
            self._left += data
        while self._left:
            if not START.match(self._left):
                yield self._left
                self._left = b""
                return
            end = message_end(self._left)
            if end > len(self._left):
                return
            yield self._left[:end]
            self._left = self._left[end:].lstrip(b"\r\n")


def message_end(data: bytes) -> int:
    """Where the first message ends; behind the data, where it isn't whole."""
    head, blank, _ = data.partition(b"\r\n\r\n")
    length = LENGTH.search(head + b"\r\n")
    return len(head) + 4 + (int(length[1]) if length else 0) if blank else len(data) + 1


def is_media(data: bytes) -> bool:
    """RTP, RTCP and T.38 start with a byte that no SIP message starts with."""
    return bool(data) and not (0x20 <= data[0] < 0x7F or data[0] in b"\r\n\0")


def is_sip(data: bytes) -> bool:
    return START.match(data) is not None
