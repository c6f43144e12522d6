"""caller-anonymous: anonymity without an owned number behind it. It never reveals the number of one who may hide it."""

from edge_agent.rules._shape import Mode, Row, Rule

RULE = Rule(
    name="caller-anonymous",
    family="caller",
    clauses=(9, 18),
    directions={"T": Mode.ENFORCE},
    finds="an anonymous call that asserts no number of the trunk",
    answer="433",
    rows=(Row("caller_anonymous"),),
)
