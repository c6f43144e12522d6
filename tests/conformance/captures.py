"""SIP payloads out of pcap and pcapng files, in order. It keeps no flows: one cut over two segments is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import dpkt

START = re.compile(rb"SIP/[0-9.]+ [0-9]{3} |[A-Za-z]+ [a-z]+:[^ ]+ SIP/[0-9.]+\r\n")
DAMAGED = {"BCF_005-1.pcap"}  # its bytes went through a text converter: no reader takes it
LENGTH = re.compile(rb"\r\n(?:Content-Length|l)[ \t]*:[ \t]*([0-9]+)[ \t]*\r\n", re.IGNORECASE)


class Payload(NamedTuple):
    time: float
    transport: str
    source: tuple[bytes, int]
    data: bytes


def payloads(path: Path) -> Iterator[Payload]:
    """Every UDP payload that isn't media, and every TCP payload that is one whole SIP message or no SIP at all."""
    with path.open("rb") as file:
        reader = dpkt.pcap.UniversalReader(file)
        link = dpkt.sll.SLL if reader.datalink() == dpkt.pcap.DLT_LINUX_SLL else dpkt.ethernet.Ethernet
        for time, frame in reader:
            packet = link(frame).data
            if not isinstance(packet, dpkt.ip.IP | dpkt.ip6.IP6):
                continue
            segment = packet.data
            if isinstance(segment, dpkt.udp.UDP):
                data = bytes(segment.data)
                if not is_media(data):
                    yield Payload(time, "udp", (packet.src, segment.sport), data)
            elif isinstance(segment, dpkt.tcp.TCP) and segment.data:
                data = bytes(segment.data)
                if not START.match(data) or is_whole(data):
                    yield Payload(time, "tcp", (packet.src, segment.sport), data)


def is_media(data: bytes) -> bool:
    """RTP, RTCP and T.38 start with a byte that no SIP message starts with."""
    return bool(data) and not (0x20 <= data[0] < 0x7F or data[0] in b"\r\n\0")


def is_whole(data: bytes) -> bool:
    head, end, body = data.partition(b"\r\n\r\n")
    length = LENGTH.search(head + b"\r\n")
    return bool(end) and len(body) == (int(length[1]) if length else 0)


def is_sip(data: bytes) -> bool:
    return START.match(data) is not None
