"""callee-rate: calls per second to one callee from many callers. Repeat and attested callers never wait behind it."""

from pydantic import Field

from edge_agent.rules._shape import Burst, Mode, PerSecond, RateSettings, Rule


class CalleeRateSettings(RateSettings):
    """The budget of one called number."""

    per_second: PerSecond = Field(default=5.0, description="Calls per second to one called number.")
    burst: Burst = Field(default=20, description="Calls to one called number that may come at once.")


RULE = Rule(
    name="callee-rate",
    family="rate",
    clauses=(10,),
    directions={"T": Mode.MONITOR, "U": Mode.MONITOR},
    finds="a called number that many callers flood",
    answer="486 or 603+",
    settings=CalleeRateSettings,
    built=False,
)
