"""caller-rate: calls per second of one caller. It never counts a call to an emergency service."""

from pydantic import Field

from edge_agent.rules._shape import Burst, Mode, PerSecond, RateSettings, Rule


class CallerRateSettings(RateSettings):
    """The budget of one caller's number."""

    per_second: PerSecond = Field(default=5.0, description="Calls per second of one caller.")
    burst: Burst = Field(default=20, description="Calls of one caller that may come at once.")


RULE = Rule(
    name="caller-rate",
    family="rate",
    clauses=(12, 24),
    directions={"T": Mode.MONITOR, "U": Mode.MONITOR},
    finds="more calls per second than one caller may make",
    answer="486",
    settings=CallerRateSettings,
    built=False,
)
