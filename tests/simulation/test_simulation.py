"""A small simulation: sixteen trunk-days with every rule in force, eight as shipped. ``make proof`` plays a thousand."""

from __future__ import annotations

import pytest

from tests.simulation.__main__ import simulate
from tests.simulation.habits import KINDS
from tests.simulation.report import Summary, holds, markdown


@pytest.fixture(scope="module")
def enforced() -> Summary:
    return simulate(16, True, 2)


def test_nobody_wanted_is_refused_and_everybody_else_is_found(enforced: Summary) -> None:
    assert set(enforced.kinds) == {kind.name for kind in KINDS}
    assert enforced.calls > 100_000
    assert holds(enforced), markdown(enforced, enforced)


def test_by_which_rule(enforced: Summary) -> None:
    for name, told in enforced.kinds.items():
        for one in told:
            by = "toll-fraud" if name == "IRSF burst" else "dispersal"
            assert set(one.reasons) == (set() if not one.unwanted else {by}), name


def test_most_unwanted_calls_are_stopped(enforced: Summary) -> None:
    for told in enforced.kinds.values():
        for one in told:
            assert one.stopped >= 0.7 * one.unwanted, one


def test_as_shipped_nobody_is_refused() -> None:
    shipped = simulate(4, False, 2)
    assert holds(shipped, enforced=False)
    assert {name for told in shipped.kinds.values() for one in told for name in one.reasons} == set()
