"""stir-replay: one signed content used for other calls. It never counts a retransmission, or a call that comes again.

A token is known by the hash of what was signed: it has many signatures, and
one content. A call is known by its Call-ID, so one that takes another route
after a failure is the same. Only tokens that verified are remembered, for as
long as they are fresh.
"""

from pydantic import Field

from edge_agent.rules._shape import Mode, Rule, RuleSettings


class StirReplaySettings(RuleSettings):
    """How often one token may vouch."""

    calls: int = Field(
        default=3, ge=1, le=100, description="Calls, told apart by Call-ID, that one token may vouch for."
    )


RULE = Rule(
    name="stir-replay",
    family="stir",
    clauses=(6, 14),
    directions={"T": Mode.MONITOR, "U": Mode.MONITOR},
    finds="the same signed content on other calls",
    answer="403",
    settings=StirReplaySettings,
)
