"""auth-abuse: guessing of credentials, read off the answers. It never refuses a call; it strikes the caller.

Only credentials that were refused count: a first challenge, or one for a nonce
that is merely old, is nobody's fault. A user's success takes back what it failed,
and nothing that others did.
"""

from pydantic import Field

from edge_agent.policy.values import Duration
from edge_agent.rules._shape import Mode, Row, Rule, RuleSettings


class AuthAbuseSettings(RuleSettings):
    """How many refused credentials are too many."""

    failures: int = Field(
        default=20, ge=2, le=10_000, description="Refused credentials before it is guessing; another user counts two."
    )
    forget: Duration = Field(default=600.0, ge=1, le=4 * 3600, description="The time in which as many are forgotten.")


RULE = Rule(
    name="auth-abuse",
    family="scanning",
    clauses=(6,),
    directions={"X": Mode.ENFORCE, "O": Mode.ENFORCE, "T": Mode.MONITOR},
    finds="credentials that are refused again and again with 401, 403 or 407, and users that keep changing",
    answer="strikes",
    settings=AuthAbuseSettings,
    rows=(Row("auth_abuse"),),
)
