"""caller-owned: is the caller's number the trunk's own? It never changes a caller ID."""

from edge_agent.rules._shape import Mode, Row, Rule

RULE = Rule(
    name="caller-owned",
    family="caller",
    clauses=(9, 18, 28),
    directions={"T": Mode.ENFORCE},
    finds="a caller ID that is not on the trunk's list, on a call that is not proven to be forwarded",
    answer="403",
    rows=(Row("caller_owned"),),
)
