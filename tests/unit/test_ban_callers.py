"""The keeper, where an open trunk's customers come to call from: bans without proof go, the others stay."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from edge_agent.bans.networks import callers
from tests.unit.test_ban_keeper import CONFIG, HOSTS, A, B, World, read

INSIDE, WIDE, APART = A, "203.0.113.0/24", "198.18.7.7/32"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def opened(sources: str = '"203.0.113.0/28"') -> str:
    """The configuration with an open trunk of these networks beside the other; without any: of everywhere."""
    return (
        CONFIG
        + f"""
[[trunk]]
name = "phones"
open = true
sources = [{sources}]
upstream = "cloud"
caller_ids = ["+12125550199"]
"""
    )


def test_a_publish_lifts_what_was_banned_without_proof(world: World) -> None:
    world.strike(INSIDE, APART)
    world.publish(opened())
    assert world.left(INSIDE) is None and INSIDE not in world.rows and INSIDE not in world.kernel.held
    assert world.left(APART) == 60, "nobody's, as before"
    [line] = world.log.told("ban-lifted")
    assert (line["why"], line["touches"]) == ("protected", "203.0.113.0/28 of trunk 'phones'")
    world.strike(INSIDE)
    assert world.left(INSIDE) is None, "a strike that was reported before the publish bans nobody either"
    assert world.keeper.status()["spared"] == 1


def test_an_open_trunk_without_sources_has_customers_everywhere(world: World) -> None:
    world.strike(INSIDE, APART, "2001:db8:1:2::/64")
    world.publish(opened(""))
    assert not world.engine.banned and not world.kernel.held and not world.rows


def test_a_prefix_around_customers_is_lifted(world: World) -> None:
    world.strike(*HOSTS)
    assert set(world.engine.banned) == {WIDE}
    world.publish(opened('"203.0.113.200/32"'))
    assert not world.engine.banned and not world.kernel.held


def test_one_proven_host_proves_no_prefix(world: World) -> None:
    """Fifteen strangers and a former customer ban their /24: it isn't proven."""
    world.strike(*HOSTS[:-1])
    world.strike(HOSTS[-1], proven=True)
    assert set(world.engine.banned) == {WIDE}
    world.publish(opened())
    assert not world.engine.banned


def test_what_is_proven_or_an_operators_stays(world: World) -> None:
    world.strike(INSIDE, proven=True)
    world.keeper.add(B, 600)
    world.publish(opened())
    assert (world.left(INSIDE), world.left(B)) == (60, 600)
    world.start(opened())
    assert (world.left(INSIDE), world.left(B)) == (60, 600)


def test_a_restart_lifts_what_was_banned_without_proof(world: World) -> None:
    world.strike(INSIDE, APART)
    world.start(opened())
    assert world.left(INSIDE) is None and world.left(APART) == 60
    assert set(world.rows) == {APART}


def test_an_open_trunk_that_goes_away_spares_nobody(world: World) -> None:
    world.publish(opened())
    world.publish(CONFIG)
    world.strike(INSIDE)
    assert world.left(INSIDE) == 60


def test_whose_customers_call_from_where(world: World) -> None:
    at = callers(read(world.folder, opened()))
    assert at.touching(ip_network("203.0.113.15/32")) and not at.touching(ip_network("203.0.113.16/32"))
    assert not callers(read(world.folder, CONFIG)).touching(ip_network("203.0.113.15/32"))
    assert callers(read(world.folder, opened(""))).touching(ip_network("2001:db8::/64"))
