"""caller-owned: only the trunk's own numbers call, in whatever spelling; a foreign one only on a proven forwarded call."""

from __future__ import annotations

import pytest

from edge_agent.policy.load import ConfigError
from tests.agent import ACME, BETA, CALLED, CLOUD, FOREIGN, OWN, Agent, MakeAgent, inbound, invite, policy
from tests.proxy.message import Header, response
from tests.rules.modes import check_modes
from tests.rules.spellings import FROM_LINES, uris

REFUSED = "403 caller-owned"
UNPROVEN = "403 caller-forward"
BY_OWN: Header = ("Diversion", f"<sip:{OWN}@pbx.example>;reason=unconditional")
TRUST = policy('forwards = "trust"')


def test_hit(agent: MakeAgent) -> None:
    refused = agent().send(invite(FOREIGN, ("User-Agent", "PBX 1")))
    assert (refused.short, refused.to) == (REFUSED, ACME)
    assert refused.data.startswith(b"SIP/2.0 403 Caller ID Not Allowed\r\n")
    event = refused.event
    assert (event.action, event.rule, event.reason, event.status) == ("answer", "caller-owned", "caller-owned", 403)
    assert (event.peer, event.source, event.method, event.monitored) == ("acme", ACME, "INVITE", False)
    assert (event.from_user, event.to_user, event.user_agent) == (FOREIGN, CALLED, "PBX 1")
    assert event.value == int(FOREIGN)


@pytest.mark.parametrize(
    ("caller", "short"),
    [
        ("+12125552000", "forward pass"),
        ("+12125552099", "forward pass"),
        ("+12125551999", REFUSED),
        ("+12125552100", REFUSED),
        ("+13125552000", REFUSED),
        ("+442125552000", REFUSED),
        ("+12125553000", REFUSED),  # beta's
    ],
)
def test_the_ends_of_the_list(agent: MakeAgent, caller: str, short: str) -> None:
    assert agent().send(invite(caller)).short == short


@pytest.mark.parametrize(
    ("owned", "caller", "short"),
    [
        ("+12125552000", "+12125552000", "forward pass"),
        ("+12125552000", "+12125552001", REFUSED),
        ("+1646555*", "+16465552000", "forward pass"),
        ("+1646555*", "+16465559999", "forward pass"),
        ("+1646555*", "+16465562000", REFUSED),
        ("+1646555*", "+16465542000", REFUSED),
        ("+442071838*", "+442071838750", "forward pass"),
        ("+442071838*", "00442071838750", "403 caller-length"),  # 00 is not how one dials abroad from the US
        ("+442071838*", "011442071838750", "forward pass"),
    ],
)
def test_forms_of_the_list(agent: MakeAgent, owned: str, caller: str, short: str) -> None:
    assert agent(policy(owned=owned)).send(invite(caller)).short == short


def test_a_trunk_without_numbers_owns_none(agent: MakeAgent) -> None:
    text = policy().replace(f'caller_ids = ["{OWN}..+12125552099"]', "")
    assert agent(text).send(invite(OWN)).short == REFUSED


def test_only_on_calls_of_trunks(agent: MakeAgent) -> None:
    assert agent().send(inbound(FOREIGN), CLOUD).short == "forward pass"


@pytest.mark.parametrize("how", uris(OWN))
def test_an_own_number_in_any_spelling(agent: MakeAgent, how: str) -> None:
    assert agent().send(invite(uris(OWN)[how])).short == "forward pass"


@pytest.mark.parametrize("how", uris(FOREIGN))
def test_a_foreign_number_in_any_spelling(agent: MakeAgent, how: str) -> None:
    assert agent().send(invite(uris(FOREIGN)[how])).short == REFUSED


@pytest.mark.parametrize("how", FROM_LINES)
def test_a_foreign_number_in_any_header_line(agent: MakeAgent, how: str) -> None:
    assert agent().send(FROM_LINES[how](invite(FOREIGN))).short == REFUSED
    assert agent().send(FROM_LINES[how](invite(OWN))).short == "forward pass"


@pytest.mark.parametrize(
    "user",
    [
        f"{OWN}{FOREIGN}",
        f"{FOREIGN}%00{OWN}",
        f"{OWN}%40x",
        f"%252B{OWN[1:]}",  # escaped twice: decoded once it is no number
        f"+{OWN}",
        f"{OWN}x",
        "1212555200O",
    ],
)
def test_what_is_no_number_is_nobodys(agent: MakeAgent, user: str) -> None:
    assert agent().send(invite(user)).short == "403 caller-none"


@pytest.mark.parametrize(
    "caller",
    [
        "<tel:2125552000;phone-context=+44>",
        "<sip:2125552000;phone-context=+44@pbx.example>",
        "<sip:2125552000;npdi;PHONE-CONTEXT=+44@pbx.example;user=phone>",
    ],
)
def test_a_foreign_phone_context_makes_it_another_number(agent: MakeAgent, caller: str) -> None:
    """RFC 3966 §5.1.5: a local number belongs to its context; who puts the context before it gets another number."""
    party = agent(TRUST)
    assert party.send(invite(caller)).status == 403
    assert party.send(invite(OWN, ("P-Asserted-Identity", caller))).short == "403 caller-consistent"
    assert party.send(invite(FOREIGN, ("Diversion", caller))).short == REFUSED


def test_two_callers_are_refused_whatever_their_order(agent: MakeAgent) -> None:
    for rows in ((OWN, FOREIGN), (FOREIGN, OWN), (OWN, OWN)):
        for name in ("From", "f", "FROM ", "F"):
            sent = invite(rows[0], (name, f"<sip:{rows[1]}@pbx.example>;tag=two"))
            assert agent().send(sent).short == "400 duplicate-header"


def test_reload(agent: MakeAgent) -> None:
    """A number that goes from the list is refused from then on, one that comes passes; what was counted stays."""
    party = agent()
    assert party.send(invite(OWN)).short == "forward pass"
    assert party.send(invite("+16465552000")).short == REFUSED
    party.reload(policy(owned="+16465552000"))
    assert party.send(invite(OWN)).short == REFUSED
    assert party.send(invite("+16465552000")).short == "forward pass"
    counted = party.engine.counters()["by_verdict"]
    assert counted["answer", "caller-owned", "caller-owned", "acme"] == 2


def test_a_retransmission_is_told_the_same_after_a_reload(agent: MakeAgent) -> None:
    party, sent = agent(), invite(FOREIGN)
    first = party.send(sent)
    party.reload(policy(owned=FOREIGN))
    again = party.send(sent)
    assert (again.short, again.data, again.events) == ("403 retransmission", first.data, ())


def test_modes() -> None:
    check_modes("caller-owned", lambda agent: agent.send(invite(FOREIGN)), REFUSED)


# Forwarded calls: a foreign caller, and a number of the trunk that the call was diverted from.


@pytest.mark.parametrize(
    "diverted",
    [
        BY_OWN,
        ("diversion", f"<tel:{OWN}>"),
        ("Diversion", f"<sip:12125552000;npdi@pbx.example;user=phone>;reason=no-answer, <sip:{FOREIGN}@x>"),
        ("Diversion", f"<sip:{FOREIGN}@x>;counter=1,<sip:{OWN}@pbx.example>"),
        ("History-Info", f"<sip:{OWN}@pbx.example;cause=302>;index=1"),
        ("History-Info", f"<sip:{OWN}@pbx.example>;index=1, <sip:{CALLED}@cloud.example.net;cause=302>;index=1.1"),
    ],
)
def test_forwarded_call(agent: MakeAgent, diverted: Header) -> None:
    """On trust it passes; by default only after the call from that caller to that number came in here."""
    assert agent(TRUST).send(invite(FOREIGN, diverted)).short == "forward pass"
    party = agent()
    assert party.send(invite(FOREIGN, diverted)).short == UNPROVEN
    assert party.send(inbound(FOREIGN, OWN), CLOUD).short == "forward pass"
    assert party.send(invite(FOREIGN, diverted)).short == "forward pass"


@pytest.mark.parametrize(
    "diverted",
    [
        ("Diversion", "<sip:+16465550000@pbx.example>"),
        ("Diversion", "<sip:reception@pbx.example>"),
        ("Diversion", f'"{OWN}" <sip:+16465550000@pbx.example>'),
        ("Diversion", f"<sip:x@{OWN[1:]}.example>"),
        ("History-Info", "<sip:+16465550000@pbx.example>;index=1"),
        ("X-Diversion", f"<sip:{OWN}@pbx.example>"),
        ("Referred-By", f"<sip:{OWN}@pbx.example>"),
        ("P-Asserted-Identity", f"<sip:{OWN}@pbx.example>"),
        ("Contact-Diversion", f"<sip:{OWN}@pbx.example>"),
    ],
)
def test_no_forwarded_call(agent: MakeAgent, diverted: Header) -> None:
    """Diverted from a number that isn't the trunk's, or said by a header that doesn't say it: foreign, even on trust."""
    assert agent(TRUST).send(invite(FOREIGN, diverted)).short == REFUSED


def test_the_proof_names_caller_number_and_trunk(agent: MakeAgent) -> None:
    party = agent()
    other = "+14155552672"
    assert party.send(inbound(FOREIGN, "+12125552007"), CLOUD).short == "forward pass"
    assert party.send(inbound(other, OWN), CLOUD).short == "forward pass"
    assert party.send(inbound(FOREIGN, "+12125553007"), CLOUD).short == "forward pass"
    assert party.send(invite(FOREIGN, BY_OWN)).short == UNPROVEN
    assert party.send(invite(other, BY_OWN)).short == "forward pass"
    by_beta = ("Diversion", "<sip:+12125553007@pbx.example>")
    assert party.send(invite(FOREIGN, by_beta)).short == REFUSED
    assert party.send(invite(FOREIGN, by_beta), BETA).short == "forward pass"


@pytest.mark.parametrize("how", ["14155552671", "4155552671", "%2B14155552671", "+1-415-555-2671;verstat=x"])
def test_the_proof_knows_the_caller_in_any_spelling(agent: MakeAgent, how: str) -> None:
    for into, out in ((FOREIGN, how), (how, FOREIGN)):
        party = agent()
        party.send(inbound(into, "12125552000"), CLOUD)
        assert party.send(invite(out, BY_OWN)).short == "forward pass"


def test_the_proof_lasts_200_seconds(agent: MakeAgent) -> None:
    party = agent()
    party.send(inbound(), CLOUD)
    party.wait(199.99)
    assert party.send(invite(FOREIGN, BY_OWN)).short == "forward pass"
    party.wait(0.01)
    assert party.send(invite(FOREIGN, BY_OWN)).short == UNPROVEN


def test_a_call_proves_four_forwards(agent: MakeAgent) -> None:
    """Each call of the caller to the number makes it four again; copies aren't counted."""
    party = agent()
    party.send(inbound(), CLOUD)
    for _ in range(4):
        sent = invite(FOREIGN, BY_OWN)
        told = [party.send(sent).short for _ in range(3)]
        assert told == ["forward pass", "forward retransmission", "forward retransmission"]
    assert party.burst(lambda: invite(FOREIGN, BY_OWN), 2) == [UNPROVEN] * 2
    assert party.send(invite()).short == "forward pass"
    party.wait(100)
    party.send(inbound(), CLOUD)
    party.send(inbound(), CLOUD)
    assert party.burst(lambda: invite(FOREIGN, BY_OWN), 5) == ["forward pass"] * 4 + [UNPROVEN]


@pytest.mark.parametrize("most", [1, 2, 15])
def test_the_limit_of_forwards(agent: MakeAgent, most: int) -> None:
    party = agent(policy("burst = 100", rules=f"[rules.caller-owned]\nforwards_per_call = {most}"))
    party.send(inbound(), CLOUD)
    party.wait(150)
    assert party.burst(lambda: invite(FOREIGN, BY_OWN), most + 1) == ["forward pass"] * most + [UNPROVEN]


@pytest.mark.parametrize("most", ["0", "16", "-1", '"4"', "1.5"])
def test_bad_limits_of_forwards(most: str) -> None:
    with pytest.raises(ConfigError, match="forwards_per_call"):
        Agent(policy(rules=f"[rules.caller-owned]\nforwards_per_call = {most}"))


def test_a_challenged_forward_and_its_dialog_count_once(agent: MakeAgent) -> None:
    party = agent(policy(rules="[rules.caller-owned]\nforwards_per_call = 1"))
    party.send(inbound(), CLOUD)
    sent = invite(FOREIGN, BY_OWN)
    out = party.send(sent)
    party.send(response(out.message, "407 Proxy Authentication Required", "x"), CLOUD)
    again = sent.set("CSeq", "2 INVITE").set("Via", sent.one("Via").replace("z9hG4bK", "z9hG4bKb"))
    opened = party.send(again.set("Proxy-Authorization", "Digest x"))
    assert opened.short == "forward pass"
    inside = again.set("CSeq", "3 INVITE").set("Via", sent.one("Via").replace("z9hG4bK", "z9hG4bKc"))
    inside = inside.set("To", sent.one("To") + ";tag=far").set("Route", *opened.message.all("Record-Route"))
    assert party.send(inside.to("sip:b@192.0.2.60")).short == "forward pass"
    assert party.send(invite(FOREIGN, BY_OWN)).short == UNPROVEN


def test_only_a_call_that_passed_is_a_proof(agent: MakeAgent) -> None:
    party = agent()
    assert party.send(inbound().set("Max-Forwards", "0"), CLOUD).short == "483 hops"
    assert party.send(inbound(FOREIGN, "+12125559999"), CLOUD).short == "404 no-owner"
    assert party.send(inbound(), ("203.0.113.66", 5060)).short == "drop unknown-source"
    assert party.send(invite(FOREIGN, BY_OWN)).short == UNPROVEN


def test_no_trunk_proves_its_own_forwarding(agent: MakeAgent) -> None:
    """A call that a customer sends to the number itself came from no upstream."""
    party = agent()
    party.send(invite(FOREIGN, uri=f"sip:{OWN}@cloud.example.net"))
    party.send(invite(OWN, uri=f"sip:{OWN}@cloud.example.net"))
    assert party.send(invite(FOREIGN, BY_OWN)).short == UNPROVEN


def test_the_proof_outlives_a_reload(agent: MakeAgent) -> None:
    party = agent()
    party.send(inbound(), CLOUD)
    party.reload(policy(rules="[rules.hops]\nmax_forwards = 30"))
    assert party.send(invite(FOREIGN, BY_OWN)).short == "forward pass"
    party.reload(TRUST)
    party.wait(300)
    assert party.send(invite(FOREIGN, BY_OWN)).short == "forward pass"


def test_an_unproven_forward_in_the_modes() -> None:
    check_modes("caller-owned", lambda party: party.send(invite(FOREIGN, BY_OWN)), UNPROVEN)


def test_the_event_of_an_unproven_forward(agent: MakeAgent) -> None:
    event = Agent().send(invite(FOREIGN, BY_OWN)).event
    assert (event.rule, event.reason, event.value, event.limit) == (
        "caller-owned",
        "caller-forward",
        int(FOREIGN),
        int(OWN),
    )


# History-Info with the parameters of RFC 7044 says which of its entries forwarded.


@pytest.mark.parametrize(
    ("history", "short"),
    [
        (f"<sip:{OWN}@x>;index=1, <sip:{CALLED}@y>;index=1.1;mp=1", "forward pass"),
        (f"<sip:{OWN}@x>;index=1,\r\n <sip:{CALLED}@y> ; Index = 1.1 ; MP = 1", "forward pass"),
        (
            f"<sip:+16465550000@x>;index=1, <sip:{OWN}@y>;index=1.1;mp=1, <sip:{CALLED}@z>;index=1.1.1;mp=1.1",
            "forward pass",
        ),
        (f"<sip:{OWN}@x>;index=1, <sip:{CALLED}@y>;index=1.1;rc=1", REFUSED),
        (f"<sip:{OWN}@x>;index=1, <sip:{CALLED}@y>;index=1.1;np=1", REFUSED),
        (f"<sip:+16465550000@x>;index=1, <sip:{OWN}@y>;index=1.1;mp=1", REFUSED),
        (f"<sip:{OWN}@x>, <sip:{CALLED}@y>;index=1.1;mp=1", REFUSED),
        (f"<sip:{OWN}@x>;index=1, <sip:{CALLED}@y>;index=1.1;mp=11", REFUSED),
        (f'<sip:{OWN}@x>;index=1, <sip:{CALLED}@y>;index=1.1;x="mp=1";rc=1', REFUSED),
    ],
)
def test_the_station_in_history(agent: MakeAgent, history: str, short: str) -> None:
    told = agent(TRUST).send(invite(FOREIGN, ("History-Info", history)))
    assert told.short == short
    party = agent()
    party.send(inbound(), CLOUD)
    assert party.send(invite(FOREIGN, ("History-Info", history))).short == short


# Trust is for a share of the trunk's calls.


def forwards(party: Agent, many: int) -> list[str]:
    return party.burst(lambda: invite(FOREIGN, BY_OWN), many)


def test_trust_ends_at_its_share(agent: MakeAgent) -> None:
    """Half of the trunk's rate and burst; above it, proof is asked for as of everybody."""
    party = agent(policy('forwards = "trust"\ncalls_per_second = 4\nburst = 20'))
    assert forwards(party, 11) == ["forward pass"] * 10 + [UNPROVEN]
    assert party.send(inbound(), CLOUD).short == "forward pass"
    assert forwards(party, 4) == ["forward pass"] * 4
    party.wait(0.5)
    assert forwards(party, 2) == ["forward pass", UNPROVEN]
    assert party.send(invite(OWN)).short == "forward pass"


@pytest.mark.parametrize(("share", "passes"), [("1", 20), ("0.25", 5), ("0.01", 1), ("0", 0)])
def test_the_share_of_trust(agent: MakeAgent, share: str, passes: int) -> None:
    rules = f"[rules.caller-owned]\ntrusted_share = {share}"
    for text in (policy('forwards = "trust"\nburst = 20', rules=rules), policy(
        f'forwards = "trust"\nburst = 20\nrules.caller-owned.trusted_share = {share}'
    )):  # fmt: skip
        told = forwards(agent(text), 20)
        assert told == ["forward pass"] * passes + [UNPROVEN] * (20 - passes)


def test_copies_and_dialogs_take_no_share(agent: MakeAgent) -> None:
    party = agent(policy('forwards = "trust"\nburst = 4', rules="[rules.caller-owned]\ntrusted_share = 0.25"))
    sent = invite(FOREIGN, BY_OWN)
    opened = party.send(sent)
    assert opened.short == "forward pass"
    assert party.send(sent).short == "forward retransmission"
    inside = sent.set("CSeq", "3 INVITE").set("Via", sent.one("Via").replace("z9hG4bK", "z9hG4bKc"))
    inside = inside.set("To", sent.one("To") + ";tag=far").set("Route", *opened.message.all("Record-Route"))
    assert party.send(inside.to("sip:b@192.0.2.60")).short == "forward pass"
    assert forwards(party, 1) == [UNPROVEN]


@pytest.mark.parametrize("share", ["-0.1", "1.1", "nan", '"1"', "true"])
def test_bad_shares(share: str) -> None:
    with pytest.raises(ConfigError, match="trusted_share"):
        Agent(policy(rules=f"[rules.caller-owned]\ntrusted_share = {share}"))


# A call between two customers comes in from the cloud like any other, so it proves its forwarding as well.


def test_a_call_between_customers_may_be_forwarded(agent: MakeAgent) -> None:
    party = agent()
    betas = "+12125553001"
    assert party.send(invite(OWN, uri=f"sip:{betas}@cloud.example.net")).short == "forward pass"
    by_beta = ("Diversion", f"<sip:{betas}@x>")
    assert party.send(invite(OWN, by_beta), BETA).short == UNPROVEN
    assert party.send(inbound(OWN, betas), CLOUD).short == "forward pass"
    assert party.send(invite(OWN, by_beta), BETA).short == "forward pass"
