"""What is dialled, in twelve countries: each string of ``dialled.tsv`` is what the table says, and nothing else.

With ``EDGE_CORPUS`` the numbers of every country as well, out of a list that others made.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_agent.numbering.expand import expand
from edge_agent.numbering.plans import regions
from tests.agent import BETA, BETAS, CALLED, Agent, dial, policy, request

COUNTRIES = ("US", "CA", "GB", "DE", "FR", "AU", "NZ", "JP", "IN", "CN", "BR", "MX")
CORPUS = Path(os.environ.get("EDGE_CORPUS") or "/nonexistent")


def countries(column: str) -> frozenset[str]:
    return frozenset(COUNTRIES if column == "all" else column.replace("-", "").split())


def rows() -> list[tuple[str, frozenset[str], frozenset[str]]]:
    """Dialled string, where it is a call, where a test."""
    lines = Path(__file__).with_name("dialled.tsv").read_text().splitlines()
    cells = [line.split("\t") for line in lines if line[:2] != "# "]
    return [(dialled, countries(calls), countries(tests)) for dialled, calls, tests in cells]


ROWS = rows()


def party(country: str) -> Agent:
    setting = f'country = "{country}"'
    return Agent(policy(setting, beta=setting))


def reached(agent: Agent, dialled: str) -> str:
    """The reason of beta's call, as explain tells it: "emergency-routed", "emergency-test", or that of an ordinary call."""
    steps = agent.engine.explain(bytes(dial(dialled, BETAS)), BETA, 0, agent.now)
    reason: str = steps[-1].reason
    return reason


def test_the_table_is_whole() -> None:
    assert len(ROWS) >= 300 and len({row[0] for row in ROWS}) == len(ROWS)
    assert all(calls | tests <= set(COUNTRIES) and not calls & tests for _, calls, tests in ROWS)
    assert sum(not calls and not tests for _, calls, tests in ROWS) >= 100
    for country in COUNTRIES:
        assert sum(country in calls for _, calls, _ in ROWS) >= 35, country


@pytest.mark.parametrize("country", COUNTRIES)
def test_dialled(country: str) -> None:
    agent, wrong = party(country), []
    for dialled, calls, tests in ROWS:
        wanted = "emergency-routed" if country in calls else "emergency-test" if country in tests else ""
        told = reached(agent, dialled)
        if (told if told.startswith("emergency") else "") != wanted:
            wrong.append((dialled, told, wanted))
    assert not wrong


@pytest.mark.parametrize("country", COUNTRIES)
def test_transferred(country: str) -> None:
    """Refer-To is read by the same matcher."""
    agent, wrong = party(country), []
    for dialled, calls, tests in ROWS:
        whole = dialled if dialled.partition(":")[0].lower() in ("sip", "sips", "tel", "urn") else f"sip:{dialled}@x"
        sent = request("REFER", f"sip:{CALLED}@cloud.example.net", BETAS, ("Refer-To", f"<{whole}>"))
        told = agent.engine.explain(bytes(sent), BETA, 0, agent.now)[-1].reason
        if (told == "emergency-refer") != (country in calls | tests):
            wrong.append((dialled, told))
    assert not wrong


@pytest.mark.skipif(not CORPUS.is_dir(), reason="EDGE_CORPUS names no directory with the corpus")
def test_the_corpus_of_numbers() -> None:
    """Every number of every country in it, alone, behind 9 and as a tel URI; and none of them with a digit more."""
    seen, wrong = 0, []
    for line in (CORPUS / "numbers/emergency.tsv").read_text().splitlines()[1:]:
        region, _, pattern, example = line.split("\t")
        if region not in regions() or not pattern:
            continue
        codes = expand(pattern)
        assert example in codes
        agent = party(region)
        for code in codes:
            seen += 1
            for form in (code, f"9{code}", f"tel:{code}", f"*67{code}", f"{code}#"):
                if reached(agent, form) != "emergency-routed":
                    wrong.append((region, form))
            for longer in (f"{code}5551234", f"+{code}5551234", f"{code}55x", f"88{code}"):
                if reached(agent, longer).startswith("emergency"):
                    wrong.append((region, longer))
    assert not wrong and seen > 250
