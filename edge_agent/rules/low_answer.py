"""low-answer: a low share of answered calls. A weight; it never decides alone."""

from edge_agent.rules._shape import Mode, Rule

RULE = Rule(
    name="low-answer",
    family="behaviour",
    clauses=(24,),
    directions={"T": Mode.MONITOR},
    finds="a caller whose calls are hardly ever answered",
    answer="weight; 603+ above the threshold",
    built=False,
)
