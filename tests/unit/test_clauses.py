"""The policy's clauses: each has its row, none loses its rule, and the page is the one that the rules print."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_agent.clauses import CLAUSES, NEEDS, NEEDS_FOR, Clause, Need, by_default, describe, held, page, rules_of
from edge_agent.cli import commands
from edge_agent.policy.settings import Trunk
from edge_agent.rules import BY_NAME, RULES, Mode

ROOT = Path(__file__).parents[2]
NOBODY_CAN = {1, 2, 26, 29, 33}
"""Clauses that no rule at the edge can hold."""
HELD_BY = {
    3: "overload",
    4: "target",
    5: "scanner",
    6: "dialog",
    7: "interface",
    8: "unknown-source",
    9: "caller-owned",
    10: "callee-rate",
    11: "interface",
    12: "trunk-rate",
    13: "trunk-rate",
    14: "banned",
    15: "sweep",
    16: "emergency",
    17: "malformed",
    18: "caller-consistent",
    19: "short-calls",
    20: "display-name",
    21: "emergency",
    22: "calling-hours",
    23: "do-not-call",
    24: "caller-rate",
    25: "interface",
    27: "sweep",
    28: "caller-owned",
    30: "hops",
    31: "do-not-originate",
    32: "unknown-source",
}
"""Of the others, a rule that must go on holding each."""
WHOLLY = {3, 7, 21, 30}
"""Clauses that are held as the agent comes."""
RECORDED, IF_SET = {19, 24}, {20, 22, 23, 31}
"""Those that nothing refuses for before a mode, or a setting, says so."""


def test_the_rows_are_the_policys_own() -> None:
    assert [clause.number for clause in CLAUSES] == list(range(1, 34))
    assert all(clause.asks for clause in CLAUSES)


def test_every_clause_has_a_rule_or_a_reason() -> None:
    numbers = {clause.number for clause in CLAUSES}
    assert NOBODY_CAN | HELD_BY.keys() == numbers and not NOBODY_CAN & HELD_BY.keys()
    for group in (WHOLLY, RECORDED, IF_SET):
        assert group <= HELD_BY.keys()


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: str(clause.number))
def test_no_clause_loses_its_rule(clause: Clause) -> None:
    names = [rule.name for rule in rules_of(clause) if rule.built]
    if clause.number in NOBODY_CAN:
        assert not rules_of(clause) and clause.beyond and held(clause) == "no"
        return
    assert HELD_BY[clause.number] in names
    groups = {"yes": WHOLLY, "recorded": RECORDED, "if set": IF_SET}
    assert held(clause) == next((told for told, group in groups.items() if clause.number in group), "partly")


def test_modes_are_told_as_the_rules_have_them() -> None:
    """Of a rule that comes in another mode, another thing is told: nothing here is written by hand."""
    [flood] = [clause for clause in CLAUSES if clause.number == 10]
    notes = {rule.name: by_default(rule, flood).note for rule in rules_of(flood)}
    assert notes["source-rate"] == ""
    rule = BY_NAME["callee-rate"]
    for mode, note in ((Mode.MONITOR, "records"), (Mode.ENFORCE, "")):
        changed = replace(rule, directions={"T": mode, "U": mode})
        assert by_default(changed, flood) == (mode is Mode.ENFORCE, note)
        others = [changed if one is rule else one for one in RULES]
        assert held(flood, others) == ("yes" if mode is Mode.ENFORCE else "partly")
        assert held(flood, [changed]) == ("yes" if mode is Mode.ENFORCE else "recorded")
    both = replace(rule, directions={"T": Mode.ENFORCE, "U": Mode.MONITOR})
    assert by_default(both, flood) == (True, "from upstreams only recorded")


def test_what_a_rule_needs_is_told_by_the_settings_own_default() -> None:
    clause = CLAUSES[16]
    signature, replay = BY_NAME["stir-signature"], BY_NAME["stir-replay"]
    assert by_default(signature, clause) == (False, "off until stir is set")
    assert by_default(replay, clause) == (False, "off until stir is set, then records")
    assert by_default(BY_NAME["calling-hours"], CLAUSES[21]) == (False, "off until class is telemarketing")
    assert by_default(BY_NAME["display-name"], CLAUSES[19]) == (False, "off until marks are set, then records")
    assert by_default(BY_NAME["display-name"], CLAUSES[8]) == (False, "records")
    assert not any(need.met for need in (*NEEDS.values(), *NEEDS_FOR.values()))
    assert Need(Trunk, "over_limit", "it is set").met
    assert NEEDS.keys() <= BY_NAME.keys() and all(BY_NAME[name].built for name in NEEDS)


def test_a_clause_without_a_built_rule_is_not_held() -> None:
    gone = [replace(rule, built=False) for rule in RULES]
    assert {held(clause, gone) for clause in CLAUSES} == {"no"}


def test_the_page_is_current() -> None:
    """python -m edge_agent.clauses > POLICY.md"""
    assert (ROOT / "POLICY.md").read_text() == page()


def test_the_command() -> None:
    result = CliRunner().invoke(commands, ["rules", "--clauses", "--json"])
    assert result.exit_code == 0 and json.loads(result.stdout) == describe()
    result = CliRunner().invoke(commands, ["rules", "--clauses"])
    assert result.exit_code == 0 and "no emergency services unless activated" in " ".join(result.stdout.split())
    assert CliRunner().invoke(commands, ["rules", "hops", "--clauses"]).exit_code == 2
