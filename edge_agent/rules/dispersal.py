"""dispersal: one caller, ever new callees. A weight; it never decides alone.

A number is new when the caller, or the trunk, hasn't called it among some
hundreds (thousands) of numbers before. Schools and call centres have that
pattern too, which is why it is only a weight.
"""

from pydantic import Field

from edge_agent.rules._behaviour import PatternSettings, Share, Weight
from edge_agent.rules._shape import Mode, Row, Rule


class DispersalSettings(PatternSettings):
    """When calls go to too many new numbers."""

    weight: Weight = Field(default=40, description="What it adds to the score.")
    share: Share = Field(default=0.4, description="Share of calls to new numbers from which on it is a pattern.")


RULE = Rule(
    name="dispersal",
    family="behaviour",
    clauses=(24, 27),
    directions={"T": Mode.MONITOR},
    finds="a caller whose calls go to ever new numbers",
    answer="weight; 603+ above the threshold",
    settings=DispersalSettings,
    rows=(Row("dispersal"),),
)
