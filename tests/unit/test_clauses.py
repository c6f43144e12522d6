"""The policy's clauses: each has its row, none loses its rule, and the page is the one that the rules print."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_agent.clauses import CLAUSES, Clause, describe, held, page, rules_of
from edge_agent.cli import commands
from edge_agent.rules import RULES

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
    20: "display-name",
    21: "emergency",
    22: "calling-hours",
    24: "caller-rate",
    25: "interface",
    27: "sweep",
    28: "caller-owned",
    30: "hops",
    31: "do-not-originate",
    32: "unknown-source",
}
"""Of the others, a rule that must go on holding each."""


def test_the_rows_are_the_policys_own() -> None:
    assert [clause.number for clause in CLAUSES] == list(range(1, 34))
    assert all(clause.asks for clause in CLAUSES)


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: str(clause.number))
def test_no_clause_loses_its_rule(clause: Clause) -> None:
    names = [rule.name for rule in rules_of(clause) if rule.built]
    if clause.number in NOBODY_CAN:
        assert not rules_of(clause) and clause.beyond and held(clause) == "no"
    elif clause.number in HELD_BY:
        assert HELD_BY[clause.number] in names
        assert held(clause) == ("partly" if clause.beyond else "yes")
    else:
        assert rules_of(clause), "its rules are known, if not all built"


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
