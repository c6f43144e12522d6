"""hops: Max-Forwards used up, or a request that has been here before. It never answers a spiral (RFC 5393 §4.2)."""

from typing import Annotated

from pydantic import Field

from edge_agent.rules._shape import Mode, Row, Rule, RuleSettings


class HopsSettings(RuleSettings):
    """The hop count of requests that come without one."""

    max_forwards: Annotated[int, Field(ge=1, le=255)] = Field(
        default=70, description="Max-Forwards put into a request that has none."
    )


RULE = Rule(
    name="hops",
    family="structure",
    clauses=(30,),
    directions={"T": Mode.ENFORCE, "U": Mode.ENFORCE},
    finds="Max-Forwards at 0, or a loop through this agent",
    answer="483 or 482",
    settings=HopsSettings,
    structural=True,
    rows=(Row("hops"),),
)
