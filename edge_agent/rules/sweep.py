"""sweep: enumeration of users and numbers. It never refuses a call; it strikes the source."""

from edge_agent.rules._shape import Mode, Rule

RULE = Rule(
    name="sweep",
    family="scanning",
    clauses=(5, 15, 27),
    directions={"X": Mode.ENFORCE, "T": Mode.MONITOR},
    finds="many distinct or adjacent targets, and a high share of 404, 484, 480 and 401",
    answer="a strike",
    built=False,
)
