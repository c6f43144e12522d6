"""trunk-rate: calls per second of a trunk. It never counts retransmissions or requests inside a dialog.

Its numbers are keys of the trunk (calls_per_second, burst, over_limit): they
are part of the customer's contract, as its caller IDs are.
"""

from edge_agent.rules._shape import Mode, Row, Rule

RULE = Rule(
    name="trunk-rate",
    family="rate",
    clauses=(3, 12, 13),
    directions={"T": Mode.ENFORCE},
    finds="more calls per second than the trunk may make",
    answer="over_limit of the trunk: 486, 480, 503 or 603",
    rows=(Row("trunk_rate"),),
)
