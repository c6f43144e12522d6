"""short-calls: a high share of calls of a few seconds. A weight; it never decides alone."""

from edge_agent.rules._shape import Mode, Rule

RULE = Rule(
    name="short-calls",
    family="behaviour",
    clauses=(19, 24),
    directions={"T": Mode.MONITOR},
    finds="a high share of answered calls that end within seconds",
    answer="weight; 603+ above the threshold",
    built=False,
)
