"""calling-hours: telemarketing outside 08:00 to 21:00 where the callee is. It never runs on other classes of trunk."""

from edge_agent.rules._shape import Mode, Rule

RULE = Rule(
    name="calling-hours",
    family="consumer",
    clauses=(22,),
    directions={"T": Mode.ENFORCE},
    finds="a telemarketing call before 08:00 or after 21:00 where the callee is",
    answer="403",
    built=False,
)
