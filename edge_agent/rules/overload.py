"""overload: the agent or an upstream over its capacity. It never refuses an emergency call, or anything inside a dialog.

The agent's own load is a receive queue that stands full for a while; an
upstream's is what it says by RFC 7339, where `overload_control` is set. What
is shed gets 503 without Retry-After, and nothing else here is answered 503.
"""

from edge_agent.rules._shape import Mode, Row, Rule

RULE = Rule(
    name="overload",
    family="rate",
    clauses=(3, 12, 30),
    directions={"T": Mode.ENFORCE, "U": Mode.ENFORCE},
    finds="more work than the agent or the upstream can take",
    answer="503 without Retry-After, lowest priority first",
    structural=True,
    rows=(Row("overload"),),
)
