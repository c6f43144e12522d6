"""Calls that wait to be verified or signed: held once, told once, and never in the way of others."""

from __future__ import annotations

import os
import select
from dataclasses import replace
from typing import NamedTuple

import pytest

from edge_agent import _hot
from edge_agent.reasons import BY_NAME
from tests.proxy.message import Message, Source, param, response, tag
from tests.proxy.world import ACME, CLOUD, CONTACT, POLICY, Call, World

IDENTITY = "eyJhbGciOiJFUzI1NiJ9.eyJhdHRlc3QiOiJBIn0.c2ln;info=<https://cr.example.net/a.pem>;alg=ES256;ppt=shaken"
PASSED, FAILED, UNKNOWN = 1, 2, 3


def policy(stir: str, more: str = "", top: str = "") -> str:
    """The world's policy, where acme's calls are verified so."""
    text = POLICY.replace('name = "acme"\n', f'name = "acme"\nstir = "{stir}"\n{more}')
    assert text != POLICY
    return text + top


class Sent(NamedTuple):
    data: bytes
    to: Source

    @property
    def message(self) -> Message:
        return Message.read(self.data)


class Waiting(World):
    """An engine whose control plane is the test."""

    def __init__(self, text: str, **engine: object) -> None:
        super().__init__(text, **({"deferred_mib": 1} | engine))  # type: ignore[arg-type]
        self.batch, self.out = _hot.Batch(1), _hot.OutBatch()

    def put(self, data: Message, source: Source = ACME) -> list[Sent]:
        """One datagram in; what comes out at once."""
        self.batch.clear()
        self.batch.add(bytes(data), source, 0)
        self.engine.process(self.batch, self.now, self.out)
        return self.sent()

    def sent(self) -> list[Sent]:
        counters = self.engine.counters()
        done = counters["forwarded"] + counters["answered"] + counters["dropped"]
        assert counters["received"] == done + counters["waiting"]
        return [Sent(*self.out[index][:2]) for index in range(len(self.out))]

    def resume(self) -> list[Sent]:
        self.engine.resume(self.now, self.out)
        return self.sent()

    def take(self) -> _hot.Deferred:
        [one] = self.engine.deferred()
        return one

    def waiting(self) -> int:
        count = self.engine.counters()["waiting"]
        assert isinstance(count, int)
        return count


def signed(call: Call | None = None, *more: tuple[str, str]) -> Message:
    call = call or Call.outbound()
    invite = call.invite()
    return replace(invite, headers=(*invite.headers[:-2], ("Identity", IDENTITY), *more, *invite.headers[-2:]))


def test_it_waits_and_goes_on() -> None:
    """Nothing goes out before the answer; then what goes is what came, with the verstat."""
    world, invite = Waiting(policy("require")), signed(None, ("Date", "Sat, 28 Nov 2026 06:00:00 GMT"))
    assert world.put(invite) == [] and world.waiting() == 1
    assert select.select([world.engine.deferred_fd], [], [], 0)[0]
    os.read(world.engine.deferred_fd, 8)
    one = world.take()
    assert (one.peer, one.subject, one.upstream) == ("acme", "acme", "cloud")
    assert (one.verify, one.sign) == (True, False)
    assert (one.caller, one.to, one.called) == ("12125552000", "442071838750", "442071838750")
    assert (one.date, one.identities) == ("Sat, 28 Nov 2026 06:00:00 GMT", [IDENTITY])
    assert (one.call_id, one.time_ns) == (invite.one("Call-ID"), world.now)
    assert world.engine.deferred() == [] and world.resume() == []
    assert world.engine.resolve(one.ticket, verstat=PASSED)
    [went] = world.resume()
    assert went.to == CLOUD and world.waiting() == 0
    value = '"Caller" <sip:+12125552000;verstat=TN-Validation-Passed@example.com;user=phone>;tag=caller'
    assert went.message.one("From") == value
    assert went.message.all("Identity") == [IDENTITY]
    assert went.message.body == invite.body
    assert not world.engine.resolve(one.ticket), "answered once"
    assert world.engine.counters()["methods"]["INVITE"] == 1


def test_copies_are_told_to_wait_and_then_go_the_same_way() -> None:
    world, invite = Waiting(policy("require")), signed()
    world.put(invite)
    [trying] = world.put(invite)
    assert trying.message.status == 100 and world.waiting() == 1
    world.engine.resolve(world.take().ticket, verstat=PASSED)
    [went] = world.resume()
    [again] = world.put(invite)
    assert again == went, "copies of a call that went on are alike to the byte"


def test_a_copy_that_says_something_else_is_refused() -> None:
    world, invite = Waiting(policy("require")), signed()
    world.put(invite)
    [changed] = world.put(invite.set("Identity", IDENTITY.replace("c2ln", "c2lm")))
    assert changed.message.status == 400


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("passport-signature", "438 Invalid Identity Header"),
        ("certificate-path", "437 Unsupported Credential"),
        ("certificate-unavailable", "436 Bad Identity Info"),
        ("passport-stale", "403 Stale Date"),
    ],
)
def test_a_refusal(reason: str, status: str) -> None:
    """Answered with its code; its copies alike, its ACK absorbed."""
    world, invite = Waiting(policy("require")), signed()
    world.put(invite)
    world.engine.resolve(world.take().ticket, reason=BY_NAME[reason], verstat=FAILED)
    [refused] = world.resume()
    assert refused.message.start == f"SIP/2.0 {status}" and refused.to == ACME
    [again] = world.put(invite)
    assert again == refused
    ack = replace(invite, start=invite.start.replace("INVITE", "ACK"), body="")
    ack = ack.set("CSeq", "1 ACK").set("To", refused.message.one("To")).set("Content-Length", "0")
    assert world.put(ack) == []
    [event] = [event for event in world.engine.events() if event.action == "answer"]
    assert (event.rule, event.reason, event.peer) == ("stir-signature", reason, "acme")


def test_cancel_while_it_waits() -> None:
    """200 to CANCEL, 487 to the INVITE, and an answer that comes later changes nothing."""
    world, call = Waiting(policy("require")), Call.outbound()
    invite = signed(call)
    world.put(invite)
    one = world.take()
    [ok] = world.put(call.request("CANCEL"))
    assert ok.message.start == "SIP/2.0 200 OK" and ok.message.one("CSeq") == "1 CANCEL"
    [gone] = world.resume()
    assert gone.message.start == "SIP/2.0 487 Request Terminated" and gone.message.one("CSeq") == "1 INVITE"
    assert tag(gone.message.one("To")) == tag(world.put(invite)[0].message.one("To"))
    assert not world.engine.resolve(one.ticket, verstat=PASSED)
    assert world.resume() == [] and world.waiting() == 0
    assert world.engine.calls(world.now)["acme"]["out"] == 0


def test_cancel_before_anybody_took_it() -> None:
    world, call = Waiting(policy("require")), Call.outbound()
    world.put(signed(call))
    world.put(call.request("CANCEL"))
    assert [one.message.status for one in world.resume()] == [487]
    assert world.engine.deferred() == []


def test_cancel_after_it_went_on_follows_it() -> None:
    """With the branch and the edits of its INVITE."""
    world, call = Waiting(policy("require")), Call.outbound()
    world.put(signed(call))
    world.engine.resolve(world.take().ticket, verstat=PASSED)
    [went] = world.resume()
    [cancel] = world.put(call.request("CANCEL"))
    assert param(cancel.message.all("Via")[0], "branch") == param(went.message.all("Via")[0], "branch")
    assert cancel.message.one("From") == went.message.one("From")


@pytest.mark.parametrize(("unavailable", "status"), [("pass", 0), ("reject", 436)])
def test_nobody_answers(unavailable: str, status: int) -> None:
    """After four seconds it is a call whose certificate can't be had."""
    world = Waiting(policy("require", top=f'[stir]\non_unavailable = "{unavailable}"\n'))
    world.put(signed())
    one = world.take()
    world.wait(3.9)
    assert world.resume() == []
    world.wait(0.2)
    [late] = world.resume()
    assert late.message.status == status
    if not status:
        assert "verstat=No-TN-Validation" in late.message.one("From")
    assert not world.engine.resolve(one.ticket)


def test_without_identity() -> None:
    world = Waiting(policy("require"))
    [refused] = world.put(Call.outbound().invite())
    assert refused.message.start == "SIP/2.0 428 Use Identity Header"
    world = Waiting(policy("tag"))
    [went] = world.put(Call.outbound().invite())
    assert "verstat=No-TN-Validation" in went.message.one("From")


def test_other_trunks_know_nothing_of_it() -> None:
    """Ignored headers go through as they came."""
    world = Waiting(policy("ignore"))
    [went] = world.put(signed())
    assert went.message.all("Identity") == [IDENTITY] and "verstat" not in went.message.one("From")


def test_one_peer_has_a_quarter_and_no_more() -> None:
    world = Waiting(
        policy("require", "calls_per_second = 10000\nburst = 10000\n").replace(
            "calls_per_second = 10\nburst = 20\n", "", 1
        )
    )
    share = world.engine.deferred_share
    for _ in range(share):
        assert world.put(signed()) == []
    [over] = world.put(signed())
    assert "verstat=No-TN-Validation" in over.message.one("From"), "on_unavailable says pass"
    assert world.waiting() == share
    assert world.engine.tables()["deferred"]["entries"] == share
    assert world.engine.tables()["deferred"]["evictions"] == 1
    while tickets := [one.ticket for one in world.engine.deferred()]:
        assert all(world.engine.resolve(ticket) for ticket in tickets)
    went = 0
    while n := world.engine.resume(world.now, world.out):
        went += n
    assert went == share and world.waiting() == 0 and world.engine.tables()["deferred"]["entries"] == 0
    assert world.put(signed()) == [], "there is room again"


def test_a_call_to_a_trunk_is_verified_as_that_trunk_says() -> None:
    world, call = Waiting(policy("tag")), Call.inbound()
    world.put(signed(call), CLOUD)
    one = world.take()
    assert (one.peer, one.subject, one.upstream) == ("cloud", "acme", "")
    assert (one.caller, one.called) == ("442071838750", "12125552001")
    world.engine.resolve(one.ticket, verstat=PASSED, attest="A")
    [went] = world.resume()
    assert went.to == CONTACT


def test_a_failure_that_is_only_tagged_is_told_on_the_replies() -> None:
    """RFC 9410: on each but 100; and on no other call's."""
    world, call = Waiting(policy("tag")), Call.outbound()
    world.put(signed(call))
    finding = BY_NAME["passport-signature"]
    world.engine.resolve(world.take().ticket, verstat=FAILED, monitored=[finding])
    [went] = world.resume()
    assert "verstat=TN-Validation-Failed" in went.message.one("From")
    told = 'STIR;cause=438;text="Invalid Identity Header"'
    for status, reasons in (("100 Trying", []), ("180 Ringing", [told]), ("200 OK", [told])):
        [reply] = world.put(response(went.message, status, "callee"), CLOUD)
        assert reply.message.all("Reason") == reasons, status
    [event] = world.engine.events()
    assert (event.rule, event.finding, event.action) == ("stir-signature", "passport-signature", "forward")
    other = Call.outbound()
    world.put(signed(other))
    world.engine.resolve(world.take().ticket, verstat=PASSED)
    [went] = world.resume()
    [reply] = world.put(response(went.message, "180 Ringing", "callee"), CLOUD)
    assert reply.message.all("Reason") == []


@pytest.mark.parametrize(
    ("header", "value", "passed"),
    [
        (
            "From",
            "<sip:+12125552000@h>;tag=caller",
            "<sip:+12125552000;verstat=TN-Validation-Passed@h;user=phone>;tag=caller",
        ),
        (
            "From",
            "<sip:+12125552000@h:5080;user=phone;x=1>;tag=caller",
            "<sip:+12125552000;verstat=TN-Validation-Passed@h:5080;user=phone;x=1>;tag=caller",
        ),
        ("From", "sip:+12125552000@h;tag=caller", "sip:+12125552000;verstat=TN-Validation-Passed@h;tag=caller"),
        ("From", "<tel:+12125552000>;tag=caller", "<tel:+12125552000;verstat=TN-Validation-Passed>;tag=caller"),
        ("From", "tel:+12125552000;tag=caller", "<tel:+12125552000;verstat=TN-Validation-Passed>;tag=caller"),
        (
            "From",
            "<sip:+12125552000;VerStat=TN-Validation-Passed;ext=1@[2001:db8::9]>;tag=caller",
            "<sip:+12125552000;ext=1;verstat=TN-Validation-Passed@[2001:db8::9];user=phone>;tag=caller",
        ),
        (
            "P-Asserted-Identity",
            "<tel:+12125552000;verstat=No-TN-Validation>",
            "<tel:+12125552000;verstat=TN-Validation-Passed>",
        ),
    ],
)
def test_where_verstat_stands(header: str, value: str, passed: str) -> None:
    world = Waiting(policy("tag"))
    world.put(signed().set(header, value))
    world.engine.resolve(world.take().ticket, verstat=PASSED)
    [went] = world.resume()
    assert went.message.one(header) == passed


def test_an_identity_is_put_in() -> None:
    """With a Date where there is none; and never a second line through the value."""
    world = Waiting(policy("tag"))
    world.put(signed())
    ticket = world.take().ticket
    with pytest.raises(ValueError, match="no header value"):
        world.engine.resolve(ticket, text=b"a\r\nX: y")
    assert world.engine.resolve(ticket, text=b"made;info=<https://a.example/c.pem>")
    [went] = world.resume()
    assert went.message.all("Identity") == [IDENTITY, "made;info=<https://a.example/c.pem>"]
    assert went.message.one("Date").endswith(" GMT")
    assert went.message.headers[-1][0] == "Date" and went.message.body


def test_a_copy_of_a_signed_call_is_signed_too() -> None:
    """The first one may have been lost behind us."""
    world, invite = Waiting(policy("tag")), signed()
    world.put(invite)
    world.engine.resolve(world.take().ticket, verstat=PASSED, text=b"first")
    [went] = world.resume()
    assert world.put(invite) == [] and world.waiting() == 1
    one = world.take()
    assert (one.sign, one.verify) == (True, False)
    world.engine.resolve(one.ticket, text=b"second")
    [again] = world.resume()
    assert again.message.all("Identity") == [IDENTITY, "second"] and again.to == went.to
    assert again.message.one("From") == went.message.one("From")
    assert param(again.message.all("Via")[0], "branch") == param(went.message.all("Via")[0], "branch")
    assert world.engine.calls(world.now)["acme"]["out"] == 1 and world.waiting() == 0


def test_what_can_be_answered() -> None:
    world = Waiting(policy("require"))
    world.put(signed())
    ticket = world.take().ticket
    for wrong in ({"reason": 9999}, {"verstat": 4}, {"attest": "D"}, {"monitored": [0]}, {"text": b"x" * 5000}):
        with pytest.raises(ValueError):
            world.engine.resolve(ticket, **wrong)
    with pytest.raises(ValueError):
        world.engine.resolve(0xFFFF)
    assert world.engine.resolve(ticket)


def test_a_reload_while_it_waits() -> None:
    """Its trunk is gone: so is the call. Its trunk stays: the new policy's way."""
    world = Waiting(policy("require"))
    world.put(signed())
    ticket = world.take().ticket
    world.publish(policy("require").replace('name = "acme"', 'name = "other"'))
    world.engine.resolve(ticket, verstat=PASSED)
    assert world.resume() == [] and world.waiting() == 0
    assert world.count("unknown-source") == 1


def test_the_limit_of_concurrent_calls_holds_when_they_go_on() -> None:
    world = Waiting(policy("require", "concurrent_calls = 1\n"))
    world.put(signed()), world.put(signed())
    for one in world.engine.deferred():
        world.engine.resolve(one.ticket, verstat=PASSED)
    assert sorted(one.message.status for one in world.resume()) == [0, 486]


def test_a_message_that_is_longer_than_a_slot() -> None:
    """It can't wait, and no verifier reads a token of 16 KiB: it failed."""
    world = Waiting(policy("require", top="[rules.interface]\nmax_bytes = 40000\n"))
    [refused] = world.put(signed(None, ("X-Long", "x" * 16_384)))
    assert refused.message.start == "SIP/2.0 438 Invalid Identity Header"


def test_findings_that_only_are_recorded_outlive_the_wait() -> None:
    world = Waiting(policy("require", top='[rules.caller-owned]\nmode = "monitor"\n'))
    world.put(signed(Call.outbound(user="+14155552671")))
    world.engine.resolve(world.take().ticket, verstat=PASSED)
    world.resume()
    assert world.engine.counters()["monitored"] == {("caller-owned", "acme"): 1}
    [event] = world.engine.events()
    assert event.finding == "caller-owned" and event.value == 14155552671


def test_two_workers_each_resume_their_own() -> None:
    world = Waiting(policy("require"), workers=2)
    invite = signed()
    world.batch.clear()
    world.batch.add(bytes(invite), ACME, 0)
    world.engine.process(world.batch, world.now, world.out, 1)
    assert world.engine.resolve(world.take().ticket, verstat=PASSED)
    assert world.engine.resume(world.now, world.out, 0) == 0
    assert world.engine.resume(world.now, world.out, 1) == 1


DIVERTED = ("Diversion", "<sip:+12125552001@example.com>;reason=unconditional")


@pytest.mark.parametrize("mode", ["tag", "require"])
def test_a_forwarded_call_that_somebody_vouches_for(mode: str) -> None:
    """A foreign caller, diverted by a number of the trunk's: whether that is true, the verification says."""
    world = Waiting(policy(mode))
    for verstat, status in ((PASSED, 0), (FAILED, 403), (UNKNOWN, 403)):
        assert world.put(signed(Call.outbound(user="+14155552671"), DIVERTED)) == []
        assert world.engine.resolve(world.take().ticket, verstat=verstat)
        [went] = world.resume()
        assert went.message.status == status
    assert world.count("caller-forward") == 2


def test_a_forwarded_call_when_nobody_answers() -> None:
    world = Waiting(policy("tag"))
    world.put(signed(Call.outbound(user="+14155552671"), DIVERTED))
    world.wait(5)
    [late] = world.resume()
    assert late.message.start == "SIP/2.0 403 Forwarded Caller ID Not Proven"


def test_a_rule_that_a_reload_turns_off_decides_nothing_more() -> None:
    world = Waiting(policy("tag"))
    world.put(signed(Call.outbound(user="+14155552671"), DIVERTED))
    ticket = world.take().ticket
    world.publish(policy("tag").replace('name = "acme"', 'name = "acme"\nrules = { caller-owned = { mode = "off" } }'))
    world.engine.resolve(ticket, verstat=FAILED)
    [went] = world.resume()
    assert went.message.start.startswith("INVITE ")


def test_nobody_vouches_for_a_forwarded_call_without_identity() -> None:
    world = Waiting(policy("tag"))
    invite = Call.outbound(user="+14155552671").invite()
    [refused] = world.put(replace(invite, headers=(*invite.headers[:-2], DIVERTED, *invite.headers[-2:])))
    assert refused.message.status == 403
    world = Waiting(policy("ignore"))
    [refused] = world.put(signed(Call.outbound(user="+14155552671"), DIVERTED))
    assert refused.message.status == 403


@pytest.mark.parametrize(("verstat", "found"), [(PASSED, []), (FAILED, ["own-number-inbound"])])
def test_a_number_of_ours_from_outside_that_somebody_vouches_for(verstat: int, found: list[str]) -> None:
    world, call = Waiting(policy("tag")), replace(Call.inbound(), from_user="+12125553000")
    world.put(signed(call), CLOUD)
    world.engine.resolve(world.take().ticket, verstat=verstat)
    [went] = world.resume()
    assert went.to == CONTACT
    assert [rule for rule, _ in world.engine.counters()["monitored"]] == found
