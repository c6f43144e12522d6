"""What the rules of behaviour have in common: a pattern's threshold, and its weight in the score.

``[behaviour]`` says what a score comes to. A rule here finds a pattern in what
one caller, or a whole trunk, did; no pattern decides alone by its default weight.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edge_agent.rules._shape import RuleSettings

PATTERNS = ("dispersal", "sequential", "short-calls", "low-answer", "wangiri")
"""In the engine's order."""

Weight = Annotated[int, Field(ge=0, le=1000)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class PatternSettings(RuleSettings):
    """The settings of one pattern."""

    weight: Weight
    share: Share
