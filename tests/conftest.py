"""Fixtures that several folders of tests share. It changes nothing outside the test's own process."""

from __future__ import annotations

import pytest

from tests.agent import Agent, MakeAgent


@pytest.fixture
def agent() -> MakeAgent:
    """``agent(text)``: an agent with that configuration, or with the default one of ``tests/agent.py``."""
    return Agent
