"""What the modes of a rule do, asked of every rule in the same words. It holds no test of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from edge_agent.policy.load import ConfigError
from tests.agent import Agent, Decision, policy

# [rules.X], [trunk.rules.X], [agent] mode, and what then holds on the trunk's calls.
MODES = [
    ("", "", "", "enforce"),
    ("enforce", "", "", "enforce"),
    ("monitor", "", "", "monitor"),
    ("off", "", "", "off"),
    ("", "off", "", "off"),
    ("", "monitor", "", "monitor"),
    ("off", "enforce", "", "enforce"),
    ("off", "monitor", "", "monitor"),
    ("enforce", "off", "", "off"),
    ("", "", "monitor", "monitor"),
    ("enforce", "enforce", "monitor", "monitor"),
    ("off", "", "monitor", "off"),
]


def mode_policy(rule: str, general: str = "", trunk: str = "", whole: str = "", acme: str = "", owned: str = "") -> str:
    """The configuration of one line of MODES; ``acme`` and ``owned`` as in ``policy``."""
    if trunk:
        acme += f'\nrules.{rule}.mode = "{trunk}"'
    rules = f'[rules.{rule}]\nmode = "{general}"' if general else ""
    agent = f'mode = "{whole}"' if whole else ""
    return policy(acme, agent=agent, rules=rules, **({"owned": owned} if owned else {}))


def check_modes(
    rule: str,
    hit: Callable[[Agent], Decision],
    short: str,
    *,
    acme: str = "",
    owned: str = "",
    default: str = "enforce",
) -> None:
    """``hit`` sends what the rule finds, in a call of acme's that is sound otherwise; ``short`` is what it must be told.

    ``default`` is the rule's own mode, which holds where no line says another.
    """
    for general, trunk, whole, enforcing in MODES:
        expected = enforcing if general or trunk or whole else default
        agent = Agent(mode_policy(rule, general, trunk, whole, acme, owned))
        found = hit(agent)
        case = f"[rules] {general!r}, [trunk.rules] {trunk!r}, [agent] {whole!r}: {found.short}"
        assert found.short == (short if expected == "enforce" else "forward pass"), case
        assert found.monitored == ((rule,) if expected == "monitor" else ()), case
        if expected == "off":
            assert not found.events, case
        else:
            assert (found.event.rule, found.event.monitored) == (rule, expected == "monitor"), case
            assert (found.event.peer, found.event.action) == ("acme", found.action), case


def check_structural(rule: str, hits: Iterable[tuple[Callable[[Agent], Decision], str]]) -> None:
    """The rule always holds: its mode can't be lowered, and a monitoring agent enforces it all the same."""
    for general, trunk in (("off", ""), ("monitor", ""), ("", "off"), ("", "monitor")):
        with pytest.raises(ConfigError, match="always holds"):
            Agent(mode_policy(rule, general, trunk))
    for text in (policy(), policy(agent='mode = "monitor"'), mode_policy(rule, "enforce")):
        for hit, short in hits:
            found = hit(Agent(text))
            assert found.short == short
            assert (found.rule, found.event.rule, found.event.monitored) == (rule, rule, False)
