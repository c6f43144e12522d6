"""toll-fraud: spend and minutes on dear prefixes. It never ends a call that is up."""

from edge_agent.rules._shape import Mode, Rule

RULE = Rule(
    name="toll-fraud",
    family="destination",
    clauses=(16,),
    directions={"T": Mode.MONITOR},
    finds="spend, minutes or calls on premium prefixes, or bursts of them outside business hours",
    answer="403",
    built=False,
)
