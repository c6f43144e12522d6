"""One verdict for every copy of a request: counted once, kept through limits and reloads, gone after 33 seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.proxy.message import Message, Source, response, tag
from tests.proxy.world import (
    ACME,
    AT,
    BETA,
    CLOUD,
    CONTACT,
    EPOCH,
    LIFE,
    NOW,
    POLICY,
    SECOND,
    STRANGER,
    Call,
    World,
)

OVER = "486 Busy Here"
UNOWNED = "+12125557777"
BURST = 20  # of acme


def use_up(world: World) -> None:
    """Acme's calls per second, to the last one."""
    for _ in range(2 * BURST):
        if world.send(Call.outbound().invite(), ACME).action != "forward":
            return
    raise AssertionError("the limit never came")


# Copies


def test_a_copy_is_counted_once() -> None:
    world, call = World(), Call.outbound()
    for _ in range(BURST + 5):
        assert world.send(call.invite(), ACME).action == "forward"
    assert (world.count("pass"), world.count("retransmission")) == (1, BURST + 4)
    # And what it left of the burst is all there.
    for _ in range(BURST - 1):
        assert world.send(Call.outbound().invite(), ACME).reason == "pass"
    assert world.send(Call.outbound().invite(), ACME).reason == "trunk-rate"


def test_copies_have_an_end() -> None:
    """T1 doubling up to 64 * T1 makes seven; a flood of equal packets is no retransmission."""
    world, call = World(), Call.outbound()
    told = [world.send(call.invite(), ACME).action for _ in range(40)]
    assert told == ["forward"] * 33 + ["drop"] * 7
    assert world.count("copies") == 7


def test_a_passed_call_passes_again_above_the_limit() -> None:
    world, call = World(), Call.outbound()
    first = world.send(call.invite(), ACME)
    use_up(world)
    assert world.send(call.invite(), ACME).data == first.data


def test_a_refused_call_is_refused_again_below_the_limit() -> None:
    world, call = World(), Call.outbound()
    use_up(world)
    first = world.answer(call.invite(), ACME, OVER)
    world.wait(20)
    assert world.send(Call.outbound().invite(), ACME).action == "forward"
    again = world.send(call.invite(), ACME)
    assert (again.reason, again.data) == ("retransmission", first.data)


def test_the_verdict_is_kept_over_a_reload() -> None:
    """The new policy would decide each of them the other way."""
    world, call = World(), Call.outbound()
    forged, nobodys = replace(Call.outbound(), from_user=UNOWNED), Call.inbound(UNOWNED)
    passed = world.send(call.invite(), ACME)
    refused, lost = world.send(forged.invite(), ACME), world.send(nobodys.invite(), CLOUD)
    assert (passed.action, refused.message.status, lost.message.status) == ("forward", 403, 404)
    world.publish(POLICY.replace("+12125552000..+12125552099", UNOWNED))
    for sent, source, first in (
        (call.invite(), ACME, passed),
        (forged.invite(), ACME, refused),
        (nobodys.invite(), CLOUD, lost),
    ):
        again = world.send(sent, source)
        assert (again.reason, again.data) == ("retransmission", first.data)
    assert world.send(Call.outbound().invite(), ACME).reason == "caller-owned"
    assert world.send(Call.inbound(UNOWNED).invite(), CLOUD).to == CONTACT


def test_events_are_written_once() -> None:
    world, call = World(), replace(Call.outbound(), from_user=UNOWNED)
    for _ in range(3):
        world.send(call.invite(), ACME)
    [event] = world.engine.events()
    assert (event.reason, event.status, event.peer, event.call_id) == ("caller-owned", 403, "acme", call.call_id)


# Expiry


def test_an_entry_lives_33_seconds_and_no_longer() -> None:
    """64 * T1 is 32 s (RFC 3261 §17.1.1.2); a second more for the network."""
    world, call = World(), Call.outbound()
    world.send(call.invite(), ACME)
    world.now = NOW + LIFE
    assert world.send(call.invite(), ACME).reason == "retransmission"
    world.now = NOW + LIFE + 1
    assert world.send(call.invite(), ACME).reason == "pass", "from then on it is a new call"
    assert world.send(call.invite(), ACME).reason == "retransmission"


def test_a_copy_doesnt_make_its_entry_younger() -> None:
    world, call = World(), Call.outbound()
    world.send(call.invite(), ACME)
    world.wait(32)
    world.send(call.invite(), ACME)
    world.wait(2)
    assert world.send(call.invite(), ACME).reason == "pass"


def test_workers_clocks_may_differ_a_little() -> None:
    """Each takes the time once a batch: a copy may be screened with a time before that of its first."""
    world, call = World(), Call.outbound()
    world.send(call.invite(), ACME)
    world.now -= 5_000_000
    assert world.send(call.invite(), ACME).reason == "retransmission"


# Copies that say something else

HEADERS = {
    "From": '"Caller" <sip:+12125552001@example.com>;tag=caller',
    "To": "<sip:+442071838751@cloud.example.net>",
    "P-Asserted-Identity": "<sip:+12125552001@example.com>",
    "P-Preferred-Identity": "<sip:+12125552001@example.com>",
    "Diversion": "<sip:+12125552001@example.com>",
    "Identity": "a.b.c;info=<https://x.example>;alg=ES256",
    "Route": "<sip:192.0.2.1;lr>",
    "Privacy": "id",
    "Remote-Party-ID": "<sip:+12125552001@example.com>",
    "History-Info": "<sip:+12125552001@example.com>;index=1",
    "User-Agent": "friendly-scanner",
}


@pytest.mark.parametrize("header", HEADERS)
def test_a_changed_copy_is_refused(header: str) -> None:
    world, call = World(), Call.outbound()
    first = world.send(call.invite(), ACME)
    changed = call.invite().set(header, HEADERS[header])
    world.answer(changed, ACME, "400 Request Changed")
    again = world.send(call.invite(), ACME)
    assert again.data == first.data, "and harms nothing"


def test_a_changed_request_uri_is_refused() -> None:
    world, call = World(), Call.outbound()
    world.send(call.invite(), ACME)
    world.answer(call.invite().to("sip:+442071838759@cloud.example.net"), ACME, "400 Request Changed")


def test_a_refused_call_cant_come_back_changed() -> None:
    world = World()
    forged = replace(Call.outbound(), from_user=UNOWNED)
    world.answer(forged.invite(), ACME, "403 Caller ID Not Allowed")
    good = replace(forged, from_user="+12125552000")
    world.answer(good.invite(), ACME, "400 Request Changed")


def test_what_isnt_screened_may_change() -> None:
    """A copy with another body is still a copy: its verdict didn't depend on that."""
    world, call = World(), Call.outbound()
    world.send(call.invite(), ACME)
    result = world.send(call.invite().set("Subject", "lunch"), ACME)
    assert (result.action, result.reason) == ("forward", "retransmission")


# What makes a transaction


PARTS: dict[str, Callable[[Message], Message]] = {
    "branch": lambda sent: sent.set("Via", "SIP/2.0/UDP 198.51.100.10:5060;branch=z9hG4bKother;rport"),
    "sent-by": lambda sent: sent.set("Via", sent.one("Via").replace("198.51.100.10", "pbx.example")),
    "call-id": lambda sent: sent.set("Call-ID", "another"),
    "from-tag": lambda sent: sent.set("From", sent.one("From").replace("tag=caller", "tag=other")),
    "cseq": lambda sent: sent.set("CSeq", "7 INVITE"),
}


@pytest.mark.parametrize("part", PARTS)
def test_another_key_is_another_call(part: str) -> None:
    world, call = World(), Call.outbound()
    world.send(call.invite(), ACME)
    assert world.send(PARTS[part](call.invite()), ACME).reason == "pass", "and counted"


def test_another_source_has_transactions_of_its_own() -> None:
    """The same bytes from another customer are another's call: refused as such, and no trace in the first one's."""
    world, call = World(), Call.outbound()
    world.answer(call.invite(), BETA, "403 Caller ID Not Allowed")
    world.drop(call.invite(), STRANGER, "unknown-source")
    assert world.send(call.invite(), ACME).reason == "pass"
    assert world.send(call.request("CANCEL"), ACME).action == "forward"
    assert world.send(call.request("CANCEL"), BETA).reason == "cancel-unmatched"


def test_ack_and_cancel_of_another_source_match_nothing() -> None:
    world = World()
    call = replace(Call.outbound(), from_user=UNOWNED)
    world.send(call.invite(), ACME)
    assert world.send(call.request("ACK", to_tag="x"), ACME).reason == "ack-absorbed"
    assert world.send(call.request("ACK", to_tag="x"), BETA).reason == "pass"


# 401 and 407


def challenge(
    world: World, call: Call, status: str = "407 Proxy Authentication Required", source: Source = CLOUD
) -> str:
    """The call is forwarded and challenged; returns what became of the challenge."""
    invite = world.send(call.invite(), ACME)
    assert invite.action == "forward"
    return world.send(response(invite.message, status, "far"), source).action


def resubmitted(call: Call, cseq: int = 2, header: str = "Proxy-Authorization") -> Message:
    sent = replace(call, number=call.number).request("INVITE", cseq=cseq, branch=f"{call.branch}-{cseq}")
    return sent.set(header, 'Digest username="u", realm="r", nonce="n", uri="sip:x", response="0"')


@pytest.mark.parametrize(
    ("status", "header"),
    [("407 Proxy Authentication Required", "Proxy-Authorization"), ("401 Unauthorized", "Authorization")],
)
def test_a_challenged_call_comes_again_uncounted(status: str, header: str) -> None:
    world, call = World(), Call.outbound()
    assert challenge(world, call, status) == "forward"
    use_up(world)
    world.forward(resubmitted(call, header=header), ACME, CLOUD, record=True)


def test_once_per_challenge() -> None:
    world, call = World(), Call.outbound()
    challenge(world, call)
    use_up(world)
    assert world.send(resubmitted(call), ACME).action == "forward"
    assert world.send(resubmitted(call), ACME).reason == "retransmission", "its copies are copies"
    assert world.send(resubmitted(call, 3), ACME).reason == "trunk-rate"


def test_a_second_challenge_excuses_a_second_time() -> None:
    """A stale nonce, say."""
    world, call = World(), Call.outbound()
    challenge(world, call)
    use_up(world)
    second = world.send(resubmitted(call), ACME)
    world.send(response(second.message, "407 Proxy Authentication Required", "far"), CLOUD)
    assert world.send(resubmitted(call, 3), ACME).action == "forward"


def test_copies_of_a_challenge_are_one() -> None:
    world, call = World(), Call.outbound()
    invite = world.send(call.invite(), ACME)
    for _ in range(5):
        world.send(response(invite.message, "407 Proxy Authentication Required", "far"), CLOUD)
    use_up(world)
    assert world.send(resubmitted(call), ACME).action == "forward"
    assert world.send(resubmitted(call, 3), ACME).reason == "trunk-rate"


def test_no_challenge_no_excuse() -> None:
    world, call = World(), Call.outbound()
    world.send(call.invite(), ACME)
    use_up(world)
    world.answer(resubmitted(call), ACME, OVER)


def test_a_forged_challenge_is_none() -> None:
    """It never reaches the marks: wrong source, or a response that matches nothing (RFC 3261 §16.11)."""
    world, call = World(), Call.outbound()
    assert challenge(world, call, source=BETA) == "drop"
    reply = response(call.invite(), "407 Proxy Authentication Required", "far")
    assert world.send(reply, CLOUD).reason == "response-unmatched"
    use_up(world)
    world.answer(resubmitted(call), ACME, OVER)


def test_a_challenge_is_for_its_own_call() -> None:
    world, call, other = World(), Call.outbound(), Call.outbound()
    challenge(world, call)
    world.send(other.invite(), ACME)
    use_up(world)
    world.answer(resubmitted(other), ACME, OVER)
    renamed = resubmitted(call).set("From", f'"Caller" <sip:{call.from_user}@example.com>;tag=another')
    world.answer(renamed, ACME, OVER)


def test_a_challenge_is_forgotten_after_32_seconds() -> None:
    world, call = World(), Call.outbound()
    challenge(world, call)
    world.wait(33)
    use_up(world)
    world.answer(resubmitted(call), ACME, OVER)


def test_credentials_are_needed_for_it() -> None:
    world, call = World(), Call.outbound()
    challenge(world, call)
    use_up(world)
    world.answer(resubmitted(call).set("Proxy-Authorization"), ACME, OVER)


def test_the_resubmission_is_screened_in_full() -> None:
    world, call = World(), Call.outbound()
    challenge(world, call)
    forged = resubmitted(replace(call, from_user=UNOWNED))
    world.answer(forged, ACME, "403 Caller ID Not Allowed")


# ACK and CANCEL


def test_unmatched_acks_have_a_budget() -> None:
    """50/s with a burst of 100 by default; beyond, they are dropped and counted, and never answered."""
    world = World()
    results = [world.send(Call.outbound().request("ACK", to_tag="x"), ACME) for _ in range(150)]
    assert [result.action for result in results] == ["forward"] * 100 + ["drop"] * 50
    assert world.count("ack-unmatched") == 50
    assert world.send(Call.outbound(BETA, "+12125553000").request("ACK", to_tag="x"), BETA).action == "forward"
    world.wait(1)
    assert world.send(Call.outbound().request("ACK", to_tag="x"), ACME).action == "forward"


def test_matched_acks_and_cancels_need_no_budget() -> None:
    world = World()
    for call in [Call.outbound() for _ in range(10)]:
        world.send(call.invite(), ACME)
        for _ in range(31):
            assert world.send(call.request("CANCEL"), ACME).action == "forward"
            assert world.send(call.request("ACK", to_tag="busy"), ACME).action == "forward"


def test_of_one_call_no_more_than_any_retransmission_sends() -> None:
    """One INVITE of a trunk at its rate is no pass for thousands."""
    world, call = World(), Call.outbound()
    world.send(call.invite(), ACME)
    told = [world.send(call.request(("CANCEL", "ACK")[n % 2], to_tag="busy"), ACME).action for n in range(200)]
    assert told == ["forward"] * 63 + ["drop"] * 137
    assert world.send(call.request("CANCEL"), ACME).reason == "copies"


def test_an_ack_to_elsewhere_is_no_relay() -> None:
    world = World()
    sent = Call.outbound().request("ACK", to_tag="x")
    world.drop(sent.to("sip:x@victim.example"), ACME, "ack-unmatched")
    world.drop(sent.above(("Route", "<sip:victim.example;lr>")), ACME, "ack-unmatched")


def test_a_cancel_to_elsewhere_is_no_relay() -> None:
    sent = Call.outbound().request("CANCEL").to("sip:x@victim.example")
    assert World().send(sent, ACME).message.status == 481


def test_a_cancel_follows_its_invite_above_the_limit() -> None:
    world, call = World(), Call.outbound()
    invite = world.send(call.invite(), ACME)
    use_up(world)
    assert world.forward(call.request("CANCEL"), ACME, CLOUD).branch == invite.branch


def test_a_cancel_of_a_call_from_the_cloud() -> None:
    world, call = World(), Call.inbound()
    invite = world.send(call.invite(), CLOUD)
    uri = f"sip:{call.to_user}@198.51.100.10:5070"
    assert world.forward(call.request("CANCEL"), CLOUD, CONTACT, uri=uri).branch == invite.branch


# Our To tag


def to_tag(world: World, sent: Message, source: Source = ACME) -> str:
    return tag(world.send(sent, source).message.one("To"))


def refused() -> Message:
    """Refused by a rule without state, so that no copy finds an entry."""
    return Call.outbound().request("REFER").to("sip:x@elsewhere.example").set("Refer-To", "<sip:x@cloud.example.net>")


def test_the_tag_is_the_same_for_copies_within_an_epoch() -> None:
    world, sent = World(), refused()
    first = to_tag(world, sent)
    world.now = NOW + EPOCH - 1
    assert to_tag(world, sent) == first
    world.now = NOW + EPOCH
    assert to_tag(world, sent) != first


@pytest.mark.parametrize("seconds", [1, 16, 32])
def test_the_tag_of_an_invite_is_the_same_over_the_epochs_end(seconds: int) -> None:
    world = World(now=NOW + EPOCH - SECOND // 2)
    call = replace(Call.outbound(), from_user=UNOWNED)
    first = world.send(call.invite(), ACME)
    world.wait(seconds)
    assert world.send(call.invite(), ACME).data == first.data


def test_the_tag_is_of_its_call_and_sender() -> None:
    world, sent = World(), refused()
    tags = {
        to_tag(world, sent),
        to_tag(world, sent.set("Call-ID", "another")),
        to_tag(world, sent.set("CSeq", "2 REFER")),
        to_tag(world, sent.set("From", "<sip:+12125552000@x>;tag=another")),
        to_tag(world, sent, (ACME[0], 5062)),
        to_tag(world, sent, BETA),
    }
    assert len(tags) == 6
    assert all(len(one) == 19 and one.startswith("ea") for one in tags)


@pytest.mark.parametrize(
    ("wait", "absorbed"), [(0, True), (EPOCH - 1, True), (2 * EPOCH - 1, True), (2 * EPOCH, False)]
)
def test_an_ack_with_our_tag_is_known_in_its_epoch_and_the_next(wait: int, absorbed: bool) -> None:
    world, call = World(), Call.outbound()
    ours = to_tag(world, call.invite().to("sip:x@elsewhere.example"))
    world.now = NOW + wait
    ack = call.request("ACK", to_tag=ours, branch="z9hG4bKnot-in-the-cache")
    assert (world.send(ack, ACME).reason == "ack-absorbed") == absorbed


def test_a_made_up_tag_isnt_ours() -> None:
    world, call = World(), Call.outbound()
    ours = to_tag(world, call.invite().to("sip:x@elsewhere.example"))
    for at in (2, 3, 10, 18):
        digit = "0" if ours[at] != "0" else "1"
        ack = call.request("ACK", to_tag=ours[:at] + digit + ours[at + 1 :], branch="z9hG4bKother")
        assert world.send(ack, ACME).reason == "pass", "forwarded within the budget"
    assert world.send(call.request("ACK", to_tag=ours, branch="z9hG4bKother"), BETA).reason == "pass"


def test_an_ack_of_a_refused_request_inside_a_dialog_ends_here() -> None:
    """The 481 can't carry our tag, as the request had one: the cache tells."""
    world, call = World(), Call.outbound()
    sent = call.inside("INVITE", (f"<sip:lost@{AT};lr>",))
    world.answer(sent, ACME, "481 Call/Transaction Does Not Exist")
    ack = call.inside("ACK", (f"<sip:lost@{AT};lr>",)).set("Via", sent.one("Via"))
    world.drop(ack, ACME, "ack-absorbed")
