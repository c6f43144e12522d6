"""trunk-rate: calls per second of a trunk, and its other requests. It never counts copies or requests inside a dialog.

The numbers of its calls are keys of the trunk (calls_per_second, burst,
over_limit): they are part of the customer's contract, as its caller IDs are.
Requests outside a dialog that open no call have a budget for each kind here.
"""

from pydantic import Field

from edge_agent.rules._shape import Burst, Mode, PerSecond, Row, Rule, RuleSettings


class TrunkRateSettings(RuleSettings):
    """Budgets of one trunk for requests outside a dialog that open no call."""

    register_per_second: PerSecond = Field(default=20.0, description="REGISTERs per second of one trunk.")
    register_burst: Burst = Field(default=200, description="REGISTERs that may come at once.")
    options_per_second: PerSecond = Field(
        default=10.0,
        description="OPTIONS per second of one trunk that go on; those to the agent itself aren't counted.",
    )
    options_burst: Burst = Field(default=50, description="OPTIONS that may come at once.")
    subscribe_per_second: PerSecond = Field(default=10.0, description="SUBSCRIBEs per second of one trunk.")
    subscribe_burst: Burst = Field(default=100, description="SUBSCRIBEs that may come at once.")
    message_per_second: PerSecond = Field(default=10.0, description="MESSAGEs per second of one trunk.")
    message_burst: Burst = Field(default=50, description="MESSAGEs that may come at once.")
    other_per_second: PerSecond = Field(
        default=10.0, description="Requests of any other method per second of one trunk, outside a dialog."
    )
    other_burst: Burst = Field(default=50, description="Requests of any other method that may come at once.")


RULE = Rule(
    name="trunk-rate",
    family="rate",
    clauses=(3, 12, 13),
    directions={"T": Mode.ENFORCE},
    finds="more calls per second than the trunk may make, or more other requests than their budget",
    answer="over_limit of the trunk: 486, 480, 503 or 603; other requests 486",
    settings=TrunkRateSettings,
    rows=(Row("trunk_rate"), Row("method_rate")),
)
