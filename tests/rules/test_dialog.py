"""dialog: a request inside a dialog proves it by our cookie, whose call, tags, trunk and upstream must be right.

How the cookie is made and where the request then goes is tested in ``tests/proxy``.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.agent import (
    ACME,
    BETA,
    BETAS,
    CALLED,
    CLOUD,
    NOBODY,
    OWN,
    SECOND,
    MakeAgent,
    inbound,
    invite,
    policy,
    request,
    tables,
)
from tests.proxy.message import Message, Source, tag, uri_in
from tests.rules.modes import check_modes

REFUSED = "481 dialog-proof"
PASS = "forward pass"
FAR = "sip:b@192.0.2.60:5080"


def bye(opened: Message, method: str = "BYE", uri: str = FAR, *, to_tag: str = "callee") -> Message:
    """The caller's, in the dialog that ``opened`` (as it was forwarded) began."""
    rows = [("Route", route) for route in opened.all("Record-Route")]
    sent = request(method, uri, OWN, *rows, to_tag=to_tag)
    return sent.set("Call-ID", opened.one("Call-ID")).set("From", opened.one("From"))


def back(opened: Message, method: str = "BYE", uri: str = "sip:pbx@198.51.100.10:5060") -> Message:
    """The callee's: From and To have changed places."""
    sent = bye(opened, method, uri)
    return sent.set("From", f"<sip:callee@x>;tag={tag(sent.one('To'))}").set("To", opened.one("From"))


def unproven(method: str = "BYE") -> Message:
    return request(method, FAR, OWN, to_tag="callee")


@pytest.mark.parametrize("method", ["BYE", "INVITE", "REFER", "UPDATE", "PRACK", "OPTIONS"])
def test_hit(agent: MakeAgent, method: str) -> None:
    party = agent()
    told = party.send(unproven(method))
    assert (told.short, told.rule) == (REFUSED, "dialog")
    assert told.data.startswith(b"SIP/2.0 481 Call/Transaction Does Not Exist\r\n")
    assert tag(told.message.one("To")) == "callee"


@pytest.mark.parametrize("method", ["BYE", "INVITE", "UPDATE", "INFO", "NOTIFY", "PRACK"])
def test_proven(agent: MakeAgent, method: str) -> None:
    party = agent()
    out = party.send(invite()).message
    assert party.send(bye(out, method)).short == PASS
    assert party.send(back(out, method), CLOUD).short == PASS
    in_ = party.send(inbound(), CLOUD).message
    assert party.send(bye(in_, method, "sip:2000@198.51.100.10:5070"), CLOUD).short == PASS
    assert party.send(back(in_, method, FAR)).short == PASS


CHANGES: dict[str, Callable[[Message], Message]] = {
    "another call": lambda sent: sent.set("Call-ID", "other@pbx.example"),
    "another tag": lambda sent: sent.set("From", sent.one("From") + "x"),
    "no cookie": lambda sent: sent.set("Route", "<sip:192.0.2.1;lr>"),
    "empty cookie": lambda sent: sent.set("Route", "<sip:@192.0.2.1;lr>".replace("@", "x@")),
    "one letter more": lambda sent: sent.set("Route", sent.one("Route").replace("<sip:", "<sip:A")),
    "one letter less": lambda sent: sent.set("Route", "<sip:" + sent.one("Route")[6:]),
    "one letter else": lambda sent: sent.set("Route", flip(sent.one("Route"))),
    "no Route": lambda sent: sent.set("Route"),
    "cookie in a later Route": lambda sent: sent.set("Route", "<sip:x@192.0.2.1;lr>", sent.one("Route")),
}


def flip(route: str) -> str:
    at = len("<sip:") + 20
    return route[:at] + ("A" if route[at] != "A" else "B") + route[at + 1 :]


@pytest.mark.parametrize("how", CHANGES)
def test_a_cookie_of_nothing(agent: MakeAgent, how: str) -> None:
    party = agent()
    sent = bye(party.send(invite()).message)
    assert party.send(CHANGES[how](sent)).short == REFUSED
    assert party.send(sent).short == PASS


@pytest.mark.parametrize("host", ["192.0.2.1", "192.0.2.1:5060", "sbc.example.net", "SBC.EXAMPLE.NET."])
@pytest.mark.parametrize("name", ["Route", "route", "ROUTE "])
def test_the_route_in_any_spelling(agent: MakeAgent, host: str, name: str) -> None:
    party = agent()
    sent = bye(party.send(invite()).message)
    cookie = uri_in(sent.one("Route")).partition("@")[0]
    assert party.send(sent.set("Route").above((name, f"<{cookie}@{host};lr>"))).short == PASS


def test_somebody_else_s_dialog(agent: MakeAgent) -> None:
    party = agent()
    of_acme = party.send(invite()).message
    assert party.send(bye(of_acme), BETA).short == REFUSED
    assert party.send(bye(of_acme), NOBODY).short == "drop unknown-source"
    # Each side has its own tag: the cookie of one is none of the other.
    assert party.send(back(of_acme)).short == REFUSED
    assert party.send(bye(of_acme), CLOUD).short in (REFUSED, "403 target-host")


def test_a_new_agent_knows_the_dialogs_of_the_last(agent: MakeAgent) -> None:
    """Nothing is stored: the key alone makes the proof."""
    opened = agent().send(invite()).message
    assert agent().send(bye(opened)).short == PASS


def test_a_dialog_is_no_new_call(agent: MakeAgent) -> None:
    """No trunk-rate inside a dialog."""
    party = agent(policy("calls_per_second = 1\nburst = 1"))
    opened = party.send(invite()).message
    assert party.send(invite()).short == "486 trunk-rate"
    assert {party.send(bye(opened, "INVITE").set("CSeq", f"{n} INVITE")).short for n in range(2, 40)} == {PASS}


def test_a_dialog_has_a_small_rate_of_its_own(agent: MakeAgent) -> None:
    """A cookie is no pass for a flood; BYE ends the call all the same, and another call isn't held back."""
    party = agent()
    opened = party.send(invite()).message
    other = party.send(invite()).message
    told = [party.send(bye(opened, "UPDATE").set("CSeq", f"{n} UPDATE")).short for n in range(2, 52)]
    assert told == [PASS] * 40 + ["486 dialog-rate"] * 10
    assert party.send(bye(other, "UPDATE")).short == PASS
    assert party.send(bye(opened).set("CSeq", "99 BYE")).short == PASS


def test_a_re_invite_names_no_other_caller(agent: MakeAgent) -> None:
    party = agent()
    opened = party.send(invite()).message
    again = bye(opened, "INVITE")
    assert party.send(again.set("P-Asserted-Identity", "<sip:+14155552671@x>")).short == "403 caller-consistent"


@pytest.mark.parametrize("source", [ACME, CLOUD])
def test_the_budget_of_the_grace_time(agent: MakeAgent, source: Source) -> None:
    """After a lost key, unproven requests are screened as new ones, within a small budget of each peer: 20 at once."""
    party = agent()
    party.publish(tables(policy()), grace_until=party.now + 10 * SECOND)
    uri = FAR if source == ACME else f"sip:{OWN}@192.0.2.1"

    def one() -> Message:
        return request("BYE", uri, OWN, to_tag="callee")

    assert party.burst(one, 22, source) == [PASS] * 20 + ["481 dialog-grace"] * 2
    party.wait(0.2)
    assert party.burst(one, 2, source) == [PASS, "481 dialog-grace"]
    other = CLOUD if source == ACME else ACME
    uri = FAR if other == ACME else f"sip:{OWN}@192.0.2.1"
    assert party.send(one(), other).short == PASS
    party.wait(9.9)
    assert party.send(one(), source).short == REFUSED


def test_in_the_grace_time_the_other_rules_hold(agent: MakeAgent) -> None:
    party = agent()
    party.publish(tables(policy()), grace_until=party.now + SECOND)
    for sent, short in (
        (request("INVITE", FAR, "+14155552671", to_tag="x"), "403 caller-owned"),
        (request("BYE", "sip:b@evil.example", OWN, to_tag="x"), "403 target-host"),
        (request("INVITE", "sip:911@cloud.example.net", OWN, to_tag="x"), "403 emergency-not-authorised"),
    ):
        assert party.send(sent).short == short


def test_the_budget_of_unknown_acks(agent: MakeAgent) -> None:
    """An ACK is never answered; those of calls that nobody knows pass within 100 at once, 50 a second."""
    party = agent()

    def ack() -> Message:
        return request("ACK", f"sip:{CALLED}@cloud.example.net", OWN, to_tag="callee")

    assert party.burst(ack, 101) == [PASS] * 100 + ["drop ack-unmatched"]
    party.wait(0.02)
    assert party.burst(ack, 2) == [PASS, "drop ack-unmatched"]
    assert party.send(ack(), BETA).short == PASS


def test_unknown_sources_get_no_reply(agent: MakeAgent) -> None:
    assert agent().send(unproven(), NOBODY).short == "drop unknown-source"


def test_event(agent: MakeAgent) -> None:
    event = agent().send(unproven()).event
    assert (event.action, event.rule, event.reason, event.status) == ("answer", "dialog", "dialog-proof", 481)
    assert (event.peer, event.source, event.method, event.monitored) == ("acme", ACME, "BYE", False)


def test_modes() -> None:
    check_modes("dialog", lambda agent: agent.send(unproven()), REFUSED)
    check_modes("dialog", lambda agent: agent.send(request("INVITE", FAR, OWN, to_tag="x")), REFUSED)


def test_reload(agent: MakeAgent) -> None:
    """Cookies of before hold, budgets stay used, and the new budget counts."""
    party = agent()
    opened = party.send(invite(BETAS), BETA).message

    def ack() -> Message:
        return request("ACK", f"sip:{CALLED}@cloud.example.net", OWN, to_tag="callee")

    assert party.burst(ack, 101)[-1] == "drop ack-unmatched"
    party.reload(policy(rules="[rules.dialog]\nack_burst = 103"))
    assert party.burst(ack, 4) == [PASS] * 3 + ["drop ack-unmatched"]
    assert party.send(bye(opened), BETA).short == PASS
