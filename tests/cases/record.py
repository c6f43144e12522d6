"""Writes a capture out of a message, for a case that needs many of them: no packet is sent.

    python -m tests.cases.record OUT.pcap FILE.sip --source 203.0.113.66:5060 --to 192.0.2.1:5060 --times 64 --every 0.001

The same arguments write the same bytes.
"""

from __future__ import annotations

import argparse
from ipaddress import ip_address
from pathlib import Path

import dpkt

START = 1_700_000_000.0


def frame(data: bytes, source: tuple[str, int], to: tuple[str, int]) -> bytes:
    """An Ethernet frame with that datagram."""
    udp = dpkt.udp.UDP(sport=source[1], dport=to[1], data=data)
    udp.ulen = len(udp)
    src, dst = ip_address(source[0]), ip_address(to[0])
    if src.version == 4:
        packet = dpkt.ip.IP(src=src.packed, dst=dst.packed, p=dpkt.ip.IP_PROTO_UDP, ttl=64, data=udp)
    else:
        packet = dpkt.ip6.IP6(
            src=src.packed, dst=dst.packed, nxt=dpkt.ip.IP_PROTO_UDP, hlim=64, plen=len(udp), data=udp
        )
    kind = dpkt.ethernet.ETH_TYPE_IP if src.version == 4 else dpkt.ethernet.ETH_TYPE_IP6
    return bytes(dpkt.ethernet.Ethernet(src=b"\2\0\0\0\0\1", dst=b"\2\0\0\0\0\2", type=kind, data=packet))


def record(out: Path, frames: list[tuple[float, bytes]]) -> None:
    """Seconds from the start, and frame."""
    with out.open("wb") as file:
        writer = dpkt.pcap.Writer(file)
        for time, one in frames:
            writer.writepkt(one, ts=START + time)


def address(text: str) -> tuple[str, int]:
    """ "192.0.2.1:5060" or "[2001:db8::1]:5060"."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a capture out of a message.")
    parser.add_argument("out", type=Path)
    parser.add_argument("message", type=Path)
    parser.add_argument("--source", type=address, required=True)
    parser.add_argument("--to", type=address, required=True)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--every", type=float, default=0.001)
    wanted = parser.parse_args()
    one = frame(wanted.message.read_bytes(), wanted.source, wanted.to)
    record(wanted.out, [(number * wanted.every, one) for number in range(wanted.times)])


if __name__ == "__main__":
    main()
