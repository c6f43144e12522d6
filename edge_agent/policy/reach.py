"""Which listeners, trunks and upstreams one agent can have together, and reach.

Checks like those of ``checks.py``, about what the engine and the host's network
can hold and reach.
"""

from __future__ import annotations

from collections.abc import Iterator

from edge_agent.policy.checks import Finding
from edge_agent.policy.draft import Draft
from edge_agent.policy.merge import Loc
from edge_agent.policy.values import Address
from edge_agent.policy.ways import WILDCARDS

# Of the engine's tables (cext/policy.pxd).
MOST_LISTENERS = 64
MOST_PEERS = 1024


def check_reach(draft: Draft) -> Iterator[Finding]:
    """Every finding. Targets and contacts of the draft are addresses already."""
    yield from _overlaps(draft)
    yield from _sizes(draft)
    yield from _families(draft)
    yield from _unprobed(draft)


def _sizes(draft: Draft) -> Iterator[Finding]:
    if len(draft.listen) > MOST_LISTENERS:
        yield Finding("too-many-listeners", ("listen",), {"count": len(draft.listen), "most": MOST_LISTENERS})
    count = len(draft.trunk) + len(draft.upstream)
    if count > MOST_PEERS:
        yield Finding("too-many-peers", ("trunk",), {"count": count, "most": MOST_PEERS})


def _overlaps(draft: Draft) -> Iterator[Finding]:
    """A port on every address leaves none for a listener on one of them. IPv4 and IPv6 don't share ports here."""
    wildcards = {
        (listen.transport, ":" in listen.address.host, listen.address.port): index
        for index, listen in draft.listen.items()
        if listen.address.host in WILDCARDS
    }
    for index, listen in draft.listen.items():
        key = listen.transport, ":" in listen.address.host, listen.address.port
        if listen.address.host not in WILDCARDS and key in wildcards:
            values = {"address": listen.address, "other": f"listener {wildcards[key] + 1}"}
            yield Finding("listener-overlap", ("listen", index, "address"), values)


def _families(draft: Draft) -> Iterator[Finding]:
    """What goes to an IPv6 address leaves by a listener with one, and so for IPv4."""
    own = {":" in listen.address.host for listen in draft.listen.values()}
    if not own:
        return
    # Whom callers are only redirected to is sent nothing.
    told_only = {trunk.emergency_upstream for trunk in draft.trunk.values() if trunk.emergency == "redirect"}
    told_only -= {trunk.upstream for trunk in draft.trunk.values()}
    told_only -= {trunk.emergency_upstream for trunk in draft.trunk.values() if trunk.emergency == "route"}
    peers: list[tuple[Loc, list[Address]]] = [
        (("upstream", index, "targets"), upstream.targets)
        for index, upstream in draft.upstream.items()
        if upstream.name not in told_only
    ]
    peers += [(("trunk", index, "contact"), trunk.contact) for index, trunk in draft.trunk.items()]
    for loc, addresses in peers:
        for address in addresses:
            v6 = ":" in address.host
            if v6 not in own:
                values = {"address": address, "family": "IPv6" if v6 else "IPv4", "any": "[::]" if v6 else "0.0.0.0"}
                yield Finding("no-listener-of-family", loc, values)


def _unprobed(draft: Draft) -> Iterator[Finding]:
    for index, upstream in draft.upstream.items():
        if len(upstream.targets) > 1 and not upstream.probe_every:
            yield Finding("only-first", ("upstream", index, "targets"))
    for index, trunk in draft.trunk.items():
        if len(trunk.contact) > 1 and not trunk.probe_every:
            yield Finding("only-first", ("trunk", index, "contact"))
