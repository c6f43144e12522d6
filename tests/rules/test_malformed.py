"""malformed: what two readers could read differently is refused, never guessed. Unknown sources get no reply."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.agent import (
    ACME,
    BETA,
    CLOUD,
    FOREIGN,
    NOBODY,
    OWN,
    Agent,
    Decision,
    MakeAgent,
    dial,
    inbound,
    invite,
    policy,
    request,
)
from tests.proxy.message import Message
from tests.rules.modes import check_structural

Change = Callable[[bytes], bytes]


def swap(old: str, new: str) -> Change:
    def change(data: bytes) -> bytes:
        assert old.encode("latin-1") in data, old
        return data.replace(old.encode("latin-1"), new.encode("latin-1"), 1)

    return change


def header(*lines: str) -> Change:
    """With these lines behind the start line."""
    return swap("SIP/2.0\r\n", "SIP/2.0\r\n" + "".join(f"{line}\r\n" for line in lines))


# Reason, and changes to a sound call that each must be told it.
REFUSED: list[tuple[str, Change]] = [
    ("start-line", swap("INVITE sip", "INVITE  sip")),
    ("start-line", swap("INVITE sip", "INVITE\tsip")),
    ("start-line", swap("SIP/2.0\r", "SIP/2.0 \r")),
    ("start-line", swap("SIP/2.0\r", "SIP/2.\r")),
    ("start-line", swap("SIP/2.0\r", "HTTP/1.1\r")),
    ("request-uri", swap("INVITE sip:", "INVITE sip:@@")),
    ("request-uri", swap("@cloud.example.net SIP", "@ SIP")),
    ("request-uri", swap("@cloud.example.net SIP", "@cloud.example.net:0 SIP")),
    ("request-uri", swap("@cloud.example.net SIP", "@cloud.example.net:65536 SIP")),
    ("request-uri", swap("@cloud.example.net SIP", "@evil.example@cloud.example.net SIP")),
    ("request-uri", swap("@cloud.example.net SIP", "%@cloud.example.net SIP")),
    ("request-uri", swap("@cloud.example.net SIP", "@[2001:db8::g] SIP")),
    ("request-uri", swap("INVITE sip:+442071838750@cloud.example.net", "INVITE <sip:a@b>")),
    ("line-end", swap("Max-Forwards: 70\r\n", "Max-Forwards: 70\n")),
    ("line-end", swap("Max-Forwards: 70\r\n", "Max-Forwards: 70\r")),
    ("line-end", swap("Max-Forwards: 70\r\n", "X: a\nFrom: <sip:b@c>\r\nMax-Forwards: 70\r\n")),
    ("line-end", lambda data: data.replace(b"\r\n", b"\n")),
    ("control-byte", swap("Max-Forwards: 70", "X: a\0b\r\nMax-Forwards: 70")),
    ("control-byte", swap("Max-Forwards: 70", "X: a\x0bb\r\nMax-Forwards: 70")),
    ("control-byte", swap("Max-Forwards: 70", "X\x01: a\r\nMax-Forwards: 70")),
    ("header-name", header("no colon here")),
    ("header-name", header(": no name")),
    ("header-name", header("Two Words: x")),
    ("header-name", header("Fr\xf6m: x")),
    ("too-many-headers", header(*[f"X-{n}: x" for n in range(250)])),
    ("too-large", header(*["X-Pad: " + "x" * 1000] * 33)),
    ("no-end", lambda data: data[: data.index(b"\r\n\r\n") + 2]),
    ("no-end", lambda data: data[: data.index(b"\r\nCSeq") + 8]),
    ("missing-header", swap("Call-ID: ", "X-Call-ID: ")),
    ("missing-header", swap("From: ", "Fromm: ")),
    ("missing-header", swap("To: ", "Too: ")),
    ("missing-header", swap("CSeq: ", "C-Seq: ")),
    ("content-length", swap("Content-Length: ", "Content-Length: -")),
    ("content-length", swap("Content-Length: ", "Content-Length: +")),
    ("content-length", swap("Content-Length: ", "Content-Length: 9")),
    ("content-length", swap("Content-Length: ", "Content-Length: 0x")),
    ("content-length", swap("Content-Length: ", "Content-Length: 4294967296")),
    ("via", swap(";branch=z9hG4bK", ";branch=;x=")),
    ("via", swap("SIP/2.0/UDP", "SIP/2.0")),
    ("via", header("v: x")),
    ("too-many-vias", header("v: " + ", ".join(["SIP/2.0/UDP a;branch=z9hG4bKx"] * 70))),
    ("from", swap("From: <sip:", "From: <sip:<")),
    ("from", swap("From: <sip:", 'From: "open <sip:')),
    ("from", swap("@pbx.example>", "@pbx.example>;x=<sip:b@c>")),
    ("from", swap("@pbx.example>", "@pbx.example>, <sip:b@c>")),
    ("from", swap("From: <sip:", "From: <sip: ")),
    ("to", swap("To: <sip:", "To: sip:")),
    ("to", swap("To: <sip:callee@cloud.example.net>", "To:")),
    ("to", swap("To: <sip:callee@cloud.example.net>", "To: sip:callee@cloud.example.net?subject=x")),
    ("call-id", swap("Call-ID: ", "Call-ID: a b ")),
    ("call-id", swap("Call-ID: ", "Call-ID: " + "x" * 512)),
    ("cseq", swap("CSeq: 1 ", "CSeq: 2147483648 ")),
    ("cseq", swap("CSeq: 1 ", "CSeq: -1 ")),
    ("cseq", swap("CSeq: 1 ", "CSeq: 1")),
    ("cseq", swap("CSeq: 1 INVITE", "CSeq: INVITE")),
    ("cseq-method", swap("CSeq: 1 INVITE", "CSeq: 1 ACK")),
    ("cseq-method", swap("CSeq: 1 INVITE", "CSeq: 1 invite")),
    ("max-forwards", swap("Max-Forwards: 70", "Max-Forwards: 256")),
    ("max-forwards", swap("Max-Forwards: 70", "Max-Forwards: -1")),
    ("max-forwards", swap("Max-Forwards: 70", "Max-Forwards: 70, 70")),
    ("max-forwards", swap("Max-Forwards: 70", "Max-Forwards:")),
    ("identity-header", header("P-Asserted-Identity: <sip:a@b>, <sip:c@d>")),
    ("identity-header", header("P-Asserted-Identity: <tel:+1>", "p-asserted-identity: <tel:+1>")),
    ("identity-header", header("P-Preferred-Identity: <sip:a@b>", "P-Preferred-Identity : <sips:a@b>")),
    ("identity-header", header("Diversion: sip:a@b, ")),
    ("identity-header", header("Diversion: " + ", ".join(["<sip:a@b>"] * 13))),
    ("contact", header("m: <sip:a@>")),
    ("route", header("Route: sip:a@b;lr")),
    ("route", header("Route: <sip:a;lr>,")),
    ("route", header("Record-Route: x")),
]

# Headers that may stand once, each with its other spellings.
ONCE = [
    ("From", "f"),
    ("To", "t"),
    ("Call-ID", "i"),
    ("CSeq", "CSEQ"),
    ("Max-Forwards", "max-forwards"),
    ("Content-Length", "l"),
    ("Content-Type", "c"),
]


@pytest.mark.parametrize(("reason", "change"), REFUSED)
def test_hit(agent: MakeAgent, reason: str, change: Change) -> None:
    """A customer and the cloud are told what is wrong, whoever else writes gets nothing."""
    status = 513 if reason == "too-large" else 400
    told = agent().send(change(bytes(invite())))
    assert (told.short, told.rule, told.peer) == (f"{status} {reason}", "malformed", "acme")
    assert told.to is not None and told.to[0] == ACME[0]
    assert agent().send(change(bytes(invite())), CLOUD).short == f"{status} {reason}"
    assert agent().send(change(bytes(invite())), NOBODY).short == f"drop {reason}"


@pytest.mark.parametrize(("name", "other"), ONCE)
def test_a_single_header_twice_in_any_spelling(agent: MakeAgent, name: str, other: str) -> None:
    sent = invite()
    [value] = sent.all(name)
    for spelling in (name, other, name.upper(), f"{name} ", f"{other}\t"):
        first, last = sent.above((spelling, value)), Message(sent.start, (*sent.headers, (spelling, value)), sent.body)
        assert agent().send(first).short == "400 duplicate-header"
        assert agent().send(last).short == "400 duplicate-header"


@pytest.mark.parametrize(
    "change",
    [
        swap("Max-Forwards: 70", "Max-Forwards : 70"),
        swap("Max-Forwards: 70", "Max-Forwards:\t70  "),
        swap("Max-Forwards: 70", "Max-Forwards:\r\n 70"),
        swap("Call-ID: ", "i:"),
        swap("From: ", "fROM  :  "),
        swap("Via: ", "v: SIP/2.0/UDP 198.51.100.10;branch=z9hG4bKother\r\nVIA: "),
        swap("Via: ", "v: SIP / 2.0 / UDP 198.51.100.10 ; branch = z9hG4bKother , "),
        swap("CSeq: 1 ", "CSeq: 0000000001   "),
        swap("CSeq: 1 ", "CSeq: 2147483647 "),
        swap("@pbx.example>", '@pbx.example> ; x = "a;b,c<>" '),
        swap("From: <", 'From: "a \\" b, \\\\ <sip:x>" <'),
        header("X-Unknown: \xff\xfe", "Subject:", "X-Y: y", "X-Y: y"),
        header("Supported: timer, 100rel", "k: replaces", "Require: timer"),
        header("P-Asserted-Identity: <sip:+12125552000@b>, <tel:+12125552000>"),
        lambda data: b"\r\n\r\n" + data,
        lambda data: data + b"behind the body: cut",
        lambda data: data.replace(b"Content-Length", b"X-Length"),
        header(*[f"X-{n}: x" for n in range(240)]),
        header("v: " + ", ".join(["SIP/2.0/UDP a;branch=z9hG4bKx"] * 69)),
        header("Diversion: " + ", ".join(["<sip:a@b>"] * 12)),
    ],
)
def test_near_miss_legal_oddities(agent: MakeAgent, change: Change) -> None:
    assert agent().send(change(bytes(invite()))).short == "forward pass"


def test_bytes_behind_the_message_are_cut(agent: MakeAgent) -> None:
    sent = invite()
    passed = agent().send(bytes(sent) + b"INVITE sip:hidden@evil.example SIP/2.0\r\n")
    assert passed.message.body == sent.body


def test_the_limit_of_header_lines(agent: MakeAgent) -> None:
    have = len(invite().headers)
    for more, short in ((256 - have, "forward pass"), (257 - have, "400 too-many-headers")):
        sent = invite(OWN, *[("X-Pad", "x")] * more)
        assert agent().send(sent).short == short


def test_the_limit_of_the_header_block(agent: MakeAgent) -> None:
    sent = bytes(invite())
    room = 32768 - (sent.index(b"\r\n\r\n") + 4) - len("X-Pad: \r\n")
    roomy = agent(policy(rules="[rules.interface]\nmax_bytes = 65535"))
    assert roomy.send(header("X-Pad: " + "x" * room)(bytes(invite()))).short == "forward pass"
    assert agent().send(header("X-Pad: " + "x" * (room + 1))(bytes(invite()))).short == "513 too-large"


def test_an_ack_is_never_answered(agent: MakeAgent) -> None:
    ack = bytes(invite()).replace(b"INVITE", b"ACK").replace(b"From: <", b"From: <<")
    assert agent().send(ack).short == "drop from"


@pytest.mark.parametrize("data", [b"", b"\0", b"\r\n", b"\r\n\r\n", b"\0\0\0\0"])
@pytest.mark.parametrize("source", [ACME, CLOUD, NOBODY])
def test_keep_alives_are_silent(agent: MakeAgent, data: bytes, source: tuple[str, int]) -> None:
    kept = agent().send(data, source)
    assert (kept.short, kept.events) == ("drop keepalive", ())


@pytest.mark.parametrize("data", [b"x", b"hello world, hello world", bytes(range(1, 256)), b"\x80\x00" * 600])
def test_what_is_no_sip_is_dropped(agent: MakeAgent, data: bytes) -> None:
    """Without a Via nobody knows whom to tell."""
    dropped = agent().send(data)
    assert (dropped.action, dropped.rule) == ("drop", "malformed")


def test_a_peer_s_broken_messages_get_no_more_than_a_budget_of_answers(agent: MakeAgent) -> None:
    """100 at once, then 50 a second. Who is above gets nothing, calls and other peers all; OPTIONS to us has its own."""
    party, broken = agent(), swap("Max-Forwards: 70", "Max-Forwards: x")

    def ping() -> Message:
        return request("OPTIONS", "sip:192.0.2.1", OWN)

    assert party.burst(lambda: broken(bytes(invite())), 102) == ["400 max-forwards"] * 100 + ["drop answer-limit"] * 2
    assert party.burst(ping, 102) == ["200 options-up"] * 100 + ["drop answer-limit"] * 2
    told = party.send(broken(bytes(invite())))
    assert (told.short, told.rule, told.peer, told.event.reason) == ("drop answer-limit", "", "acme", "answer-limit")
    assert party.send(invite()).short == "forward pass"
    assert party.send(invite(FOREIGN)).short == "403 caller-owned"
    for source in (BETA, CLOUD):
        assert party.send(broken(bytes(invite())), source).short == "400 max-forwards"
    party.wait(0.02)
    assert party.burst(ping, 2) == ["200 options-up", "drop answer-limit"]


@pytest.mark.parametrize("change", [swap("CSeq: 1 ", "CSeq: x "), swap("Max-Forwards: 70", "Max-Forwards: x")])
def test_a_broken_emergency_call_is_always_told(agent: MakeAgent, change: Change) -> None:
    party = agent(policy(rules="[rules.malformed]\nanswers_per_second = 1.0\nanswers_burst = 2"))
    assert party.burst(lambda: change(bytes(invite())), 4)[2:] == ["drop answer-limit"] * 2
    assert {short[:3] for short in party.burst(lambda: change(bytes(dial("911"))), 4)} == {"400"}
    assert party.burst(lambda: swap("INVITE", "INV TE")(change(bytes(dial("911")))), 2) == ["drop answer-limit"] * 2
    assert party.burst(lambda: change(bytes(invite())), 2) == ["drop answer-limit"] * 2


def test_reload_of_the_budget(agent: MakeAgent) -> None:
    """What was used stays used."""
    party, broken = agent(), swap("CSeq: 1 ", "CSeq: x ")
    party.burst(lambda: broken(bytes(invite())), 100)
    party.reload(policy(rules="[rules.malformed]\nanswers_burst = 103"))
    assert party.burst(lambda: broken(bytes(invite())), 4) == ["400 cseq"] * 3 + ["drop answer-limit"]


def test_a_changed_copy(agent: MakeAgent) -> None:
    """Same transaction, another caller: refused, and the first copy's fate stays."""
    party, sent = agent(), invite(OWN)
    assert party.send(sent).short == "forward pass"
    changed = sent.set("From", sent.one("From").replace(OWN, "+12125552001"))
    told = party.send(changed)
    assert (told.short, told.rule) == ("400 request-changed", "malformed")
    assert party.send(sent).short == "forward retransmission"


def test_event(agent: MakeAgent) -> None:
    event = agent().send(swap("Max-Forwards: 70", "Max-Forwards: x")(bytes(invite())), BETA).event
    assert (event.action, event.rule, event.reason, event.status) == ("answer", "malformed", "max-forwards", 400)
    assert (event.peer, event.source, event.method, event.monitored) == ("beta", BETA, "INVITE", False)


def test_it_always_holds() -> None:
    def hit(change: Change) -> Callable[[Agent], Decision]:
        return lambda party: party.send(change(bytes(invite())))

    check_structural("malformed", [(hit(change), f"400 {reason}") for reason, change in REFUSED[:3]])


def test_reload(agent: MakeAgent) -> None:
    party = agent()
    broken = REFUSED[0][1](bytes(inbound()))
    assert party.send(broken, CLOUD).short == "400 start-line"
    party.reload(policy(agent='mode = "monitor"'))
    assert party.send(broken, CLOUD).short == "400 start-line"
    assert party.engine.counters()["by_verdict"]["answer", "malformed", "start-line", "cloud"] == 2
