"""target: hosts that a request may name. It never rewrites what it refuses."""

from edge_agent.rules._shape import Mode, Row, Rule

RULE = Rule(
    name="target",
    family="interface",
    clauses=(4, 14, 32),
    directions={"T": Mode.ENFORCE, "U": Mode.ENFORCE},
    finds="a Request-URI, Route or Refer-To that names a host or carries a routing parameter it may not, or a URI with headers",
    answer="403",
    structural=True,
    rows=(Row("target"),),
)
