"""What every rule has, and the settings that rules share.

A rule file declares one ``RULE``; it never decides anything itself. The engine
does, with the ops that ``rows`` names. The position of a rule in
``rules.RULES`` is its id there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, Strict

RATE_MAX = 10_000_000
"""The highest rate that a setting takes: above any link's, and exact in the engine's nanoseconds."""
RATE_MIN = 0.0001
"""The lowest: what comes less often than in three hours is no rate."""


class Mode(StrEnum):
    """What becomes of a finding: nothing, a record, or a record and the rule's answer."""

    OFF = "off"
    MONITOR = "monitor"
    ENFORCE = "enforce"


PerSecond = Annotated[float, Field(ge=RATE_MIN, le=RATE_MAX, allow_inf_nan=False)]
Burst = Annotated[int, Field(ge=1, le=RATE_MAX)]


class RuleSettings(BaseModel):
    """The settings of a rule that has none of its own."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    # Strict(False): TOML holds the word, strict mode would ask for the enum member.
    mode: Annotated[Mode | None, Strict(False)] = Field(
        default=None, description="Off, only record what it finds, or enforce; unset: the rule's default."
    )


def pairs(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """The limits among these settings: the key of each rate, and of what may come at once."""
    for rate in model.model_fields:
        before = rate.removesuffix("per_second")
        burst = next((key for key in (f"{before}burst", "burst") if key in model.model_fields), "")
        if before != rate and burst:
            yield rate, burst


class RateSettings(RuleSettings):
    """The settings of a rule that is a rate: a steady rate and what may come at once."""

    per_second: PerSecond
    burst: Burst


@dataclass(frozen=True)
class Row:
    """One line of the screen. ``op`` names the engine's op: "caller_owned" is OP_CALLER_OWNED."""

    op: str


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule: what people read about it, what they may set, and what it compiles into."""

    name: str
    family: str
    clauses: tuple[int, ...]
    """Rows of the acceptable-use policy matrix that it enforces."""
    directions: Mapping[str, Mode]
    """Where it applies (T from trunks, U from upstreams, X from unknown sources), with its default mode there."""
    finds: str
    answer: str
    settings: type[RuleSettings] = RuleSettings
    structural: bool = False
    """Always holds: its mode can't be lowered, and ``agent.mode = "monitor"`` leaves it alone."""
    classes: Mapping[str, Mode] | None = None
    """Default modes by class of trunk, where it asks for that: on other classes it is off, unless the trunk itself says."""
    built: bool = True
    """False: the name is known and its settings are checked, but nothing runs yet."""
    rows: tuple[Row, ...] = ()
