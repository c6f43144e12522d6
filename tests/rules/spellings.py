"""The same number, and the same message, written in other ways. It holds no test of its own.

Whoever forges a caller ID writes it so that a filter misreads it; whoever owns
one may write it in any of these ways.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.proxy.message import Header, Message


def users(number: str) -> dict[str, str]:
    """User parts of one US number, given as +1NXXNXXXXXX: each is that number and no other."""
    national = number[2:]
    area, exchange, line = national[:3], national[3:6], national[6:]
    return {
        "E.164": number,
        "without +": number[1:],
        "national": national,
        "international prefix": f"011{number[1:]}",
        "escaped +": f"%2B{number[1:]}",
        "escaped + in small letters": f"%2b{number[1:]}",
        "every digit escaped": "".join(f"%{ord(c):02X}" for c in number),
        "hyphens": f"+1-{area}-{exchange}-{line}",
        "dots": f"+1.{area}.{exchange}.{line}",
        "brackets": f"+1({area}){exchange}-{line}",
        "national with brackets": f"({area}){exchange}-{line}",
        "escaped hyphens": f"1%2D{area}%2d{exchange}{line}",
        "npdi": f"{number};npdi",
        "npdi and another routing number": f"{number};npdi;rn=+16465550000",
        "verstat": f"{number};verstat=TN-Validation-Passed",
        "phone-context of its country": f"{national};phone-context=+1",
        "ext": f"{number};ext=77",
        "isub and postd": f"{number};isub=1234;postd=p22",
        "tgrp": f"{number};tgrp=tg1;trunk-context=example.net",
        "password": f"{number}:+16465550000",
        "parameters and password": f"{number};npdi:secret",
    }


ROUTING = ("npdi and another routing number", "tgrp")


def callees(number: str) -> dict[str, str]:
    """The same for a called number: without routing parameters, which a customer may not set."""
    return {name: user for name, user in users(number).items() if name not in ROUTING}


def uris(number: str) -> dict[str, str]:
    """Whole From values of one US number."""
    national = number[2:]
    written = {f"user: {name}": f"<sip:{user}@pbx.example>" for name, user in users(number).items()}
    return written | {
        "user=phone": f"<sip:{number}@pbx.example;user=phone>",
        "display name": f'"Reception" <sip:{number}@pbx.example>',
        "bare display name": f"Reception <sip:{number}@pbx.example>",
        "display name of another number": f'"+16465550000" <sip:{number}@pbx.example>',
        "display name with a URI": f'"a \\"b\\" <sip:+16465550000@x>" <sip:{number}@pbx.example>',
        "without brackets": f"sip:{number}@pbx.example",
        "sips": f"<sips:{number}@pbx.example>",
        "SIP": f"<SIP:{number}@PBX.example>",
        "tel": f"<tel:{number}>",
        "TEL without brackets": f"TEL:{number}",
        "tel with separators": f"<tel:+1-{national[:3]}.{national[3:6]}({national[6:]})>",
        "tel, local": f"<tel:{national};phone-context=+1>",
        "IPv4 host": f"<sip:{number}@198.51.100.10>",
        "IPv6 host and port": f"<sip:{number}@[2001:db8::9]:5070>",
        "trailing dot": f"<sip:{number}@pbx.example.:5060>",
        "URI parameters": f"<sip:{number}@pbx.example;transport=udp;x=+16465550000>",
    }


def _renamed(name: str, to: str) -> Callable[[Message], Message]:
    def apply(sent: Message) -> Message:
        return replace(sent, headers=tuple((to if header == name else header, value) for header, value in sent.headers))

    return apply


def _folded(name: str, fold: str) -> Callable[[Message], Message]:
    def change(header: Header) -> Header:
        return (header[0], header[1].replace(";tag", f"{fold};tag")) if header[0] == name else header

    def apply(sent: Message) -> Message:
        return replace(sent, headers=tuple(change(header) for header in sent.headers))

    return apply


def _last(name: str) -> Callable[[Message], Message]:
    def apply(sent: Message) -> Message:
        moved = [header for header in sent.headers if header[0] == name]
        return replace(sent, headers=(*[header for header in sent.headers if header[0] != name], *moved))

    return apply


def _folded_before(name: str) -> Callable[[Message], Message]:
    def change(header: Header) -> Header:
        return (name, f"\r\n\t {header[1]}") if header[0] == name else header

    def apply(sent: Message) -> Message:
        return replace(sent, headers=tuple(change(header) for header in sent.headers))

    return apply


# The From of a message, written so that only a reader who knows the grammar sees it.
FROM_LINES: dict[str, Callable[[Message], Message]] = {
    "compact": _renamed("From", "f"),
    "compact capital": _renamed("From", "F"),
    "small letters": _renamed("From", "from"),
    "capitals": _renamed("From", "FROM"),
    "blank before the colon": _renamed("From", "From "),
    "tabs before the colon": _renamed("From", "f\t \t"),
    "folded in the middle": _folded("From", "\r\n "),
    "folded by a tab": _folded("From", " \r\n\t"),
    "folded before the value": _folded_before("From"),
    "last of all headers": _last("From"),
}
