"""A SIP message read by the letter: RFC 3261 §7 and §25, and the headers of RFC 3323, 3325, 3515, 5806, 7044.

``parse`` gives the dict that ``edge_agent._hot.parse`` gives. Unlike the engine it doesn't stop at the first
fault: ``reasons`` of an error holds every reason that a reader may name, whatever order it reads in.
It never answers, never screens, and never repairs a message.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, TypedDict

from tests.oracle.grammar import DIGITS, LWS, SWS, TOKEN, Reader, trim
from tests.oracle.uri import HOST_ONLY, Address, Uri, good_host, good_port, is_ipv6, read_list, read_params, read_uri

MAX_ROWS = 256
MAX_VIAS = 70
MAX_HEADER_BYTES = 32768
MAX_IDENTITIES = 12
MAX_CALL_ID = 512
MAX_METHOD = 64
SHORTEST = 12  # bytes; less can't hold a start line

COMPACT = {
    b"a": b"accept-contact", b"b": b"referred-by", b"c": b"content-type", b"d": b"request-disposition",
    b"e": b"content-encoding", b"f": b"from", b"i": b"call-id", b"j": b"reject-contact", b"k": b"supported",
    b"l": b"content-length", b"m": b"contact", b"o": b"event", b"r": b"refer-to", b"s": b"subject", b"t": b"to",
    b"u": b"allow-events", b"v": b"via", b"x": b"session-expires", b"y": b"identity",
}  # fmt: skip

# Headers whose grammar is one value and no comma list (RFC 3261 §20 and the RFCs of the extensions).
SINGLE = frozenset(
    b"from to call-id cseq max-forwards content-length content-type user-agent server date subject expires "
    b"session-expires min-se min-expires refer-to referred-by priority organization mime-version timestamp event "
    b"content-disposition reply-to rseq rack target-dialog replaces join p-charge-info retry-after".split()
)
MANDATORY = (b"via", b"from", b"to", b"call-id", b"cseq")
IDENTITIES = (b"p-asserted-identity", b"p-preferred-identity", b"remote-party-id", b"diversion", b"history-info")
COOKIE = b"z9hg4bk"  # RFC 3261 §8.1.1.7, compared without case (§7.3.1)

REQUEST_LINE = re.compile(rb"([^ ]+) ([^ ]+) SIP/([0-9]+\.[0-9]+)", re.IGNORECASE)
STATUS_LINE = re.compile(rb"SIP/([0-9]+\.[0-9]+) ([1-6][0-9][0-9]) [^\r\n]*", re.IGNORECASE)
WORD = rb"[A-Za-z0-9\-.!%*_+`'~()<>:\\\"/\[\]?{}]+"
CALL_ID = re.compile(WORD + rb"(?:@" + WORD + rb")?")
HEADER_LINE = re.compile(rb"([^\x00-\x20:\x7f-\xff]+)[ \t]*:(.*)", re.DOTALL)
END_OF_LINE = re.compile(rb"\r\n(?![ \t])")
BARE_LINE_END = re.compile(rb"\r(?!\n)|(?<!\r)\n")


class Via(TypedDict):
    """``rport`` is -1 when absent and 0 without a value (RFC 3581)."""

    transport: bytes
    host: bytes
    port: int
    branch: bytes
    received: bytes
    rport: int


def parse(data: bytes) -> dict[str, Any]:
    """What the datagram says, or why it can't be read."""
    data = data.lstrip(b"\r\n")  # §7.5 names CRLF; a lone CR or LF hides nothing either
    if data[:1] in (b"", b"\0") or (len(data) < SHORTEST and not TOKEN.match(data)):
        return {"kind": "keepalive"}
    return _Message(data).result()


class _Message:
    def __init__(self, data: bytes) -> None:
        self.faults: list[str] = []
        self.out: dict[str, Any] = {}
        head, end, self.rest = data.partition(b"\r\n\r\n")
        if not end:
            self.fault("no-end")
        if len(head + end) > MAX_HEADER_BYTES:
            self.fault("too-large")
        if BARE_LINE_END.search(head):
            self.fault("line-end")
        if b"\r\n" not in data:
            self.fault("start-line")  # the start line itself has no end
        self.head_length = len(head + end)
        start, *rows = END_OF_LINE.split(head)
        self.start_line(start)
        self.headers: list[tuple[bytes, bytes]] = []
        self.rows(rows)
        if has_control_byte(head):
            self.fault("control-byte")
        if self.faults and re.search(rb"[\x00-\x1f\x7f]", start):
            self.fault("start-line")  # a blank or line end of the wrong kind between its parts
        self.single_values()
        self.vias()
        self.parties()
        self.sequence()
        self.lists()
        self.length()

    def fault(self, reason: str) -> None:
        if reason not in self.faults:
            self.faults.append(reason)

    def result(self) -> dict[str, Any]:
        if self.faults:
            return {**self.out, "kind": "error", "reason": self.faults[0], "reasons": frozenset(self.faults)}
        return self.out

    def values(self, name: bytes) -> list[bytes]:
        return [value for have, value in self.headers if have == name]

    def first(self, name: bytes) -> bytes:
        return next(iter(self.values(name)), b"")

    # --- the lines

    def start_line(self, line: bytes) -> None:
        self.out |= {"kind": "request", "method": "", "status": 0}
        status = STATUS_LINE.fullmatch(line)
        request = REQUEST_LINE.fullmatch(line)
        if status:
            self.out |= {"kind": "response", "status": int(status[2])}
        elif request and TOKEN.fullmatch(request[1]) and len(request[1]) <= MAX_METHOD:
            uri = read_uri(request[2])
            self.out |= {"method": request[1].decode(), "uri": uri}
            if uri is None:
                self.fault("request-uri")
        else:
            # Where the method ends, or the URI, or which version it is: of such a line each is a fair reading.
            for reason in ("start-line", "request-uri", "version"):
                self.fault(reason)
        version = (status or request or [b"", b"2.0", b"", b"2.0"])[1 if status else 3]
        if version != b"2.0":
            self.fault("version")
            if status:
                self.fault("start-line")
        if b"\r\n" in line:
            self.fault("header-name")  # a folded start line, or a first header that starts with a blank

    def rows(self, lines: list[bytes]) -> None:
        if len(lines) > MAX_ROWS:
            self.fault("too-many-headers")
        for line in lines:
            match = HEADER_LINE.fullmatch(line)
            if match is None or not TOKEN.fullmatch(match[1]):
                self.fault("header-name")
                continue
            name = match[1].lower()
            self.headers.append((COMPACT.get(name, name), trim(match[2])))
        self.out["headers"] = len(lines)

    def single_values(self) -> None:
        names = [name for name, _ in self.headers]
        for name in set(names):
            if name in SINGLE and names.count(name) > 1:
                self.fault("duplicate-header")
        for name in MANDATORY:
            if name not in names:
                self.fault("missing-header")

    # --- the headers

    def vias(self) -> None:
        vias: list[Via] = []
        for value in self.values(b"via"):
            reader = Reader(value)
            while True:
                via = read_via(reader)
                if via is None:
                    self.fault("via")
                    break
                vias.append(via)
                if not reader.sign(b","):
                    if not reader.done():
                        self.fault("via")
                    break
        if len(vias) > MAX_VIAS or (len(vias) == MAX_VIAS and "via" in self.faults):
            self.fault("too-many-vias")
        self.out |= {"via_count": len(vias), "vias": vias[:2]}

    def parties(self) -> None:
        """From and To: one address each, with at most one tag, which is a token."""
        for name in (b"from", b"to"):
            text = name.decode()
            addresses = read_list([value for value in self.values(name)[:1]])
            tag = None
            if addresses is not None and len(addresses) == 1:
                tags = [value for param, value in addresses[0].params if param == b"tag"]
                tag = tags[0] if len(tags) == 1 else (b"" if not tags else None)
                if tag and not TOKEN.fullmatch(tag):
                    tag = None
            if tag is None:
                if self.values(name):
                    self.fault(text)
                continue
            assert addresses is not None
            self.out |= {text: addresses[0].uri, f"{text}_tag": tag}

    def sequence(self) -> None:
        call_id = self.first(b"call-id")
        if self.values(b"call-id") and not (CALL_ID.fullmatch(call_id) and len(call_id) <= MAX_CALL_ID):
            self.fault("call-id")
        self.out["call_id"] = call_id
        reader = Reader(self.first(b"cseq"))
        number, blank, method = reader.take(DIGITS), reader.take(LWS), reader.take(TOKEN)
        if number and blank and method and reader.done() and int(number[0]) < 2**31:
            self.out |= {"cseq": int(number[0]), "cseq_method": method[0].decode()}
            if self.out["kind"] == "response":
                self.out["method"] = self.out["cseq_method"]
            elif self.out["method"] and self.out["method"] != self.out["cseq_method"]:
                self.fault("cseq-method")
        elif self.values(b"cseq"):
            self.fault("cseq")
        hops = self.first(b"max-forwards")
        self.out["max_forwards"] = -1
        if self.values(b"max-forwards"):
            if DIGITS.fullmatch(hops) and int(hops) <= 255:
                self.out["max_forwards"] = int(hops)
            else:
                self.fault("max-forwards")

    def lists(self) -> None:
        """Contact, Route, Record-Route, Refer-To and the headers that name a caller."""
        if read_list([value for value in self.values(b"contact") if value != b"*"]) is None:
            self.fault("contact")
        routes = read_list(self.values(b"route"), brackets=True)
        if routes is None or read_list(self.values(b"record-route"), brackets=True) is None:
            self.fault("route")
        refers = read_list(self.values(b"refer-to")[:1])
        if refers is None or len(refers) > 1:
            self.fault("identity-header")  # it names whom to call next, and has no reason of its own
        identities: list[tuple[str, Uri]] = []
        for name, value in self.headers:
            if name in IDENTITIES:
                addresses = read_list([value])
                if addresses is None:
                    self.fault("identity-header")
                else:
                    identities += [(name.decode(), address.uri) for address in addresses]
        for kind in ("p-asserted-identity", "p-preferred-identity"):
            tel = [uri["scheme"] == "tel" for have, uri in identities if have == kind]
            if tel.count(True) > 1 or tel.count(False) > 1:  # RFC 3325 §9.1
                self.fault("identity-header")
        if len(identities) > MAX_IDENTITIES:
            self.fault("identity-header")
        self.out |= {
            "identities": identities,
            "routes": [route.uri for route in routes or []][:8],
            "refer_to": refers[0].uri if refers else None,
            "user_agent": self.first(b"user-agent"),
            "privacy": next(filter(None, self.values(b"privacy")), b""),
            "content_type": self.first(b"content-type"),
        }

    def length(self) -> None:
        written = self.first(b"content-length")
        self.out |= {"content_length": -1, "length": self.head_length + len(self.rest)}
        if self.values(b"content-length"):
            if DIGITS.fullmatch(written) and int(written) <= len(self.rest):
                self.out |= {"content_length": int(written), "length": self.head_length + int(written)}
            else:
                self.fault("content-length")


def read_via(reader: Reader) -> Via | None:
    """via-parm: sent-protocol LWS sent-by *( SEMI via-params )."""
    reader.take(SWS)
    name = reader.take(TOKEN)
    version = reader.take(TOKEN) if reader.sign(b"/") else None
    transport = reader.take(TOKEN) if reader.sign(b"/") else None
    if not (name and version and transport and reader.take(LWS)):
        return None
    if (name[0].upper(), version[0]) != (b"SIP", b"2.0"):
        return None
    match = reader.take(HOST_ONLY)
    host = good_host(match) if match else None
    port: int | None = 0
    if reader.sign(b":"):
        digits = reader.take(DIGITS)
        port = good_port(digits[0]) if digits else None
    params = read_params(reader)
    if host is None or port is None or params is None:
        return None
    branch, received, rport = b"", b"", -1
    for param, value in params:
        if [have for have, _ in params].count(param) > 1 and param in (b"branch", b"received", b"rport"):
            return None
        if param == b"branch":
            branch = value or b""
            if not TOKEN.fullmatch(branch) or branch.lower() == COOKIE:
                return None
        elif param == b"received":
            received = value or b""
            if not is_address(received):
                return None
        elif param == b"rport":
            read_port = good_port(value)
            if read_port is None:
                return None
            rport = read_port
    return Via(transport=transport[0], host=host, port=port, branch=branch, received=received, rport=rport)


def is_address(text: bytes) -> bool:
    """An IPv4 or IPv6 address, as ``received`` must be; the latter in brackets too (RFC 5118 §4.5)."""
    if re.fullmatch(rb"\[.*\]", text):
        return is_ipv6(text[1:-1])
    try:
        ipaddress.IPv4Address(text.decode("ascii"))
    except ValueError:
        return is_ipv6(text)
    return True


def has_control_byte(head: bytes) -> bool:
    """A NUL or control byte other than TAB and line ends, that isn't the second half of a quoted-pair."""
    quoted = False
    at = 0
    while at < len(head):
        byte = head[at]
        if quoted and byte == 0x5C and head[at + 1 : at + 2] not in (b"", b"\r", b"\n"):
            at += 2  # a backslash takes the next byte with it
            continue
        if byte == 0x22:
            quoted = not quoted
        elif head.startswith(b"\r\n", at) and head[at + 2 : at + 3] not in (b" ", b"\t"):
            quoted = False  # a quoted string ends with its header
        elif (byte < 0x20 and byte not in b"\t\r\n") or byte == 0x7F:
            return True
        at += 1
    return False


def serialise(message: dict[str, Any]) -> bytes:
    """The parsed part of a message, written plainly again: long names, no folding, no body."""
    lines: list[bytes] = []
    if message["kind"] == "request":
        lines.append(b"%s %s SIP/2.0" % (message["method"].encode(), _uri(message["uri"])))
    else:
        lines.append(b"SIP/2.0 %d OK" % message["status"])
    for via in message["vias"]:
        lines.append(b"Via: " + _via(via))
    for name in ("from", "to"):
        tag = message[f"{name}_tag"]
        lines.append(name.encode() + b": " + _address(message[name]) + (b";tag=" + tag if tag else b""))
    lines.append(b"Call-ID: " + message["call_id"])
    lines.append(b"CSeq: %d %s" % (message["cseq"], message["cseq_method"].encode()))
    if message["max_forwards"] >= 0:
        lines.append(b"Max-Forwards: %d" % message["max_forwards"])
    lines += [name.encode() + b": " + _address(uri) for name, uri in message["identities"]]
    lines += [b"Route: " + _address(uri) for uri in message["routes"]]
    if message["refer_to"] is not None:
        lines.append(b"Refer-To: " + _address(message["refer_to"]))
    for key in ("user_agent", "privacy", "content_type"):
        if message[key]:
            lines.append(key.replace("_", "-").encode() + b": " + message[key])
    return b"\r\n".join([*lines, b"Content-Length: 0", b"", b""])


def _uri(uri: Uri) -> bytes:
    if uri["scheme"] == "urn":
        return b"urn:" + uri["host"]
    if uri["scheme"] == "other":
        return b"other:" + b"opaque"
    host = b"[" + uri["host"] + b"]" if b":" in uri["host"] else uri["host"]
    port = b":%d" % uri["port"] if uri["port"] else b""
    at = b"@" if uri["user"] and host else b""
    return uri["scheme"].encode() + b":" + uri["user"] + at + host + port


def _address(uri: Uri) -> bytes:
    display = b'"' + uri["display"] + b'" ' if uri["display"] else b""
    return display + b"<" + _uri(uri) + b">"


def _via(via: Via) -> bytes:
    host = b"[" + via["host"] + b"]" if b":" in via["host"] else via["host"]
    text = b"SIP/2.0/" + via["transport"] + b" " + host + (b":%d" % via["port"] if via["port"] else b"")
    if via["received"]:
        text += b";received=" + via["received"]
    if via["rport"] >= 0:
        text += b";rport" + (b"=%d" % via["rport"] if via["rport"] else b"")
    return text + (b";branch=" + via["branch"] if via["branch"] else b"")


__all__ = ["Address", "Uri", "Via", "parse", "serialise"]
