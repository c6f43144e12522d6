"""Rates and bursts: what is too slow, too fast or too much for the engine is refused at check, and told what to write."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.policy.checks import CELL_SECONDS, OWN_SECONDS
from edge_agent.policy.load import load
from edge_agent.rules import RULES
from edge_agent.rules._shape import RATE_MIN, pairs
from tests.agent import Agent, invite, policy, tables
from tests.proxy.callers import QUIET
from tests.unit.policies import BASE
from tests.unit.test_load import OFF, Load, read, refused, told

__all__ = ["read"]  # the fixture

IN_CELLS = [
    ("caller-rate", "per_second", "burst"),
    ("callee-rate", "per_second", "burst"),
    ("source-rate", "per_second", "burst"),
    ("source-rate", "site_per_second", "site_burst"),
    ("source-rate", "prefix_per_second", "prefix_burst"),
    ("source-rate", "calls_per_second", "calls_burst"),
    ("dialog", "dialog_per_second", "dialog_burst"),
]
OWN = [
    (rule.name, rate, burst)
    for rule in RULES
    for rate, burst in pairs(rule.settings)
    if (rule.name, rate, burst) not in IN_CELLS
]


def line(read: Load, text: str) -> str:
    [problem] = refused(read, text)
    return str(problem).partition(": ")[2]


@pytest.mark.parametrize("rate", ["1e-300", "5e-324", "1e-12", "1e-9", "0.00009", "0", "0.0", "-1", "-1e300"])
def test_what_is_no_rate(read: Load, rate: str) -> None:
    assert line(read, BASE + f"calls_per_second = {rate}\n") == (
        f"trunk[acme].calls_per_second: must be at least 0.0001 {OFF}"
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("burst = 0\n", f"trunk[acme].burst: must be at least 1 {OFF}"),
        ("burst = -5\n", f"trunk[acme].burst: must be at least 1 {OFF}"),
        ("burst = 10000001\n", f"trunk[acme].burst: must be at most 10000000 {OFF}"),
        (
            "concurrent_calls = 0\n",
            'trunk[acme].concurrent_calls: must be at least 1 (for no limit: [trunk.rules.trunk-calls] mode = "off")',
        ),
        (
            "[rules.caller-rate]\nper_second = 0\n",
            'rules.caller-rate.per_second: must be at least 0.0001 (for no limit: [rules.caller-rate] mode = "off")',
        ),
        (
            "[trunk.rules.callee-rate]\nburst = 0\n",
            'trunk[acme].rules.callee-rate.burst: must be at least 1 (for no limit: [trunk.rules.callee-rate] mode = "off")',
        ),
        (
            "[rules.emergency]\nper_second = 0\n",
            "rules.emergency.per_second: must be at least 0.0001 (for no limit write 10000000)",
        ),
        (
            "[rules.stir-attestation]\nc_per_second = -1\n",
            "rules.stir-attestation.c_per_second: must be at least 0 (0 is no limit)",
        ),
        ("[tables]\nrates_mib = 0\n", "tables.rates_mib: must be at least 1"),
    ],
)
def test_what_to_write_for_no_limit(read: Load, text: str, wanted: str) -> None:
    assert line(read, BASE + text) == wanted


@pytest.mark.parametrize(("rule", "rate", "burst"), [*IN_CELLS, *OWN])
def test_what_is_had_again_too_late(tmp_path: Path, read: Load, rule: str, rate: str, burst: str) -> None:
    """Eight hours are the longest that shared cells see, thirty days those of a peer; a burst just as long passes."""
    most = CELL_SECONDS if (rule, rate, burst) in IN_CELLS else OWN_SECONDS
    good, slow = int(0.001 * most), int(0.001 * most) + 1
    text = f"[rules.{rule}]\n{rate} = 0.001\n{burst} = "
    assert told(refused(read, BASE + text + f"{slow}\n")) == {("limit-slow", f"rules.{rule}.{rate}")}
    (tmp_path / "edge_agent.toml").write_text(BASE + text + f"{good}\n")
    load(tmp_path / "edge_agent.toml")


def test_the_line_says_what_to_write(tmp_path: Path, read: Load) -> None:
    text = BASE + "[rules.caller-rate]\nper_second = 0.001\nburst = 60\n"
    assert line(read, text) == (
        "rules.caller-rate.per_second: a burst of 60 at 0.001 per second is had again after 60000 s;"
        " 28800 s is the longest that is kept (set per_second to 0.002084 or more, or burst to 28 or less)"
    )
    for good in (text.replace("0.001", "0.002084"), text.replace("60", "28")):
        (tmp_path / "edge_agent.toml").write_text(good)
        load(tmp_path / "edge_agent.toml")


def test_a_trunks_own_half_is_seen_with_the_general_one(read: Load) -> None:
    text = BASE + "[trunk.rules.caller-rate]\nburst = 60\n[rules.caller-rate]\nper_second = 0.002\nburst = 1\n"
    assert told(refused(read, text)) == {("limit-slow", "trunk[acme].rules.caller-rate.burst")}


def test_a_trunks_calls(read: Load) -> None:
    assert told(refused(read, BASE + "calls_per_second = 0.0001\nburst = 260\n")) == {
        ("limit-slow", "trunk[acme].calls_per_second")
    }


@pytest.mark.parametrize(("rate", "burst"), [(RATE_MIN, 259), (0.001, 40), (1.0, 250)])
def test_slow_ones_pass_exactly_their_burst_at_once(rate: float, burst: int) -> None:
    party = Agent(policy(f"calls_per_second = {rate}\nburst = {burst}", rules=QUIET))
    assert party.burst(invite, burst + 20).count("forward pass") == burst
    party.wait(1 / rate)
    assert party.burst(invite, 3).count("forward pass") == 1


@pytest.mark.parametrize("rate", [5e-324, 1e-300, 1e-12, 1e-9])
def test_the_engine_takes_any_number_without_a_wrap(rate: float) -> None:
    """What check refuses reaches no engine; were it to, no policy would fail for it, and few calls pass."""
    made, party = tables(policy(rules=QUIET)), Agent()
    party.publish(replace(made, peers=tuple(peer._replace(rate=(rate, 40)) for peer in made.peers)))
    assert 1 <= party.burst(invite, 60).count("forward pass") <= 40
