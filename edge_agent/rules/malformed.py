"""malformed: what can't be parsed, or could be read in two ways. The parser finds it; there is no op."""

from edge_agent.rules._shape import Mode, Rule

RULE = Rule(
    name="malformed",
    family="structure",
    clauses=(3, 14, 17),
    directions={"T": Mode.ENFORCE, "U": Mode.ENFORCE, "X": Mode.ENFORCE},
    finds="a message that can't be parsed, that two readers could read differently, or that is over a limit",
    answer="400 naming what is wrong; unknown sources get no reply",
    structural=True,
)
