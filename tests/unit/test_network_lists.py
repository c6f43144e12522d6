"""``[lists] allow`` and ``deny``: networks in the key and in files, their ends, what is wrong with them, who mustn't be denied."""

from __future__ import annotations

import os
import random
import time
from datetime import datetime
from ipaddress import IPv4Network, ip_network
from pathlib import Path

import pytest

from edge_agent._hot import NetworkListError, NetworkSet
from edge_agent.errors import ConfigError, Problem
from edge_agent.policy import checks
from edge_agent.policy.compile import compile_policy
from edge_agent.policy.load import Loaded, NumberCache, load
from edge_agent.policy.swap import try_out

BASE = """
[[listen]]
address = "192.0.2.1:5060"
advertise = "{advertise}"
[[upstream]]
name = "cloud"
targets = ["192.0.2.60:5060"]
[[trunk]]
name = "acme"
sources = {sources}
upstream = "cloud"
contact = ["198.51.100.10:5060"]
caller_ids = ["+12125550100"]
"""


@pytest.fixture(autouse=True)
def ample_receive_buffers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "rmem_max"
    file.write_text("67108864\n")
    monkeypatch.setattr(checks, "RMEM_MAX", file)


def read(
    folder: Path,
    lists: str,
    *,
    cache: NumberCache | None = None,
    sources: str = '["198.51.100.0/24"]',
    advertise: str = "192.0.2.9:5060",
) -> Loaded:
    file = folder / "edge_agent.toml"
    file.write_text(BASE.format(sources=sources, advertise=advertise) + "[lists]\n" + lists)
    return load(file, cache)


def refused(folder: Path, lists: str, **base: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as error:
        read(folder, lists, **base)  # type: ignore[arg-type]
    return error.value.problems


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 10**9


def bad(text: bytes) -> list[tuple[int, str, str]]:
    with pytest.raises(NetworkListError) as error:
        NetworkSet(text)
    return error.value.errors


# The text of a list


def test_comments_blank_lines_and_line_ends_mean_nothing() -> None:
    networks = NetworkSet(b"# ours\r\n\r\n  203.0.113.0/24 # them\n\t2001:db8::/32\n203.0.113.7\n::1")
    assert len(networks) == networks.count == 4
    assert networks.within("203.0.113.0/24") == ("203.0.113.0/24", 3)
    assert networks.within("203.0.113.7") == ("203.0.113.7/32", 5)
    assert networks.within("2001:db8::/32") == ("2001:db8::/32", 4)


@pytest.mark.parametrize(
    ("line", "what", "hint"),
    [
        ("203.0.113.1/24", "has bits set behind its length", "write 203.0.113.0/24"),
        ("2001:db8::1/32", "has bits set behind its length", "write 2001:db8::/32"),
        ("::ffff:203.0.113.1", "is an IPv4 network written as IPv6", "write 203.0.113.1"),
        ("203.0.113.0/33", "is no network", "write 192.0.2.0/24"),
        ("2001:db8::/129", "is no network", "write 192.0.2.0/24"),
        ("203.0.113.0/", "is no network", ""),
        ("203.0.113.0/-1", "is no network", ""),
        ("203.0.113.0/²", "is no network", ""),
        ("203.0.113", "is no network", ""),
        ("fe80::1%eth0", "is no network", ""),
        ("scanner.example", "is no network", ""),
        ("+12125550100", "is no network", ""),
        ("203.0.113.0/24 tomorrow", "'tomorrow' is no date", "write 2026-12-31"),
        ("203.0.113.0/24 2026-13-01", "is no date", ""),
        ("203.0.113.0/24 31.12.2026", "is no date", ""),
    ],
)
def test_bad_lines(line: str, what: str, hint: str) -> None:
    [(number, said, write)] = bad(b"10.0.0.0/8\n" + line.encode() + b"\n")
    assert number == 2 and what in said and hint in write


def test_any_bytes_are_told_and_twenty_of_them_at_most() -> None:
    assert [line for line, _, _ in bad(b"\xff\xfe\n" * 50)] == list(range(1, 21))
    assert "is no network" in bad(b"\0\xff1.2.3.4")[0][1]


@pytest.mark.parametrize(
    ("end", "last", "gone"),
    [
        ("2026-12-31", "2026-12-31T23:59:59+00:00", "2027-01-01T00:00:00+00:00"),
        ("2026-12-31T18:00", "2026-12-31T17:59:59+00:00", "2026-12-31T18:00:00+00:00"),
        ("2026-12-31 18:00:30", "2026-12-31T18:00:29+00:00", "2026-12-31T18:00:30+00:00"),
        ("2026-12-31T18:00Z", "2026-12-31T17:59:59+00:00", "2026-12-31T18:00:00+00:00"),
        ("2026-12-31T18:00+02:00", "2026-12-31T15:59:59+00:00", "2026-12-31T16:00:00+00:00"),
    ],
)
def test_ends(end: str, last: str, gone: str) -> None:
    networks = NetworkSet(f"203.0.113.0/24 {end}".encode())
    assert networks.touches("203.0.113.7", ns(last)) and not networks.touches("203.0.113.7", ns(gone))


def test_ends_far_away_and_long_ago() -> None:
    far = NetworkSet(b"203.0.113.0/24 9999-12-30\n198.51.100.0/24 0001-01-01\n")
    assert far.touches("203.0.113.0/24", ns("2500-01-01T00:00:00+00:00"))
    assert not far.touches("198.51.100.0/24", ns("1971-01-01T00:00:00+00:00"))
    assert "is no date" in bad(b"203.0.113.0/24 9999-12-31")[0][1], "that day has no end that a date can say"


@pytest.mark.parametrize("order", [1, -1])
def test_of_a_network_listed_twice_the_longer_lasting_entry_holds(order: int) -> None:
    lines = ["203.0.113.0/24 2026-01-01", "203.0.113.0/24", "203.0.113.0/24 2027-01-01"]
    networks = NetworkSet("\n".join(lines[::order]).encode())
    assert len(networks) == 1 and networks.within("203.0.113.0/24") == ("203.0.113.0/24", 2)
    networks = NetworkSet("\n".join((lines[0], lines[2])[::order]).encode())
    assert networks.touches("203.0.113.9", ns("2026-06-01T00:00:00+00:00"))


def test_within_and_touches_agree_with_ipaddress() -> None:
    chance = random.Random(7)

    def some() -> str:
        bits = chance.choice((8, 9, 15, 16, 17, 24, 30, 32))
        return str(ip_network((chance.getrandbits(6) << 26 | chance.getrandbits(3) << 14, bits), strict=False))

    for _ in range(300):
        listed = [some() for _ in range(chance.randrange(6))]
        networks, asked = NetworkSet("\n".join(listed).encode()), IPv4Network(some())
        inside = sorted(net for net in map(IPv4Network, listed) if net.subnet_of(asked))
        found = networks.within(str(asked))
        assert (found and found[0]) == (str(inside[0]) if inside else None)
        assert networks.touches(str(asked), 1) == any(asked.overlaps(IPv4Network(one)) for one in listed)


def test_every_ipv6_address_is_no_ipv4_address() -> None:
    assert not NetworkSet(b"::/0").touches("203.0.113.7", 1)
    assert NetworkSet(b"::/0").touches("2001:db8::1", 1)
    assert NetworkSet(b"0.0.0.0/0").touches("203.0.113.7", 1)


def test_a_hundred_thousand_networks_load(tmp_path: Path) -> None:
    lines = [f"{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}.0/24 2030-01-01" for n in range(1 << 20, (1 << 20) + 100_000)]
    (tmp_path / "deny.txt").write_text("\n".join(lines))
    loaded = read(tmp_path, 'deny = ["file:deny.txt"]\n')
    try_out(compile_policy(loaded, 1))
    assert loaded.networks.deny[0].set.count == 100_000


# In the configuration


def test_entries_of_the_key_and_of_files(tmp_path: Path) -> None:
    (tmp_path / "deny.txt").write_text("203.0.113.0/25\n")
    loaded = read(tmp_path, 'deny = ["10.1.0.0/16", "file:deny.txt", "10.2.0.0/16 2026-12-31"]\nallow = ["10.1.2.3"]\n')
    assert [(kind, len(networks)) for kind, networks in loaded.networks.tables()] == [
        ("allow", 1),
        ("deny", 2),
        ("deny", 1),
    ]
    assert loaded.notices == ()
    assert loaded.networks.never_banned(ip_network("10.1.2.0/24"), time.time_ns())
    assert not loaded.networks.never_banned(ip_network("10.1.3.0/24"), time.time_ns())


def test_every_bad_entry_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "deny.txt").write_text("10.0.0.0/8\nnobody\n10.0.0.1/8 soon\n")
    problems = refused(tmp_path, 'deny = ["file:deny.txt", "10.0.0.1/8", "file:gone.txt"]\nallow = ["x"]\n')
    assert {(problem.code, Path(problem.file).name, problem.key) for problem in problems} == {
        ("network-line", "deny.txt", "line 2"),
        ("network-line", "deny.txt", "line 3"),
        ("network-line", "edge_agent.toml", "lists.deny[1]"),
        ("list-unreadable", "edge_agent.toml", "lists.deny[2]"),
        ("network-line", "edge_agent.toml", "lists.allow[0]"),
    }
    line = next(str(problem) for problem in problems if problem.key == "lists.deny[1]")
    assert line.endswith("'10.0.0.1/8' has bits set behind its length (write 10.0.0.0/8)")


@pytest.mark.parametrize("entry", ["", "  ", "file:", "10.0.0.0/8\\n"])
def test_entries_that_are_none(tmp_path: Path, entry: str) -> None:
    [problem] = refused(tmp_path, f'deny = ["{entry}"]\n')
    assert (problem.code, problem.key) == ("bad-value", "lists.deny[0]")


def test_unchanged_files_are_read_once_and_changed_ones_again(tmp_path: Path) -> None:
    file, cache = tmp_path / "deny.txt", NumberCache()
    file.write_text("10.0.0.0/8\n")

    def the_set() -> NetworkSet:
        return read(tmp_path, 'deny = ["file:deny.txt"]\n', cache=cache).networks.deny[0].set

    first = the_set()
    assert the_set() is first
    os.utime(file, ns=(1, 1))
    assert the_set() is not first and len(cache.networks) == 1


# Who mustn't be denied


@pytest.mark.parametrize(
    ("denied", "other"),
    [
        ("198.51.100.0/24", "198.51.100.0/24 of trunk 'acme' ("),
        ("198.51.100.128/25", "198.51.100.0/24 of trunk 'acme' ("),
        ("198.51.100.7", "198.51.100.0/24 of trunk 'acme' ("),
        ("198.51.100.7 2001-01-01", "198.51.100.0/24 of trunk 'acme' ("),
        ("192.0.2.60", "192.0.2.60/32 of upstream 'cloud' ("),
        ("192.0.2.1", "listener 192.0.2.1:5060 ("),
        ("192.0.2.9", "listener 192.0.2.9:5060 ("),
    ],
)
def test_a_denied_network_within_a_peers_is_refused_with_both_places(tmp_path: Path, denied: str, other: str) -> None:
    (tmp_path / "deny.txt").write_text(f"# them\n{denied}\n")
    [problem] = refused(tmp_path, 'deny = ["file:deny.txt"]\n')
    assert (problem.code, problem.key) == ("network-denied", "lists.deny[0]")
    assert f"({tmp_path}/deny.txt line 2)" in problem.message and other in problem.message
    assert f"({tmp_path}/edge_agent.toml: " in problem.message
    [problem] = refused(tmp_path, f'deny = ["10.0.0.0/8", "{denied}"]\n')
    assert (problem.code, problem.key) == ("network-denied", "lists.deny") and "(entry 2)" in problem.message


@pytest.mark.parametrize("denied", ["198.51.0.0/16", "0.0.0.0/0", "::/0", "192.0.2.0/24", "198.51.101.0/24"])
def test_one_around_or_beside_it_is_not(tmp_path: Path, denied: str) -> None:
    assert read(tmp_path, f'deny = ["{denied}"]\n').notices == ()


def test_a_trunk_for_every_address_holds_none_of_its_own(tmp_path: Path) -> None:
    loaded = read(tmp_path, 'deny = ["203.0.113.0/24"]\n', sources='["0.0.0.0/0", "::/0"]')
    assert {notice.code for notice in loaded.notices} == {"every-address"}


def test_denied_and_allowed_at_once(tmp_path: Path) -> None:
    (tmp_path / "allow.txt").write_text("10.0.0.0/8\n")
    [problem] = refused(tmp_path, 'deny = ["10.0.0.0/8"]\nallow = ["file:allow.txt"]\n')
    assert problem.code == "network-both"
    assert problem.message == f"10.0.0.0/8 (entry 1) is also allowed ({tmp_path}/allow.txt line 1)"
    read(tmp_path, 'deny = ["10.0.0.0/8"]\nallow = ["10.1.0.0/16"]\n')
