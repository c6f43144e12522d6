"""forged-marking: markings from those who may not assert them. It never lets one buy priority."""

from edge_agent.rules._shape import Mode, Rule

RULE = Rule(
    name="forged-marking",
    family="marking",
    clauses=(6, 9, 14, 21),
    directions={"T": Mode.ENFORCE, "U": Mode.ENFORCE},
    finds="verstat, Resource-Priority, Priority, P-Charge-Info, X-Edge-* or an asserted identity without the right",
    answer="stripped and recorded; 403 where the standard says so",
    built=False,
)
