"""own-number-inbound: a number of ours that calls from outside. It never refuses a call that this agent forwarded."""

from edge_agent.rules._shape import Mode, Rule

RULE = Rule(
    name="own-number-inbound",
    family="caller",
    clauses=(9, 28),
    directions={"U": Mode.MONITOR},
    finds="a trunk's number as the caller of a call from outside that nothing vouches for",
    answer="403",
    built=False,
)
