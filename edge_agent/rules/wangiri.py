"""wangiri: calls that ring once to be called back. A weight; it never decides alone."""

from edge_agent.rules._shape import Mode, Rule

RULE = Rule(
    name="wangiri",
    family="behaviour",
    clauses=(24, 27),
    directions={"T": Mode.MONITOR},
    finds="many calls cancelled after one ring",
    answer="weight; 603+ above the threshold",
    built=False,
)
