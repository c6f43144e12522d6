"""What agent and helper say: everything arrives as it was sent, and nothing else is taken."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.nft.protocol import (
    CHUNK,
    BanSome,
    Filled,
    LiftSome,
    Listener,
    ProtocolError,
    Report,
    Reset,
    read_message,
    read_report,
    write_bans,
    write_filled,
    write_lifts,
    write_report,
    write_reset,
)


def test_what_is_written_is_read() -> None:
    listeners = (Listener("udp", "198.51.100.5", 5060), Listener("tcp", "::", 5061))
    assert read_message(write_reset(listeners)) == Reset(listeners)
    assert read_message(write_filled()) == Filled()
    [line] = write_bans([("203.0.113.7/32", 59.5), ("2001:db8::/64", 1)])
    assert read_message(line) == BanSome((("203.0.113.7/32", 59.5), ("2001:db8::/64", 1.0)))
    [line] = write_lifts(["203.0.113.0/24"])
    assert read_message(line) == LiftSome(("203.0.113.0/24",))
    report = Report("on", 3, 10, 1000, 1, "the table is gone", "")
    assert read_report(write_report(report)) == report


def test_long_lists_become_several_lines() -> None:
    networks = [f"203.0.{number >> 8}.{number & 255}/32" for number in range(2 * CHUNK + 1)]
    lines = list(write_lifts(networks))
    assert len(lines) == 3 and max(map(len, lines)) < 65536
    read = [message.networks for line in lines if isinstance(message := read_message(line), LiftSome)]
    assert [network for some in read for network in some] == networks
    assert list(write_bans([])) == []


def test_networks_are_written_anew() -> None:
    line = json.dumps({"op": "lift", "networks": ["2001:DB8:0:0::/64", "203.0.113.7"]}).encode()
    assert read_message(line) == LiftSome(("2001:db8::/64", "203.0.113.7/32"))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"nonsense",
        b"[]",
        b"[" * 5000,
        b'{"op": "flush"}',
        b'{"op": "filled", "and": "more"}',
        b'{"op": "ban", "bans": [["203.0.113.7/32", 60]], "nft": "flush ruleset"}',
        b'{"op": "ban", "bans": [["203.0.113.7/32; flush ruleset", 60]]}',
        b'{"op": "ban", "bans": [["203.0.113.7/32 } ; add rule", 60]]}',
        b'{"op": "ban", "bans": [["0.0.0.0/0", 60]]}',
        b'{"op": "ban", "bans": [["203.0.113.7/32", "60"]]}',
        b'{"op": "ban", "bans": [["203.0.113.7/32", 0]]}',
        b'{"op": "ban", "bans": [["203.0.113.7/32", -1]]}',
        b'{"op": "ban", "bans": [["203.0.113.7/32", NaN]]}',
        b'{"op": "ban", "bans": [["203.0.113.7/32", Infinity]]}',
        b'{"op": "ban", "bans": [["203.0.113.7/32", true]]}',
        b'{"op": "ban", "bans": [["203.0.113.7/32"]]}',
        b'{"op": "ban", "bans": [[3405803783, 60]]}',
        b'{"op": "ban", "bans": "203.0.113.7/32"}',
        b'{"op": "lift", "networks": ["cloud.example.net"]}',
        b'{"op": "reset"}',
        b'{"op": "reset", "listeners": [["udp", "198.51.100.5", 22]]}',
        b'{"op": "reset", "listeners": [["udp", "198.51.100.5", 65536]]}',
        b'{"op": "reset", "listeners": [["udp", "198.51.100.5", true]]}',
        b'{"op": "reset", "listeners": [["icmp", "198.51.100.5", 5060]]}',
        b'{"op": "reset", "listeners": [["udp", "example.net", 5060]]}',
        b'{"op": "reset", "listeners": [["udp", "fe80::1%eth0", 5060]]}',
        json.dumps({"op": "lift", "networks": ["203.0.113.7/32"] * (CHUNK + 1)}).encode(),
    ],
)
def test_nothing_else_is_taken(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_message(line)


@pytest.mark.parametrize(
    "line", [b"{}", b'{"state": "on"}', write_report(Report("on")).replace(b'"elements":0', b'"elements":"0"')]
)
def test_nor_as_a_report(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_report(line)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["reset", "ban", "lift", "filled"]),
    st.dictionaries(st.sampled_from(["listeners", "bans", "networks"]), st.lists(json_values, max_size=4), max_size=2),
)
def test_any_value_is_taken_or_refused(op: str, rest: dict[str, object]) -> None:
    try:
        read_message(json.dumps({"op": op, **rest}).encode())
    except ProtocolError:
        pass
