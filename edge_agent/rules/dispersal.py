"""dispersal: one caller, ever new callees. A weight; it never decides alone."""

from edge_agent.rules._shape import Mode, Rule

RULE = Rule(
    name="dispersal",
    family="behaviour",
    clauses=(24, 27),
    directions={"T": Mode.MONITOR},
    finds="a caller whose calls go to ever new numbers",
    answer="weight; 603+ above the threshold",
    built=False,
)
