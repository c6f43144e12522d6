"""source-rate: messages per second of a source and of its network prefix. It never counts a configured trunk.

The prefix has a budget of its own, so that a sender with a whole network
doesn't get the budget of every address in it.
"""

from pydantic import Field

from edge_agent.rules._shape import Burst, Mode, PerSecond, RateSettings, Row, Rule


class SourceRateSettings(RateSettings):
    """Budgets of one source, and of its /24 (IPv4) or /64 and /48 (IPv6)."""

    per_second: PerSecond = Field(default=30.0, description="Messages per second of one source address.")
    burst: Burst = Field(default=60, description="Messages of one source address that may come at once.")
    prefix_per_second: PerSecond = Field(default=240.0, description="Messages per second of one network prefix.")
    prefix_burst: Burst = Field(default=480, description="Messages of one network prefix that may come at once.")


RULE = Rule(
    name="source-rate",
    family="rate",
    clauses=(3, 10, 12),
    directions={"X": Mode.ENFORCE},
    finds="more messages per second than one source or one network prefix may send",
    answer="dropped; 486 to the callers of an open trunk",
    settings=SourceRateSettings,
    rows=(Row("source_rate"),),
)
