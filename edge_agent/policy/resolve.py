"""Host names in targets and contacts to addresses, once per load; never while calls run, and without SRV records.

A name that is looked up stays a host that a Request-URI may name.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from ipaddress import ip_network

from edge_agent.policy.settings import Trunk, Upstream
from edge_agent.policy.values import Address

SIP_PORT = 5060


@dataclass
class Resolver:
    """Looks each name up once; remembers those that have no address.

    Of a name with addresses of both families it takes those of ``families``
    ("4", "6"), in which there is a listener: nothing could be sent to the others.
    """

    families: frozenset[str] = frozenset({"4", "6"})
    found: dict[str, tuple[str, ...]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def upstream(self, upstream: Upstream) -> Upstream:
        """The same upstream with addresses for targets, and with sources."""
        targets = self.addresses(upstream.targets)
        names = [target.host for target in upstream.targets if target.is_name]
        domains = list(dict.fromkeys([*upstream.domains, *names]))
        sources = upstream.sources or [ip_network(target.host) for target in targets]
        return upstream.model_copy(
            update={"targets": targets, "domains": domains, "sources": list(dict.fromkeys(sources))}
        )

    def trunk(self, trunk: Trunk, country: str) -> Trunk:
        """The same trunk with addresses for contacts, and with its country."""
        return trunk.model_copy(update={"contact": self.addresses(trunk.contact), "country": trunk.country or country})

    def addresses(self, written: list[Address]) -> list[Address]:
        """Addresses in their order; a name stands for all of its own."""
        addresses = [
            Address(host, address.port or SIP_PORT)
            for address in written
            for host in (self._lookup(address.host) if address.is_name else (address.host,))
        ]
        return list(dict.fromkeys(addresses))

    def _lookup(self, name: str) -> tuple[str, ...]:
        if name not in self.found and name not in self.failed:
            try:
                answers = socket.getaddrinfo(name, SIP_PORT, type=socket.SOCK_DGRAM)
            except (OSError, UnicodeError) as error:
                self.failed[name] = getattr(error, "strerror", None) or str(error)
            else:
                # A link-local answer has a zone, which no packet carries.
                self.found[name] = tuple(dict.fromkeys(str(answer[4][0]).partition("%")[0] for answer in answers))
        found = self.found.get(name, ())
        return tuple(host for host in found if ("6" if ":" in host else "4") in self.families) or found
