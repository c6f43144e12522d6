"""source-rate: messages per second of a stranger or an open trunk's caller, and of the networks around it. It never counts others.

The prefix has a budget of its own, so that a sender with a whole network
doesn't get the budget of every address in it.
"""

from pydantic import Field

from edge_agent.rules._shape import Burst, Mode, PerSecond, RateSettings, Row, Rule


class SourceRateSettings(RateSettings):
    """Budgets of one source (IPv4 address, IPv6 /64), and of its /24 (IPv4) or /56 and /48 (IPv6)."""

    per_second: PerSecond = Field(
        default=30.0, description="Messages per second of one source: an IPv4 address or an IPv6 /64."
    )
    burst: Burst = Field(default=60, description="Messages of one source that may come at once.")
    site_per_second: PerSecond = Field(default=120.0, description="Messages per second of one IPv6 /56.")
    site_burst: Burst = Field(default=240, description="Messages of one IPv6 /56 that may come at once.")
    prefix_per_second: PerSecond = Field(default=240.0, description="Messages per second of one IPv4 /24 or IPv6 /48.")
    prefix_burst: Burst = Field(default=480, description="Messages of one IPv4 /24 or IPv6 /48 that may come at once.")
    calls_per_second: PerSecond = Field(default=1.0, description="New calls per second of one caller of an open trunk.")
    calls_burst: Burst = Field(default=10, description="New calls of such a caller that may come at once.")
    answers_per_second: PerSecond = Field(
        default=200.0,
        description="486 answers per second of an open trunk to callers over their rate; the rest is dropped.",
    )
    answers_burst: Burst = Field(default=400, description="Such answers that may leave at once.")
    unknown_answers_per_second: PerSecond = Field(
        default=50.0,
        description="403 answers per second to emergency calls of all unknown sources together; the rest is dropped.",
    )
    unknown_answers_burst: Burst = Field(default=100, description="Such answers that may leave at once.")


RULE = Rule(
    name="source-rate",
    family="rate",
    clauses=(3, 10, 12),
    directions={"X": Mode.ENFORCE, "O": Mode.ENFORCE},
    finds="more messages per second than one source or one network prefix may send",
    answer="dropped; 486 to the callers of an open trunk",
    settings=SourceRateSettings,
    rows=(Row("source_rate"), Row("open_rate")),
)
