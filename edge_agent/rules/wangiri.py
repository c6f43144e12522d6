"""wangiri: calls that ring once to be called back. A weight; it never decides alone.

A call counts when its caller gives it up within seconds of its first 18x, or of
its INVITE where nothing rang: that is a ping, which finds out what numbers
exist.
"""

from pydantic import Field

from edge_agent.policy.values import Duration
from edge_agent.rules._behaviour import PatternSettings, Share, Weight
from edge_agent.rules._shape import Mode, Row, Rule


class WangiriSettings(PatternSettings):
    """When too many calls are given up at once."""

    weight: Weight = Field(default=50, description="What it adds to the score.")
    share: Share = Field(default=0.5, description="Share of calls given up within seconds.")
    seconds: Duration = Field(default=5.0, ge=0.5, le=60, description="A ring that ends so soon was one ring.")


RULE = Rule(
    name="wangiri",
    family="behaviour",
    clauses=(24, 27),
    directions={"T": Mode.MONITOR},
    finds="many calls cancelled after one ring",
    answer="weight; 603+ above the threshold",
    settings=WangiriSettings,
    rows=(Row("wangiri"),),
)
