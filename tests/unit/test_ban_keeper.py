"""The keeper: strikes to bans, commands, ends, publishes, restarts and clock steps. Store and clocks are the test's."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

import pytest

from edge_agent import _hot
from edge_agent.bans.judge import NEIGHBOURS
from edge_agent.bans.keeper import BanError, Keeper
from edge_agent.bans.networks import Network
from edge_agent.bans.store import Row
from edge_agent.policy.load import load
from edge_agent.policy.settings import Settings

CONFIG = """
[[listen]]
address = "198.51.100.5:5060"
[[upstream]]
name = "cloud"
targets = ["192.0.2.60:5060"]
[[trunk]]
name = "acme"
sources = ["198.51.100.16/28"]
upstream = "cloud"
contact = ["198.51.100.17:5070"]
caller_ids = ["+12125550100"]
emergency = "route"
emergency_upstream = "cloud"
"""
BOOT = 500_000_000.0  # ahead of this machine's own clock, by which the engine tidies up
A, B = "203.0.113.7/32", "203.0.113.8/32"


class Engine:
    """The real one, with reports of the test's own."""

    def __init__(self, room: int) -> None:
        self.real = _hot.Engine(rates_mib=1, transactions_mib=1, leases_mib=1, secret=bytes(32))
        self.waiting: list[_hot.Strike] = []
        self.room = room

    @property
    def banned(self) -> dict[str, int]:
        return dict(self.real.bans())

    def strikes(self, limit: int = 1000) -> list[_hot.Strike]:
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return taken

    def ban(self, network: str, until_ns: int, forced: bool = False) -> bool:
        banned = self.banned if self.room < 1000 else {}
        return (len(banned) < self.room or network in banned) and self.real.ban(network, until_ns, forced)

    def lift(self, network: str) -> bool:
        return self.real.lift(network)


class FakeStore:
    """What the thread would write."""

    def __init__(self, rows: dict[str, Row]) -> None:
        self.rows = tuple(rows.values())
        self.written = rows
        self.incomplete, self.state, self.dropped = False, "on", 0

    def save(self, row: Row) -> None:
        self.written[row.network] = row

    def forget(self, network: str) -> None:
        self.written.pop(network, None)


class FakeKernel:
    def __init__(self) -> None:
        self.held: dict[str, float] = {}

    def ban(self, network: str, ends: float) -> None:
        self.held[network] = ends

    def lift(self, network: str) -> None:
        self.held.pop(network, None)

    def status(self) -> dict[str, Any]:
        return {"state": "on"}


def read(folder: Path, text: str) -> Settings:
    (folder / "a.toml").write_text(text)
    return load(folder / "a.toml").settings


class Log(list[dict[str, Any]]):
    """A logger that remembers."""

    def info(self, event: str, **fields: Any) -> None:
        self.append({"event": event, **fields})

    warning = error = info

    def told(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self if line["event"] == event]


class World:
    """One agent's bans, and the two clocks."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, Log()
        self.now, self.wall = BOOT, 1_800_000_000.0
        self.rows: dict[str, Row] = {}
        self.start()

    def start(self, config: str = CONFIG, room: int = 1000, callers: bool = False) -> None:
        """A new process, which has only the store; with ``callers`` its trunks are open."""
        settings = read(self.folder, config)
        trunks = [trunk.model_copy(update={"open": callers or trunk.open}) for trunk in settings.trunk]
        self.engine, self.store, self.kernel = Engine(room=room), FakeStore(self.rows), FakeKernel()
        self.keeper = Keeper(
            self.engine,
            self.store,
            settings.model_copy(update={"trunk": trunks}),
            cast("Any", self.log),
            clock=lambda: self.now,
            wall=lambda: self.wall,
        )
        self.keeper.use_kernel(self.kernel)
        self.keeper.restore()

    def publish(self, config: str, allowed: str = "") -> None:
        def touches(network: Network) -> bool:
            return bool(allowed) and network.overlaps(ip_network(allowed))

        asyncio.run(self.keeper.publish(read(self.folder, config), touches))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds
        self.keeper.tick()

    def strike(self, *networks: str, reason: str = "scanner", trunk: str = "", proven: bool = False) -> None:
        self.engine.waiting += [_hot.Strike(0, network, "scanner", reason, trunk, proven, 20) for network in networks]
        self.keeper.tick()

    def left(self, network: str) -> float | None:
        """Seconds left of a ban. Engine, kernel, store and listing must agree."""
        listed = {ban["network"]: ban["seconds_left"] for ban in asyncio.run(self.keeper.listing())}
        until = self.engine.banned.get(network)
        if until is None or until <= self.now * 1e9:
            assert self.kernel.held.get(network, 0) <= self.now
            assert network not in listed
            return None
        left = until / 1e9 - self.now
        assert self.kernel.held[network] - self.now == pytest.approx(left, abs=1e-3)
        assert self.rows[network].ends - self.wall == pytest.approx(left, abs=1e-3)
        assert listed[network] == pytest.approx(left, abs=0.1)
        return round(left, 3)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# strikes


def test_a_strike_becomes_a_ban(world: World) -> None:
    world.strike(A)
    assert world.left(A) == 60
    [line] = world.log.told("banned")
    assert line == {
        "event": "banned",
        "network": A,
        "rule": "scanner",
        "reason": "scanner",
        "count": 20,
        "seconds": 60,
        "times": 1,
        "who": "engine",
    }
    world.wait(59.9)
    assert world.left(A) is not None
    world.wait(0.2)
    assert world.left(A) is None
    [line] = world.log.told("ban-ended")
    assert (line["network"], line["reason"], line["seconds"]) == (A, "scanner", 60)


def test_bans_escalate_and_are_forgiven_after_a_day(world: World) -> None:
    lengths = []
    for _ in range(8):
        world.strike(A)
        left = world.left(A)
        assert left is not None
        lengths.append(left)
        world.wait(left + 1)
    assert lengths == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    world.wait(86401)
    world.strike(A)
    assert world.left(A) == 60


def test_a_strike_that_comes_late_changes_nothing(world: World) -> None:
    world.strike(A, A)
    world.wait(10)
    world.strike(A)
    assert world.left(A) == 50 and len(world.log.told("banned")) == 1


@pytest.mark.parametrize(
    "network",
    ["198.51.100.20/32", "198.51.100.0/24", "192.0.2.60/32", "192.0.2.0/24", "198.51.100.5/32", "127.0.0.1/32"],
)
def test_what_is_a_peers_or_our_own_is_never_banned(world: World, network: str) -> None:
    world.strike(network)
    assert not world.engine.banned and not world.kernel.held and not world.rows
    assert world.keeper.status()["spared"] == 1
    assert len(world.log.told("ban-spared")) == 1
    with pytest.raises(BanError, match="touches .* of (trunk|upstream|the listener|this host)"):
        world.keeper.add(network, 60)


@pytest.mark.parametrize("network", ["198.51.100.20/32", "192.0.2.60/32"])
def test_by_force_a_peer_is(world: World, network: str) -> None:
    """What an operator forced outlives reloads and restarts, stays out of the kernel and is listed as such."""
    with pytest.raises(BanError, match="it is this agent itself"):
        world.keeper.add("198.51.100.5", 600, force=True)
    assert [world.keeper.add(one, 600, force=True)["forced"] for one in (network, A)] == [True, False]
    world.publish(CONFIG)
    world.start()
    assert set(world.engine.banned) == {network, A} and list(world.kernel.held) == [A]
    assert world.keeper.lift(network) == 1 and network not in world.rows


def test_a_full_table_is_told_and_counted(world: World) -> None:
    world.engine.room = 1
    world.strike(A, B)
    assert world.left(A) == 60 and world.left(B) is None
    assert world.keeper.status()["table_full"] == 1
    assert world.log.told("ban-table-full") == [{"event": "ban-table-full", "network": B, "bans": 1}]
    with pytest.raises(BanError, match="the table of bans is full"):
        world.keeper.add(B, 60)
    assert B not in world.rows


# prefixes

HOSTS = [f"203.0.113.{number}/32" for number in range(NEIGHBOURS[4])]


def test_many_hosts_of_a_prefix_are_the_prefix(world: World) -> None:
    world.strike(*HOSTS)
    assert world.left("203.0.113.0/24") == 60
    assert set(world.engine.banned) == {"203.0.113.0/24"}, "its hosts give their room back"
    assert world.log.told("banned")[-1]["count"] == len(HOSTS)
    world.wait(61)
    world.strike(HOSTS[0])
    assert world.left(HOSTS[0]) == 120, "their history stays"


def test_subnets_widen_twice(world: World) -> None:
    for wide in range(NEIGHBOURS[6]):
        world.strike(*(f"2001:db8:1:{wide:x}{narrow:02x}::/64" for narrow in range(NEIGHBOURS[6])))
    assert set(world.engine.banned) == {"2001:db8:1::/48"}
    assert world.left("2001:db8:1::/48") == 60


def test_a_prefix_with_a_peer_in_it_is_not_banned(world: World) -> None:
    world.strike(*(f"198.51.100.{number}/32" for number in range(32, 64)))
    assert len(world.engine.banned) == 32
    assert "198.51.100.0/24" not in world.engine.banned


def test_a_prefix_of_an_open_trunks_callers_needs_proof_of_all(world: World) -> None:
    """Else forged packets of sixteen neighbours would ban a customer."""
    world.start(callers=True)
    world.strike(*HOSTS[:-1], trunk="acme", proven=True)
    world.strike(HOSTS[-1], reason="unknown-source")
    assert len(world.engine.banned) == len(HOSTS)
    world.strike("203.0.113.99/32", trunk="acme", proven=True)
    assert "203.0.113.0/24" not in world.engine.banned
    world.keeper.lift(HOSTS[-1])
    world.strike("203.0.113.100/32", trunk="acme", proven=True)
    assert set(world.engine.banned) == {"203.0.113.0/24"}


# commands


def test_a_ban_by_hand(world: World) -> None:
    row = world.keeper.add("203.0.113.7", 600, "calls at\x1b[31m night")
    assert world.left(A) == 600
    assert (row["network"], row["who"], row["note"]) == (A, "operator", "calls at\\x1b[31m night")
    world.keeper.add("203.0.113.7", 60)
    assert world.left(A) == 60, "the last word holds"
    assert world.keeper.lift("203.0.113.7/32") == 1
    assert world.left(A) is None and not world.rows
    assert world.log.told("ban-lifted")[0]["why"] == "operator"


def test_commands_that_are_refused(world: World) -> None:
    for network, line in [
        ("example.net", "is no network"),
        ("203.0.113.0/25", "can't be banned; IPv4 takes /32 and /24"),
        ("203.0.113.7/24", "write 203.0.113.0/24"),
        ("198.51.100.20", "touches 198.51.100.16/28 of trunk 'acme'"),
    ]:
        with pytest.raises(BanError) as error:
            world.keeper.add(network, 60)
        assert line in str(error.value)
    for seconds in (0, 0.5, -1, 31 * 86400, float("nan"), float("inf")):
        with pytest.raises(BanError, match="lasts from 1s to 30d"):
            world.keeper.add("203.0.113.7", seconds)
    with pytest.raises(BanError, match="is not banned$"):
        world.keeper.lift("203.0.113.7")
    world.keeper.add("203.0.113.0/24", 60)
    with pytest.raises(BanError, match=r"203.0.113.7/32: is not banned; 203.0.113.0/24 is, and holds it"):
        world.keeper.lift("203.0.113.7")
    world.keeper.add("2001:db8:1::/48", 60)
    with pytest.raises(BanError, match="2001:db8:1::/48 is, and holds it"):
        world.keeper.lift("2001:db8:1:2::/64")


def test_lifting_all(world: World) -> None:
    world.strike(*(f"203.{number}.113.7/32" for number in range(50)))
    assert asyncio.run(world.keeper.lift_all()) == 50
    assert not world.engine.banned and not world.kernel.held and not world.rows
    assert world.keeper.status() | {"kernel": None} == {
        "live": 0,
        "banned": 50,
        "lifted": 50,
        "ended": 0,
        "spared": 0,
        "table_full": 0,
        "store": "on",
        "store_dropped": 0,
        "kernel": None,
    }


def test_a_lifted_one_starts_anew(world: World) -> None:
    world.strike(A)
    world.keeper.lift(A)
    world.strike(A)
    assert world.left(A) == 60


# publish


def test_a_publish_lifts_what_touches_its_own(world: World) -> None:
    """A trunk, an upstream's new target, a network that is allowed: in user space, store and kernel."""
    inside, around, apart = "192.0.2.129/32", "203.0.113.0/24", "198.18.7.7/32"
    world.strike(inside, A, apart)
    world.keeper.add(around, 600)
    world.publish(
        CONFIG.replace('"198.51.100.16/28"', '"198.51.100.16/28", "192.0.2.128/25", "203.0.113.77/32"'),
    )
    assert (world.left(inside), world.left(around)) == (None, None)
    assert inside not in world.rows and around not in world.rows
    assert (world.left(A), world.left(apart)) == (60, 60)
    lines = {line["network"]: line for line in world.log.told("ban-lifted")}
    assert lines[inside]["why"] == "protected" and lines[inside]["touches"] == "192.0.2.128/25 of trunk 'acme'"
    assert lines[around]["touches"] == "203.0.113.77/32 of trunk 'acme'"
    world.publish(CONFIG, allowed="198.18.0.0/16")
    assert world.left(apart) is None and world.log.told("ban-lifted")[-1]["touches"] == "the allow list"
    world.strike(apart)
    assert world.left(apart) is None


def test_a_publish_changes_the_terms(world: World) -> None:
    world.publish(CONFIG + '[bans]\nfirst = "10s"\nlongest = "20s"\n')
    world.strike(A)
    assert world.left(A) == 10


def test_a_caller_who_may_dial_emergency_services_is_never_in_the_kernel(world: World) -> None:
    """An open trunk's: the engine can tell such a call from others, the kernel can't."""
    world.strike(A, "10.1.2.3/32", proven=True)
    assert set(world.kernel.held) == {A, "10.1.2.3/32"}
    settings = read(world.folder, CONFIG)
    [trunk] = settings.trunk

    def reload(**changes: object) -> None:
        asyncio.run(world.keeper.publish(settings.model_copy(update={"trunk": [trunk.model_copy(update=changes)]})))

    reload(open=True, sources=[ip_network("203.0.0.0/8")])
    assert set(world.kernel.held) == {"10.1.2.3/32"}
    world.strike("203.1.1.1/32", proven=True)
    assert "203.1.1.1/32" in world.engine.banned and "203.1.1.1/32" not in world.kernel.held
    assert dict(world.keeper.everything()).keys() == {"10.1.2.3/32"}
    reload(open=True, sources=[])
    assert world.kernel.held == {} and world.keeper.everything() == []
    reload(open=True, sources=[], emergency="reject")
    assert set(world.kernel.held) == {A, "10.1.2.3/32", "203.1.1.1/32"}


# restart


def test_a_restart_keeps_bans_for_the_time_that_is_left(world: World) -> None:
    world.strike(A)
    world.keeper.add("203.0.113.9", 7200, "mine")
    world.wait(20)
    world.now = BOOT / 2  # another boot: the monotonic clock starts anew
    world.wall += 10
    world.start()
    assert world.left(A) == 30
    assert world.left("203.0.113.9/32") == 7170
    world.wait(31)
    world.strike(A)
    assert world.left(A) == 120, "and the history"


def test_a_restart_after_the_end_keeps_the_history_alone(world: World) -> None:
    world.strike(A)
    world.now, world.wall = BOOT / 2, world.wall + 3600
    world.start()
    assert world.left(A) is None and not world.engine.banned
    world.strike(A)
    assert world.left(A) == 120


@pytest.mark.parametrize("step", [-365 * 86400, -3600, 3600])
def test_a_clock_that_is_set_meanwhile_never_makes_a_ban_longer(world: World, step: float) -> None:
    world.strike(A)
    world.keeper.add(B, 7200)
    world.now, world.wall = BOOT / 2, world.wall + step
    world.start()
    assert (world.left(A) or 0) <= 60 and (world.left(B) or 0) <= 7200


def test_a_restart_with_a_shorter_longest(world: World) -> None:
    world.publish(CONFIG + '[bans]\nfirst = "1h"\n')
    world.strike(A)
    world.keeper.add(B, 7200)
    world.start(CONFIG + '[bans]\nfirst = "60s"\nlongest = "5m"\n')
    assert world.engine.banned[A] == int((BOOT + 300) * 1e9)
    assert world.left(B) == 7200, "what an operator said holds"


def test_a_restart_lifts_what_has_become_a_peers(world: World) -> None:
    world.strike(A)
    world.start(CONFIG.replace("198.51.100.16/28", "203.0.113.0/28"))
    assert not world.engine.banned and not world.rows
    assert world.log.told("ban-lifted")[0]["why"] == "protected"


def test_a_store_with_more_than_fits(world: World) -> None:
    world.strike(*(f"203.{number}.113.7/32" for number in range(50)))
    world.start(room=20)
    assert len(world.engine.banned) == 20
    assert world.log.told("bans-restored")[-1] == {"event": "bans-restored", "bans": 20, "no_room": 30}


def test_a_row_that_is_no_network_is_thrown_out(world: World) -> None:
    world.rows["0.0.0.0/0"] = Row("0.0.0.0/0", world.wall, world.wall + 60, "engine", "", "", "", 1, 1, 0, "", 0)
    world.start()
    assert not world.engine.banned and not world.rows


# the clock


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_clock_step_during_bans_changes_none(world: World, step: float) -> None:
    world.strike(A)
    world.wall += step
    world.wait(1)
    assert world.left(A) == 59, "the store has the new wall time as well"
    world.start()
    assert world.left(A) == 59


def test_a_file_that_was_lost_is_written_anew(world: World) -> None:
    world.strike(A, B)
    world.rows.clear()
    world.store.incomplete = True
    world.wait(1)
    assert set(world.rows) == {A, B} and not world.store.incomplete


# the log


def test_a_flood_of_bans_is_no_flood_of_lines(world: World) -> None:
    world.wait(1)
    world.strike(*(f"203.{number}.113.7/32" for number in range(120)))
    world.wait(1)
    assert len(world.log.told("banned")) == 20
    assert world.log.told("bans") == [{"event": "bans", "what": "banned", "reason": "scanner", "suppressed": 100}]
    world.wait(60)
    world.wait(1)
    assert len(world.log.told("ban-ended")) == 20
    assert world.log.told("bans")[-1] == {"event": "bans", "what": "ban-ended", "reason": "scanner", "suppressed": 100}
