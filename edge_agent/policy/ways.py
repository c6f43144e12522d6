"""Which listeners can send to a target, by what the host's kernel says of its routes and addresses. It sends nothing.

A host with an inside and an outside has listeners on both, and what comes in at
one must often leave by the other: from a loopback address nothing but loopback
can be reached, and what has a private source gets no answer from the internet.
The kernel's own choice of a source says which side a target is on. A listener
that can send there keeps what came in at it, so two public addresses of one
host stay two.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from edge_agent.policy.settings import Settings

WILDCARDS = ("0.0.0.0", "::")
# RFC 1918, RFC 6598, RFC 4193. Python's is_private has the documentation's networks too.
_PRIVATE = tuple(
    IPv6Network(net) if ":" in net else IPv4Network(net)
    for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)


def all_ways(settings: Settings) -> dict[str, tuple[int, ...]]:
    """The ways to each host that a target or contact is on."""
    listeners = [at.address.host for at in settings.listen]
    peers = [upstream.targets for upstream in settings.upstream] + [trunk.contact for trunk in settings.trunk]
    hosts = dict.fromkeys(address.host for addresses in peers for address in addresses)
    return {host: ways(listeners, host) for host in hosts}


def ways(listeners: Sequence[str], target: str) -> tuple[int, ...]:
    """The listeners, by their places, that can send to the target: the best first.

    Where the kernel can't tell, as on another host than the agent's, all of the target's family.
    """
    family = [place for place, host in enumerate(listeners) if (":" in host) == (":" in target)]
    chosen = route_source(target)
    if not chosen:
        return tuple(family)
    able = [
        place
        for place in family
        if listeners[place] in (chosen, *WILDCARDS)
        or route_source(target, listeners[place])
        or not _here(listeners[place])
    ]
    far = [place for place in able if listeners[place] in WILDCARDS or _reach(listeners[place]) >= _reach(chosen)]
    return tuple(sorted(far or able or family, key=lambda place: _rank(listeners[place], chosen)))


def route_source(target: str, source: str = "") -> str:
    """The address that the kernel sends from to the target, bound to ``source`` where one is given; "": it can't."""
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.bind((source, 0))
            sock.connect((target, 9))  # sends nothing; any port does
            return str(sock.getsockname()[0])
    except OSError:  # a kernel without IPv6 among them
        return ""


def _here(host: str) -> bool:
    """Has this host the address now? One that moves between hosts comes later, and can send then."""
    return route_source(host) == host


def _rank(host: str, chosen: str) -> int:
    """The kernel's choice is best, then who leaves it the choice, then the nearest: an address that moves between hosts."""
    if host == chosen:
        return -2
    return -1 if host in WILDCARDS else (int(ip_address(host)) ^ int(ip_address(chosen))).bit_length()


def _reach(host: str) -> int:
    address: IPv4Address | IPv6Address = ip_address(host)
    if address.is_loopback:
        return 0
    return 1 if address.is_link_local or any(address in network for network in _PRIVATE) else 2
