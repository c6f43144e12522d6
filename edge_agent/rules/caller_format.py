"""caller-format: is the caller's number one that can exist? It never asks whose it is."""

from edge_agent.rules._shape import Mode, Row, Rule

RULE = Rule(
    name="caller-format",
    family="caller",
    clauses=(9, 17, 18, 28),
    directions={"T": Mode.ENFORCE, "U": Mode.MONITOR},
    finds="a caller ID that is no possible number: not E.164, not assignable, too long or too short",
    answer="403",
    rows=(Row("caller_format"),),
)
