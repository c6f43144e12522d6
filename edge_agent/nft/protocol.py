"""What agent and helper say to each other: one JSON object a line, over a unix socket. Pure.

    agent    {"op": "reset", "listeners": [["udp", "198.51.100.5", 5060]]}    forget all; these ports are SIP
             {"op": "ban", "bans": [["203.0.113.7/32", 59.5], …]}             seconds from now; replaces
             {"op": "lift", "networks": ["203.0.113.7/32", …]}
             {"op": "filled"}                                                 after reset: that is all of them
    helper   {"state": "on", "elements": 1, "dropped_packets": 0, …}          a Report, each second

Whatever isn't exactly that ends the connection. Nothing that was read goes into
a command as text: networks and addresses are parsed and written anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from ipaddress import ip_address
from itertools import islice
from typing import Any, NamedTuple

from edge_agent.bans.networks import BadNetwork, read_network

TABLE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
SOCKET = "/run/edge-agent-nft/control.sock"
LINE_LIMIT = 65536
CHUNK = 500  # networks per line
SECONDS_LIMIT = 366 * 86400.0
LISTENERS_LIMIT = 64
NETWORKS_LIMIT = 100_000  # more than the engine's table holds
LOWEST_PORT = 1024  # the agent holds no capability, so what is below isn't SIP but somebody else's: ssh, say
TRANSPORTS = ("udp", "tcp")


class ProtocolError(ValueError):
    """The other side said something that has no meaning here."""


class Listener(NamedTuple):
    """Where SIP comes in. An unspecified address stands for every one of its family, and "::" for both."""

    transport: str
    address: str
    port: int


@dataclass(frozen=True)
class Reset:
    listeners: tuple[Listener, ...]


@dataclass(frozen=True)
class BanSome:
    bans: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class LiftSome:
    networks: tuple[str, ...]


@dataclass(frozen=True)
class Filled:
    pass


Message = Reset | BanSome | LiftSome | Filled


@dataclass(frozen=True)
class Report:
    """What the helper tells of the kernel."""

    state: str
    """"filling", "on" or "failing"."""
    elements: int = 0
    dropped_packets: int = 0
    dropped_bytes: int = 0
    drifts: int = 0
    """How often the kernel held something else than it should."""
    drift: str = ""
    """What was found the last time."""
    error: str = ""


def read_message(line: bytes) -> Message:
    """A line of the agent's."""
    message = _object(line)
    match message:
        case {"op": "reset", "listeners": list(listeners), **rest} if not rest and len(listeners) <= LISTENERS_LIMIT:
            return Reset(tuple(dict.fromkeys(_listener(item) for item in listeners)))
        case {"op": "ban", "bans": list(bans), **rest} if not rest and len(bans) <= CHUNK:
            return BanSome(tuple(_ban(item) for item in bans))
        case {"op": "lift", "networks": list(networks), **rest} if not rest and len(networks) <= CHUNK:
            return LiftSome(tuple(_network(item) for item in networks))
        case {"op": "filled", **rest} if not rest:
            return Filled()
    raise ProtocolError("no such message")


def _listener(item: object) -> Listener:
    match item:
        case [str(transport), str(address), int(port)] if transport in TRANSPORTS and LOWEST_PORT <= port < 65536:
            try:
                parsed = ip_address(address)
            except ValueError:
                pass
            else:
                if "%" not in address:
                    return Listener(transport, str(parsed), int(port))
    raise ProtocolError("no listener")


def _ban(item: object) -> tuple[str, float]:
    match item:
        case [network, int() | float() as seconds] if not isinstance(seconds, bool) and 0 < seconds <= SECONDS_LIMIT:
            return _network(network), float(seconds)
    raise ProtocolError("no ban")


def _network(item: object) -> str:
    if not isinstance(item, str):
        raise ProtocolError("no network")
    try:
        return str(read_network(item))
    except BadNetwork as error:
        raise ProtocolError(str(error)) from None


def read_report(line: bytes) -> Report:
    """A line of the helper's."""
    message = _object(line)
    kinds: dict[str, type] = {field.name: str if field.type == "str" else int for field in fields(Report)}
    if message.keys() != kinds.keys() or not all(type(message[name]) is kind for name, kind in kinds.items()):
        raise ProtocolError("no report")
    return Report(**message)


def _object(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise ProtocolError("no JSON") from None
    if not isinstance(message, dict):
        raise ProtocolError("no JSON object")
    return message


def write_reset(listeners: Iterable[Listener]) -> bytes:
    return _line({"op": "reset", "listeners": [list(listener) for listener in listeners]})


def write_bans(bans: Iterable[tuple[str, float]]) -> Iterator[bytes]:
    """Lines for so many bans: network and seconds from now."""
    for chunk in _chunks(bans):
        yield _line({"op": "ban", "bans": [[network, round(seconds, 3)] for network, seconds in chunk]})


def write_lifts(networks: Iterable[str]) -> Iterator[bytes]:
    for chunk in _chunks(networks):
        yield _line({"op": "lift", "networks": chunk})


def write_filled() -> bytes:
    return _line({"op": "filled"})


def write_report(report: Report) -> bytes:
    return _line(asdict(report))


def _chunks(items: Iterable[Any]) -> Iterator[list[Any]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


def _line(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"
