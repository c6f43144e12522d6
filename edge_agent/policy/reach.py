"""Which listeners, trunks and upstreams one agent can have together.

Checks like those of ``checks.py``, about what the engine and the host's network
can hold and reach.
"""

from __future__ import annotations

from collections.abc import Iterator

from edge_agent.policy.checks import Finding
from edge_agent.policy.draft import Draft

# Of the engine's tables (cext/policy.pxd).
MOST_LISTENERS = 64
MOST_PEERS = 1024


def check_reach(draft: Draft) -> Iterator[Finding]:
    """Every finding. Targets and contacts of the draft are addresses already."""
    yield from _sizes(draft)


def _sizes(draft: Draft) -> Iterator[Finding]:
    if len(draft.listen) > MOST_LISTENERS:
        yield Finding("too-many-listeners", ("listen",), {"count": len(draft.listen), "most": MOST_LISTENERS})
    count = len(draft.trunk) + len(draft.upstream)
    if count > MOST_PEERS:
        yield Finding("too-many-peers", ("trunk",), {"count": count, "most": MOST_PEERS})
