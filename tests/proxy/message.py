"""SIP messages as the tests write them, and what the proxy's laws make of them. It shares no code with the engine.

``passed`` and ``answered`` are the documented edits: what a forwarded request
and an answer look like, byte for byte, given the parts that only the agent can
know (branch, cookie, To tag).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

Header = tuple[str, str]
Source = tuple[str, int]

SDP = "v=0\r\no=- 1 1 IN IP4 198.51.100.10\r\ns=-\r\nc=IN IP4 198.51.100.10\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"


@dataclass(frozen=True)
class Message:
    """A message as it is written. Values stand as on the wire, nothing is added and nothing is tidied."""

    start: str
    headers: tuple[Header, ...]
    body: str = ""

    def __bytes__(self) -> bytes:
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers), "", self.body]
        return "\r\n".join(lines).encode()

    @classmethod
    def read(cls, data: bytes) -> Message:
        head, _, body = data.decode().partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        headers = (line.partition(":") for line in lines)
        return cls(start, tuple((name, value.strip()) for name, _, value in headers), body)

    @property
    def method(self) -> str:
        return self.start.split(" ", 1)[0]

    @property
    def uri(self) -> str:
        return self.start.split(" ")[1]

    @property
    def status(self) -> int:
        """0 of a request."""
        return int(self.start[8:11]) if self.start.startswith("SIP/2.0 ") else 0

    def all(self, name: str) -> list[str]:
        return [value for header, value in self.headers if header.lower() == name.lower()]

    def one(self, name: str) -> str:
        [value] = self.all(name)
        return value

    def to(self, uri: str) -> Message:
        """With another Request-URI."""
        method, _, version = self.start.split(" ")
        return replace(self, start=f"{method} {uri} {version}")

    def set(self, name: str, *values: str) -> Message:
        """With these values where the header stood first; no value removes it. At the end if it is new."""
        rows = [(name, value) for value in values]
        at = next((i for i, (header, _) in enumerate(self.headers) if header.lower() == name.lower()), None)
        others = [header for header in self.headers if header[0].lower() != name.lower()]
        if at is None:
            at = len(others)
        return replace(self, headers=(*others[:at], *rows, *others[at:]))

    def above(self, *rows: Header) -> Message:
        """With these headers before all others."""
        return replace(self, headers=(*rows, *self.headers))


def param(value: str, name: str) -> str:
    """A header parameter's value; "" where it is absent or has none."""
    found = re.search(rf";\s*{name}=([^;,\s>]*)", value)
    return found[1] if found else ""


def tag(value: str) -> str:
    return param(value.rpartition(">")[2], "tag")


def uri_in(value: str) -> str:
    """The URI of a name-addr."""
    return value[value.index("<") + 1 : value.index(">")]


def via_seen(value: str, source: Source) -> str:
    """A topmost Via as its receiver passes it on (RFC 3261 §18.2.1, RFC 3581 §4): the sender's own word counts for nothing."""
    host, port = source
    value, asked = re.subn(r";rport(=\d*)?(?=;|$)", f";rport={port}", value)
    sent_by = value.split(" ", 1)[1].split(";", 1)[0]
    sent_host = sent_by[1:].partition("]")[0] if sent_by.startswith("[") else sent_by.partition(":")[0]
    value, written = re.subn(r";received=[^;]*", f";received={host}", value)
    if written or (not asked and sent_host == host):
        return value
    return f"{value};received={host}"


def passed(
    sent: Message, source: Source, branch: str, record: Sequence[str] = (), at: str = "192.0.2.1:5060"
) -> Message:
    """The request as it goes on: our Via, our Record-Routes, the sender's Via as seen, one hop less."""
    own: list[Header] = [("Via", f"SIP/2.0/UDP {at};branch={branch}")]
    own += [("Record-Route", value) for value in record]
    hops = sent.all("Max-Forwards")
    if not hops:
        own.append(("Max-Forwards", "70"))
    else:
        sent = sent.set("Max-Forwards", str(int(hops[0]) - 1))
    return with_via_seen(sent, source).above(*own)


def with_via_seen(sent: Message, source: Source) -> Message:
    at = next(i for i, (name, _) in enumerate(sent.headers) if name.lower() in ("via", "v"))
    name, value = sent.headers[at]
    top, comma, rest = value.partition(",")
    seen = (name, via_seen(top, source) + comma + rest)
    return replace(sent, headers=(*sent.headers[:at], seen, *sent.headers[at + 1 :]))


ANSWERED = {"via", "v", "from", "f", "to", "t", "call-id", "i", "cseq"}


def answered(sent: Message, source: Source, status: str, to_tag: str = "", extra: Sequence[Header] = ()) -> Message:
    """An answer (RFC 3261 §8.2.6.2): Via, From, To, Call-ID and CSeq as they came, a To tag if there was none."""
    headers = [header for header in with_via_seen(sent, source).headers if header[0].lower() in ANSWERED]
    headers = [
        (name, f"{value};tag={to_tag}" if name.lower() in ("to", "t") and not tag(value) else value)
        for name, value in headers
    ]
    return Message(f"SIP/2.0 {status}", (*headers, *extra, ("Content-Length", "0")))


def hang_up(sent: Message, forwarded: Message, to_tag: str) -> Message:
    """The caller's BYE of a call: its INVITE as it was sent, and as its callee got it."""
    headers = (
        ("Via", sent.one("Via").replace("branch=", "branch=z9hG4bKbye-").replace("bye-z9hG4bK", "bye")),
        *(("Route", cookie) for cookie in forwarded.all("Record-Route")),
        ("Max-Forwards", "70"),
        ("From", sent.one("From")),
        ("To", f"{sent.one('To')};tag={to_tag}"),
        ("Call-ID", sent.one("Call-ID")),
        ("CSeq", "2 BYE"),
        ("Content-Length", "0"),
    )
    return Message(f"BYE {sent.uri} SIP/2.0", headers)


def response(request: Message, status: str, to_tag: str = "", contact: str = "") -> Message:
    """What a UAS says to a request: Vias and Record-Routes as they came."""
    kept = ("via", "record-route", "from", "call-id", "cseq")
    headers: list[Header] = []
    for name, value in request.headers:
        if name.lower() in kept:
            headers.append((name, value))
        elif name.lower() == "to":
            headers.append((name, f"{value};tag={to_tag}" if to_tag and not tag(value) else value))
    if contact:
        headers.append(("Contact", f"<{contact}>"))
    return Message(f"SIP/2.0 {status}", (*headers, ("Content-Length", "0")))


def stripped(reply: Message) -> Message:
    """A response as it goes on: without the topmost Via."""
    at = next(i for i, (name, _) in enumerate(reply.headers) if name.lower() == "via")
    return replace(reply, headers=reply.headers[:at] + reply.headers[at + 1 :])
