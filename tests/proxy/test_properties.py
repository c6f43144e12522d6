"""Whatever a trunk may send, what goes on is what came but for the documented edits.

Messages are made by the grammar's generator. The policy only watches, so that
every request which the structural rules let through is forwarded.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge_agent import _hot
from tests.oracle.compare import difference
from tests.oracle.message import parse
from tests.property.generate import Maker
from tests.proxy.message import Source
from tests.proxy.world import ACME, SIX, World

choices = st.randoms(use_true_random=False)
POLICY = """
[agent]
mode = "monitor"
aliases = ["host_1", "x"]
[keys]
grace = "0s"
[[listen]]
address = "192.0.2.1:5060"
[[listen]]
address = "[2001:db8::1]:5060"
[[upstream]]
name = "cloud"
targets = ["192.0.2.9:5060", "[2001:db8::9]:5060"]
domains = ["cloud.example.net", "a.example.org", "h-1.example.org"]
[[trunk]]
name = "acme"
sources = ["198.51.100.10/32"]
upstream = "cloud"
caller_ids = ["+12125550123"]
calls_per_second = 100000
burst = 100000
[[trunk]]
name = "six"
sources = ["2001:db8:a::10/128"]
upstream = "cloud"
caller_ids = ["+12125550123"]
calls_per_second = 100000
burst = 100000
[rules.interface]
mode = "off"
"""
SAME = (
    "kind", "method", "from", "from_tag", "to", "to_tag", "call_id", "cseq", "cseq_method", "content_length",
    "content_type", "identities", "user_agent", "refer_to", "privacy",
)  # fmt: skip
LONG = {"v": "via", "r": "refer-to"}


@pytest.fixture(scope="module")
def world() -> World:
    return World(POLICY)


def rows(data: bytes) -> list[tuple[str, bytes]]:
    """Header lines as they stand, folds and all, each with its name in full."""
    head = data.partition(b"\r\n\r\n")[0]
    lines = re.split(rb"\r\n(?![ \t])", head)[1:]
    names = (line.partition(b":")[0].strip().decode().lower() for line in lines)
    return [(LONG.get(name, name), line) for name, line in zip(names, lines, strict=True)]


def without(lines: list[tuple[str, bytes]], *names: str) -> list[bytes]:
    return [line for name, line in lines if name not in names]


def test_a_forwarded_request_is_what_came(world: World) -> None:
    tally: Counter[str] = Counter()
    forwarded(world, tally)
    # It is worth what it saw.
    assert tally["forward"] > 40, tally
    assert tally["INVITE"] and tally["ACK"] and tally["CANCEL"], tally


@settings(max_examples=600)
@given(rng=choices, source=st.sampled_from([ACME, SIX]))
def forwarded(world: World, tally: Counter[str], rng: random.Random, source: Source) -> None:
    world.wait(1)
    data = Maker(rng).message()
    sent = _hot.parse(data)
    result = world.send(data, source)
    if sent["kind"] == "response":
        assert result.action == "drop"
        return
    tally[result.action] += 1
    tally[sent["method"]] += result.action == "forward"
    if result.action != "forward":
        return
    # What the agent writes reads the same to the oracle, which shares no code with the engine.
    got = _hot.parse(result.data)
    assert difference(got, parse(result.data)) == ""
    check_fields(sent, got, source)
    check_bytes(data[data.index(sent["method"].encode()) :], result.data, sent)


def check_fields(sent: dict[str, Any], got: dict[str, Any], source: Source) -> None:
    assert {key: sent[key] for key in SAME} == {key: got[key] for key in SAME}
    assert got["via_count"] == sent["via_count"] + 1
    ours, theirs = got["vias"]
    assert (ours["transport"], ours["rport"], ours["received"]) == (b"UDP", -1, b"")
    was = sent["vias"][0]
    assert {**theirs, "received": b"", "rport": 0} == {**was, "received": b"", "rport": 0}
    assert theirs["rport"] == (-1 if was["rport"] < 0 else source[1])
    if was["rport"] >= 0 or was["received"]:
        assert theirs["received"] == source[0].encode()
    assert theirs["received"] in (b"", source[0].encode())
    assert got["max_forwards"] == (70 if sent["max_forwards"] < 0 else sent["max_forwards"] - 1)
    uri, goes_on = sent["uri"], got["uri"]
    assert {**uri, "host": b"", "port": 0} == {**goes_on, "host": b"", "port": 0}
    if goes_on["host"] != uri["host"]:
        assert uri["host"].lower().rstrip(b".") in (b"host_1", b"x")
        assert (goes_on["host"], goes_on["port"]) == (b"cloud.example.net", 0)


def check_bytes(sent: bytes, got: bytes, read: dict[str, Any]) -> None:
    """Rows that have no edit stand there byte for byte, in their order; the body too, without what stood behind it."""
    edited = ("via", "max-forwards", "route", "record-route")
    assert without(rows(got), *edited) == without(rows(sent), *edited)
    theirs = [line for name, line in rows(sent) if name == "via"]
    assert [line for name, line in rows(got) if name == "via"][2:] == theirs[1:]
    recorded = [line for name, line in rows(sent) if name == "record-route"]
    own = [line for name, line in rows(got) if name == "record-route"]
    assert own[len(own) - len(recorded) :] == recorded
    assert len(own) - len(recorded) <= 2
    body = sent.partition(b"\r\n\r\n")[2]
    if read["content_length"] >= 0:
        body = body[: read["content_length"]]
    assert got.partition(b"\r\n\r\n")[2] == body


@settings(max_examples=300)
@given(choices)
def test_whatever_comes_is_answered_in_its_own_words(world: World, rng: random.Random) -> None:
    """An answer repeats Via, From, Call-ID and CSeq; it goes to its sender; an ACK gets none."""
    world.wait(1)
    maker = Maker(rng)
    data = maker.mutate(maker.message())
    result = world.send(data, ACME)
    if result.action != "answer":
        return
    assert result.to is not None
    assert result.to[0] == ACME[0]
    assert not data.startswith(b"ACK ")
    reply = _hot.parse(result.data)
    sent = _hot.parse(data)
    if sent["kind"] == "request" and reply["kind"] == "response":
        for key in ("from", "from_tag", "call_id", "cseq", "cseq_method", "via_count"):
            assert reply[key] == sent[key]
        assert reply["to_tag"] == sent["to_tag"] or len(reply["to_tag"]) == 19


@settings(max_examples=300)
@given(choices, st.integers(1, 65535))
@example(random.Random(0), 5060)
def test_a_stranger_never_gets_through(world: World, rng: random.Random, port: int) -> None:
    """Nothing is forwarded, and no reply is larger than its request."""
    world.wait(1)
    maker = Maker(rng)
    data = maker.message() if maker.chance(2) else maker.mutate(maker.message())
    result = world.send(data, ("203.0.113.66", port))
    assert result.action != "forward"
    assert len(result.data) <= len(data)
