"""emergency: the lane that runs before the editable rules. It never lets another limiter stop an authorised call.

Whether a trunk may call emergency services is a key of the trunk; the settings
here are the lane's own limits, so that it is no way round the screen.
"""

from typing import Annotated

from pydantic import Field

from edge_agent.rules._shape import RATE_MAX, Burst, Mode, PerSecond, Row, Rule, RuleSettings


class EmergencySettings(RuleSettings):
    """The lane's own limits; what they stop gets 486 and an alarm, never a drop."""

    per_second: PerSecond = Field(default=10.0, description="Emergency calls per second of one trunk.")
    burst: Burst = Field(default=100, description="Emergency calls of one trunk that may come at once.")
    per_caller_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = Field(
        default=10.0, description="Seconds between two new emergency calls of one caller; 0: no limit."
    )
    concurrent: Annotated[int, Field(ge=1, le=RATE_MAX)] = Field(
        default=50, description="Emergency calls of one trunk that may be up at the same time."
    )
    callback_seconds: Annotated[float, Field(ge=0, le=14400, allow_inf_nan=False)] = Field(
        default=1800.0,
        description="Seconds in which calls to somebody whose emergency call was answered skip every rule but those of"
        " structure; 0: none do.",
    )
    callbacks: Annotated[int, Field(ge=1, le=RATE_MAX)] = Field(
        default=100, description="Numbers of one trunk that this may hold for in that time."
    )


RULE = Rule(
    name="emergency",
    family="emergency",
    clauses=(16, 21),
    directions={"T": Mode.ENFORCE, "U": Mode.ENFORCE, "X": Mode.ENFORCE},
    finds="a call or a transfer to an emergency service",
    answer="routed to the emergency upstream or redirected there (302) where the trunk is authorised, else 403",
    settings=EmergencySettings,
    structural=True,
    rows=(Row("emergency"),),
)
