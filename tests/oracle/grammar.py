"""The terminals of RFC 3261 §25.1 as byte patterns, and a reader that walks over a value with them.

It knows no header; it never guesses: a pattern that doesn't match leaves the reader where it was.

Where we read more than the grammar, because real equipment sends it and no two readers can differ on it:

* bytes above 0x7F need not be valid UTF-8;
* a host name is any run of letters, digits, "-", "_" and ".";
* "#" may stand in a user part (dialled digits, RFC 3966 phonedigit-hex);
* a parameter's value may mix the characters of token and host;
* the words of an unquoted display name may hold backslash pairs (``\"Ann\" <sip:...>``).
"""

from __future__ import annotations

import re

TOKEN_CHARS = rb"A-Za-z0-9\-.!%*_+`'~"
# gen-value: token or host; received of a Via may be an IPv6 address without brackets.
VALUE = re.compile(rb"[" + TOKEN_CHARS + rb":\[\]]+")
TOKEN = re.compile(rb"[" + TOKEN_CHARS + rb"]+")
# LWS = [*WSP CRLF] 1*WSP, any number of times: folding means the same as one blank (§7.3.1).
BLANK = rb"(?:[ \t]|\r\n(?=[ \t]))"
LWS = re.compile(BLANK + rb"+")
SWS = re.compile(BLANK + rb"*")
# quoted-pair takes any byte but CR and LF; a bare control byte in the text is refused elsewhere.
QUOTED = re.compile(rb'"((?:[^"\\\r\n]|\r\n(?=[ \t])|\\[^\r\n])*)"')
WORDS = re.compile(rb"(?:[" + TOKEN_CHARS + rb"]|\\[^\x00-\x20]|" + BLANK + rb")*")
DIGITS = re.compile(rb"[0-9]+")

UNRESERVED = rb"A-Za-z0-9\-_.!~*'()"
ESCAPED = rb"%[0-9A-Fa-f]{2}"


def trim(value: bytes) -> bytes:
    """The value without the LWS around it (header values never end in a bare CR or LF)."""
    return value.strip(b" \t\r\n")


class Reader:
    """A place in a header value."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """The match at this place, and the place moves behind it."""
        match = pattern.match(self.data, self.at)
        if match:
            self.at = match.end()
        return match

    def sign(self, byte: bytes) -> bool:
        """SEMI, EQUAL, SLASH, COLON, COMMA, RAQUOT: the sign with LWS on both sides; False and no move without it."""
        start = self.at
        self.take(SWS)
        if self.data[self.at : self.at + 1] == byte:
            self.at += 1
            self.take(SWS)
            return True
        self.at = start
        return False

    def done(self) -> bool:
        """Is nothing but LWS left?"""
        return not trim(self.data[self.at :])
