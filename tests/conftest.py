"""Fixtures that several folders of tests share. It changes nothing outside the test's own process."""

from __future__ import annotations

import pytest

from tests.agent import Agent, MakeAgent


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names every test that was skipped, and why: none goes missing in a count."""
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"not run: {report.nodeid}: {str(reason).removeprefix('Skipped: ')}")


@pytest.fixture
def agent() -> MakeAgent:
    """``agent(text)``: an agent with that configuration, or with the default one of ``tests/agent.py``."""
    return Agent
