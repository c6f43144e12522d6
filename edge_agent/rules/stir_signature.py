"""stir-signature: do the PASSporTs of a call verify? It never blocks the pump.

The ``stir`` key of the trunk says whether it runs at all.
"""

from edge_agent.rules._shape import Mode, Rule

RULE = Rule(
    name="stir-signature",
    family="stir",
    clauses=(6, 9, 17),
    directions={"T": Mode.ENFORCE, "U": Mode.ENFORCE},
    finds="no Identity header where one is required, or none that verifies",
    answer="428, 436, 437, 438 or 403; or verstat",
)
