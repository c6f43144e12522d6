"""calling-hours: telemarketing outside 08:00 to 21:00 where the callee is. It never runs on other classes of trunk.

47 CFR 64.1200(c)(1). The purpose of a call isn't in its signalling: the class of its
trunk says it. Where a number may be in several time zones, the hours must hold in all.
"""

from pydantic import Field

from edge_agent.policy.values import Clock, ZoneName
from edge_agent.rules._shape import Mode, Row, Rule, RuleSettings


class CallingHoursSettings(RuleSettings):
    """The hours, and zones that the operator knows better."""

    from_: Clock = Field(default=480, alias="from", description="Calls may go from this time on, where the callee is.")
    until: Clock = Field(default=1260, description="And up to this one.")
    zones: dict[str, ZoneName] = Field(
        default={},
        max_length=1000,
        description='Time zones of prefixes, where the numbering metadata is wrong: "+1907*" = "America/Anchorage".'
        " Only in [rules.calling-hours].",
    )


RULE = Rule(
    name="calling-hours",
    family="consumer",
    clauses=(22,),
    directions={"T": Mode.ENFORCE},
    classes={"telemarketing": Mode.ENFORCE},
    finds="a telemarketing call or transfer before 08:00 or after 21:00 where the callee is",
    answer="403",
    settings=CallingHoursSettings,
    rows=(Row("calling_hours"),),
)
