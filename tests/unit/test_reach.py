"""What one agent can hold and reach: how many listeners and peers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_agent import _hot
from edge_agent.errors import ConfigError
from edge_agent.policy.compile import compile_policy
from edge_agent.policy.load import Loaded, load
from edge_agent.policy.reach import MOST_LISTENERS, MOST_PEERS
from edge_agent.policy.swap import try_out
from tests.unit.policies import ACME, CLOUD


def listeners(*addresses: str) -> str:
    return "".join(f'[[listen]]\naddress = "{address}"\n' for address in addresses)


def trunks(count: int) -> str:
    return "".join(
        f'[[trunk]]\nname = "t{number}"\nsources = ["10.0.{number >> 8}.{number & 255}"]\nupstream = "cloud"\n'
        for number in range(count)
    )


def read(folder: Path, text: str) -> Loaded:
    file = folder / "edge_agent.toml"
    file.write_text(text)
    return load(file)


def refused(folder: Path, text: str) -> set[tuple[str, str]]:
    with pytest.raises(ConfigError) as error:
        read(folder, text)
    return {(problem.code, problem.key) for problem in error.value.problems}


# How many


def test_as_many_peers_as_the_engine_holds(tmp_path: Path) -> None:
    loaded = read(tmp_path, listeners("127.0.0.1:5060") + CLOUD + trunks(MOST_PEERS - 1))
    engine = _hot.Engine(rates_mib=1, transactions_mib=1, leases_mib=1, callers_mib=1, secret=bytes(32))
    engine.publish(compile_policy(loaded, 1))


def test_one_peer_more_is_refused(tmp_path: Path) -> None:
    text = listeners("127.0.0.1:5060") + CLOUD + trunks(MOST_PEERS)
    assert refused(tmp_path, text) == {("too-many-peers", "trunk")}


def test_as_many_listeners_as_the_engine_holds(tmp_path: Path) -> None:
    hosts = [f"127.0.1.{number}:5060" for number in range(MOST_LISTENERS)]
    policy = compile_policy(read(tmp_path, listeners(*hosts) + CLOUD + ACME), 1)
    try_out(policy)
    engine = _hot.Engine(rates_mib=1, transactions_mib=1, leases_mib=1, callers_mib=1, secret=bytes(32))
    engine.publish(policy)
    engine.stop()
    # Descriptors that epoll takes and nobody writes to.
    idle = [os.eventfd(0) for _ in range(MOST_LISTENERS + 1)]
    try:
        engine.pump(0, list(zip(idle, range(MOST_LISTENERS), strict=False)))
        with pytest.raises(IndexError):
            engine.pump(0, [(descriptor, 0) for descriptor in idle])
    finally:
        for descriptor in idle:
            os.close(descriptor)


def test_one_listener_more_is_refused(tmp_path: Path) -> None:
    hosts = [f"127.0.1.{number}:5060" for number in range(MOST_LISTENERS + 1)]
    assert refused(tmp_path, listeners(*hosts) + CLOUD + ACME) == {("too-many-listeners", "listen")}


# Families


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (listeners("127.0.0.1:5060") + CLOUD.replace("127.0.0.1", "[::1]") + ACME, "upstream[cloud].targets"),
        (listeners("127.0.0.1:5060") + CLOUD + ACME.replace("127.0.0.10:5070", "[::1]:5070"), "trunk[acme].contact"),
        (listeners("[::1]:5060") + CLOUD + ACME.replace("127.0.0.10:5070", "[::1]:5070"), "upstream[cloud].targets"),
    ],
    ids=["target", "contact", "ipv4"],
)
def test_what_no_listener_of_its_family_can_send_to(tmp_path: Path, text: str, key: str) -> None:
    assert refused(tmp_path, text) == {("no-listener-of-family", key)}


@pytest.mark.parametrize(("emergency", "good"), [("redirect", True), ("route", False)])
def test_whom_callers_are_redirected_to_is_sent_nothing(tmp_path: Path, emergency: str, good: bool) -> None:
    psap = CLOUD.replace("cloud", "psap").replace("127.0.0.1", "[2001:db8::61]")
    text = listeners("127.0.0.1:5060") + CLOUD + psap + ACME
    text += f'emergency = "{emergency}"\nemergency_upstream = "psap"\n'
    if good:
        assert read(tmp_path, text).settings.trunk[0].emergency == emergency
    else:
        assert refused(tmp_path, text) == {("no-listener-of-family", "upstream[psap].targets")}


def test_one_listener_of_each_family_is_enough(tmp_path: Path) -> None:
    text = listeners("127.0.0.1:5060", "[::1]:5060") + CLOUD.replace("5080", '5080", "[::1]:5080') + ACME
    assert len(read(tmp_path, text).settings.listen) == 2


# Who lives


@pytest.mark.parametrize(
    ("cloud", "acme", "key"),
    [
        (CLOUD.replace("5080", '5080", "127.0.0.1:5081') + 'probe_every = "0s"\n', ACME, "upstream[cloud].targets"),
        (CLOUD, ACME.replace("5070", '5070", "127.0.0.10:5071'), "trunk[acme].contact"),
        (CLOUD.replace("5080", '5080", "127.0.0.1:5081'), ACME, ""),
        (CLOUD, ACME.replace("5070", '5070", "127.0.0.10:5071') + 'probe_every = "10s"\n', ""),
        (CLOUD + 'probe_every = "0s"\n', ACME, ""),
    ],
    ids=["targets", "contacts", "targets-probed", "contacts-probed", "one-each"],
)
def test_only_the_first_is_used_where_nothing_asks(tmp_path: Path, cloud: str, acme: str, key: str) -> None:
    notices = read(tmp_path, listeners("127.0.0.1:5060") + cloud + acme).notices
    assert [notice.key for notice in notices if notice.code == "only-first"] == ([key] if key else [])


# Overlaps


@pytest.mark.parametrize(
    ("one", "other", "key"),
    [
        ("127.0.0.1:5060", "0.0.0.0:5060", "listen[127.0.0.1:5060].address"),
        ("0.0.0.0:5060", "127.0.0.1:5060", "listen[127.0.0.1:5060].address"),
        ("[::1]:5060", "[::]:5060", "listen[[::1]:5060].address"),
        ("127.0.0.1:5061", "0.0.0.0:5060", ""),
        ("127.0.0.1:5060", "[::]:5060", ""),
    ],
    ids=["after", "before", "ipv6", "other-port", "other-family"],
)
def test_a_wildcard_and_one_of_its_addresses(tmp_path: Path, one: str, other: str, key: str) -> None:
    text = listeners("127.0.0.7:5070", one, other) + CLOUD + ACME
    for wildcard in ("0.0.0.0:5060", "[::]:5060"):
        text = text.replace(f'"{wildcard}"', f'"{wildcard}"\nadvertise = "sbc.example.net:5060"')
    if key:
        assert refused(tmp_path, text) == {("listener-overlap", key)}
    else:
        assert len(read(tmp_path, text).settings.listen) == 3
