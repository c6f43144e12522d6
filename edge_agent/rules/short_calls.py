"""short-calls: a high share of calls of a few seconds. A weight; it never decides alone, whatever the settings say.

An FCC finding calls low-duration traffic partly essential: codes read out,
alarms, reminders. A call is measured from its 2xx to the answer to its BYE.
"""

from pydantic import Field

from edge_agent.policy.values import Duration
from edge_agent.rules._behaviour import PatternSettings, Share, Weight
from edge_agent.rules._shape import Mode, Row, Rule


class ShortCallsSettings(PatternSettings):
    """When too many answered calls are short."""

    weight: Weight = Field(default=30, description="What it adds to the score.")
    share: Share = Field(default=0.6, description="Share of answered calls that were short.")
    seconds: Duration = Field(default=6.0, ge=0.5, le=600, description="A call that ends so soon is short.")


RULE = Rule(
    name="short-calls",
    family="behaviour",
    clauses=(19, 24),
    directions={"T": Mode.MONITOR},
    finds="a high share of answered calls that end within seconds",
    answer="weight; 603+ above the threshold",
    settings=ShortCallsSettings,
    rows=(Row("short_calls"),),
)
