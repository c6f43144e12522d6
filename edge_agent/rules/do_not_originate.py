"""do-not-originate: numbers that never make calls. It never touches a call-back of an emergency service."""

from edge_agent.rules._shape import Mode, Rule

RULE = Rule(
    name="do-not-originate",
    family="caller",
    clauses=(9, 31),
    directions={"T": Mode.ENFORCE, "U": Mode.MONITOR},
    finds="a caller on a do-not-originate list",
    answer="403",
    built=False,
)
