"""Just enough SIP for the simulated parties: write a request, write a response to one, read what comes back.

It is no parser to trust: it reads what the agent and the other party send, and
shares no code with the engine, so that neither can hide the other's mistake.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

Headers = list[tuple[str, str]]

SDP = "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"


@dataclass(frozen=True)
class Message:
    """A message as read. Header names are in lower case, in their order."""

    start: str
    headers: Headers

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def one(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    @property
    def status(self) -> int:
        """0 for a request."""
        return int(self.start[8:11]) if self.start.startswith("SIP/2.0 ") else 0

    @property
    def phrase(self) -> str:
        return self.start[12:]

    @property
    def method(self) -> str:
        """Of a response: that of its request."""
        return self.one("cseq").split()[-1] if self.status else self.start.split(" ", 1)[0]

    @property
    def call_id(self) -> str:
        return self.one("call-id")


def read(data: bytes) -> Message:
    head = data.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
    start, *lines = head.split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return Message(start, [(name.strip().lower(), value.strip()) for name, _, value in pairs])


def write(start: str, headers: Headers, body: str = "") -> bytes:
    lines = [start, *(f"{name}: {value}" for name, value in headers)]
    if body:
        lines.append("Content-Type: application/sdp")
    lines.append(f"Content-Length: {len(body.encode())}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def branch() -> str:
    return "z9hG4bK" + secrets.token_hex(8)


def tag() -> str:
    return secrets.token_hex(5)


def uri_of(value: str) -> str:
    """The URI between angle brackets, or the value without its parameters."""
    return value.partition("<")[2].partition(">")[0] if "<" in value else value.partition(";")[0]


def respond(request: Message, status: str, to_tag: str, extra: Headers | None = None, body: str = "") -> bytes:
    """A response with what RFC 3261 §8.2.6 copies from the request, and its Record-Route."""
    to = request.one("to")
    headers: Headers = [("Via", via) for via in request.all("via")]
    headers += [("Record-Route", route) for route in request.all("record-route")]
    headers += [
        ("From", request.one("from")),
        ("To", to if ";tag=" in to else f"{to};tag={to_tag}"),
        ("Call-ID", request.call_id),
        ("CSeq", request.one("cseq")),
        *(extra or []),
    ]
    return write(f"SIP/2.0 {status}", headers, body)
