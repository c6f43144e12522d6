"""forged-marking: what a rph token vouches for stays (RFC 8443, RFC 9027); what none does is treated as without one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.agent import ACME, CALLED, CLOUD, FOREIGN, OWN, Decision, inbound, invite, policy
from tests.proxy.message import Header, Message, response
from tests.rules.marked import PASS, REFUSED, names
from tests.rules.vouching import TAG, Signing, signing

ESNET: Header = ("Resource-Priority", "esnet.1")
BACK: Header = ("Priority", "psap-callback")
AUTH: dict[str, Any] = {"rph": {"auth": ["esnet.1"]}}
SPH: dict[str, Any] = AUTH | {"sph": "psap-callback"}


def call(at: Signing, *headers: Header, claims: dict[str, Any] | None = None, **token: Any) -> Decision:
    """A customer's call with these markings, and a token of this kind."""
    rph = at.token("rph", **({} if claims is None else claims), **token)
    return at.send(invite(OWN, *headers), ACME, *([] if claims is None else [rph]))


def test_a_priority_that_a_token_vouches_for_stays() -> None:
    with signing() as at:
        told = call(at, ESNET, claims=AUTH)
        assert (told.short, told.message.one("Resource-Priority")) == (PASS, "esnet.1")
        assert "forged-marking" not in told.monitored
        assert call(at, ESNET).short == REFUSED, "no token"


@pytest.mark.parametrize(
    ("value", "auth", "stays"),
    [
        ("ESNET.1", ["esnet.1"], True),
        ("esnet.1", ["ESnet.1"], True),
        ("esnet.0", ["esnet.1"], False),
        ("esnet.10", ["esnet.1"], False),
        ("ets.0, wps.1", ["wps.1", "ets.0"], True),
        ("ets.0, wps.1", ["ets.0"], False),
        ("ets.0,local.1", ["ets.0"], True),
        ("local.1 ,\t ets.0", ["ets.0"], True),
        ("wps.0", [f"ets.{number}" for number in range(31)] + ["wps.0"], True),
        ("ets.0, ets.1", ["ets.0", "ets.1"], False),
        ("ets.0,", ["ets.0"], False),
    ],
)
def test_every_value_must_be_vouched_for(value: str, auth: list[str], stays: bool) -> None:
    """Unknown namespaces need no right; two of one, or what can't be read, is refused before any token is looked at."""
    with signing() as at:
        told = call(at, ("Resource-Priority", value), claims={"rph": {"auth": auth}})
        assert told.short == (PASS if stays else REFUSED)
        if stays:
            assert told.message.one("Resource-Priority") == value


def test_a_callback_that_a_token_vouches_for_stays() -> None:
    with signing() as at:
        told = call(at, BACK, claims=SPH)
        assert told.short == PASS and BACK in told.message.headers and "forged-marking" not in told.monitored
        told = call(at, BACK, claims=AUTH)
        assert told.short == PASS and "priority" not in names(told) and "forged-marking" in told.monitored
        assert told.event.finding in ("marking-priority", "identity-missing")
        both = call(at, BACK, ESNET, claims=SPH)
        assert both.short == PASS and {BACK, ESNET} <= set(both.message.headers)


def test_of_two_only_one_is_vouched_for() -> None:
    with signing() as at:
        told = call(at, BACK, ESNET, claims=AUTH)
        assert told.short == PASS and ESNET in told.message.headers and BACK not in told.message.headers
        assert call(at, BACK, ("Resource-Priority", "ets.0"), claims=SPH).short == REFUSED


def test_other_forged_markings_are_taken_out_all_the_same() -> None:
    with signing() as at:
        told = call(at, ESNET, ("X-Edge-1", "x"), ("P-Charge-Info", f"<tel:{OWN}>"), claims=AUTH)
        assert told.short == PASS and ESNET in told.message.headers
        assert not {"x-edge-1", "p-charge-info"} & set(names(told))
        assert call(at, ("Priority", "emergency"), claims=SPH).message.all("Priority") == []


@pytest.mark.parametrize(
    "token",
    [{"orig": FOREIGN}, {"dest": FOREIGN}, {"age": 100.0}, {"age": -100.0}],
    ids=["another caller", "another number", "stale", "of tomorrow"],
)
def test_a_token_of_another_call_vouches_for_nothing(token: dict[str, Any]) -> None:
    """Evasion: a good token that was seen somewhere is put beside a priority of one's own."""
    with signing() as at:
        assert call(at, ESNET, claims=AUTH, **token).short == REFUSED
        assert BACK not in call(at, BACK, claims=SPH, **token).message.headers


def test_a_token_by_nobody_known_vouches_for_nothing() -> None:
    with signing() as at:
        good = at.token("rph", **AUTH)
        head, payload, rest = good.split(".", 2)
        signature, semicolon, more = rest.partition(";")
        forged = f"{head}.{payload}.{'A' * 85 + 'Q'}{semicolon}{more}"
        assert signature not in forged
        assert at.send(invite(OWN, ESNET), ACME, forged).short == REFUSED
        assert at.send(invite(OWN, ESNET), ACME, "nonsense", at.token("shaken")).short == REFUSED
        assert at.send(invite(OWN, ESNET), ACME, forged, at.token("shaken"), good).short == PASS


def test_where_nothing_is_verified() -> None:
    with signing('stir = "ignore"') as at:
        assert call(at, ESNET, claims=AUTH).short == REFUSED
        assert BACK not in call(at, BACK, claims=SPH).message.headers


@pytest.mark.parametrize(("mode", "outcome"), [("enforce", REFUSED), ("monitor", PASS), ("off", PASS)])
def test_modes(mode: str, outcome: str) -> None:
    with signing(rules=f'[rules.forged-marking]\nmode = "{mode}"') as at:
        told = call(at, ("Resource-Priority", "ets.0"), claims=AUTH)
        assert told.short == outcome
        if outcome == PASS:
            assert told.message.one("Resource-Priority") == "ets.0"
            assert ("forged-marking" in told.monitored) == (mode == "monitor")
        assert call(at, ESNET, claims=AUTH).monitored == ("stir-signature",), "no caller's token: only that is told"


def test_reload() -> None:
    """What holds is the policy in force when the answer comes."""
    with signing() as at:
        assert call(at, ESNET, claims=AUTH).short == PASS
        for text, outcome in (("ignore", REFUSED), ("tag", PASS)):
            at.reload(policy(f'stir = "{text}"'))
            assert call(at, ESNET, claims=AUTH).short == outcome


def test_an_upstream_without_the_right() -> None:
    """A call to a customer is verified as the customer's trunk says."""
    with signing(cloud="asserts = []") as at:
        for header, claims in ((ESNET, AUTH), (BACK, SPH)):
            rph = at.token("rph", FOREIGN, OWN, **claims)
            told = at.send(inbound(FOREIGN, OWN, header), CLOUD, rph)
            assert told.short == PASS and header in told.message.headers
            told = at.send(inbound(FOREIGN, OWN, header), CLOUD, at.token("shaken", FOREIGN, OWN))
            assert header not in told.message.headers


def test_nobody_answers() -> None:
    """Nothing vouches for it then: as without a token."""
    with signing() as at:
        at.agent.control = lambda: at.agent.wait(4.1)
        assert call(at, ESNET, claims=AUTH).short == REFUSED
        told = call(at, BACK, claims=SPH)
        assert told.short == PASS and BACK not in told.message.headers


def test_a_call_that_is_too_long_to_wait() -> None:
    with signing(rules="[rules.interface]\nmax_bytes = 60000") as at:
        long = [("X-Long", "x" * 1000)] * 17
        assert call(at, ESNET, *long, claims=AUTH).short == REFUSED
        assert BACK not in call(at, BACK, *long, claims=SPH).message.headers


def test_copies_cancel_ack_and_dialog_say_the_same() -> None:
    with signing() as at:
        sent = invite(OWN, ESNET, BACK)
        first = at.send(sent, ACME, identity := at.token("rph", **SPH))
        assert {ESNET, BACK} <= set(first.message.headers)
        again = at.send(sent, ACME, identity)
        assert (again.short, again.data) == ("forward retransmission", first.data)
        cancel = Message(sent.start.replace("INVITE", "CANCEL"), sent.headers).set("CSeq", "1 CANCEL")
        cancel = cancel.set("Content-Type").set("Content-Length", "0")
        assert {ESNET, BACK} <= set(at.agent.send(cancel).message.headers)
        at.agent.send(response(first.message, "200 OK", "far"), CLOUD)
        inside = sent.set("CSeq", "2 INVITE").set("Via", sent.one("Via").replace("z9hG4bK", "z9hG4bKd"))
        inside = inside.set("To", sent.one("To") + ";tag=far").set("Route", *first.message.all("Record-Route"))
        inside = replace(inside, start="INVITE sip:b@192.0.2.60 SIP/2.0")
        told = at.agent.send(inside)
        assert told.short == PASS and {ESNET, BACK} <= set(told.message.headers)


def test_in_the_dialog_of_a_call_that_nobody_vouched_for() -> None:
    """And the called side has no part in what its caller's token says."""
    with signing() as at:
        sent = invite(OWN)
        first = at.send(sent, ACME, at.token("shaken"))
        at.agent.send(response(first.message, "200 OK", "far"), CLOUD)
        inside = sent.set("CSeq", "2 INVITE").set("Via", sent.one("Via").replace("z9hG4bK", "z9hG4bKd"))
        inside = inside.set("To", sent.one("To") + ";tag=far").set("Route", *first.message.all("Record-Route"))
        inside = replace(
            inside, start="INVITE sip:b@192.0.2.60 SIP/2.0", headers=(*inside.headers[:-2], ESNET, *inside.headers[-2:])
        )
        assert at.agent.send(inside).short == REFUSED


def test_who_may_assert_it_waits_for_nothing() -> None:
    with signing(f'{TAG}\nasserts = ["Resource-Priority", "Priority"]') as at:
        told = call(at, ESNET, BACK, claims={"rph": {"auth": ["wps.0"]}})
        assert told.short == PASS and {ESNET, BACK} <= set(told.message.headers)


def test_required() -> None:
    """A call without a caller's token is refused where one is required, whatever its priority."""
    with signing('stir = "require"') as at:
        assert call(at, ESNET, claims=AUTH).short == "428 identity-missing"
        rph, shaken = at.token("rph", **AUTH), at.token("shaken")
        assert at.send(invite(OWN, ESNET), ACME, rph, shaken).short == PASS


def test_called_by_another_number() -> None:
    """To or the Request-URI, as for any token."""
    with signing() as at:
        sent = invite(OWN, ESNET).set("To", "<sip:+12125559999@cloud.example.net>")
        assert at.send(sent, ACME, at.token("rph", dest="12125559999", **AUTH)).short == PASS
        assert at.send(invite(OWN, ESNET), ACME, at.token("rph", dest=CALLED, **AUTH)).short == PASS
