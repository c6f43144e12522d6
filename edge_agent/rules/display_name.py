"""display-name: numbers and marks hidden in the caller's name. It never edits the name."""

from edge_agent.rules._shape import Mode, Rule

RULE = Rule(
    name="display-name",
    family="caller",
    clauses=(9, 18, 20),
    directions={"T": Mode.MONITOR},
    finds="a display name that holds another number, a protected mark or a look-alike of one",
    answer="403",
    built=False,
)
