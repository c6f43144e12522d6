"""What several folders of tests share. It changes nothing outside the test's own process.

How long Hypothesis looks: a few seconds a test; ``EDGE_PROPERTY=thorough`` looks for minutes, at random. The default
is the same examples in every run, so a red test is red for everybody, however busy the machine.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.agent import Agent, MakeAgent

calm = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
settings.register_profile("edge-quick", calm, max_examples=400, derandomize=True)
settings.register_profile("edge-thorough", calm, max_examples=5_000, print_blob=True)
settings.load_profile("edge-thorough" if os.environ.get("EDGE_PROPERTY") == "thorough" else "edge-quick")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names every test that was skipped, and why: none goes missing in a count."""
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"not run: {report.nodeid}: {str(reason).removeprefix('Skipped: ')}")


@pytest.fixture
def agent() -> MakeAgent:
    """``agent(text)``: an agent with that configuration, or with the default one of ``tests/agent.py``."""
    return Agent
