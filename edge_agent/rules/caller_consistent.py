"""caller-consistent: do all headers name callers of the trunk? It never reads Contact; PBXs write anything there.

A call may present one number of the trunk (From) and assert another as its
network number, or a pilot number, which the trunk has for that alone
(``pilot_numbers``). Credentials of another number are only recorded.
"""

from typing import Annotated

from pydantic import Field

from edge_agent.rules._shape import Mode, Row, Rule, RuleSettings


class CallerConsistentSettings(RuleSettings):
    """How far a call's own history is believed."""

    diversions: Annotated[int, Field(ge=1, le=99)] = Field(
        default=12, description="Diversions of one call that may be told: the headers, or their counters."
    )


RULE = Rule(
    name="caller-consistent",
    family="caller",
    clauses=(9, 18, 28),
    directions={"T": Mode.ENFORCE},
    finds="From, P-Asserted-Identity and the like that name different numbers, not all of them the trunk's",
    answer="403",
    settings=CallerConsistentSettings,
    rows=(Row("caller_consistent"),),
)
