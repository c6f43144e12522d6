"""toll-fraud: calls, minutes and money that go to dear prefixes, a day. It never ends a call that is up.

What is dear: ``numbering/dear.py`` out of the numbering metadata, high-risk ranges of
our own, and the operator's prefixes with their prices. A budget refills all the time,
by its whole in a day: so 24 hours take at most twice of it, and who has used it up may
call again when a little has come back. Calls count when they go on; minutes and money
run from the answer to the end of the call, and those of calls that are up count as they run.
"""

from typing import Annotated, Literal, get_args

from pydantic import Field

from edge_agent.policy.values import Clock, DearEntry, ZoneName
from edge_agent.rules._shape import Mode, Row, Rule, RuleSettings

DearClass = Literal[
    "premium", "shared-cost", "personal", "satellite", "network", "high-risk", "own-1", "own-2", "own-3", "own-4"
]
CLASSES: tuple[str, ...] = get_args(DearClass)
"""In the engine's order, from 1 on. The own ones hold nothing but the operator's prefixes, for budgets of single prefixes."""
ORDINARY = "ordinary"
"""In place of a class: a prefix that isn't dear, within one that is."""
PRICES: dict[str, float] = {
    "premium": 3.0,
    "shared-cost": 0.3,
    "personal": 0.5,
    "satellite": 6.0,
    "network": 3.0,
    "high-risk": 1.0,
    **dict.fromkeys(("own-1", "own-2", "own-3", "own-4"), 1.0),
}
"""Of a minute, where the operator says none: of the order of what is charged, in dollars."""
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = get_args(Day)

MOST = 1_000_000_000
CallsPerDay = Annotated[int, Field(ge=1, le=MOST)]
PerDay = Annotated[float, Field(gt=0, le=MOST, allow_inf_nan=False)]
Price = Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class TollFraudSettings(RuleSettings):
    """Budgets of a day, and what counts against them. A limit that is never met: a high number."""

    prefixes: list[DearEntry] = Field(
        default=[],
        max_length=10_000,
        description='Dear prefixes beside the known ones, class and price of a minute: "+37190* premium 2.50"; "+1809*'
        ' ordinary" for one that isn\'t; "file:rates.txt". Only in [rules.toll-fraud], as prices. Classes own-1 to own-4'
        " are for prefixes that are to have a budget by themselves.",
    )
    prices: dict[DearClass, Price] = Field(
        default={}, description="Price of a minute by class, where a prefix has none of its own: { premium = 2.0 }."
    )
    calls_per_day: CallsPerDay = Field(default=200, description="Dear calls of one trunk.")
    minutes_per_day: PerDay = Field(default=600.0, description="Their minutes.")
    spend_per_day: PerDay = Field(default=300.0, description="What they cost, in the currency of the prices.")
    caller_calls_per_day: CallsPerDay = Field(default=40, description="Dear calls of one caller.")
    caller_minutes_per_day: PerDay = Field(default=120.0, description="Their minutes.")
    caller_spend_per_day: PerDay = Field(default=100.0, description="What they cost.")
    class_calls_per_day: dict[DearClass, CallsPerDay] = Field(
        default={}, description="Calls of one trunk to prefixes of one class: { satellite = 5 }; unset: any number."
    )
    class_minutes_per_day: dict[DearClass, PerDay] = Field(default={}, description="Their minutes.")
    class_spend_per_day: dict[DearClass, PerDay] = Field(default={}, description="What they cost.")
    warn: Share = Field(default=0.8, description="Share of a budget that is told of when it is used.")
    business_from: Clock = Field(default=0, description="When the trunk's business hours begin.")
    business_until: Clock = Field(default=1440, description="And when they end.")
    business_days: list[Day] = Field(default=list(DAYS), min_length=1, max_length=7, description="On which days.")
    business_zone: ZoneName = Field(default="UTC", description="Time zone of these hours.")
    off_hours: Share = Field(default=0.2, description="Share of the trunk's budgets that it has outside of them.")


RULE = Rule(
    name="toll-fraud",
    family="destination",
    clauses=(16,),
    directions={"T": Mode.MONITOR},
    finds="a new call or a transfer to a dear prefix, while a budget of calls, minutes or money is used up",
    answer="403",
    settings=TollFraudSettings,
    rows=(Row("toll_fraud"),),
)
