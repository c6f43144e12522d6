"""Makes SIP messages out of choices: every form that the grammar allows, and mutations that it may not.

All choices come from the ``random.Random`` that is handed in, so Hypothesis can shrink them and the fuzzer can
repeat them. It never judges what it made; that is the oracle's part.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

CRLF = b"\r\n"
METHODS = (b"INVITE", b"ACK", b"BYE", b"CANCEL", b"OPTIONS", b"REFER", b"UPDATE", b"REGISTER", b"MESSAGE", b"odd-1!")
TOKENS = (
    b"a",
    b"tag",
    b"x9",
    b"lr",
    b"ob",
    b"transport",
    b"q",
    b"user",
    b"cpc",
    b"isup-oli",
    b"verstat",
    b"n%20'`~_+*.!-1",
)
HOSTS = (
    b"a.example.org", b"cloud.example.net", b"192.0.2.9", b"[2001:db8::9]", b"[::ffff:192.0.2.9]", b"x",
    b"h-1.example.org.", b"host_1", b"[2001:db8:::7]",
)  # fmt: skip
USERS = (
    b"wren", b"+12125550123", b"12125550123", b"2125550123", b"%2B12125550123", b"911", b"+1-212-555-0123",
    b"(212)555.0123", b"+12125550123;phone-context=x", b"*67911", b"911%23", b"o%74is", b"a;b=c", b"a?b", b"+", b"--",
    b"9112,,3", b"%39%31%31", b"+441632960123", b"00441632960123", b"1" * 15, b"+" + b"9" * 15, b"1" * 16,
    b"+" + b"7" * 40, b"anonymous", b"0", b"%00", b"+12125550123;verstat=x", b"wren;%56erstat;a=b;VERSTAT",
)  # fmt: skip
DISPLAYS = (
    b"", b"", b"Wren ", b"wren", b"Wren A. Otis ", b'"Wren, Ada" ', b'""', b'"+1 (212) 555-0123"', b'"a \\" b" ',
    b'"\\\\" ', b'"a\r\n b" ', '"Zoë" '.encode(), b'"<sip:x@y>" ', b'"\\\x07" ', b"~'`*_ \t",
)  # fmt: skip
EXTRAS = (
    b"Supported", b"k", b"Allow", b"X-Edge-1", b"Subject", b"s", b"Organization", b"Priority", b"Date", b"Accept",
    b"Require", b"Session-Expires", b"x", b"Min-SE", b"Event", b"o", b"MIME-Version", b"Timestamp", b"Server",
    b"C%6Fntact", b"Warning", b"Resource-Priority", b"P-Charge-Info", b"x-eDge-", b"X-Edge-a.b",
)  # fmt: skip
VALUES = (
    b"", b"timer", b"a, b", b"100rel ,\r\n timer", b'"q\\" \\x" ;x=,;;', "Grüße".encode(), b"1.0", b"<>@,;:\\/[]?={}",
    b"90", b"emergency", b"ets.0, x.1", b"resource-priority",
)  # fmt: skip
COMPACT = {
    b"via": b"v", b"from": b"f", b"to": b"t", b"call-id": b"i", b"contact": b"m", b"content-length": b"l",
    b"content-type": b"c", b"refer-to": b"r", b"referred-by": b"b",
}  # fmt: skip
BARE = (b"sip:wren@a.example.org", b"tel:911", b"sip:a.example.org:5062", b"sips:+12125550123@[2001:db8::9]")
LISTS = (b"Contact", b"Route", b"Record-Route", b"P-Asserted-Identity", b"P-Preferred-Identity", b"Remote-Party-ID",
         b"Diversion", b"History-Info")  # fmt: skip
PIECES = (
    b"\r\n", b"\n", b"\r", b"\r\n ", b"\r\n\r\n", b" ", b"\t", b"\x00", b"\x7f", b"\xff", b":", b";", b",", b"<",
    b">", b'"', b"\\", b"@", b"?", b"=", b"/", b"%", b"%4", b"%00", b"[", b"]", b"[::1]", b":::", b"+", b"*", b"#",
    b"SIP/2.0", b"sip:", b"sips:", b"tel:", b"urn:service:sos", b"z9hG4bK", b";branch=z9hG4bK", b";tag=",
    b";tag=a;tag=b", b";rport", b";rport=0", b";lr", b";received=[2001:db8::1]", b"Content-Length: 0\r\n",
    b"l : 5\r\n", b"Via: SIP/2.0/UDP a\r\n", b"From: <sip:a@b>\r\n", b"99999999999", b"2147483648", b"65536", b"-1",
    b"0", b"256",
)  # fmt: skip


class Maker:
    """One source of choices and what can be made of it."""

    def __init__(self, choices: random.Random) -> None:
        self.rng = choices

    def chance(self, one_in: int) -> bool:
        return self.rng.randrange(one_in) == one_in - 1  # 0 is the plain choice, so that shrinking ends

    def pick(self, options: Sequence[bytes]) -> bytes:
        return options[self.rng.randrange(len(options))]

    def blank(self) -> bytes:
        """SWS: mostly nothing."""
        return self.pick((b"", b"", b"", b"", b" ", b"\t", b"\r\n ", b" \r\n\t ")) if self.odd else b""

    odd = True

    def params(self, most: int = 2) -> bytes:
        out = b""
        for n in range(self.rng.randrange(most + 1)):
            out += self.blank() + b";" + self.blank() + self.pick(TOKENS) + b"%d" % n
            if self.chance(2):
                value = self.pick((b"yes", b"1", b'"a;b"', b'"\\""', b"[2001:db8::4]", b"host.example.org"))
                out += self.blank() + b"=" + self.blank() + value
        return out

    def uri_params(self) -> bytes:
        out = b""
        for n in range(self.rng.randrange(3)):
            out += b";" + self.pick((b"lr", b"user=phone", b"transport=udp", b"maddr=192.0.2.1", b"x=%41[]/:&+$"))
            out += b"%d" % n if self.chance(3) else b""
        return out

    def sip_uri(self) -> bytes:
        user = self.pick(USERS) + self.pick((b"", b"", b":", b":pa$s&,=+")) + b"@" if not self.chance(6) else b""
        port = b":%d" % self.rng.randrange(1, 65536) if self.chance(3) else b""
        headers = self.pick((b"?a=b", b"?Route=%3Csip:x%3E&b=")) if self.chance(8) else b""
        scheme = self.pick((b"sip:", b"sip:", b"sip:", b"sips:", b"SIP:"))
        return scheme + user + self.pick(HOSTS) + port + self.uri_params() + headers

    def tel_uri(self) -> bytes:
        number = self.pick((b"+12125550123", b"911", b"+1-(212)-555.0123", b"7041", b"*67911", b"911#", b"0A0b"))
        return b"tel:" + number + self.pick((b"", b"", b";phone-context=+1", b";phone-context=example.org;ext=7"))

    def uri(self) -> bytes:
        kind = self.rng.randrange(10)
        if kind < 7:
            return self.sip_uri()
        if kind < 9:
            return self.tel_uri()
        return self.pick(
            (b"urn:service:sos", b"urn:service:test.sos", b"urn:service:sos.fire", b"http://a/b?c=d", b"x:y")
        )

    def address(self, *, brackets: bool = False) -> bytes:
        if not brackets and self.chance(4):
            return self.pick(BARE)
        return self.pick(DISPLAYS) + b"<" + self.uri() + b">"

    def via(self) -> bytes:
        slash = self.blank() + b"/" + self.blank()
        colon = self.blank() + b":" + self.blank()
        protocol = b"SIP" + slash + b"2.0" + slash + self.pick((b"UDP", b"TCP", b"TLS", b"ws", b"X-1"))
        host = self.pick(HOSTS) + (colon + b"%d" % self.rng.randrange(1, 65536) if self.chance(3) else b"")
        out = protocol + (b" " if not self.chance(6) else b"\r\n\t ") + host
        params = [b"branch=z9hG4bK%d" % self.rng.randrange(1000)] if not self.chance(6) else []
        if self.chance(2):
            params.append(self.pick((b"rport", b"rport=5061", b"rport = 9")))
        if self.chance(4):
            params.append(self.pick((b"received=192.0.2.4", b"received=2001:db8::4", b"received=[2001:db8::4]")))
        if self.chance(4):
            params.append(self.pick((b"maddr=a.example.org", b"ttl=5", b"x", b'alias="1"', b"oc=0")))
        self.rng.shuffle(params)
        return out + b"".join(self.blank() + b";" + self.blank() + param for param in params)

    def commas(self, one: Callable[[], bytes]) -> bytes:
        out = one()
        while self.chance(4):
            out += self.blank() + b"," + self.blank() + one()
        return out

    def line(self, name: bytes, value: bytes) -> bytes:
        short = COMPACT.get(name.lower())
        if short and self.chance(3):
            name = short
        if self.chance(4):
            name = name.upper() if self.chance(2) else name.lower()
        before = self.pick((b" ", b"\t", b"  ")) if self.chance(8) else b""
        after = b" " if not self.chance(6) else self.pick((b"", b"\t ", b"\r\n "))
        return name + before + b":" + after + value + (b" " if self.chance(12) else b"") + CRLF

    def again(self, known: bytes) -> bytes:
        """An address that was written before, without its display name; now and then with another number."""
        known = known[max(known.rfind(b"<"), 0) :]
        if self.chance(4):
            user, at, host = known.partition(b"@")
            known = user.replace(b"1", b"2", 1) + at + host if at else known
        return known

    def identity_rows(self, known: bytes) -> list[bytes]:
        """Rows of LISTS; at most one PAI and one PPI value of a kind. Some name the one who is known from From."""
        rows: list[bytes] = []
        used: set[bytes] = set()
        for _ in range(self.rng.randrange(4)):
            name = self.pick(LISTS)
            if name.startswith(b"P-"):
                if name not in used:
                    one = self.pick((self.again(known), self.address())) if self.chance(2) else self.pair()
                    rows.append(self.line(name, one))
                used.add(name)
            else:
                each = self.route if name.endswith(b"oute") else self.contact
                plain = self.chance(3) and not name.endswith(b"oute")
                rows.append(self.line(name, self.again(known) if plain else self.commas(each)))
        return rows

    def route(self) -> bytes:
        return self.address(brackets=True) + self.params(1)

    def contact(self) -> bytes:
        return self.address() + self.params(1)

    def pair(self) -> bytes:
        comma = self.blank() + b"," + self.blank()
        return self.pick(DISPLAYS) + b"<" + self.sip_uri() + b">" + comma + b"<" + self.tel_uri() + b">"

    def message(self, *, odd: bool = True) -> bytes:
        """A message that the grammar allows. ``odd``: blanks and folds wherever LWS may stand."""
        self.odd = odd
        method = self.pick(METHODS)
        body = self.pick((b"", b"v=0\r\n", b"\x00\r\n\r\nx"))
        if self.chance(5):
            phrase = self.pick((b"", b"OK", b"Not Found", "né".encode()))
            start = b"SIP/2.0 %d %s" % (self.rng.randrange(100, 700), phrase)
        else:
            start = method + b" " + self.uri() + b" SIP/2.0"
        from_tag = b";tag=f%d" % self.rng.randrange(99) if not self.chance(5) else b""
        caller = self.address()
        rows = [
            self.line(b"Via", self.commas(self.via)),
            self.line(b"From", caller + self.params(1) + from_tag),
            self.line(b"To", self.address() + (b";tag=t1" if self.chance(3) else b"") + self.params(1)),
            self.line(b"Call-ID", self.pick((b"1@a", b"a84b4c76e66710@pc33", b'<>:\\/"[]?{}()', b"x" * 80))),
            self.line(b"CSeq", b"%d%s%s" % (self.rng.randrange(2**31), self.pick((b" ", b"  ", b"\r\n ")), method)),
        ]
        if not self.chance(4):
            rows.append(self.line(b"Max-Forwards", b"%d" % self.rng.randrange(256)))
        if not self.chance(3):
            rows.append(self.line(b"Content-Length", b"%d" % len(body)))
            body += b"more" if self.chance(6) else b""
        if self.chance(4):
            rows.append(self.line(b"Via", self.via()))
        if self.chance(4):
            rows.append(self.line(b"User-Agent", self.pick(VALUES)))
        if self.chance(4):
            rows.append(self.line(b"Content-Type", self.pick((b"application/sdp", b'multipart/mixed; boundary="x"'))))
        if self.chance(6):
            rows.append(self.line(b"Privacy", self.pick((b"id", b"none", b"header;id;critical"))))
        if self.chance(6):
            rows.append(self.line(b"Refer-To", self.address()))
        rows += self.identity_rows(caller)
        extras = {self.pick(EXTRAS) for _ in range(self.rng.randrange(4))} - {b"x", b"s", b"o"}
        rows += [self.line(name, self.pick(VALUES)) for name in sorted(extras)]
        self.rng.shuffle(rows)
        return (CRLF if self.chance(12) else b"") + start + CRLF + b"".join(rows) + CRLF + body

    def mutate(self, data: bytes, most: int = 3) -> bytes:
        """The message with one to ``most`` changes, of any kind and anywhere, most of them in the header."""
        for _ in range(1 + self.rng.randrange(most)):
            data = self.change(data)
        return data

    def change(self, data: bytes) -> bytes:
        end = max(1, data.find(b"\r\n\r\n") + 4 if not self.chance(12) else len(data))
        at = self.rng.randrange(end)
        kind = self.rng.randrange(9)
        if kind == 0:
            return data[:at] + bytes([self.rng.randrange(256)]) + data[at + 1 :]
        if kind in (1, 2):
            return data[:at] + self.pick(PIECES) + data[at:]
        if kind == 3:
            return data[:at] + data[at + 1 + self.rng.randrange(4) :]
        if kind == 4:
            return data[:at] + self.pick(PIECES) + data[at + 1 + self.rng.randrange(8) :]
        if kind == 5:
            return data[:at]
        lines = data.split(CRLF)
        one, two = self.rng.randrange(len(lines)), self.rng.randrange(len(lines))
        if kind == 6:
            lines.insert(two, lines[one])
        elif kind == 7:
            lines[one], lines[two] = lines[two], lines[one]
        else:
            del lines[one]
        return CRLF.join(lines)
