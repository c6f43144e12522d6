"""low-answer: a low share of answered calls. A weight; it never decides alone.

Or many calls to numbers that don't exist (404, 410, 484, 604) or to people who
don't want them (603, 607, 608): lists that nobody keeps. What the cloud itself
fails at (5xx) counts neither way.
"""

from pydantic import Field

from edge_agent.rules._behaviour import PatternSettings, Share, Weight
from edge_agent.rules._shape import Mode, Row, Rule


class LowAnswerSettings(PatternSettings):
    """When too few calls are answered, or too many refused."""

    weight: Weight = Field(default=40, description="What it adds to the score.")
    share: Share = Field(
        default=0.25, description="Share of calls that are answered at or below which it is a pattern."
    )
    refused: Share = Field(
        default=0.25, description="Share of calls to no number, or unwanted, from which on it is one."
    )


RULE = Rule(
    name="low-answer",
    family="behaviour",
    clauses=(24,),
    directions={"T": Mode.MONITOR},
    finds="a caller whose calls are hardly ever answered, or often go to no number",
    answer="weight; 603+ above the threshold",
    settings=LowAnswerSettings,
    rows=(Row("low_answer"),),
)
