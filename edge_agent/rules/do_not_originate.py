"""do-not-originate: numbers that never make calls. It never holds a number that may: a PSAP's, a government service's.

The lists are keys of [lists]: numbers and ranges, codes of the North American plan
that nobody was given, and who may originate all the same. From's number and the
asserted one are looked at. Diversion's and History-Info's are not: they say who was
called, and a number that never makes calls may well be called and forward. Numbers
that can't exist are caller-format's; what is no E.164 number is on no list.
"""

from edge_agent.rules._shape import Mode, Row, Rule

RULE = Rule(
    name="do-not-originate",
    family="caller",
    clauses=(9, 31),
    directions={"T": Mode.ENFORCE, "U": Mode.MONITOR},
    finds="a caller on a do-not-originate list, or of a code that nobody was given",
    answer="403",
    rows=(Row("do_not_originate"),),
)
