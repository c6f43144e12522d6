"""caller-consistent: every header that names a caller names one of the trunk's, however it is written."""

from __future__ import annotations

import pytest

from edge_agent.policy.load import ConfigError
from tests.agent import ACME, CALLED, CLOUD, FOREIGN, OWN, OWN2, Agent, MakeAgent, inbound, invite, policy
from tests.proxy.message import Header
from tests.rules.modes import check_modes
from tests.rules.spellings import uris, users

REFUSED = "403 caller-consistent"
PASS = "forward pass"
NAMES = ["P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID", "Diversion", "History-Info"]


@pytest.mark.parametrize("name", NAMES)
def test_hit(agent: MakeAgent, name: str) -> None:
    refused = agent().send(invite(OWN, (name, f"<sip:{FOREIGN}@pbx.example>")))
    assert (refused.short, refused.to) == (REFUSED, ACME)
    event = refused.event
    assert (event.rule, event.reason, event.status) == ("caller-consistent", "caller-consistent", 403)
    assert (event.peer, event.from_user, event.value, event.limit) == ("acme", OWN, int(FOREIGN), int(OWN))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("number", [OWN, OWN2, "12125552001", "2125552002"])
def test_another_number_of_the_trunk(agent: MakeAgent, name: str, number: str) -> None:
    assert agent().send(invite(OWN, (name, f"<sip:{number}@pbx.example>"))).short == PASS


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ["<sip:reception@pbx.example>", f'"{FOREIGN}" <sip:reception@pbx.example>'])
def test_a_name_is_no_number(agent: MakeAgent, name: str, value: str) -> None:
    """What a display name says is another rule's."""
    assert agent().send(invite(OWN, (name, value))).short == PASS


@pytest.mark.parametrize(
    "other",
    [
        ("Contact", f"<sip:{FOREIGN}@198.51.100.10>"),
        ("Referred-By", f"<sip:{FOREIGN}@x>"),
        ("Reply-To", f"<sip:{FOREIGN}@x>"),
        ("X-P-Asserted-Identity", f"<sip:{FOREIGN}@x>"),
    ],
)
def test_headers_that_name_no_caller(agent: MakeAgent, other: Header) -> None:
    sent = invite(OWN).set("Contact") if other[0] == "Contact" else invite(OWN)
    assert agent().send(sent.above(other)).short == PASS


@pytest.mark.parametrize("how", uris(FOREIGN))
def test_a_foreign_number_in_any_spelling(agent: MakeAgent, how: str) -> None:
    value = uris(FOREIGN)[how]
    assert agent().send(invite(OWN, ("P-Asserted-Identity", value))).short == REFUSED


@pytest.mark.parametrize("how", uris(OWN2))
def test_an_own_number_in_any_spelling(agent: MakeAgent, how: str) -> None:
    value = uris(OWN2)[how]
    assert agent().send(invite(OWN, ("P-Asserted-Identity", value))).short == PASS


@pytest.mark.parametrize("how", users(OWN))
def test_the_same_number_in_two_spellings(agent: MakeAgent, how: str) -> None:
    """A number that is no trunk's (caller-owned is off): alike in both headers, it contradicts nothing."""
    party = agent(policy('rules.caller-owned.mode = "off"', owned="+16465552000"))
    assert party.send(invite(OWN, ("P-Asserted-Identity", f"<sip:{users(OWN)[how]}@x>"))).short == PASS


@pytest.mark.parametrize(
    "name",
    ["p-asserted-identity", "P-ASSERTED-IDENTITY", "P-Asserted-Identity ", "P-Asserted-Identity\t", "rEmote-party-id"],
)
def test_names_in_any_case(agent: MakeAgent, name: str) -> None:
    assert agent().send(invite(OWN, (name, f"<sip:{FOREIGN}@x>"))).short == REFUSED


@pytest.mark.parametrize(
    "value",
    [
        f"<sip:{OWN}@x>, <tel:{FOREIGN}>",
        f"<tel:{OWN}>,<sip:{FOREIGN}@x>",
        f"<tel:{OWN}>\r\n , <sip:{FOREIGN}@x>",
        f'"a, <tel:{OWN}>" <sip:{FOREIGN}@x>',
        f'"a\\", <tel:{OWN}>" <sip:{FOREIGN}@x>',
        f"\r\n\t<sip:{FOREIGN}@x>",
        f" <sip:{FOREIGN}\r\n @x>".replace("\r\n ", ""),
    ],
)
def test_lists_and_folded_values(agent: MakeAgent, value: str) -> None:
    assert agent().send(invite(OWN, ("P-Asserted-Identity", value))).short == REFUSED


@pytest.mark.parametrize(
    "rows",
    [
        [f"<sip:{OWN}@x>", f"<tel:{FOREIGN}>"],
        [f"<tel:{FOREIGN}>", f"<sip:{OWN}@x>"],
        ["<sip:reception@x>", f"<tel:{FOREIGN}>"],
    ],
)
def test_several_rows(agent: MakeAgent, rows: list[str]) -> None:
    assert agent().send(invite(OWN, *(("P-Asserted-Identity", row) for row in rows))).short == REFUSED


@pytest.mark.parametrize(
    "rows",
    [
        [f"<sip:{OWN}@x>", f"<sip:{FOREIGN}@x>"],
        [f"<sip:{OWN}@x>, <sip:{OWN}@x>"],
        [f"<tel:{OWN}>", f"<tel:{OWN}>"],
        [f"<sip:{OWN}@x>", f"<sips:{OWN}@x>"],
        [f"<sip:{OWN}@x>, <tel:{OWN}>", f"<tel:{OWN}>"],
    ],
)
def test_two_callers_of_one_scheme_are_malformed(agent: MakeAgent, rows: list[str]) -> None:
    """RFC 3325 §9.1: at most one sip and one tel URI. Which of two would be meant is never guessed."""
    sent = invite(OWN, *(("P-Asserted-Identity", row) for row in rows))
    assert agent().send(sent).short == "400 identity-header"


def test_every_row_of_the_lists_counts(agent: MakeAgent) -> None:
    """A foreign station hides behind many of the trunk's own."""
    for name in ("Diversion", "History-Info", "Remote-Party-ID"):
        many = [(name, f"<sip:{OWN}@x>;index={n}, <sip:{OWN2}@x>;index={n}.1") for n in range(1, 4)]
        assert agent().send(invite(OWN, *many)).short == PASS
        assert agent().send(invite(OWN, *many, (name, f"<sip:{FOREIGN}@x>"))).short == REFUSED


def test_more_identities_than_are_kept_are_refused(agent: MakeAgent) -> None:
    """Either every one is looked at, or none passes."""
    many = [("Diversion", ", ".join([f"<sip:{OWN}@x>"] * 8)) for _ in range(8)]
    told = agent().send(invite(OWN, *many, ("Diversion", f"<sip:{FOREIGN}@x>")))
    assert told.action == "answer"


@pytest.mark.parametrize("number", ["+1234567890123456789", "911", "00", "+0"])
def test_an_unreadable_number_is_no_number_of_the_trunk(agent: MakeAgent, number: str) -> None:
    assert agent().send(invite(OWN, ("Remote-Party-ID", f"<sip:{number}@x>"))).short == REFUSED


# History-Info also says where the call goes.


@pytest.mark.parametrize("to", [CALLED, "011442071838750", "+44-2071838750"])
def test_the_target_in_history_is_no_caller(agent: MakeAgent, to: str) -> None:
    history = ("History-Info", f"<sip:{OWN}@x>;index=1, <sip:{CALLED}@cloud.example.net;cause=302>;index=1.1")
    sent = invite(OWN, history, uri=f"sip:{to}@cloud.example.net")
    assert agent().send(sent).short == PASS
    assert agent().send(sent.to(f"sip:{FOREIGN}@cloud.example.net")).short == REFUSED


# A proven forwarded call carries its foreign caller and the stations before.


def test_forwarded_call(agent: MakeAgent) -> None:
    party = agent(policy('forwards = "trust"'))
    by_own = ("Diversion", f"<sip:{OWN}@x>, <sip:+16465550000@x>")
    asserted = ("P-Asserted-Identity", f"<sip:{FOREIGN}@x>")
    assert party.send(invite(FOREIGN, by_own, asserted)).short == PASS
    assert party.send(invite(FOREIGN, by_own, ("P-Asserted-Identity", f"<sip:{OWN}@x>"))).short == PASS
    assert party.send(invite(FOREIGN, by_own, ("History-Info", "<sip:+16465550000@x>;index=1"))).short == PASS
    for name in ("P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID"):
        assert party.send(invite(FOREIGN, by_own, (name, "<sip:+16465550000@x>"))).short == REFUSED
    # Without forwarding, an earlier station that isn't the trunk's explains nothing.
    assert party.send(invite(OWN, by_own)).short == REFUSED


def test_only_on_calls_of_trunks(agent: MakeAgent) -> None:
    asserted = ("P-Asserted-Identity", "<sip:+16465550000@x>")
    assert agent().send(inbound(FOREIGN, OWN, asserted), CLOUD).short == PASS


def test_modes() -> None:
    sent = ("P-Asserted-Identity", f"<sip:{FOREIGN}@x>")
    check_modes("caller-consistent", lambda agent: agent.send(invite(OWN, sent)), REFUSED)


def test_reload(agent: MakeAgent) -> None:
    party = agent()
    asserted = ("P-Asserted-Identity", "<sip:+12125552100@x>")
    assert party.send(invite(OWN, asserted)).short == REFUSED
    party.reload(policy(owned="+12125552*"))
    assert party.send(invite(OWN, asserted)).short == PASS
    party.reload(policy())
    assert party.send(invite(OWN, asserted)).short == REFUSED
    assert party.engine.counters()["by_verdict"]["answer", "caller-consistent", "caller-consistent", "acme"] == 2


@pytest.mark.parametrize(
    "asserted",
    [
        f"<sip:{FOREIGN}%20@x>",
        f"<sip:{FOREIGN}%00@x>",
        f"<sip:{FOREIGN}&@x>",
        "<sip:+1/415/555/2671@x>",
        f"<tel:{FOREIGN}#>",
        f"<callto:{FOREIGN}>",
        "<sip:14155552671>",
    ],
)
def test_a_number_that_only_a_sloppy_reader_sees(agent: MakeAgent, asserted: str) -> None:
    told = agent().send(invite(f"<sip:{OWN}@x>", ("P-Asserted-Identity", asserted)))
    assert told.short == "403 caller-consistent"


@pytest.mark.parametrize(
    "asserted", ["<sip:acct12345678@x>", "<sip:1b2c3d4e-0000-4000-8000-123456789abc@x>", "<sip:pbx@x>"]
)
def test_a_name_with_digits_in_it_is_a_name(agent: MakeAgent, asserted: str) -> None:
    assert agent().send(invite(f"<sip:{OWN}@x>", ("P-Asserted-Identity", asserted))).short == "forward pass"


# A presented number and a network number (pilot).

PILOT = "+12125559000"
PILOTS = policy(f'pilot_numbers = ["{PILOT}"]')
ASSERTING = ["P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID"]


@pytest.mark.parametrize("name", ASSERTING)
@pytest.mark.parametrize("how", users(PILOT))
def test_a_pilot_number_beside_an_own_caller(agent: MakeAgent, name: str, how: str) -> None:
    sent = invite(OWN, (name, f"<sip:{users(PILOT)[how]}@x>"))
    assert agent(PILOTS).send(sent).action == "forward"
    assert agent().send(sent).short == REFUSED


def test_a_pilot_number_goes_on_as_it_came(agent: MakeAgent) -> None:
    asserted = ("P-Asserted-Identity", f"<sip:{PILOT}@x>")
    told = agent(PILOTS).send(invite(OWN, asserted))
    assert told.short == PASS
    assert asserted in told.message.headers


@pytest.mark.parametrize("name", ["Diversion", "History-Info"])
def test_a_pilot_number_is_no_station(agent: MakeAgent, name: str) -> None:
    assert agent(PILOTS).send(invite(OWN, (name, f"<sip:{PILOT}@x>;index=1"))).short == REFUSED


def test_a_pilot_number_calls_nobody_and_explains_nobody(agent: MakeAgent) -> None:
    asserted = ("P-Asserted-Identity", f"<sip:{PILOT}@x>")
    assert agent(PILOTS).send(invite(PILOT)).short == "403 caller-owned"
    assert agent(PILOTS).send(invite(PILOT, asserted)).short == "403 caller-owned"
    assert agent(PILOTS).send(invite(FOREIGN, asserted)).short == "403 caller-owned"
    assert agent(PILOTS).send(inbound(FOREIGN, PILOT), CLOUD).short == "404 no-owner"


def test_a_pilot_number_behind_the_mask(agent: MakeAgent) -> None:
    hidden = '"Anonymous" <sip:anonymous@anonymous.invalid>'
    sent = invite(hidden, ("Privacy", "id"), ("P-Asserted-Identity", f"<sip:{PILOT}@x>"))
    assert agent(PILOTS).send(sent).short == PASS
    assert agent().send(sent).status == 403


def test_pilot_numbers_reload(agent: MakeAgent) -> None:
    party, asserted = agent(), ("P-Asserted-Identity", f"<sip:{PILOT}@x>")
    assert party.send(invite(OWN, asserted)).short == REFUSED
    party.reload(PILOTS)
    assert party.send(invite(OWN, asserted)).short == PASS
    party.reload(policy())
    assert party.send(invite(OWN, asserted)).short == REFUSED


@pytest.mark.parametrize("written", ["+1212", "12125559000", "x", "+12125559000..+12125558000"])
def test_bad_pilot_numbers(written: str) -> None:
    with pytest.raises(ConfigError, match="pilot_numbers"):
        Agent(policy(f'pilot_numbers = ["{written}x"]'))


# How often a call was diverted.


@pytest.mark.parametrize(
    ("rows", "count"),
    [
        ([f"<sip:{OWN}@x>"] * 12, 12),
        ([f"<sip:{OWN}@x>"] * 11 + [f"<sip:{OWN}@x>;counter=2"], 13),
        ([", ".join([f"<sip:{OWN}@x>"] * 4), f"<sip:{OWN}@x>;counter=8"], 12),
        ([f"<sip:{OWN}@x>;counter=12"], 12),
        ([f"<sip:{OWN}@x>;counter=13"], 13),
        ([f"<sip:{OWN}@x> ; COUNTER = 13;reason=unknown"], 13),
        ([f'<sip:{OWN}@x>;reason="a;counter=99"'], 1),
        ([f'"b;counter=99" <sip:{OWN}@x>'], 1),
        ([f"<sip:{OWN}@x;counter=99>"], 1),
        ([f"<sip:{OWN}@x>;counter=0"], 100),
        ([f"<sip:{OWN}@x>;counter=999"], 100),
        ([f"<sip:{OWN}@x>;counter=x"], 100),
        ([f"<sip:{OWN}@x>;counter"], 1),
    ],
)
def test_too_many_diversions(agent: MakeAgent, rows: list[str], count: int) -> None:
    told = agent().send(invite(OWN, *(("Diversion", row) for row in rows)))
    assert told.short == (PASS if count <= 12 else "403 caller-diversions")
    if count > 12:
        assert (told.event.value, told.event.limit) == (count, 12)


def test_the_limit_of_diversions(agent: MakeAgent) -> None:
    sent = invite(OWN, ("Diversion", f"<sip:{OWN}@x>;counter=3"))
    for text in ("[rules.caller-consistent]\ndiversions = 2", "[trunk.rules.caller-consistent]\ndiversions = 2"):
        own = text.startswith("[trunk")
        tight = policy(text) if own else policy(rules=text)
        assert agent(tight).send(sent).short == "403 caller-diversions"
        assert agent(tight.replace("= 2", "= 3")).send(sent).short == PASS
    for bad in ("0", "100", "1.5", '"3"'):
        with pytest.raises(ConfigError, match="diversions"):
            Agent(policy(rules=f"[rules.caller-consistent]\ndiversions = {bad}"))


# History-Info with the parameters of RFC 7044.


def test_the_called_user_under_another_address_is_no_caller(agent: MakeAgent) -> None:
    dialled = "<sip:8750@pbx.example>;index=1"
    called = f"<sip:{CALLED}@cloud.example.net>;index=1.1"
    assert agent().send(invite(OWN, ("History-Info", f"{dialled}, {called};rc=1"))).short == PASS
    for other in ("", ";mp=1", ";np=1", ";rc=2", ";rc", ";rc=1.1", ';x="rc=1"'):
        assert agent().send(invite(OWN, ("History-Info", f"{dialled}, {called}{other}"))).short == REFUSED
    elsewhere = called.replace(CALLED, FOREIGN)
    assert agent().send(invite(OWN, ("History-Info", f"{dialled}, {elsewhere};rc=1"))).short == REFUSED


# Credentials are worth a note.

NOTED = "caller-credentials"


@pytest.mark.parametrize("name", ["Proxy-Authorization", "Authorization"])
@pytest.mark.parametrize(
    ("user", "short"),
    [
        (FOREIGN, NOTED),
        (FOREIGN[1:], NOTED),
        (FOREIGN[2:], NOTED),
        (f"{FOREIGN}@pbx.example", NOTED),
        (OWN, PASS),
        (OWN2[1:], PASS),
        (PILOT, PASS),
        ("acme", PASS),
        ("acme14155552671", PASS),
        ("1234567", PASS),
        ("", PASS),
        ("+14155550101", PASS),  # nobody's number
    ],
)
def test_credentials_of_another_number(agent: MakeAgent, name: str, user: str, short: str) -> None:
    sent = invite(OWN, (name, f'Digest realm="a, username=x", username="{user}", nonce="n", uri="sip:x", response="r"'))
    told = agent(PILOTS).send(sent)
    assert told.short == PASS
    assert told.monitored == (("caller-consistent",) if short == NOTED else ())
    if short == NOTED:
        assert (told.event.finding, told.event.value) == (NOTED, int(FOREIGN))
    assert sent.one(name) == told.message.one(name)


def test_credentials_in_monitor_mode(agent: MakeAgent) -> None:
    sent = invite(OWN, ("Proxy-Authorization", f'Digest username="{FOREIGN}"'))
    told = agent(policy('rules.caller-consistent.mode = "monitor"')).send(sent)
    assert (told.short, told.monitored, told.event.finding) == (PASS, ("caller-consistent",), "caller-credentials")
