"""All flood scenarios by name. Each is one function whose docstring is the law that it shows."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import TypeAlias

from tests.flood import bans, callers, dialogs, held, lane, life, roaming, signed, strangers, trunks
from tests.flood.lab import Lab, Trial

Scenario: TypeAlias = Callable[[Lab, Trial], None]
MODULES: tuple[ModuleType, ...] = (strangers, trunks, callers, held, dialogs, bans, roaming, signed, lane, life)


def _scenarios() -> dict[str, Scenario]:
    found: dict[str, Scenario] = {}
    for module in MODULES:
        for name, function in vars(module).items():
            if inspect.isfunction(function) and list(inspect.signature(function).parameters) == ["lab", "trial"]:
                assert name not in found and function.__doc__, name
                found[name] = function
    return found


SCENARIOS = _scenarios()


def run_scenario(name: str, lab: Lab) -> Trial:
    """A scenario that can't be run to its end is a broken one."""
    function = SCENARIOS[name]
    trial = Trial(name, " ".join((function.__doc__ or "").split()))
    try:
        function(lab, trial)
    except Exception as error:  # noqa: BLE001 - told in the report; the others still run
        trial.check("ran to its end", "yes", f"{type(error).__name__}: {error}".replace("\n", " ")[-600:], False)
    return trial
