"""caller-format: are the caller's number and the asserted one such that can exist? It never asks whose they are.

A number on [lists] may_originate is no finding: a PSAP calls back from what looks like none.
"""

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
