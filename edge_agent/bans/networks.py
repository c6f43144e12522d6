"""Which networks can be banned, and what they must not touch. Reads the host's own addresses, asks nobody.

A host is an IPv4 address or an IPv6 /64; its prefixes are /24, and /56 and /48.
An operator may name one IPv6 address as well.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from edge_agent.policy.settings import Settings, Trunk

Network = IPv4Network | IPv6Network

LENGTHS = {4: (32, 24), 6: (128, 64, 56, 48)}
"""Of the networks that the engine and the kernel can hold, by IP version."""

_EVERYWHERE = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
_PARENT = {(4, 32): 24, (6, 64): 56, (6, 56): 48}
_IPV4_LOCAL = re.compile(r"\|-- (\S+)\n\s+/32 host LOCAL")
_NET = Path("/proc/self/net")


class BadNetwork(ValueError):
    """What can't be banned; the text is the line an operator reads."""


def read_network(text: str) -> Network:
    """A network that can be banned, as written by people or programs."""
    try:
        network = ip_network(text)
    except ValueError:
        raise BadNetwork(_what_is_wrong(text)) from None
    if isinstance(network, IPv6Network):
        if "%" in text:
            raise BadNetwork(f"{text}: has a zone, which no packet carries")
        mapped = network.network_address.ipv4_mapped
        if mapped is not None and network.prefixlen >= 96:
            raise BadNetwork(f"{text}: is IPv4 written as IPv6; write {mapped}/{network.prefixlen - 96}")
    if network.prefixlen not in LENGTHS[network.version]:
        lengths = " and ".join(f"/{length}" for length in LENGTHS[network.version])
        raise BadNetwork(
            f"{network}: networks of this length can't be banned; IPv{network.version} takes {lengths}"
            " (a deny list of [lists] takes any)"
        )
    return network


def _what_is_wrong(text: str) -> str:
    try:
        return f"{text}: has bits set behind its length; write {ip_network(text, strict=False)}"
    except ValueError:
        return f"{text!r} is no network; write one address, or 198.51.100.0/24; names are not taken"


def parent(network: Network) -> Network | None:
    """The next wider network that its neighbours may get banned; None: there is none."""
    length = _PARENT.get((network.version, network.prefixlen))
    return None if length is None else network.supernet(new_prefix=length)


class Owned(NamedTuple):
    """A network that must not be banned, and whose it is as people say it: "trunk 'acme'"."""

    network: Network
    owner: str


class Protected:
    """An index of those networks: the answer takes as long for ten as for ten thousand."""

    def __init__(self, owned: Iterable[Owned] = ()) -> None:
        self._exact: dict[tuple[int, int, int], str] = {}
        for network, owner in owned:
            self._exact.setdefault((network.version, network.prefixlen, int(network.network_address)), owner)
        self._lengths = {version: sorted({key[1] for key in self._exact if key[0] == version}) for version in (4, 6)}
        self._starts = {
            version: sorted((key[2], key[1]) for key in self._exact if key[0] == version) for version in (4, 6)
        }

    def touching(self, network: Network) -> str | None:
        """What a ban of the network would touch: "198.51.100.10/32 of trunk 'acme'"; None if nobody's."""
        version, start = network.version, int(network.network_address)
        for length in self._lengths[version]:
            if length > network.prefixlen:
                break
            shift = network.max_prefixlen - length
            if (version, length, start >> shift << shift) in self._exact:
                return self._tell(version, length, start >> shift << shift)
        starts = self._starts[version]
        at = bisect_left(starts, (start, 0))
        if at < len(starts) and starts[at][0] <= int(network.broadcast_address):
            return self._tell(version, starts[at][1], starts[at][0])
        return None

    def _tell(self, version: int, length: int, start: int) -> str:
        address = ip_address(start) if version == 4 else IPv6Address(start)
        return f"{address}/{length} of {self._exact[version, length, start]}"


def protected(settings: Settings) -> Protected:
    """What no ban may touch under this configuration, unless an operator forces it."""
    return Protected((*_peers(settings), *_own(settings)))


def own(settings: Settings) -> Protected:
    """What no ban may touch at all: this agent itself."""
    return Protected(_own(settings))


def _peers(settings: Settings) -> Iterator[Owned]:
    for upstream in settings.upstream:
        owner = f"upstream {upstream.name!r}"
        yield from (Owned(network, owner) for network in upstream.sources)
        yield from _hosts((target.host for target in upstream.targets), owner)
    for trunk in settings.trunk:
        owner = f"trunk {trunk.name!r}"
        if not trunk.open:  # the sources of an open trunk are its callers, and those can be banned
            yield from (Owned(network, owner) for network in trunk.sources)
        yield from _hosts((contact.host for contact in trunk.contact), owner)


def _own(settings: Settings) -> Iterator[Owned]:
    for listen in settings.listen:
        owner = f"the listener {listen.address}"
        yield from _hosts((listen.address.host, listen.public.host), owner)
    yield from _hosts(own_addresses(), "this host")


def callers(settings: Settings) -> Protected:
    """Where an open trunk's customers call from: a ban there needs a proven address, or packets forged in its name get it."""
    return Protected(_callers(trunk for trunk in settings.trunk if trunk.open))


def never_in_kernel(settings: Settings) -> Protected:
    """Callers who may dial emergency services from any address of these: the kernel can't tell such a call from others."""
    return Protected(_callers(trunk for trunk in settings.trunk if trunk.open and trunk.emergency == "route"))


def _callers(trunks: Iterable[Trunk]) -> Iterator[Owned]:
    for trunk in trunks:
        yield from (Owned(network, f"trunk {trunk.name!r}") for network in trunk.sources or _EVERYWHERE)


def _hosts(hosts: Iterable[str], owner: str) -> Iterator[Owned]:
    for host in hosts:
        try:
            address = ip_address(host)
        except ValueError:
            continue  # the name that peers are told
        if not address.is_unspecified:
            yield Owned(ip_network(address), owner)


def own_addresses(net: Path = _NET) -> list[str]:
    """The addresses of this host's interfaces, 127.0.0.1 and ::1 among them; none where they can't be read."""
    found: list[str] = []
    try:
        found += _IPV4_LOCAL.findall((net / "fib_trie").read_text())
        lines = (net / "if_inet6").read_text().splitlines()
        found += [str(IPv6Address(int(line.split()[0], 16))) for line in lines]
    except (OSError, ValueError, IndexError):
        pass  # what was found counts
    return list(dict.fromkeys(found))
