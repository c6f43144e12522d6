"""destination: called prefixes that are denied. It never sees an emergency call; the lane runs first."""

from edge_agent.rules._shape import Mode, Rule

RULE = Rule(
    name="destination",
    family="destination",
    clauses=(16, 32),
    directions={"T": Mode.ENFORCE},
    finds="a called number under a denied prefix",
    answer="403",
    built=False,
)
