"""URIs (RFC 3261 §19.1, RFC 3966, RFC 2141) and the addresses around them (name-addr, addr-spec, parameters).

It says what is written in them; whether a host or a number is wanted is for the rules. It never resolves a name.
The opaque part of a scheme that SIP doesn't route, and what stands behind the "?" of one that it does, are looked
at for their characters only.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple, TypedDict
from urllib.parse import unquote_to_bytes

from tests.oracle.grammar import ESCAPED, QUOTED, SWS, TOKEN, UNRESERVED, VALUE, WORDS, Reader, trim


class Uri(TypedDict):
    """``user`` is raw, up to its first ";" or ":"; ``number`` is what it dials, "" when it is no number."""

    scheme: str
    user: bytes
    host: bytes
    port: int
    number: str
    display: bytes


class Address(NamedTuple):
    """One value of From, To, Contact, Route or an identity header."""

    uri: Uri
    params: tuple[tuple[bytes, bytes | None], ...]  # names in lower case; None: no value
    bracketed: bool


USERINFO = rb"(?:[" + UNRESERVED + rb"&=+$,;?/#:]|" + ESCAPED + rb")+"
PARAM_CHARS = UNRESERVED + rb"\[\]/:&+$"
PARAM = rb"(?:[" + PARAM_CHARS + rb"]|" + ESCAPED + rb")+"
# Equipment writes "<sip:host; lr>": a blank there has one reading only.
PARAMS = rb"(?:; *" + PARAM + rb"(?:=" + PARAM + rb")?)*"
HEADERS = rb"\?(?:[" + PARAM_CHARS + rb"?=]|" + ESCAPED + rb")+"
HOST = rb"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))"

SIP = re.compile(
    rb"(?P<scheme>sips?):"
    rb"(?:(?P<user>" + USERINFO + rb")@)?" + HOST + rb"(?::(?P<port>[0-9]+))?" + PARAMS + rb"(?:" + HEADERS + rb")?",
    re.IGNORECASE,
)
# RFC 3966 §3, and more: a local number without its phone-context, as phones dial "tel:911", RFC 2806's pauses, and
# escapes, so that no emergency call is refused for how it is written.
TEL = re.compile(rb"(?P<scheme>tel):(?P<user>[0-9A-FPW*#+%\-.()]+)" + PARAMS, re.IGNORECASE)
OTHER = re.compile(rb"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>[!#-;=?-Z_a-z~]+)")
BARE = re.compile(rb'[^;,?<>" \t\r\n]+')
HOST_ONLY = re.compile(HOST)
BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
SEPARATORS = re.compile(rb"[\-.()]")


def is_ipv6(text: bytes) -> bool:
    """An IPv6 address; three colons stand for two (RFC 5118 §4.10)."""
    if b"%" in text:  # a zone means something on one host only, and SIP's grammar has none
        return False
    try:
        ipaddress.IPv6Address(text.decode("ascii").replace(":::", "::"))
    except ValueError:
        return False
    return True


def good_host(match: re.Match[bytes]) -> bytes | None:
    """The host of a match with the groups of HOST, without brackets; None when it can't be one."""
    reference, name = match["v6"], match["name"]
    if reference is not None:
        return reference if is_ipv6(reference) else None
    return name


def good_port(text: bytes | None) -> int | None:
    """0 for no port, None for one that can't be."""
    if text is None:
        return 0
    return int(text) if text.isdigit() and 1 <= int(text) <= 65535 else None


def dialled(user: bytes) -> str:
    """What a user part dials: escapes decoded once, visual separators dropped.

    More than the 15 digits of E.164 §6 are no number.
    """
    if BAD_ESCAPE.search(user):
        return ""
    digits = SEPARATORS.sub(b"", unquote_to_bytes(user))
    return digits.decode() if re.fullmatch(rb"\+?[0-9]{1,15}", digits) else ""


def read_uri(raw: bytes, display: bytes = b"") -> Uri | None:
    """The URI that the whole of ``raw`` is, or None."""
    scheme = raw.partition(b":")[0].lower()
    user = host = b""
    number, port = "", 0
    if scheme in (b"sip", b"sips"):
        match = SIP.fullmatch(raw)
        read_host = good_host(match) if match else None
        read_port = good_port(match["port"]) if match else None
        if match is None or read_host is None or read_port is None:
            return None
        user, host, port = match["user"] or b"", read_host, read_port
        user = re.split(rb"[;:]", user)[0]  # what follows are parameters of a telephone-subscriber, or a password
        number = dialled(user)
    elif scheme == b"tel":
        match = TEL.fullmatch(raw)
        if match is None:
            return None
        user = match["user"]
        number = dialled(user)
    else:
        match = OTHER.fullmatch(raw)
        if match is None:
            return None
        if scheme == b"urn":
            host = match["rest"]
        else:
            scheme = b"other"
    return Uri(scheme=scheme.decode(), user=user, host=host, port=port, number=number, display=display)


def read_address(reader: Reader) -> Address | None:
    """name-addr or addr-spec with its header parameters, or None.

    Without angle brackets the URI ends at the first ";" and may hold no "?" and no "," (§20.10).
    """
    reader.take(SWS)
    start = reader.at
    quoted = reader.take(QUOTED)
    if quoted:
        display = quoted[1]
        reader.take(SWS)
    else:
        words = reader.take(WORDS)
        display = trim(words[0]) if words else b""
    bracketed = reader.data[reader.at : reader.at + 1] == b"<"
    if bracketed:
        end = reader.data.find(b">", reader.at)
        if end < 0:
            return None
        uri = read_uri(reader.data[reader.at + 1 : end], display)
        reader.at = end + 1
    else:
        reader.at = start
        bare = reader.take(BARE)
        uri = read_uri(bare[0]) if bare else None
    params = read_params(reader)
    if uri is None or params is None:
        return None
    return Address(uri, params, bracketed)


def read_params(reader: Reader) -> tuple[tuple[bytes, bytes | None], ...] | None:
    """*( SEMI generic-param ), None when one can't be read."""
    params: list[tuple[bytes, bytes | None]] = []
    while reader.sign(b";"):
        name = reader.take(TOKEN)
        if name is None:
            return None
        value: bytes | None = None
        if reader.sign(b"="):
            match = reader.take(QUOTED) or reader.take(VALUE)
            if match is None:
                return None
            value = match[0]
        params.append((name[0].lower(), value))
    return tuple(params)


def read_list(values: list[bytes], *, brackets: bool = False) -> list[Address] | None:
    """All addresses of the rows of one header, comma lists taken apart; None when one can't be read."""
    addresses: list[Address] = []
    for value in values:
        reader = Reader(value)
        while True:
            address = read_address(reader)
            if address is None or (brackets and not address.bracketed):
                return None
            addresses.append(address)
            if not reader.sign(b","):
                break
        if not reader.done():
            return None
    return addresses
