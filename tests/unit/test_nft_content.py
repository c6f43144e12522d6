"""What the kernel should hold: batches, leases, and every way in which a listing may differ. No nft runs here."""

import json
from typing import Any

import pytest

from edge_agent.nft import ruleset
from edge_agent.nft.content import LEASE_SECONDS, Content
from edge_agent.nft.protocol import Listener
from edge_agent.nft.ruleset import Listing

A, B, C = "203.0.113.7/32", "203.0.113.0/24", "2001:db8:1:2::/64"


def filled(*bans: tuple[str, float], now: float = 0.0) -> Content:
    content = Content()
    for network, ends in bans:
        content.ban(network, ends)
    content.everything(now)
    return content


def listing(elements: dict[str, float | None]) -> Listing:
    return Listing("", elements, 0, 0)


def test_changes_gather() -> None:
    content = filled((A, 60))
    content.ban(B, 90.9)
    content.lift(A)
    content.ban(C, 30)
    content.lift(C)
    assert content.changes == 3
    assert content.changed(0) == ([(B, 90)], [A])
    assert content.changed(0) == ([], [])
    assert len(content) == 1


def test_what_never_was_in_needs_no_lift() -> None:
    content = filled()
    content.ban(A, 0.5)
    content.lift(B)
    assert content.changed(0) == ([], [])


def test_a_ban_that_became_shorter_or_longer_is_put_anew() -> None:
    content = filled((A, 60))
    content.ban(A, 10)
    assert content.changed(0) == ([(A, 10)], [])


def test_long_bans_are_leased_and_renewed() -> None:
    content = Content()
    content.ban(A, 10_000)
    assert content.everything(0) == [(A, LEASE_SECONDS)]
    content.renew(LEASE_SECONDS / 2 - 1)
    assert content.changes == 0
    content.renew(LEASE_SECONDS / 2 + 1)
    assert content.changed(LEASE_SECONDS / 2 + 1) == ([(A, LEASE_SECONDS)], [])


def test_a_ban_that_is_over_is_forgotten() -> None:
    content = filled((A, 60), (B, 600))
    content.renew(70)
    assert len(content) == 1 and content.wanted == 1 and content.changes == 0


def test_a_reset_takes_out_what_isnt_named_again() -> None:
    content = filled((A, 60), (B, 60))
    content.clear()
    content.ban(B, 60)
    assert content.everything(0) == [(B, 60)]


def test_no_drift() -> None:
    content = filled((A, 60.5), (B, 600), (C, 1.5))
    assert content.drift(listing({A: 60, B: 599, C: 1}), 0, 0.1) == ""
    assert content.drift(listing({A: 30, B: 570}), 30, 30.1) == ""
    assert content.drift(listing({}), 600, 600.1) == "", "all of it ran out"


@pytest.mark.parametrize(
    ("elements", "found"),
    [
        ({A: 60}, "1 missing"),
        ({}, "2 missing"),
        ({A: 60, B: 60, "203.0.113.8/32": 60}, "1 foreign"),
        ({A: 60, B: 60, "203.0.113.8/32": None}, "1 foreign"),
        ({A: None, B: 60}, "1 with another time"),
        ({A: 3600, B: 60}, "1 with another time"),
        ({A: 5, B: 60}, "1 with another time"),
        ({"203.0.113.8/32": 60, B: 5}, "1 missing, 1 foreign, 1 with another time"),
    ],
)
def test_drift(elements: dict[str, float | None], found: str) -> None:
    assert filled((A, 60), (B, 60)).drift(listing(elements), 0, 0.1) == found


def test_a_slow_machine_is_no_drift() -> None:
    """A transaction that took four seconds gave its elements four seconds more."""
    content = filled((A, 60))
    assert content.drift(listing({A: 62}), 2, 2.1) != ""
    content.slowest = 4.0
    assert content.drift(listing({A: 62}), 2, 2.1) == ""


# the table


def test_a_change_is_one_transaction_that_cannot_fail() -> None:
    """Whether or not an element is in: it is added, taken out, and added with its time."""
    commands = ruleset.change("t", [(A, 60), (C, 30)], [B])
    verbs = [next(iter(command)) for command in commands]
    assert verbs == ["add"] * 3 + ["delete"] * 3 + ["add"] * 2
    sets = {command[verb]["element"]["name"] for command, verb in zip(commands, verbs, strict=True)}
    assert sets == {"ban4_32", "ban4_24", "ban6_64"}


def test_only_sip_ports_are_named() -> None:
    commands = ruleset.make("t", [Listener("udp", "198.51.100.5", 5060), Listener("tcp", "::", 5061)], [], (0, 0))
    rules = [command["add"]["rule"] for command in commands if "rule" in command.get("add", {})]
    entries = [rule for rule in rules if rule["chain"] != "screen"]
    assert len(entries) == 4
    for rule in entries:
        ports = [
            expr["match"]["right"]
            for expr in rule["expr"]
            if expr.get("match", {}).get("left", {}).get("payload", {}).get("field") in ("dport", "sport")
        ]
        assert ports and set(ports) <= {5060, 5061}


@pytest.mark.parametrize(
    "data", [b"", b"nonsense", b"{}", b"[]", b'{"nftables": {}}', b'{"nftables": [{"set": {}}]}', b'{"nftables": [1]}']
)
def test_a_listing_that_is_none(data: bytes) -> None:
    with pytest.raises(ValueError, match="something else"):
        ruleset.read(data)


def listed(*objects: dict[str, Any]) -> Listing:
    return ruleset.read(json.dumps({"nftables": [{"metainfo": {"version": "1.0.6"}}, *objects]}).encode())


def test_a_listing_is_read() -> None:
    elements = [
        {"elem": {"val": "203.0.113.7", "timeout": 60, "expires": 59}},
        "203.0.113.8",
        {"prefix": {"addr": "10.0.0.0", "len": 8}},
    ]
    found = listed(
        {"counter": {"name": "dropped", "handle": 4, "packets": 7, "bytes": 700}},
        {"set": {"name": "ban4_32", "handle": 1, "elem": elements}},
        {"set": {"name": "ban6_64", "elem": [{"elem": {"val": "2001:DB8::", "expires": 5}}]}},
    )
    foreign = '{"prefix": {"addr": "10.0.0.0", "len": 8}}/32'
    assert found.elements == {"203.0.113.7/32": 59.0, "203.0.113.8/32": None, foreign: None, "2001:db8::/64": 5.0}
    assert (found.packets, found.bytes) == (7, 700)


def test_rules_are_compared_without_what_counts_by_itself() -> None:
    rule: dict[str, Any] = {"chain": "screen", "handle": 7, "expr": [{"drop": None}]}
    counter = {"name": "dropped", "packets": 1, "bytes": 2}
    one = listed({"rule": rule}, {"counter": counter})
    other = listed({"rule": {**rule, "handle": 9}}, {"counter": {**counter, "packets": 9}})
    assert one.rules == other.rules
    assert listed({"rule": {**rule, "expr": [{"accept": None}]}}, {"counter": counter}).rules != one.rules
    assert listed({"rule": rule}, {"rule": rule}, {"counter": counter}).rules != one.rules
