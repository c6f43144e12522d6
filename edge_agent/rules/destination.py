"""destination: called prefixes that are denied. It never sees an emergency call; the lane runs first.

The longest listed prefix of a number decides. A trunk's own lists stand beside the
general ones, not in their place: what is denied to everybody stays denied to a
trunk that has a list, unless that list has the same prefix or a longer one.
"""

from pydantic import Field

from edge_agent.policy.values import PrefixEntry
from edge_agent.rules._shape import Mode, Row, Rule, RuleSettings


class DestinationSettings(RuleSettings):
    """Prefixes of called numbers; of two that fit, the longer one holds, and of two equal ones the trunk's."""

    deny: list[PrefixEntry] = Field(
        default=[],
        max_length=10_000,
        description='Prefixes that no call goes to: "+1900*", "*" for every number, "file:deny.txt".',
    )
    allow: list[PrefixEntry] = Field(
        default=[], max_length=10_000, description="Longer prefixes within those that calls may go to."
    )


RULE = Rule(
    name="destination",
    family="destination",
    clauses=(16, 32),
    directions={"T": Mode.ENFORCE},
    finds="a new call or a transfer to a number whose longest listed prefix is denied",
    answer="403",
    settings=DestinationSettings,
    rows=(Row("destination"),),
)
