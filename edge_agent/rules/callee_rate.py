"""callee-rate: calls per second to one called number from many callers. Repeat and attested callers never wait behind a flood.

A flood on a victim (TDoS) comes from callers that never called it before.
Above the rate, those who did, a minute ago or earlier, have a second budget of
the same size; who passes while the number is under pressure isn't remembered. A
third is for calls whose number is vouched for: by a `verstat` of a sender who may
assert it, or by an Identity header that verifies. A called number is counted for
each trunk and upstream, so nobody's flood is somebody else's.
"""

from typing import Annotated

from pydantic import Field

from edge_agent.rules._shape import Burst, Mode, PerSecond, RateSettings, Row, Rule


class CalleeRateSettings(RateSettings):
    """The budget of one called number."""

    per_second: PerSecond = Field(default=5.0, description="Calls per second to one called number.")
    burst: Burst = Field(default=20, description="Calls to one called number that may come at once.")
    known_hours: Annotated[float, Field(ge=0.1, le=8, allow_inf_nan=False)] = Field(
        default=8.0, description="Hours for which a caller who called the number before is known."
    )


RULE = Rule(
    name="callee-rate",
    family="rate",
    clauses=(10,),
    directions={"T": Mode.MONITOR, "U": Mode.MONITOR},
    finds="a called number that many callers flood",
    answer="486",
    settings=CalleeRateSettings,
    rows=(Row("callee_rate"),),
)
