"""caller-consistent: do all headers name callers of the trunk? It never reads Contact; PBXs write anything there."""

from edge_agent.rules._shape import Mode, Row, Rule

RULE = Rule(
    name="caller-consistent",
    family="caller",
    clauses=(9, 18, 28),
    directions={"T": Mode.ENFORCE},
    finds="From, P-Asserted-Identity and the like that name different numbers, not all of them the trunk's",
    answer="403",
    rows=(Row("caller_consistent"),),
)
