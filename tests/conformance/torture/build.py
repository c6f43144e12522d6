"""What a torture message is, and the few lines that put its bytes together. It sends and reads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

OURS = "edge.example.net"
"""The name by which callers know the agent."""

CLOUD = "cloud.example.net"
"""The upstream's domain: nearly every Request-URI names it."""

HOSTS = (CLOUD, "[2001:db8:5::60]", "[2001:db8:5::60:5070]", "[2001:db8:5:::192.0.2.60]", "[2001:db8:5::192.0.2.60]")
"""Every host that a Request-URI of the set names: the upstream's domains in the policy that screens it."""


@dataclass(frozen=True)
class Torture:
    """One message. ``treatment`` is "forward", "drop" or the status of the answer."""

    name: str
    section: str
    probes: str
    treatment: str
    data: bytes
    source: str = "trunk"
    reason: str = ""
    """Why it can't be read; empty when it can."""
    reads: Mapping[str, object] = field(default_factory=dict)
    """Some values that a right reader finds in it."""


def message(*lines: str | bytes, body: bytes = b"", length: bool = True) -> bytes:
    """Lines joined by CRLF, Content-Length unless told otherwise, an empty line and the body."""
    rows = [line.encode() if isinstance(line, str) else line for line in lines]
    if length:
        rows.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*rows, b"", b""]) + body


def offer(address: str = "192.0.2.31", family: str = "IP4", media: int = 0) -> bytes:
    """A session description with one audio stream; ``media`` adds more."""
    lines = ["v=0", f"o=wren 7041 7041 IN {family} {address}", "s=-", f"c=IN {family} {address}", "t=0 0"]
    lines += [f"m=audio {40000 + 2 * n} RTP/AVP 0 101" for n in range(media + 1)]
    return "".join(line + "\r\n" for line in lines).encode()


def v6_line_feeds(body: bytes) -> int:
    """The length of a body with its line ends counted as LF."""
    return len(body.replace(b"\r\n", b"\n"))
