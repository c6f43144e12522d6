"""unknown-source: nobody's address. No reply is given, so that a scan learns nothing and nobody is reflected at."""

from edge_agent.rules._shape import Mode, Row, Rule

RULE = Rule(
    name="unknown-source",
    family="source",
    clauses=(8, 32),
    directions={"X": Mode.ENFORCE},
    finds="a source address that belongs to no trunk and no upstream",
    answer="dropped",
    structural=True,
    rows=(Row("unknown_source"),),
)
