"""display-name: numbers, protected marks and invisible characters in the caller's name. It never edits the name.

STIR signs no display name, so it is where a forged call shows what its caller
ID can't. A mark is found in any spelling that looks like it.
"""

from typing import Annotated

from pydantic import AfterValidator, Field

from edge_agent.numbering.skeleton import letters
from edge_agent.policy.values import bad
from edge_agent.rules._shape import Mode, Row, Rule, RuleSettings

SHORTEST, LONGEST = 4, 64


def _check_mark(value: str) -> str:
    seen = letters(value)
    if not SHORTEST <= len(seen) <= LONGEST:
        raise bad(
            f"has {len(seen)} letters and digits", f"{SHORTEST} to {LONGEST}: a shorter one stands within other names"
        )
    return value


Mark = Annotated[str, AfterValidator(_check_mark)]


class DisplayNameSettings(RuleSettings):
    """Names that only their owners may show. A trunk that is the owner has its own list, without them."""

    marks: list[Mark] = Field(
        default=[], max_length=256, description="Protected names: banks, authorities; found in any look-alike spelling."
    )


RULE = Rule(
    name="display-name",
    family="caller",
    clauses=(9, 18, 20),
    directions={"T": Mode.MONITOR},
    finds="a display name that holds another number, a protected mark or a look-alike of one",
    answer="403",
    settings=DisplayNameSettings,
    rows=(Row("display_name"),),
)
