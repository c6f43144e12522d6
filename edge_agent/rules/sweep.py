"""sweep: enumeration of users and numbers, read off the answers; and refused calls tried again in another form.

It never refuses a call; it strikes the caller. Both are somebody who tries out what gets through, so one rule tells of
both: a number reformatted, another caller for the same callee, another method, the next number, one field changed.

Callers of an open trunk count by address and are struck, once their address is
proven. A configured trunk counts as a whole and is only told of, in any mode.
"""

from pydantic import Field

from edge_agent.policy.values import Duration
from edge_agent.rules._shape import Mode, Row, Rule, RuleSettings


class SweepSettings(RuleSettings):
    """How many failed targets are too many."""

    targets: int = Field(default=15, ge=2, le=10_000, description="Distinct targets that fail before it is a sweep.")
    forget: Duration = Field(
        default=600.0, ge=1, le=4 * 3600, description="The time in which as many are forgotten; answered calls help."
    )
    evasions: int = Field(
        default=5,
        ge=2,
        le=10_000,
        description="Attempts to get a refused call through in another form before it is one.",
    )
    adjacent: int = Field(default=3, ge=1, le=100, description="What a number beside another failed one counts.")


RULE = Rule(
    name="sweep",
    family="scanning",
    clauses=(5, 14, 15, 27),
    directions={"X": Mode.ENFORCE, "O": Mode.ENFORCE, "T": Mode.MONITOR},
    finds="many distinct or adjacent targets that answer 404, 410, 480, 484 or 604, or ask an open trunk's caller who it is; refused calls in another form",
    answer="strikes",
    settings=SweepSettings,
    rows=(Row("sweep"),),
)
