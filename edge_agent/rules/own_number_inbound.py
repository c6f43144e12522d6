"""own-number-inbound: a number of ours that calls from outside. It never refuses a call that this agent passed on itself.

A customer's call to another customer goes out to the cloud and comes back in:
for a minute after it went out, the same caller may call the same number from
there. A customer's call that somebody outside forwards back looks the same as a
forged one, so the rule only records unless told to enforce.
"""

from edge_agent.rules._shape import Mode, Row, Rule

RULE = Rule(
    name="own-number-inbound",
    family="caller",
    clauses=(9, 28),
    directions={"U": Mode.MONITOR},
    finds="a trunk's number as the caller of a call from outside that this agent didn't pass to that callee",
    answer="403",
    rows=(Row("own_number_inbound"),),
)
