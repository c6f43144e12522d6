"""caller-owned: is the caller's number the trunk's own? It never changes a caller ID."""

from typing import Annotated

from pydantic import Field

from edge_agent.rules._shape import Mode, Row, Rule, RuleSettings


class CallerOwnedSettings(RuleSettings):
    """How far one call that came in vouches for calls that go out with its caller."""

    forwards_per_call: Annotated[int, Field(ge=1, le=15)] = Field(
        default=4, description="Forwarded calls that one inbound call of that caller proves, within 200 seconds."
    )
    trusted_share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = Field(
        default=0.5,
        description='With forwards = "trust": forwarded calls that need no proof, as a share of the trunk\'s rate.',
    )


RULE = Rule(
    name="caller-owned",
    family="caller",
    clauses=(9, 18, 28),
    directions={"T": Mode.ENFORCE},
    finds="a caller ID that is not on the trunk's list, on a call that is not proven to be forwarded",
    answer="403",
    settings=CallerOwnedSettings,
    rows=(Row("caller_owned"),),
)
