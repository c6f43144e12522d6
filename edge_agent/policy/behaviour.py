"""The patterns of behaviour: what all of them share in the configuration, and what the engine is given of it. Pure.

The rules themselves (``rules/dispersal.py`` and the others) have a weight and a
threshold each. Here is what makes a score of them, whom a wrongly blocked
caller can turn to, and the text of that in a 603+ answer (ATIS-1000099).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeVar

from pydantic import AfterValidator

from edge_agent.policy.section import Section, setting
from edge_agent.policy.values import Duration, Kind, matching
from edge_agent.rules import BY_NAME, Mode, RuleSettings
from edge_agent.rules._behaviour import PATTERNS, PatternSettings
from edge_agent.rules.low_answer import LowAnswerSettings
from edge_agent.rules.short_calls import ShortCallsSettings
from edge_agent.rules.wangiri import WangiriSettings

if TYPE_CHECKING:
    from edge_agent.policy.settings import Settings, Trunk

MODES = {Mode.OFF: 0, Mode.MONITOR: 1, Mode.ENFORCE: 2}
P = TypeVar("P", bound=PatternSettings)


def _either(pattern: str, kind: str, hint: str) -> AfterValidator:
    """Empty, or a match."""
    return matching(f"(?:{pattern})?", kind, hint)


# They stand in a quoted string, between semicolons.
URL = r"https://[!#-:<-\[\]-~]{1,200}"
EMAIL = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,128}"


class Redress(Section):
    """[redress]: whom the victim of a wrong block can turn to; named in 603+ answers."""

    url: Annotated[str, _either(URL, "public page", 'https, up to 200 characters, no ";"'), Kind("URL")] = setting(
        "", "Public page, https."
    )
    tel: Annotated[str, _either(r"\+[1-9][0-9]{6,14}", "number", 'E.164: "+12125550100"'), Kind("number")] = setting(
        "", "Telephone number, E.164."
    )
    email: Annotated[str, _either(EMAIL, "mail address", "name@example.net"), Kind("mail address")] = setting(
        "", "Mail address."
    )

    @property
    def contacts(self) -> dict[str, str]:
        """What is set."""
        return {key: value for key in ("url", "tel", "email") if (value := getattr(self, key))}


class Behaviour(Section):
    """[behaviour]: how the weights of dispersal, sequential, short-calls, low-answer and wangiri make a score."""

    warn: int = setting(75, "Score of a caller or trunk that is an event, once a minute.", ge=1, le=1000)
    block: int = setting(100, "Score above which the rules in enforce mode refuse its new calls (603+).", ge=1, le=1000)
    calls: int = setting(50, "Calls of a caller before anything is held against it.", ge=10, le=100_000)
    trunk_calls: int = setting(200, "The same of a whole trunk.", ge=10, le=1_000_000)
    learn: Duration = setting(
        120.0,
        "Time from its first call for which nothing is held against a caller; three times that, a trunk.",
        ge=0,
        le=7 * 86400,
    )
    forget: Duration = setting(3600.0, "Time in which half of what was counted is forgotten.", ge=60, le=7 * 86400)
    hold: Duration = setting(
        900.0,
        "Time for which a pattern that is gone weighs as before; then half is forgotten in as long.",
        ge=60,
        le=7 * 86400,
    )


class PatternRow(NamedTuple):
    """What one peer's calls are measured by; shares and weights in the order of ``PATTERNS``."""

    weights: tuple[int, ...]
    shares: tuple[float, ...]
    modes: tuple[int, ...]
    refused: float
    short_seconds: float
    ring_seconds: float


class BehaviourTables(NamedTuple):
    """All of it, as the engine copies it. ``peers`` in the policy's order."""

    calls: int
    trunk_calls: int
    learn_seconds: float
    forget_seconds: float
    hold_seconds: float
    warn: int
    block: int
    redress: str
    peers: tuple[PatternRow, ...]


def behaviour_tables(settings: Settings) -> BehaviourTables:
    """For a good configuration."""
    own = settings.behaviour
    peers = [_row(settings, None) for _ in settings.upstream] + [_row(settings, trunk) for trunk in settings.trunk]
    return BehaviourTables(
        own.calls,
        own.trunk_calls,
        own.learn,
        own.forget,
        own.hold,
        own.warn,
        own.block,
        redress_text(settings.redress),
        tuple(peers),
    )


def redress_text(redress: Redress) -> str:
    """The text of a 603+ answer's Reason, without the call's id."""
    return ";".join(["v=analytics1", *(f"{key}={value}" for key, value in redress.contacts.items())])


def _row(settings: Settings, trunk: Trunk | None) -> PatternRow:
    def own(name: str, model: type[P]) -> P:
        found = settings.rule_settings(name, trunk)
        assert isinstance(found, model)
        return found

    shared = [own(name, PatternSettings) for name in PATTERNS]
    modes = [MODES[settings.rule_mode(BY_NAME[name], "T", trunk)] if trunk else 0 for name in PATTERNS]
    return PatternRow(
        tuple(one.weight for one in shared),
        tuple(one.share for one in shared),
        tuple(modes),
        own("low-answer", LowAnswerSettings).refused,
        own("short-calls", ShortCallsSettings).seconds,
        own("wangiri", WangiriSettings).seconds,
    )


def enforced(rules: Mapping[str, RuleSettings]) -> Iterator[str]:
    """The rules among these that answer 603+, and so need somebody to turn to."""
    for name in PATTERNS:
        if name in rules and rules[name].mode is Mode.ENFORCE:
            yield name
