"""do-not-originate: numbers that never make calls. It never holds a number that may: a PSAP's, a government service's.

Both lists are keys of [lists]. Numbers that can't exist are caller-format's.
"""

from edge_agent.rules._shape import Mode, Row, Rule

RULE = Rule(
    name="do-not-originate",
    family="caller",
    clauses=(9, 31),
    directions={"T": Mode.ENFORCE, "U": Mode.MONITOR},
    finds="a caller on a do-not-originate list",
    answer="403",
    rows=(Row("do_not_originate"),),
)
