"""Faults of a message, sorted by what they weigh: soft ones an emergency call survives, core ones nothing does. Tables alone.

A soft fault is a header that a sound INVITE gets, or a change of one that it
has. Each comes with the reason that everybody else is refused for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from tests.proxy.message import Header, Message

Change = Callable[[Message], Message]


def with_(*rows: Header) -> Change:
    """With these headers behind its own."""
    return lambda sent: replace(sent, headers=(*sent.headers, *rows))


def value(name: str, pattern: str, new: str) -> Change:
    """With another value of a header."""

    def change(sent: Message) -> Message:
        old = sent.one(name)
        assert re.search(pattern, old)
        return sent.set(name, re.sub(pattern, new, old, count=1))

    return change


NAMING = ["P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID", "Diversion", "History-Info"]
ONCE = [
    ("User-Agent", "x"), ("Subject", "x"), ("s", "x"), ("Date", "Sat, 13 Nov 2010 23:29:00 GMT"), ("Organization", "x"),
    ("Priority", "emergency"), ("MIME-Version", "1.0"), ("Content-Type", "application/sdp"), ("Server", "x"),
    ("Session-Expires", "90"), ("Content-Disposition", "session"), ("Timestamp", "1"), ("Expires", "60"),
    ("Referred-By", "<sip:a@b>"), ("Reply-To", "<sip:a@b>"), ("P-Charge-Info", "<sip:a@b>"), ("Min-SE", "90"),
    ("Event", "x"), ("Replaces", "a@b"),
]  # fmt: skip

SOFT: dict[str, tuple[str, Change]] = {
    **{f"unreadable {name}": ("identity-header", with_((name, "<sip:a@>"))) for name in NAMING},
    "half a list": ("identity-header", with_(("Diversion", "<sip:+12125553001@x>, <sip:a@>"))),
    "two asserted": ("identity-header", with_(("P-Asserted-Identity", "<sip:a@b>, <sip:c@d>"))),
    "two asserted rows": ("identity-header", with_(*[("P-Asserted-Identity", "<tel:+12125553000>")] * 2)),
    "two preferred": ("identity-header", with_(("P-Preferred-Identity", "<tel:+1>, <tel:+2>"))),
    "thirteen stations": ("identity-header", with_(("Diversion", ", ".join(["<sip:a@b>"] * 13)))),
    "unreadable Contact": ("contact", with_(("m", "<sip:a@>"))),
    "no Contact": ("contact", with_(("Contact", ""))),
    "Route without <>": ("route", with_(("Route", "sip:a@b;lr"))),
    "Route behind a good one": ("route", with_(("Route", "<sip:192.0.2.1;lr>, <sip:a;lr>, <>"))),
    "unreadable Record-Route": ("route", with_(("Record-Route", "x"))),
    **{f"two {row[0]}": ("duplicate-header", with_(row, row)) for row in ONCE if row[0] != "Content-Type"},
    "two Content-Type": ("duplicate-header", with_(("Content-Type", "application/sdp"))),
    "two Max-Forwards": ("duplicate-header", with_(("max-forwards", "5"))),
    "Max-Forwards 256": ("max-forwards", value("Max-Forwards", ".+", "256")),
    "Max-Forwards a word": ("max-forwards", value("Max-Forwards", ".+", "many")),
    "Max-Forwards empty": ("max-forwards", value("Max-Forwards", ".+", "")),
    "base64 Call-ID": ("call-id", value("Call-ID", "$", "==")),
    "base64 Call-ID before its host": ("call-id", value("Call-ID", "@", "=@")),
    "base64 From tag": ("from", value("From", "$", "==")),
    "base64 From tag and more": ("from", value("From", "$", "=;x=y;z")),
    "base64 branch": ("via", value("Via", ";rport", "==;rport")),
    "base64 branch at the end": ("via", value("Via", ";(branch=[^;]*);rport", r";rport;\1=")),
}

CORE: dict[str, tuple[str, Change]] = {
    "version": ("version", lambda sent: replace(sent, start=sent.start.replace("2.0", "3.0"))),
    "start line": ("start-line", lambda sent: replace(sent, start=sent.start + " x")),
    "Request-URI": ("request-uri", lambda sent: sent.to("sip:911@")),
    "further Via": ("via", with_(("v", "x"))),
    "branch": ("via", value("Via", ";rport", "= =;rport")),
    "branch with '=' inside": ("via", value("Via", ";rport", "=x;rport")),
    "another Via parameter": ("via", value("Via", ";rport", ";x=y=;rport")),
    "From": ("from", value("From", "<sip:", "<sip:<")),
    "From tag with '=' inside": ("from", value("From", "$", "=x")),
    "two From tags": ("from", value("From", "$", "=;tag=x")),
    "another From parameter": ("from", value("From", "$", ";x=y=")),
    "To": ("to", value("To", "<", "")),
    "Call-ID": ("call-id", value("Call-ID", "@", "= @")),
    "Call-ID with two hosts": ("call-id", value("Call-ID", "$", "=@x")),
    "Call-ID too long": ("call-id", value("Call-ID", "^", "=" * 512)),
    "CSeq": ("cseq", value("CSeq", "1 ", "")),
    "CSeq of another method": ("cseq-method", value("CSeq", "INVITE", "ACK")),
    "length": ("content-length", value("Content-Length", "^", "9")),
    "no From": ("missing-header", lambda sent: sent.set("From")),
    "no Call-ID": ("missing-header", lambda sent: sent.set("Call-ID")),
    "two From": ("duplicate-header", with_(("f", "<sip:a@b>;tag=a"))),
    "two To": ("duplicate-header", with_(("t", "<sip:a@b>"))),
    "two Call-ID": ("duplicate-header", with_(("i", "a@b"))),
    "two CSeq": ("duplicate-header", with_(("CSeq", "1 INVITE"))),
    "two lengths": ("duplicate-header", lambda sent: sent.above(("l", "0"))),
    "two Refer-To": ("duplicate-header", with_(("r", "<sip:a@b>"), ("r", "<sip:a@b>"))),
    "Refer-To": ("identity-header", with_(("Refer-To", "<sip:a@>"))),
    "control byte": ("control-byte", with_(("X-Pad", "a\x01b"))),
    "bare LF": ("line-end", with_(("X-Pad", "a\nb: c"))),
    "no colon": ("header-name", with_(("Two Words", "x"))),
    "too many lines": ("too-many-headers", with_(*[("X-Pad", "y")] * 250)),
    "too many Vias": ("too-many-vias", with_(("v", ", ".join(["SIP/2.0/UDP a;branch=z9hG4bKx"] * 70)))),
}
