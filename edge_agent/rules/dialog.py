"""dialog: requests inside a dialog prove it by the cookie in our Record-Route. It never keeps dialog state.

The budgets are small on purpose: what they admit is unproven, or can't be
answered (an ACK never is).
"""

from pydantic import Field

from edge_agent.rules._shape import Burst, Mode, PerSecond, Row, Rule, RuleSettings


class DialogSettings(RuleSettings):
    """What one trunk or upstream may send without proof."""

    per_second: PerSecond = Field(
        default=5.0, description="Unproven in-dialog requests per second of one trunk or upstream in the grace time."
    )
    burst: Burst = Field(default=20, description="Unproven in-dialog requests that may come at once in the grace time.")
    dialog_per_second: PerSecond = Field(
        default=10.0, description="Requests per second of one proven dialog; BYE and ACK are never held back."
    )
    dialog_burst: Burst = Field(default=40, description="Requests of one proven dialog that may come at once.")
    ack_per_second: PerSecond = Field(
        default=50.0, description="ACKs of unknown calls per second that one trunk or upstream may have forwarded."
    )
    ack_burst: Burst = Field(default=100, description="ACKs of unknown calls that may come at once.")


RULE = Rule(
    name="dialog",
    family="structure",
    clauses=(6, 12, 14),
    directions={"T": Mode.ENFORCE, "U": Mode.ENFORCE, "X": Mode.ENFORCE},
    finds="an in-dialog request that doesn't prove its dialog",
    answer="481; unknown sources get no reply",
    settings=DialogSettings,
    rows=(Row("dialog"),),
)
