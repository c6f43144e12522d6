"""caller-rate: calls per second of one caller. It never counts a copy, or a call to an emergency service.

A caller is a number as it reads without its formatting, on one trunk or from
one upstream; who is anonymous is told by the asserted number. A call without
any number isn't counted here.
"""

from pydantic import Field

from edge_agent.rules._shape import Burst, Mode, PerSecond, RateSettings, Row, Rule


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
    rows=(Row("caller_rate"),),
)
