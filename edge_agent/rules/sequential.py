"""sequential: numbers dialled one after the other. A weight; it never decides alone.

Near is what lies within 16 of one of the numbers called last, so steps of two or
three, two walks at once and small shuffled ranges are found as well. A number
called before is not looked at: who calls a branch office's extensions again and
again walks nowhere.
"""

from pydantic import Field

from edge_agent.rules._behaviour import PatternSettings, Share, Weight
from edge_agent.rules._shape import Mode, Row, Rule


class SequentialSettings(PatternSettings):
    """When new numbers lie too close to each other."""

    weight: Weight = Field(default=45, description="What it adds to the score.")
    share: Share = Field(default=0.35, description="Share of new numbers beside one called just before.")


RULE = Rule(
    name="sequential",
    family="behaviour",
    clauses=(24, 27),
    directions={"T": Mode.MONITOR},
    finds="a caller that dials a range number by number",
    answer="weight; 603+ above the threshold",
    settings=SequentialSettings,
    rows=(Row("sequential"),),
)
