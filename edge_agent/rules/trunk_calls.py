"""trunk-calls: concurrent calls of a trunk, by leases. It never ends a call that is up.

Its number is a key of the trunk (concurrent_calls), as those of trunk-rate are.
Calls towards a trunk are counted as well, and have no limit. A restart forgets
the calls that are up.
"""

from edge_agent.rules._shape import Mode, Row, Rule

RULE = Rule(
    name="trunk-calls",
    family="rate",
    clauses=(3, 12),
    directions={"T": Mode.ENFORCE},
    finds="more concurrent calls than the trunk may have",
    answer="over_limit of the trunk: 486, 480, 503 or 603",
    rows=(Row("trunk_calls"),),
)
