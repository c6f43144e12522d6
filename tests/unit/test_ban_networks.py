"""Networks that can be banned, as people write them, and what they must not touch."""

from ipaddress import ip_network
from pathlib import Path
from random import Random

import pytest

from edge_agent.bans.networks import BadNetwork, Owned, Protected, own_addresses, parent, protected, read_network
from edge_agent.policy.load import load
from edge_agent.policy.settings import Settings

CONFIG = """
[[listen]]
address = "198.51.100.5:5060"
advertise = "203.0.113.5:5060"
[[upstream]]
name = "cloud"
targets = ["192.0.2.60:5060"]
sources = ["192.0.2.64/28"]
[[trunk]]
name = "acme"
sources = ["198.51.100.16/28", "2001:db8:1:2::7/128"]
upstream = "cloud"
contact = ["198.18.0.10:5070"]
caller_ids = ["+12125550100"]
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "a.toml").write_text(CONFIG)
    return load(tmp_path / "a.toml").settings


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("203.0.113.7", "203.0.113.7/32"),
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("2001:DB8::7", "2001:db8::7/128"),
        ("2001:db8:0:1::/64", "2001:db8:0:1::/64"),
        ("2001:db8:0:100::/56", "2001:db8:0:100::/56"),
        ("2001:db8:1::/48", "2001:db8:1::/48"),
    ],
)
def test_what_can_be_banned(written: str, read: str) -> None:
    assert str(read_network(written)) == read


@pytest.mark.parametrize(
    ("written", "line"),
    [
        ("cloud.example.net", "'cloud.example.net' is no network; write one address, or 198.51.100.0/24"),
        ("", "'' is no network"),
        ("203.0.113.7/24", "203.0.113.7/24: has bits set behind its length; write 203.0.113.0/24"),
        ("203.0.113.0/25", "203.0.113.0/25: networks of this length can't be banned; IPv4 takes /32 and /24"),
        ("0.0.0.0/0", "IPv4 takes /32 and /24"),
        ("2001:db8::/32", "IPv6 takes /128 and /64 and /56 and /48"),
        ("::ffff:203.0.113.7", "is IPv4 written as IPv6; write 203.0.113.7/32"),
        ("fe80::1%eth0", "has a zone, which no packet carries"),
    ],
)
def test_what_cannot(written: str, line: str) -> None:
    with pytest.raises(BadNetwork) as error:
        read_network(written)
    assert line in str(error.value)


def test_prefixes_of_hosts() -> None:
    def above(text: str) -> str:
        return str(parent(ip_network(text)))

    assert above("203.0.113.7/32") == "203.0.113.0/24"
    assert above("2001:db8:1:1ff::/64") == "2001:db8:1:100::/56"
    assert above("2001:db8:1:100::/56") == "2001:db8:1::/48"
    assert [above(text) for text in ("203.0.113.0/24", "2001:db8:1::/48", "2001:db8::7/128")] == ["None"] * 3


@pytest.mark.parametrize(
    ("network", "owner"),
    [
        ("198.51.100.20/32", "198.51.100.16/28 of trunk 'acme'"),
        ("198.51.100.0/24", "198.51.100.5/32 of the listener 198.51.100.5:5060"),
        ("2001:db8:1:2::/64", "2001:db8:1:2::7/128 of trunk 'acme'"),
        ("2001:db8:1::/48", "2001:db8:1:2::7/128 of trunk 'acme'"),
        ("198.18.0.10/32", "198.18.0.10/32 of trunk 'acme'"),
        ("192.0.2.60/32", "192.0.2.60/32 of upstream 'cloud'"),
        ("192.0.2.79/32", "192.0.2.64/28 of upstream 'cloud'"),
        ("203.0.113.0/24", "203.0.113.5/32 of the listener 198.51.100.5:5060"),
        ("127.0.0.1/32", "127.0.0.1/32 of this host"),
        ("198.51.100.32/32", None),
        ("2001:db8:1:3::/64", None),
        ("2001:db8:1:2::8/128", None),
        ("127.0.0.66/32", None),
    ],
)
def test_what_a_policy_protects(settings: Settings, network: str, owner: str | None) -> None:
    assert protected(settings).touching(ip_network(network)) == owner


def test_an_open_trunks_sources_are_its_callers(settings: Settings) -> None:
    """They may be banned; where its calls go may not."""
    [trunk] = settings.trunk
    opened = settings.model_copy(update={"trunk": [trunk.model_copy(update={"open": True})]})
    index = protected(opened)
    assert index.touching(ip_network("198.51.100.20/32")) is None
    assert index.touching(ip_network("198.18.0.10/32")) is not None


def test_the_index_agrees_with_a_plain_look() -> None:
    random = Random(7)

    def some(lengths: list[int]) -> str:
        length = random.choice(lengths)
        value = random.randrange(4096) << 20 | random.randrange(1 << 20)
        return f"{ip_network((value >> (32 - length) << (32 - length), length))}"

    for _ in range(200):
        owned = [ip_network(some([8, 12, 20, 24, 28, 32])) for _ in range(8)]
        index = Protected(Owned(network, "x") for network in owned)
        for _ in range(50):
            network = ip_network(some([24, 32]))
            assert (index.touching(network) is not None) == any(network.overlaps(other) for other in owned)


def test_own_addresses(tmp_path: Path) -> None:
    (tmp_path / "fib_trie").write_text(
        "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     +-- 127.0.0.0/8 2 0 2\n"
        "        |-- 127.0.0.0\n           /8 host LOCAL\n        |-- 127.0.0.1\n           /32 host LOCAL\n"
        "     |-- 127.255.255.255\n        /32 link BROADCAST\n     |-- 192.0.2.9\n        /32 host LOCAL\n"
    )
    (tmp_path / "if_inet6").write_text("00000000000000000000000000000001 01 80 10 80       lo\n")
    assert own_addresses(tmp_path) == ["127.0.0.1", "192.0.2.9", "::1"]
    assert own_addresses(tmp_path / "none") == []
