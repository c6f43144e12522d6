"""Which listeners can send to a target: what the kernel says, and what is made of it."""

from __future__ import annotations

import errno
import socket

import pytest

from edge_agent.policy import ways as module
from edge_agent.policy.ways import route_source, ways


def kernel(chosen: str, stuck: tuple[str, ...] = (), here: tuple[str, ...] = ("127.0.0.1",)):  # type: ignore[no-untyped-def]
    """A kernel that would send from ``chosen``, and from any source but these; to addresses of its own from themselves."""
    return lambda target, source="": target if target in here else "" if source in stuck else source or chosen


@pytest.mark.parametrize(
    ("listeners", "chosen", "expected"),
    [
        (["127.0.0.1", "198.51.100.5"], "198.51.100.5", (1,)),
        (["198.51.100.5", "127.0.0.1"], "198.51.100.5", (0,)),
        (["10.0.0.1", "198.51.100.5"], "198.51.100.5", (1,)),
        (["10.0.0.1", "198.51.100.5"], "10.0.0.1", (0, 1)),
        (["192.168.7.1", "10.0.0.1"], "10.0.0.1", (1, 0)),
        (["198.51.100.6", "198.51.100.5"], "198.51.100.5", (1, 0)),
        (["127.0.0.1", "10.0.0.1", "192.0.2.7", "198.51.100.6"], "198.51.100.5", (3, 2)),
        (["10.0.0.1"], "198.51.100.5", (0,)),
        (["127.0.0.1"], "198.51.100.5", (0,)),
        (["127.0.0.1", "0.0.0.0"], "198.51.100.5", (1,)),
        (["0.0.0.0", "198.51.100.5"], "198.51.100.5", (1, 0)),
        (["198.51.100.5", "2001:db8::5"], "198.51.100.5", (0,)),
        (["2001:db8::5"], "198.51.100.5", ()),
        (["10.0.0.1", "198.51.100.5"], "", (0, 1)),
    ],
    ids=[
        "loopback-first", "loopback-last", "private-to-public", "public-to-private", "two-private", "two-public",
        "moving-address", "private-alone", "loopback-alone", "wildcard", "wildcard-first", "family", "no-family", "no-route",
    ],
)  # fmt: skip
def test_ways(monkeypatch: pytest.MonkeyPatch, listeners: list[str], chosen: str, expected: tuple[int, ...]) -> None:
    monkeypatch.setattr(module, "route_source", kernel(chosen, stuck=("127.0.0.1",)))
    assert ways(listeners, "203.0.113.20") == expected


def test_on_another_host_than_the_agents_the_family_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "route_source", kernel("203.0.113.9", stuck=("198.51.100.6", "198.51.100.5")))
    assert sorted(ways(["198.51.100.6", "198.51.100.5", "2001:db8::5"], "203.0.113.20")) == [0, 1]


def test_an_address_that_moves_between_hosts_can_send_once_it_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bound before it comes, as the passive one of a pair: what is called at it later leaves from it."""
    moving, fixed = "198.51.100.6", "198.51.100.5"
    monkeypatch.setattr(module, "route_source", kernel(fixed, stuck=(moving,), here=(fixed,)))
    assert ways([moving, fixed], "203.0.113.20") == (1, 0)
    monkeypatch.setattr(module, "route_source", kernel(fixed, stuck=(moving,), here=(fixed, moving)))
    assert ways([moving, fixed], "203.0.113.20") == (1,), "it is here, and another interface's"


def test_a_kernel_without_ipv6_has_no_way_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_sockets(*_: object) -> None:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", no_sockets)
    assert ways(["198.51.100.5"], "2001:db8::1") == ()


def test_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "route_source", kernel("2001:db8::5", stuck=("::1",)))
    assert ways(["::1", "fd00::1", "198.51.100.5", "2001:db8::5"], "2001:db8:9::1") == (3,)


def test_the_kernel_says_what_it_would_send_from() -> None:
    assert route_source("127.0.0.41") == "127.0.0.1"
    assert route_source("127.0.0.41", "127.0.0.40") == "127.0.0.40"
    assert route_source("127.0.0.41", "192.0.2.1") == "", "not an address of this host"
    assert route_source("192.0.2.1", "127.0.0.40") == "", "from a loopback address nothing but loopback can be reached"
