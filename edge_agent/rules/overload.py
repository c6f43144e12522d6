"""overload: the agent or an upstream over its capacity. It never refuses an emergency call."""

from edge_agent.rules._shape import Mode, Rule

RULE = Rule(
    name="overload",
    family="rate",
    clauses=(3, 12, 30),
    directions={"T": Mode.ENFORCE, "U": Mode.ENFORCE},
    finds="more work than the agent or the upstream can take",
    answer="503 without Retry-After, lowest priority first",
    structural=True,
    built=False,
)
