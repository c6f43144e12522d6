"""The program that tells known sources from strangers: against a plain reading of the networks, and in the kernel."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import pytest

from edge_agent import listeners, steering
from edge_agent.listeners import Listeners
from edge_agent.steering import NET, ROOM, Program, program

Network = IPv4Network | IPv6Network
HOST = "127.0.0.46"


def run(made: Program, source: str, port: int = 5060) -> int:
    """What the kernel would return for a datagram of that sender."""
    address = ip_address(source)
    if address.version == 4:
        header = b"\x46" + bytes(11) + address.packed + bytes(8) + struct.pack("!H", port)  # with options
    else:
        header = b"\x60" + bytes(5) + bytes([steering.UDP, 64]) + address.packed + bytes(16) + struct.pack("!H", port)
    at = a = x = 0
    memory = [0] * 16
    while True:
        code, yes, no, k = made.instructions[at]
        at += 1
        offset = k - NET
        match code:
            case steering.LD_W:
                a = int.from_bytes(header[offset : offset + 4])
            case steering.LD_H:
                a = int.from_bytes(header[offset : offset + 2])
            case steering.LD_B:
                a = header[offset]
            case steering.LD_H_AT_X:
                a = int.from_bytes(header[offset + x : offset + x + 2])
            case steering.LD_IMM:
                a = k
            case steering.LDX_HEADER_LENGTH:
                x = 4 * (header[offset] & 15)
            case steering.LDX_MEM:
                x = memory[k]
            case steering.ST:
                memory[k] = a
            case steering.TAX:
                x = a
            case steering.ADD_X:
                a = a + x & 0xFFFFFFFF
            case steering.XOR_X:
                a ^= x
            case steering.MUL:
                a = a * k & 0xFFFFFFFF
            case steering.RSH:
                a >>= k
            case steering.MOD:
                a %= k
            case steering.JA:
                at += k
            case steering.JEQ:
                at += yes if a == k else no
            case steering.JGT:
                at += yes if a > k else no
            case steering.JGE:
                at += yes if a >= k else no
            case steering.RET:
                return k
            case steering.RET_A:
                return a
            case _:
                raise AssertionError(f"{code:#x} is no instruction of ours")


def networks(*texts: str) -> list[Network]:
    return [ip_network(text) for text in texts]


def some_networks(chance: random.Random, v6: bool, count: int, shortest: int = 0) -> list[Network]:
    """Of lengths that a customer may have; ``shortest`` keeps long lists from covering each other."""
    found: list[Network] = []
    for _ in range(count):
        if v6:
            bits = max(chance.choice((16, 31, 32, 33, 48, 56, 63, 64)), shortest)
            found.append(IPv6Network((chance.getrandbits(128), bits), strict=False))
        else:
            bits = max(chance.choice((8, 15, 16, 24, 31, 32)), shortest)
            found.append(IPv4Network((chance.getrandbits(32), bits), strict=False))
    return found


def corners(network: Network) -> Iterator[str]:
    """Addresses at its ends, and beside them."""
    step = 1 if network.version == 4 else 1 << 64
    for number in (int(network.network_address), int(network.broadcast_address)):
        for near in (number - step, number, number + step):
            if 0 <= near < 1 << (32 if network.version == 4 else 128):
                yield str(ip_address(near) if network.version == 4 else ip_address(near | 1 << 70))


@pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 5, 60, 300])
def test_it_knows_whom_the_networks_name(v6: bool, workers: int, count: int) -> None:
    chance = random.Random(count)
    known = some_networks(chance, v6, count)
    made = program(known, v6, workers)
    assert made.ranges == made.wanted and len(made.instructions) <= ROOM
    asked = [source for network in known for source in corners(network)]
    asked += [str(ip_address(chance.getrandbits(128 if v6 else 32) | (1 << 127 if v6 else 0))) for _ in range(20)]
    for source in asked:
        address = ip_address(source)
        expected = any(address in network for network in known)
        index = run(made, source, chance.randrange(65536))
        assert 0 <= index < 2 * workers
        assert (index < workers) == expected, source


@pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
def test_the_first_and_the_last_address(v6: bool) -> None:
    ends = networks("::/64", "ffff:ffff:ffff:ffff::/64") if v6 else networks("0.0.0.0/32", "255.255.255.255/32")
    made = program(ends, v6, 1)
    assert [run(made, str(net.network_address)) for net in ends] == [0, 0]
    assert run(made, "2001:db8::1" if v6 else "192.0.2.1") == 1
    whole = program(networks("::/0" if v6 else "0.0.0.0/0"), v6, 1)
    assert [run(whole, str(net.broadcast_address)) for net in ends] == [0, 0]
    assert steering.everybody(v6, 4) == program(networks("::/0" if v6 else "0.0.0.0/0"), v6, 4)


def test_a_longer_ipv6_network_counts_as_its_64() -> None:
    made = program(networks("2001:db8::7/128", "2001:db8:0:1::/80"), True, 1)
    assert [run(made, source) for source in ("2001:db8::8", "2001:db8:0:1:ffff::", "2001:db8:0:2::")] == [0, 0, 1]


def test_the_other_family_is_passed_over() -> None:
    both = networks("192.0.2.0/24", "2001:db8::/32")
    assert run(program(both, False, 1), "192.0.2.1") == run(program(both, True, 1), "2001:db8::1") == 0
    assert program(networks("2001:db8::/32"), False, 1).wanted == 0


@pytest.mark.parametrize("source", ["192.0.2.7", "2001:db8::7"])
def test_one_sender_is_one_workers_and_many_are_spread(source: str) -> None:
    v6 = ":" in source
    for known, first in (([ip_network(source)], 0), ([], 4)):
        made = program(known, v6, 4)
        seen = [run(made, source, port) for port in range(1024, 3024)]
        assert seen == [run(made, source, port) for port in range(1024, 3024)]
        assert {index: 400 < seen.count(index) < 600 for index in set(seen)} == dict.fromkeys(
            range(first, first + 4), True
        )


@pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
def test_networks_that_need_too_much_room_are_joined(v6: bool) -> None:
    known = some_networks(random.Random(1), v6, 3000, 48 if v6 else 28)
    made = program(known, v6, 2)
    assert 100 < made.ranges < made.wanted and ROOM * 0.8 < len(made.instructions) <= ROOM
    assert all(run(made, str(network.network_address)) < 2 for network in known), "nobody is forgotten"
    small = program(known, v6, 2, room=64)
    assert len(small.instructions) <= 64 and all(run(small, str(net.network_address)) < 2 for net in known[:50])


def test_the_closest_neighbours_are_joined_first() -> None:
    hosts = [f"192.0.{third}.{last}/32" for third in range(0, 256, 8) for last in (1, 3)]
    made = program(networks(*hosts), False, 1, room=130)
    assert made.ranges <= 32 and run(made, "192.0.8.2") == 0 and run(made, "192.0.4.2") == 1


# In the kernel


@pytest.fixture
def port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])


@contextmanager
def bound(addresses: Sequence[tuple[str, int]], workers: int, plain: str = "") -> Iterator[Listeners]:
    with closing(Listeners(addresses, workers, plain)) as opened:
        yield opened


def heard(rows: list[list[socket.socket]], listener: int = 0) -> list[list[bytes]]:
    """What waits at each worker's socket."""
    found = []
    for row in rows:
        got = []
        try:
            while True:
                got.append(row[listener].recv(100))
        except BlockingIOError:
            found.append(got)
    return found


def together(rows: list[list[socket.socket]], listener: int = 0) -> list[bytes]:
    return [one for got in heard(rows, listener) for one in got]


def send(host: str, to: tuple[str, int], *data: bytes) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        for one in data:
            sock.sendto(one, to)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_known_and_strangers_wait_apart(port: int, workers: int) -> None:
    with bound([(HOST, port)], workers) as opened:
        assert opened.plain == "" and [len(row) for row in opened.strangers] == [1] * workers
        assert opened.steer(networks("127.0.1.0/24", "127.0.3.7/32")) == ""
        for host in ("127.0.1.1", "127.0.2.1", "127.0.3.6", "127.0.3.7", "127.0.3.8", "127.0.1.255"):
            send(host, (HOST, port), host.encode())
        assert sorted(together(opened.sockets)) == [b"127.0.1.1", b"127.0.1.255", b"127.0.3.7"]
        assert sorted(together(opened.strangers)) == [b"127.0.2.1", b"127.0.3.6", b"127.0.3.8"]


def test_everybody_is_known_until_it_is_told(port: int) -> None:
    with bound([(HOST, port)], 2) as opened:
        send("127.0.2.1", (HOST, port), b"x")
        assert together(opened.sockets) == [b"x"] and heard(opened.strangers) == [[], []]


def test_ipv6_and_several_listeners(port: int) -> None:
    with bound([(HOST, port), ("::1", port), ("127.0.0.47", port)], 2) as opened:
        opened.steer(networks("::1/128"))
        send("::1", ("::1", port), b"six")
        send("127.0.0.1", (HOST, port), b"four")
        assert together(opened.sockets, 1) == [b"six"]
        assert together(opened.strangers, 0) == [b"four"]
        opened.steer(networks("127.0.0.1/32"))
        send("::1", ("::1", port), b"six")
        send("127.0.0.1", ("127.0.0.47", port), b"four")
        assert together(opened.strangers, 1) == [b"six"]
        assert together(opened.sockets, 2) == [b"four"]


def test_one_senders_messages_stay_in_order_and_senders_are_spread(port: int) -> None:
    with bound([(HOST, port)], 3) as opened:
        opened.steer(networks("127.0.1.0/24"))
        for _ in range(60):
            send("127.0.1.1", (HOST, port), *(b"%d" % n for n in range(5)))
        shares = heard(opened.sockets)
        assert all(share == [b"0", b"1", b"2", b"3", b"4"] * (len(share) // 5) and share for share in shares)


def test_a_change_loses_nothing(port: int) -> None:
    with bound([(HOST, port)], 2) as opened, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.1.1", 0))
        for n in range(300):
            if n % 10 == 0:
                opened.steer(networks("127.0.1.0/24") if n % 20 else [])
            sock.sendto(b"x", (HOST, port))
        known, strangers = (len(together(rows)) for rows in (opened.sockets, opened.strangers))
        assert (known, strangers) == (150, 150)


@pytest.mark.parametrize("host", [HOST, "::1"])
def test_a_thousand_networks_fit(port: int, host: str) -> None:
    chance = random.Random(2)
    with bound([(host, port)], 2) as opened:
        told = opened.steer([*some_networks(chance, False, 1000, 28), *some_networks(chance, True, 300, 48)])
        assert told == ""


def test_too_many_are_joined_and_told(port: int) -> None:
    with bound([(HOST, port)], 2) as opened:
        told = opened.steer([*networks("127.0.1.0/24"), *some_networks(random.Random(3), False, 5000, 28)])
        assert "known networks were joined to" in told
        send("127.0.1.1", (HOST, port), b"x")
        assert together(opened.sockets) == [b"x"]


def test_a_full_flood_of_strangers_leaves_the_others_their_room(port: int) -> None:
    with bound([(HOST, port)], 1) as opened:
        opened.steer(networks("127.0.1.1/32"))
        send("127.0.2.1", (HOST, port), *[bytes(1000)] * 20_000)
        send("127.0.1.1", (HOST, port), *[b"good"] * 100)
        assert heard(opened.sockets) == [[b"good"] * 100]
        assert 0 < len(heard(opened.strangers)[0]) < 5_000


# Where the kernel won't


def refuse(monkeypatch: pytest.MonkeyPatch, errors: list[OSError | None]) -> None:
    """The kernel's answers to the next programs; the last one to all that follow."""
    attach = listeners._attach

    def attach_or_fail(sock: socket.socket, made: Program) -> None:
        error = errors.pop(0) if len(errors) > 1 else errors[0]
        if error is not None:
            raise error
        attach(sock, made)

    monkeypatch.setattr(listeners, "_attach", attach_or_fail)


def test_without_programs_there_is_one_socket_for_all(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, [None, OSError(92, "Protocol not available")])
    with bound([(HOST, port), ("127.0.0.47", port)], 2) as opened:
        assert opened.plain == "Protocol not available"
        assert opened.strangers == [[], []] and [len(row) for row in opened.sockets] == [2, 2]
        assert opened.steer(networks("127.0.1.0/24")) == ""
        for host in ("127.0.1.1", "127.0.2.1"):
            send(host, (HOST, port), *[b"x"] * 20)
        assert sum(map(len, heard(opened.sockets))) == 40


def test_it_can_be_turned_off(port: int) -> None:
    with bound([(HOST, port)], 2, "turned off") as opened:
        assert opened.strangers == [[], []] and opened.plain == "turned off"


def test_a_program_that_is_too_large_for_the_kernel_is_made_smaller(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    no_memory = OSError(12, "Cannot allocate memory")
    with bound([(HOST, port)], 2) as opened:
        refuse(monkeypatch, [no_memory, no_memory, None])
        assert "joined to" in opened.steer(some_networks(random.Random(4), False, 1000, 28))
        refuse(monkeypatch, [no_memory])
        assert opened.steer([]) == "who is known was not changed in the kernel: Cannot allocate memory"
