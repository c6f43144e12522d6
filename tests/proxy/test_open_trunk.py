"""Open trunks: callers from any address, told apart by it; none can eat what others need, and none is struck unproven."""

from __future__ import annotations

import pytest

from edge_agent.policy.load import ConfigError
from tests.agent import BETA, CLOUD, OWN, Agent, dial, inbound, invite, policy, request
from tests.proxy.callers import (
    CALLER,
    OTHER,
    ROOMY,
    STRANGER,
    ack,
    ask,
    call,
    challenge,
    credentials,
    log_in,
    narrow,
    open_policy,
    prove,
    proven,
    refused_call,
    register,
    strike_once,
)
from tests.proxy.message import Source, response

CALLED_IS = "[rules.source-rate]\ncalls_per_second = 1\ncalls_burst = 3\n"
SIX = ("2001:db8:7:1::5", 5060)
ROUTE = 'emergency = "route"\nemergency_upstream = "psap"\n'


def test_callers_from_anywhere() -> None:
    party = Agent(open_policy())
    for source in (CALLER, OTHER, SIX, ("10.0.0.1", 1)):
        seen = party.send(invite(), source)
        assert (seen.short, seen.peer, seen.to) == ("forward pass", "acme", CLOUD)


def test_longer_networks_of_others_win() -> None:
    party = Agent(open_policy())
    assert party.send(invite("+12125553000"), BETA).peer == "beta"
    assert party.send(inbound(), CLOUD).peer == "cloud"


def test_sources_and_ports_narrow_it() -> None:
    party = Agent(open_policy('sources = ["203.0.113.64/28", "2001:db8:7::/48"]\nports = [5060]'))
    for source, peer in (
        (CALLER, "acme"),
        (SIX, "acme"),
        (STRANGER, ""),
        (("203.0.113.66", 5061), ""),
        (("::1", 5060), ""),
    ):
        assert party.send(invite(), source).peer == peer


def test_every_ipv6_address_is_no_ipv4_address() -> None:
    party = Agent(open_policy('sources = ["::/0"]'))
    assert party.send(invite(), SIX).peer == "acme"
    assert party.send(invite(), CALLER).short == "drop unknown-source"


def test_two_of_them_need_networks_of_their_own() -> None:
    second = '[[trunk]]\nname = "more"\nopen = true\nupstream = "cloud"\n'
    with pytest.raises(ConfigError, match="also a source of"):
        Agent(open_policy(rules=second))
    party = Agent(open_policy(rules=second + 'sources = ["203.0.113.66/32"]\n'))
    assert party.send(invite(), CALLER).peer == "more"
    assert party.send(invite(), OTHER).peer == "acme"


def test_a_call_and_what_is_inside_it() -> None:
    """The way back is the caller's own; nobody else can use his cookie."""
    party = Agent(open_policy())
    sent = invite()
    asked, told = ask(party, sent, CALLER, "200 OK")
    assert told.to == CALLER
    [route] = asked.message.all("Record-Route")
    bye = request("BYE", "sip:b@192.0.2.60:5060", OWN, ("Route", route), to_tag="cloud")
    bye = bye.set("Call-ID", sent.one("Call-ID")).set("From", sent.one("From")).set("CSeq", "2 BYE")
    assert party.send(bye, OTHER).short == "481 dialog-proof"
    assert party.send(bye, ("203.0.113.66", 9999)).short == "forward pass"
    assert party.send(bye, CALLER).to == CLOUD


# ---- rates ----


def test_over_its_rate_a_caller_is_told_486_and_acks_are_dropped() -> None:
    party = Agent(open_policy(rules="[rules.source-rate]\nper_second = 1\nburst = 2\n"))
    assert party.burst(lambda: call("1"), 2, CALLER) == ["forward pass"] * 2
    sent = call("1")
    over = party.send(sent, CALLER)
    assert (over.short, over.rule, over.peer, over.to) == ("486 source-rate", "source-rate", "acme", CALLER)
    assert party.send(ack(sent, over), CALLER).short == "drop source-rate"
    assert party.send(request("OPTIONS", "sip:192.0.2.1", "x"), CALLER).short == "486 source-rate"
    assert party.send(b"\xff" * 40, CALLER).short == "drop source-rate"
    assert party.send(call("1"), OTHER).short == "forward pass"


def test_that_answer_is_never_larger_than_what_it_answers() -> None:
    party = Agent(open_policy(rules="[rules.source-rate]\nper_second = 1\nburst = 1\n"))
    party.send(call("1"), CALLER)
    small = b"OPTIONS sip:a SIP/2.0\r\nv:SIP/2.0/UDP a;branch=z9hG4bK1\r\nf:<sip:a>;tag=1\r\nt:<sip:b>\r\ni:1\r\nCSeq:1 OPTIONS\r\n\r\n"
    assert party.send(small, CALLER).short == "drop reply-too-large"


def test_those_answers_have_a_budget() -> None:
    """Above it, what comes is not even read."""
    rules = "[rules.source-rate]\nper_second = 1\nburst = 1\nanswers_per_second = 1\nanswers_burst = 3\n"
    party = Agent(open_policy(rules=rules))
    told = party.burst(lambda: call("1"), 6, CALLER)
    assert told == ["forward pass", *["486 source-rate"] * 3, *["drop source-rate"] * 2]


@pytest.mark.parametrize("mode", ["off", "monitor", "enforce"])
def test_modes_of_its_own(mode: str) -> None:
    rules = "[rules.source-rate]\nper_second = 1\nburst = 1\n"
    party = Agent(open_policy(f'rules.source-rate.mode = "{mode}"', rules=rules))
    party.send(call("1"), CALLER)
    over = party.send(call("1"), CALLER)
    assert over.short == ("486 source-rate" if mode == "enforce" else "forward pass")
    assert over.monitored == (("source-rate",) if mode == "monitor" else ())


def test_one_caller_has_its_calls_before_the_trunks() -> None:
    party = Agent(open_policy(rules=CALLED_IS))
    assert party.burst(lambda: call("1"), 5, CALLER) == ["forward pass"] * 3 + ["486 source-rate"] * 2
    assert party.burst(lambda: call("1"), 1, OTHER) == ["forward pass"]
    party.wait(1.01)
    assert party.burst(lambda: call("1"), 2, CALLER) == ["forward pass", "486 source-rate"]


def test_a_challenged_call_is_counted_once() -> None:
    party = Agent(open_policy(rules=CALLED_IS))
    for _ in range(3):
        sent = call("1")
        ask(party, sent, CALLER, "407 Proxy Authentication Required", challenge("n", name="Proxy-Authenticate"))
        again = sent.set("CSeq", "2 INVITE").above(credentials("n", name="Proxy-Authorization"))
        assert party.send(again, CALLER).short == "forward pass"
    assert party.send(call("1"), CALLER).short == "486 source-rate"


def test_one_network_rotating_its_addresses_is_one_caller() -> None:
    party = Agent(open_policy(rules=CALLED_IS))
    told = [party.send(call("1"), (f"2001:db8:7:1:{n:x}::1", 5060)).short for n in range(1, 6)]
    assert told == ["forward pass"] * 3 + ["486 source-rate"] * 2


def test_the_unproven_have_half_of_the_budget() -> None:
    """A forged flood of callers eats half of the trunk's calls, and who is proven has the other."""
    party = Agent(
        open_policy("calls_per_second = 10\nburst = 20").replace("calls_per_second = 1000\nburst = 1000\n", "")
    )
    prove(party, CALLER)
    told = [party.send(call("1"), (f"10.0.{n}.1", 5060)).short for n in range(30)]
    # The refused call that proved it was one of the 20.
    assert told == ["forward pass"] * 9 + ["486 unproven-share"] * 21
    assert party.burst(lambda: call("1"), 9, CALLER) == ["forward pass"] * 9
    assert party.send(call("1"), ("10.1.1.1", 5060)).short == "486 unproven-share"
    assert party.send(invite("+12125553000"), BETA).short == "forward pass"


def test_a_forged_flood_costs_no_known_peer_anything() -> None:
    """Not its transactions either: those of the open trunk push out each other."""
    party = Agent(open_policy(rules=ROOMY))
    sent = invite("+12125553000")
    assert party.send(sent, BETA).short == "forward pass"
    for n in range(60_000):
        source = (f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 5060)
        if n % 200 == 0:
            party.wait(0.001)
            assert party.send(sent, BETA).reason == "retransmission" or n > 6000
        party.send(call("1"), source)
    assert party.send(invite("+12125553001"), BETA).short == "forward pass"
    assert party.strikes() == []


# ---- bans and lists ----


def test_a_banned_caller_is_dropped_unread() -> None:
    party = Agent(open_policy())
    party.ban("203.0.113.66/32", 60)
    seen = party.send(call("1"), CALLER)
    assert (seen.short, seen.peer, seen.event.call_id) == ("drop banned", "acme", "")
    assert party.send(call("1"), OTHER).short == "forward pass"


def test_a_denied_caller_too() -> None:
    party = Agent(open_policy(rules='[lists]\ndeny = ["203.0.113.64/29"]\n'))
    assert party.send(call("1"), CALLER).short == "drop denied"
    assert party.send(call("1"), STRANGER).short == "forward pass"


def test_an_authorised_emergency_call_passes_ban_list_and_rate() -> None:
    party = Agent(
        open_policy(ROUTE, rules='[lists]\ndeny = ["203.0.113.67"]\n[rules.source-rate]\nper_second = 1\nburst = 1\n')
    )
    party.ban("203.0.113.66/32", 60)
    for source in (CALLER, OTHER, STRANGER, STRANGER, STRANGER):
        assert party.send(dial("911"), source).short == "forward emergency-routed"
    assert party.send(call("1"), CALLER).short == "drop banned"
    assert party.send(call("1"), OTHER).short == "drop denied"
    assert party.send(call("1"), STRANGER).short == "486 source-rate"


def test_and_so_does_what_is_inside_it() -> None:
    party = Agent(open_policy(ROUTE))
    sent = dial("911")
    asked = party.send(sent, CALLER)
    [route] = asked.message.all("Record-Route")
    party.ban("203.0.113.66/32", 60)
    bye = request("BYE", "sip:b@192.0.2.61:5060", OWN, ("Route", route), to_tag="psap")
    bye = bye.set("Call-ID", sent.one("Call-ID")).set("From", sent.one("From")).set("CSeq", "2 BYE")
    assert party.send(bye, CALLER).short == "forward pass"
    assert party.send(bye.set("Route"), CALLER).short == "drop banned"


# ---- proof ----


def test_a_proof_lasts_ten_minutes() -> None:
    party = Agent(narrow())
    assert not proven(party, CALLER)
    party.wait(60)
    prove(party, CALLER)
    party.wait(599)
    assert proven(party, CALLER)
    party.wait(2)
    assert not proven(party, CALLER)


@pytest.mark.parametrize(
    ("source", "reason"), [(("203.0.113.66", 5061), "port"), (OTHER, "address"), (SIX, "family"), (BETA, "peer")]
)
def test_an_ack_from_elsewhere_proves_nothing(source: Source, reason: str) -> None:
    """The tag's hash holds for the address and port that our answer went to."""
    party = Agent(narrow())
    captured = ack(*refused_call(party, CALLER))
    party.send(captured, source)
    assert not proven(party, source if source != BETA else CALLER), reason
    party.wait(60)
    assert not proven(party, CALLER)


def test_one_proof_for_a_tag() -> None:
    """Who replays an ACK doesn't hold the proof up with it."""
    party = Agent(narrow())
    captured = ack(*refused_call(party, CALLER))
    party.send(captured, CALLER)
    party.wait(60)
    assert party.send(captured, CALLER).short == "drop ack-absorbed"
    party.wait(545)
    assert not proven(party, CALLER)


def test_a_tag_of_an_older_epoch_proves_nothing() -> None:
    party = Agent(narrow())
    captured = ack(*refused_call(party, CALLER))
    party.wait(140)
    party.send(captured, CALLER)
    assert not proven(party, CALLER)


@pytest.mark.parametrize(
    ("asks", "gives"), [("WWW-Authenticate", "Authorization"), ("Proxy-Authenticate", "Proxy-Authorization")]
)
def test_digest_success_is_a_proof(asks: str, gives: str) -> None:
    party = Agent(narrow())
    ask(party, register("a"), CALLER, "401 Unauthorized", challenge("abc", name=asks))
    assert not proven(party, CALLER)
    ask(party, register("a", credentials("abc", name=gives)), CALLER, "200 OK")
    assert proven(party, CALLER)


def test_a_nonce_serves_again_where_it_went() -> None:
    """Phones register for an hour with one."""
    party = Agent(narrow())
    log_in(party, CALLER, nonce="abc")
    for _ in range(5):
        party.wait(500)
        ask(party, register("x", credentials("abc")), CALLER, "200 OK")
    party.wait(500)
    assert proven(party, CALLER)


def test_digest_failure_is_none() -> None:
    party = Agent(narrow())
    log_in(party, CALLER, status="403 Forbidden")
    assert not proven(party, CALLER)


@pytest.mark.parametrize("source", [OTHER, ("203.0.113.66", 5061), SIX])
def test_a_nonce_from_elsewhere_proves_nothing(source: Source) -> None:
    """Somebody with an account sends a good answer in another's name, or with a nonce that another was given."""
    party = Agent(narrow())
    log_in(party, CALLER, elsewhere=source)
    assert not proven(party, source)
    party.wait(60)
    assert not proven(party, CALLER)


def test_a_success_without_credentials_proves_nothing() -> None:
    party = Agent(narrow())
    ask(party, register("a"), CALLER, "200 OK")
    ask(party, call("1"), CALLER, "200 OK")
    assert not proven(party, CALLER)


def test_a_forged_success_proves_nothing() -> None:
    """A stranger answers in the cloud's place, or the cloud's address with a wrong hash."""
    party = Agent(narrow())
    ask(party, register("a"), CALLER, "401 Unauthorized", challenge("abc"))
    asked = party.send(register("a", credentials("abc")), CALLER)
    good = response(asked.message, "200 OK", "cloud")
    assert party.send(good, STRANGER).short == "drop response-source"
    via = good.all("Via")
    wrong = good.set("Via", via[0][:-1] + ("0" if via[0][-1] != "0" else "1"), *via[1:])
    assert party.send(wrong, CLOUD).short == "drop response-unmatched"
    assert not proven(party, CALLER)
    party.send(good, CLOUD)
    assert proven(party, CALLER)


def test_one_proof_stands_for_its_network_of_64() -> None:
    party = Agent(narrow())
    prove(party, SIX)
    assert proven(party, ("2001:db8:7:1:ffff::1", 9))
    assert not proven(party, ("2001:db8:7:2::1", 9))


def test_a_proof_outlasts_a_reload() -> None:
    party = Agent(narrow())
    prove(party, CALLER)
    party.reload(policy())
    assert party.send(invite(), CALLER).short == "drop unknown-source"
    party.reload(narrow())
    assert proven(party, CALLER)


def test_the_proven_pay_for_no_neighbour() -> None:
    """What is forged beside a caller uses up the budget of the network around him, and not his."""
    tight = ROOMY.replace("prefix_per_second = 1000\nprefix_burst = 1000", "prefix_per_second = 1\nprefix_burst = 10")
    party = Agent(open_policy(rules=tight))
    prove(party, CALLER)
    for n in range(50):
        party.send(call("1"), (f"203.0.113.{n + 100}", 5060))
    assert party.send(call("1"), ("203.0.113.99", 5060)).reason == "prefix-rate"
    assert party.burst(lambda: call("1"), 20, CALLER) == ["forward pass"] * 20
    party.wait(601)
    for n in range(50):
        party.send(call("1"), (f"203.0.113.{n + 100}", 5060))
    assert party.send(call("1"), CALLER).reason == "prefix-rate"


# ---- strikes ----


def test_a_refusal_that_is_acknowledged_strikes() -> None:
    party = Agent(open_policy(rules=ROOMY))
    assert strike_once(party, CALLER) == ["203.0.113.66/32 scanner-agent 20 acme proven"]
    assert strike_once(party, OTHER) == ["203.0.113.67/32 scanner-agent 20 acme proven"]
    assert strike_once(party, SIX) == ["2001:db8:7:1::/64 scanner-agent 20 acme proven"]


def test_one_that_is_not_strikes_nobody() -> None:
    """Whoever is proven by other messages, or by the ACK of another refusal: these may be somebody else's."""
    party = Agent(open_policy(rules=ROOMY))
    log_in(party, CALLER)
    prove(party, CALLER)
    for elsewhere in (OTHER, ("203.0.113.66", 5061), SIX, BETA):
        for _ in range(10):
            assert strike_once(party, CALLER, elsewhere) == []
    refused = call("x", ("User-Agent", "friendly-scanner"))
    party.send(refused, CALLER)
    for _ in range(10):
        prove(party, CALLER)
    for method in ("OPTIONS", "REGISTER"):
        party.burst(lambda: request(method, "sip:x@y", OWN, ("User-Agent", "friendly-scanner")), 40, CALLER)  # noqa: B023
    party.burst(lambda: b"\xff" * 40, 100, CALLER)
    assert party.strikes() == []


def test_who_is_over_his_rate_is_not_struck_for_that() -> None:
    """Somebody else may have sent it, and it costs him his rate already."""
    party = Agent(open_policy(rules=CALLED_IS))
    prove(party, CALLER)
    party.burst(lambda: call("1"), 500, CALLER)
    assert party.strikes() == []


def test_an_acknowledgement_strikes_once() -> None:
    party = Agent(open_policy(rules=ROOMY))
    sent = call("x", ("User-Agent", "friendly-scanner"))
    told = party.send(sent, CALLER)
    for _ in range(10):
        party.send(sent, CALLER)
        party.send(ack(sent, told), CALLER)
    assert party.strikes() == []


def test_success_clears_strikes() -> None:
    # The same call without the scanner's name is an attempt to get it through, which sweep would strike.
    party = Agent(open_policy(rules=ROOMY + '[rules.sweep]\nmode = "off"\n'))
    for _ in range(5):
        sent = call("1", ("User-Agent", "friendly-scanner"))
        party.send(ack(sent, party.send(sent, CALLER)), CALLER)
        ask(party, call("1"), CALLER, "200 OK")
    assert party.strikes() == []


def test_no_network_of_a_peer_is_reported() -> None:
    party = Agent(open_policy(rules=ROOMY).replace('"198.51.100.11/32"', '"198.51.100.11/32", "2001:db8:7:1::b/128"'))
    assert strike_once(party, SIX) == ["2001:db8:7:1::5/128 scanner-agent 20 acme proven"]


def test_a_stranger_beside_its_ports_is_never_reported() -> None:
    """Its packets may be forged in the name of a caller."""
    party = Agent(open_policy("ports = [5060]", rules=ROOMY))
    party.burst(invite, 100, ("203.0.113.66", 5061))
    assert party.strikes() == []


def test_who_is_on_the_allow_list_is_never_struck() -> None:
    party = Agent(open_policy(rules=ROOMY + '[lists]\nallow = ["203.0.113.66"]\n'))
    assert strike_once(party, CALLER) == []
