"""Calls that no PASSporT vouches for: how many of them a trunk may have. The other rates of stir-attestation are the judge's."""

from __future__ import annotations

from edge_agent.policy.settings import Settings, Trunk
from edge_agent.rules import BY_NAME, Mode
from edge_agent.rules.stir_attestation import StirAttestationSettings


def unvouched_rate(settings: Settings, trunk: Trunk) -> tuple[float, int] | None:
    """Per second, and at once; None: any number, as for a trunk whose Identity headers are ignored."""
    own = settings.rule_settings("stir-attestation", trunk)
    assert isinstance(own, StirAttestationSettings)
    if trunk.stir == "ignore" or not own.unsigned_per_second:
        return None
    if settings.rule_mode(BY_NAME["stir-attestation"], "T", trunk) is Mode.OFF:
        return None
    return own.unsigned_per_second, own.unsigned_burst
