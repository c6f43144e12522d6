"""stir-replay: one signed content used for a second call. It never counts a retransmission."""

from edge_agent.rules._shape import Mode, Rule

RULE = Rule(
    name="stir-replay",
    family="stir",
    clauses=(6, 14),
    directions={"T": Mode.MONITOR, "U": Mode.MONITOR},
    finds="the same signed content on another call",
    answer="403",
    built=False,
)
