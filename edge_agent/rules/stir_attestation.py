"""stir-attestation: is the attested level enough, and how many calls come with it? It never takes the level for a verdict.

Without a setting it finds nothing. What doesn't verify counts as unsigned, as do
calls without Identity, and a token without a level (a plain PASSporT) as C. A trunk
whose headers are ignored has no levels, so no rates of them.
"""

from typing import Literal

from pydantic import Field

from edge_agent.rules._shape import RATE_MAX, Burst, Mode, Rule, RuleSettings


def per_second(what: str) -> float:
    return Field(default=0.0, ge=0, le=RATE_MAX, allow_inf_nan=False, description=f"Calls per second {what}; 0: any.")


def burst(what: str) -> int:
    return Field(default=20, ge=1, le=RATE_MAX, description=f"Calls {what} that may come at once.")


class StirAttestationSettings(RuleSettings):
    """The least level, and rates of each."""

    least: Literal["none", "C", "B", "A"] = Field(
        default="none", description="The lowest level that passes where the trunk's stir is require; none: any."
    )
    unsigned_per_second: float = per_second("of a trunk that nobody vouches for")
    unsigned_burst: Burst = burst("that nobody vouches for")
    c_per_second: float = per_second("of a trunk with attestation C")
    c_burst: Burst = burst("with attestation C")
    b_per_second: float = per_second("of a trunk with attestation B")
    b_burst: Burst = burst("with attestation B")
    a_per_second: float = per_second("of a trunk with attestation A")
    a_burst: Burst = burst("with attestation A")
    signer_per_second: float = per_second("of a trunk that one certificate's subject vouches for")
    signer_burst: Burst = burst("of one signer")


RULE = Rule(
    name="stir-attestation",
    family="stir",
    clauses=(9, 17),
    directions={"T": Mode.ENFORCE, "U": Mode.ENFORCE},
    finds="an attestation below the level that is asked for, or more calls of a level or signer than may be",
    answer="403, 486; or verstat",
    settings=StirAttestationSettings,
)
