"""What a call's headers come to, and the settings of its trunk, to what the engine shall do. It reads no header itself.

``stir-signature`` and the least level of ``stir-attestation`` follow the trunk's
``stir`` key: tag never refuses for them. Rates and ``stir-replay`` follow their
own modes. The first finding that is enforced decides; the others are told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from edge_agent.policy.settings import Settings, Trunk
from edge_agent.reasons import BY_NAME
from edge_agent.rules import BY_NAME as RULES
from edge_agent.rules import Mode
from edge_agent.rules.stir_attestation import StirAttestationSettings
from edge_agent.rules.stir_replay import StirReplaySettings
from edge_agent.stir.rates import Rate, Rates
from edge_agent.stir.replay import Replays
from edge_agent.stir.verify import FAILED, NONE, PASSED, Result

VERSTAT = {PASSED: 1, FAILED: 2, NONE: 3}
RANK = {"none": 0, "C": 1, "B": 2, "A": 3}
UNSIGNED = "unsigned"
LEVEL_CELLS, SIGNER_CELLS = 8192, 8192
"""1,024 peers have 4,096 levels together; a country has a few thousand signers."""

UNAVAILABLE = BY_NAME["certificate-unavailable"]
_REPLAY = BY_NAME["stir-replay"]
_LEVEL, _LEVEL_RATE, _SIGNER_RATE = (BY_NAME[name] for name in ("attestation-level", "attestation-rate", "signer-rate"))


class Decision(NamedTuple):
    """What ``Engine.resolve`` is told. ``reason`` 0: pass on. ``monitored``: reasons that were found and don't decide."""

    reason: int = 0
    verstat: int = 0
    attest: str = ""
    monitored: tuple[int, ...] = ()
    priority: tuple[str, ...] = ()
    """Resource-Priority values that a good rph token vouches for."""
    callback: bool = False
    """A good rph token says that the call comes back from a PSAP."""


@dataclass(frozen=True)
class Subject:
    """A trunk, as verification sees it."""

    name: str
    requires: bool = False
    """stir = "require"."""
    verifies: bool = True
    """stir isn't "ignore"."""
    signature: Mode = Mode.ENFORCE
    attestation: Mode = Mode.ENFORCE
    replay: Mode = Mode.MONITOR
    least: str = "none"
    rates: Mapping[str, Rate] = field(default_factory=dict)
    """By level, those that have one. Of "unsigned" the engine counts: most of those calls never come here."""
    signer_rate: Rate | None = None
    calls: int = 3


def subject(settings: Settings, trunk: Trunk) -> Subject:
    """The trunk of a configuration."""
    level = settings.rule_settings("stir-attestation", trunk)
    replay = settings.rule_settings("stir-replay", trunk)
    assert isinstance(level, StirAttestationSettings) and isinstance(replay, StirReplaySettings)
    rates = {
        "C": (level.c_per_second, level.c_burst),
        "B": (level.b_per_second, level.b_burst),
        "A": (level.a_per_second, level.a_burst),
    }
    signature, attestation, replayed = (
        settings.rule_mode(RULES[name], "T", trunk) for name in ("stir-signature", "stir-attestation", "stir-replay")
    )
    return Subject(
        name=trunk.name,
        requires=trunk.stir == "require",
        verifies=trunk.stir != "ignore",
        signature=signature,
        attestation=attestation,
        replay=replayed,
        least=level.least,
        rates={name: rate for name, rate in rates.items() if rate[0]},
        signer_rate=(level.signer_per_second, level.signer_burst) if level.signer_per_second else None,
        calls=replay.calls,
    )


class Judge:
    """Decides, and keeps what rates and replays need. One thread."""

    def __init__(self) -> None:
        self.levels, self.signers, self.replays = Rates(LEVEL_CELLS), Rates(SIGNER_CELLS), Replays()

    def decide(self, who: Subject, result: Result, call_id: str, now: float, monotonic: float) -> Decision:
        """For the result of one call. ``now`` is POSIX time, ``monotonic`` that of the rates, both in seconds."""
        verstat = VERSTAT[result.verstat]
        monitored: list[int] = []
        passed = result.verstat == PASSED
        deciding = 0
        if not passed:
            found = BY_NAME[result.reason.name]
            if who.requires and who.signature is Mode.ENFORCE:
                deciding = found
            elif who.signature is not Mode.OFF:
                monitored.append(found)
        if not deciding and who.attestation is not Mode.OFF and (who.rates or who.signer_rate or who.least != "none"):
            deciding = self._level(who, result, passed, monotonic, monitored)
        if not deciding and passed and who.replay is not Mode.OFF:
            again = self.replays.again(result.content, call_id, result.until, who.calls, now)
            deciding = self._weigh(_REPLAY if again else 0, who.replay is Mode.ENFORCE, monitored)
        attest = result.attest if passed else ""
        return Decision(deciding, verstat, attest, tuple(monitored), result.priority, result.callback)

    def _level(self, who: Subject, result: Result, passed: bool, now: float, monitored: list[int]) -> int:
        """stir-attestation: the reason that decides, or 0."""
        enforced = who.attestation is Mode.ENFORCE
        # A plain token names no level: its signer knows the caller no better than with C.
        level = (result.attest or "C") if passed else UNSIGNED
        too_low = passed and RANK[level] < RANK[who.least]
        if reason := self._weigh(_LEVEL if too_low else 0, enforced and who.requires, monitored):
            return reason
        rate = who.rates.get(level)
        above = rate is not None and not self.levels.take((who.name, level), rate, now)
        if reason := self._weigh(_LEVEL_RATE if above else 0, enforced, monitored):
            return reason
        rate = who.signer_rate if passed else None
        above = rate is not None and not self.signers.take((who.name, result.signer), rate, now)
        return self._weigh(_SIGNER_RATE if above else 0, enforced, monitored)

    @staticmethod
    def _weigh(found: int, enforced: bool, monitored: list[int]) -> int:
        """A finding, if there is one, decides or is noted."""
        if found and not enforced:
            monitored.append(found)
        return found if enforced else 0


def unsigned(who: Subject | None) -> Decision:
    """For a call that has no Identity header, and is only to get one."""
    return Decision(0, 3 if who is not None and who.verifies and who.signature is not Mode.OFF else 0)


def unavailable(who: Subject | None, reject: bool) -> Decision:
    """For a call whose certificate can't be had, or that there is no time for: ``on_unavailable``.

    A trunk whose calls are only tagged is never refused any.
    """
    if reject and who is not None and who.requires and who.signature is Mode.ENFORCE:
        return Decision(UNAVAILABLE, 3)
    return Decision(0, 3, "", () if who is not None and who.signature is Mode.OFF else (UNAVAILABLE,))
