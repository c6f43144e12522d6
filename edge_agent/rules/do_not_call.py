"""do-not-call: callees who asked not to be called. It never looks at a trunk whose mode is off, nor at an emergency call.

The lists are a key of [lists], and what ``edge-agent dnc`` was told (``dnc/``). A list
holds for every trunk, whatever its class: who writes one wants those numbers left
alone, and a call's purpose isn't in its signalling. A trunk that makes no sales calls
is let off by its own mode.
"""

from edge_agent.rules._shape import Mode, Row, Rule

RULE = Rule(
    name="do-not-call",
    family="consumer",
    clauses=(23,),
    directions={"T": Mode.ENFORCE},
    finds="a new call or a transfer to a number on a do-not-call list, or whose owner asked not to be called",
    answer="403",
    rows=(Row("do_not_call"),),
)
