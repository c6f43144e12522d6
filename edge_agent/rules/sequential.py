"""sequential: numbers dialled one after the other. A weight; it never decides alone."""

from edge_agent.rules._shape import Mode, Rule

RULE = Rule(
    name="sequential",
    family="behaviour",
    clauses=(24, 27),
    directions={"T": Mode.MONITOR},
    finds="a caller that dials a range number by number",
    answer="weight; 603+ above the threshold",
    built=False,
)
