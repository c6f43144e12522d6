"""malformed: what can't be parsed, or could be read in two ways. The parser finds it; there is no op.

What a peer's broken messages and its OPTIONS to us are told is no more than a
budget allows, since anybody may write its address on a packet. A call that can
be read, and an emergency call that can't, are always answered.
"""

from pydantic import Field

from edge_agent.rules._shape import Burst, Mode, PerSecond, Rule, RuleSettings


class MalformedSettings(RuleSettings):
    """How much one trunk or upstream is told outside of calls; what is above gets no answer."""

    answers_per_second: PerSecond = Field(
        default=50.0,
        description="Answers per second to one peer's malformed messages, and as many to its OPTIONS to this agent.",
    )
    answers_burst: Burst = Field(default=100, description="Such answers that may go at once.")


RULE = Rule(
    name="malformed",
    family="structure",
    clauses=(3, 14, 17),
    directions={"T": Mode.ENFORCE, "U": Mode.ENFORCE, "X": Mode.ENFORCE},
    finds="a message that can't be parsed, that two readers could read differently, or that is over a limit",
    answer="400 naming what is wrong; unknown sources get no reply",
    settings=MalformedSettings,
    structural=True,
)
