"""The agent's nftables table as JSON (libnftables-json(5)): what makes it, what changes it, and what it says. Pure.

    table inet edge_agent
      set ban4_32, ban4_24, ban6_128 … ban6_48   one per length, elements with a timeout each
      counter dropped
      chain prerouting (raw)   to a listener: goto screen
      chain output (raw)       from a listener: notrack
      chain screen             in a set: count and drop; else notrack

A set per length is a hash with one look-up, and an element of one can't overlap
another; an interval set would be a tree, and nft reads all of it back before each
change. The raw priority stands before connection tracking, so a dropped packet
costs one rule and no entry there.

Never holds a shell's or nft's own syntax: only JSON of values that were parsed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, NamedTuple

from edge_agent.bans.networks import LENGTHS
from edge_agent.nft.protocol import Listener

Command = dict[str, Any]

SET_SIZE = 131072  # twice the engine's table: what has expired is cleared away later
_RAW = -300


class Listing(NamedTuple):
    """What a table holds."""

    rules: str
    """Everything but the elements and what counts by itself: equal texts are equal tables."""
    elements: dict[str, float | None]
    """Seconds until each network's element expires; None: never."""
    packets: int
    bytes: int


def _set_of(network: str) -> tuple[str, str]:
    """The set for a network, and its element."""
    address, _, length = network.partition("/")
    return f"ban{6 if ':' in address else 4}_{length}", address


def make(
    table: str, listeners: Iterable[Listener], bans: Iterable[tuple[str, int]], counted: tuple[int, int]
) -> list[Command]:
    """The whole table in place of whatever stood under its name, in one transaction. ``bans`` in whole seconds."""
    here = {"family": "inet", "table": table}
    whole = {"table": {"family": "inet", "name": table}}
    commands: list[Command] = [{"add": whole}, {"delete": whole}, {"add": whole}]
    counter = {**here, "name": "dropped", "packets": counted[0], "bytes": counted[1]}
    commands.append({"add": {"counter": counter}})
    for version, lengths in LENGTHS.items():
        for length in lengths:
            kind = f"ipv{version}_addr"
            made = {**here, "name": f"ban{version}_{length}", "type": kind, "flags": ["timeout"], "size": SET_SIZE}
            commands.append({"add": {"set": made}})
    commands.append({"add": {"chain": {**here, "name": "screen"}}})
    for hook in ("prerouting", "output"):
        chain = {**here, "name": hook, "type": "filter", "hook": hook, "prio": _RAW, "policy": "accept"}
        commands.append({"add": {"chain": chain}})
    rules = [("screen", _drop(version, length)) for version, lengths in LENGTHS.items() for length in lengths]
    rules.append(("screen", [{"notrack": None}]))
    for listener in listeners:
        rules.append(("prerouting", [*_at(listener, "daddr", "dport"), {"goto": {"target": "screen"}}]))
        rules.append(("output", [*_at(listener, "saddr", "sport"), {"notrack": None}]))
    commands += [{"add": {"rule": {**here, "chain": chain, "expr": expr}}} for chain, expr in rules]
    return commands + _elements(table, "add", bans)


def change(table: str, bans: Iterable[tuple[str, int]], lifts: Iterable[str]) -> list[Command]:
    """Puts bans in and takes others out, in one transaction, whether or not they were in."""
    new, old = list(bans), list(lifts)
    # An element that is in keeps its time when it is added again, and one that isn't can't be deleted: so each is
    # added, deleted, and added with its time.
    touched = [(network, 60) for network in dict.fromkeys([*old, *(network for network, _ in new)])]
    return _elements(table, "add", touched) + _elements(table, "delete", touched) + _elements(table, "add", new)


def remove(table: str) -> list[Command]:
    """No table of that name, whether or not there was one."""
    whole = {"table": {"family": "inet", "name": table}}
    return [{"add": whole}, {"delete": whole}]


def text(commands: list[Command]) -> bytes:
    """What ``nft -j -f -`` reads."""
    return json.dumps({"nftables": commands}, separators=(",", ":")).encode()


def _elements(table: str, verb: str, bans: Iterable[tuple[str, int]]) -> list[Command]:
    sets: dict[str, list[Any]] = {}
    for network, seconds in bans:
        name, address = _set_of(network)
        timed = {"elem": {"val": address, "timeout": max(1, seconds)}}
        sets.setdefault(name, []).append(timed if verb == "add" else address)
    return [
        {verb: {"element": {"family": "inet", "table": table, "name": name, "elem": elements}}}
        for name, elements in sets.items()
    ]


def _payload(protocol: str, field: str) -> Command:
    return {"payload": {"protocol": protocol, "field": field}}


def _match(left: Any, right: Any) -> Command:
    return {"match": {"op": "==", "left": left, "right": right}}


def _drop(version: int, length: int) -> list[Command]:
    source: Command = _payload("ip" if version == 4 else "ip6", "saddr")
    if length < (32 if version == 4 else 128):
        base = "0.0.0.0" if version == 4 else "::"
        source = {"&": [source, str(ip_network(f"{base}/{length}").netmask)]}
    return [_match(source, f"@ban{version}_{length}"), {"counter": "dropped"}, {"drop": None}]


def _at(listener: Listener, address_field: str, port_field: str) -> list[Command]:
    address = ip_address(listener.address)
    matches = []
    if not address.is_unspecified:
        matches.append(_match(_payload("ip6" if address.version == 6 else "ip", address_field), str(address)))
    elif address.version == 4:
        matches.append(_match({"meta": {"key": "nfproto"}}, "ipv4"))
    return [*matches, _match(_payload(listener.transport, port_field), listener.port)]


def read(listing: bytes) -> Listing:
    """What ``nft -j list table`` printed. ValueError when it is nothing of the kind."""
    try:
        objects: list[Any] = json.loads(listing)["nftables"] + []
        rules: list[Any] = []
        elements: dict[str, float | None] = {}
        packets = size = 0
        for item in objects:
            [(kind, body)] = item.items()
            if kind == "set":
                elements |= _read_elements(body)
            elif kind == "counter" and body["name"] == "dropped":
                packets, size = int(body["packets"]), int(body["bytes"])
            if kind != "metainfo":
                passing = ("handle", "elem", "packets", "bytes")
                rules.append({kind: {name: value for name, value in body.items() if name not in passing}})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"nft listed something else: {error!r}") from None
    return Listing(json.dumps(rules, sort_keys=True), elements, packets, size)


def _read_elements(body: Mapping[str, Any]) -> dict[str, float | None]:
    length = str(body["name"]).rpartition("_")[2]
    result: dict[str, float | None] = {}
    for item in body.get("elem", []):
        element = item["elem"] if isinstance(item, dict) and "elem" in item else {"val": item}
        value = element["val"]
        expires = float(element["expires"]) if "expires" in element else None
        result[f"{_plain(value)}/{length}"] = expires
    return result


def _plain(value: Any) -> str:
    # Whatever somebody else put there is shown as it is: it is drift in any case.
    if not isinstance(value, str):
        return json.dumps(value)
    return str(IPv6Address(value)) if ":" in value else value
