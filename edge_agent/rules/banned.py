"""banned: the ban list. It never holds a configured host or an address of our own; callers of open trunks it may."""

from edge_agent.rules._shape import Mode, Row, Rule

RULE = Rule(
    name="banned",
    family="source",
    clauses=(5, 6, 14),
    directions={"X": Mode.ENFORCE, "O": Mode.ENFORCE},
    finds="a source, or a network around it, on the ban list",
    answer="dropped, unread",
    structural=True,
    rows=(Row("banned"),),
)
