"""do-not-call: callees who asked not to be called. It never runs before a list is set."""

from edge_agent.rules._shape import Mode, Rule

RULE = Rule(
    name="do-not-call",
    family="consumer",
    clauses=(23,),
    directions={"T": Mode.ENFORCE},
    finds="a callee on a do-not-call list",
    answer="403",
    built=False,
)
