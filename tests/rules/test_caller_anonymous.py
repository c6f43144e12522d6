"""caller-anonymous: who hides its number asserts one of the trunk's instead, or may not call."""

from __future__ import annotations

import pytest

from tests.agent import ACME, CLOUD, FOREIGN, OWN, MakeAgent, inbound, invite, policy
from tests.rules.modes import check_modes
from tests.rules.spellings import FROM_LINES, uris

REFUSED = "433 caller-anonymous"
PASS = "forward pass"
HIDDEN = '"Anonymous" <sip:anonymous@anonymous.invalid>'
ID = ("Privacy", "id")


def test_hit(agent: MakeAgent) -> None:
    refused = agent().send(invite(HIDDEN, ID))
    assert (refused.short, refused.to) == (REFUSED, ACME)
    assert refused.data.startswith(b"SIP/2.0 433 Anonymity Disallowed\r\n")
    event = refused.event
    assert (event.action, event.rule, event.reason, event.status) == (
        "answer",
        "caller-anonymous",
        "caller-anonymous",
        433,
    )
    assert (event.peer, event.source, event.from_user, event.value) == ("acme", ACME, "anonymous", 0)


@pytest.mark.parametrize(
    "caller",
    [
        "<sip:anonymous@anonymous.invalid>",
        "sip:anonymous@anonymous.invalid",
        "<sip:ANONYMOUS@Anonymous.Invalid>",
        "<sip:unknown@anonymous.invalid>",
        "<sip:c8oqz84zk7z@anonymous.invalid:5060>",
        "<sips:anonymous@pbx.example>",
        "<sip:anonymous@198.51.100.10>",
        "<sip:Anonymous;x=y@pbx.example;user=phone>",
        "<sip:anonymous:secret@pbx.example>",
        '"Anonymous" <sip:nobody@pbx.example>',
        "Anonymous <sip:nobody@pbx.example>",
        "ANONYMOUS <sip:nobody@pbx.example>",
    ],
)
def test_ways_to_say_it(agent: MakeAgent, caller: str) -> None:
    assert agent().send(invite(caller)).short == REFUSED
    assert agent().send(invite(caller, ("P-Asserted-Identity", f"<sip:{OWN}@x>"))).short == PASS


@pytest.mark.parametrize("user", [FOREIGN, "+1415555267%31", "+14155552671%20", "+1/415/555/2671", "4155552671&"])
def test_a_number_is_no_nobody(agent: MakeAgent, user: str) -> None:
    """Evasion: a host, a display name or Privacy that say anonymous beside a user part that shows a number."""
    vouched = ("P-Asserted-Identity", f"<sip:{OWN}@x>")
    for caller in (
        f"<sip:{user}@anonymous.invalid>",
        f'"Anonymous" <sip:{user}@pbx.example>',
        f"<sip:{user}@pbx.example>",
    ):
        told = agent().send(invite(caller, vouched, ID))
        assert (told.action, told.rule in ("caller-format", "caller-owned")) == ("answer", True), told


def test_an_owned_number_needs_no_name(agent: MakeAgent) -> None:
    assert agent().send(invite(f"<sip:{OWN}@anonymous.invalid>")).short == PASS


@pytest.mark.parametrize("how", FROM_LINES)
def test_in_any_header_line(agent: MakeAgent, how: str) -> None:
    assert agent().send(FROM_LINES[how](invite(HIDDEN))).short == REFUSED


@pytest.mark.parametrize(
    ("privacy", "short"),
    [
        ("id", REFUSED),
        ("user", REFUSED),
        ("header", REFUSED),
        ("ID", REFUSED),
        ("critical;id", REFUSED),
        ("header; user ;id;critical", REFUSED),
        ("session;\r\n id", REFUSED),
        ("none", "403 caller-none"),
        ("session", "403 caller-none"),
        ("ident", "403 caller-none"),
    ],
)
def test_privacy_behind_a_name(agent: MakeAgent, privacy: str, short: str) -> None:
    """From names nobody by number and Privacy asks to hide: anonymous. Without that wish it is just no number."""
    assert agent().send(invite("<sip:reception@pbx.example>", ("Privacy", privacy))).short == short


@pytest.mark.parametrize("caller", [f'"Anonymous" <sip:{OWN}@pbx.example>', f"<sip:{OWN}@pbx.example>"])
def test_near_miss_a_number_that_is_there(agent: MakeAgent, caller: str) -> None:
    """Privacy asks others to hide it; the number itself stands in From and is screened like any."""
    assert agent().send(invite(caller, ID)).short == PASS
    assert agent().send(invite(caller.replace(OWN, FOREIGN), ID)).short == "403 caller-owned"


@pytest.mark.parametrize("how", uris(OWN))
def test_an_asserted_number_of_the_trunk(agent: MakeAgent, how: str) -> None:
    passed = agent().send(invite(HIDDEN, ID, ("P-Asserted-Identity", uris(OWN)[how])))
    assert passed.short == PASS
    # Who verified a number says so, nobody else.
    written = uris(OWN)[how].replace(";verstat=TN-Validation-Passed", "")
    assert passed.message.one("P-Asserted-Identity") == written


@pytest.mark.parametrize("name", ["P-Asserted-Identity", "p-asserted-identity", "P-Preferred-Identity"])
def test_the_headers_that_assert(agent: MakeAgent, name: str) -> None:
    assert agent().send(invite(HIDDEN, ID, (name, f"<sip:{OWN}@x>"))).short == PASS


@pytest.mark.parametrize("name", ["Remote-Party-ID", "Contact", "X-Asserted-Identity", "Reply-To"])
def test_headers_that_assert_nothing(agent: MakeAgent, name: str) -> None:
    sent = invite(HIDDEN, ID).set("Contact").above((name, f"<sip:{OWN}@x>"))
    assert agent().send(sent).short == REFUSED


@pytest.mark.parametrize("how", uris(FOREIGN))
def test_an_asserted_foreign_number(agent: MakeAgent, how: str) -> None:
    assert agent().send(invite(HIDDEN, ID, ("P-Asserted-Identity", uris(FOREIGN)[how]))).short == "403 caller-owned"


def test_two_asserted_numbers(agent: MakeAgent) -> None:
    rows = [("P-Asserted-Identity", f"<sip:{OWN}@x>"), ("P-Asserted-Identity", f"<tel:{FOREIGN}>")]
    assert agent().send(invite(HIDDEN, *rows)).status == 403
    assert agent().send(invite(HIDDEN, *reversed(rows))).status == 403
    both = ("P-Asserted-Identity", f"<sip:{OWN}@x>, <tel:{OWN}>")
    assert agent().send(invite(HIDDEN, both)).short == PASS


def test_an_asserted_name_is_no_number(agent: MakeAgent) -> None:
    assert agent().send(invite(HIDDEN, ("P-Asserted-Identity", "<sip:reception@pbx.example>"))).short == REFUSED


def test_a_trunk_that_may(agent: MakeAgent) -> None:
    party = agent(policy('rules.caller-anonymous.mode = "off"'))
    assert party.send(invite(HIDDEN, ID)).short == PASS
    # Hiding is allowed, naming somebody else is not.
    assert party.send(invite(HIDDEN, ID, ("P-Asserted-Identity", f"<sip:{FOREIGN}@x>"))).short == "403 caller-owned"


def test_only_on_calls_of_trunks(agent: MakeAgent) -> None:
    assert agent().send(inbound(HIDDEN, OWN, ID), CLOUD).short == PASS


def test_modes() -> None:
    check_modes("caller-anonymous", lambda agent: agent.send(invite(HIDDEN)), REFUSED)


def test_reload(agent: MakeAgent) -> None:
    party = agent()
    assert party.send(invite(HIDDEN)).short == REFUSED
    party.reload(policy('rules.caller-anonymous.mode = "off"'))
    assert party.send(invite(HIDDEN)).short == PASS
    party.reload(policy())
    assert party.send(invite(HIDDEN)).short == REFUSED
    assert party.engine.counters()["by_verdict"]["answer", "caller-anonymous", "caller-anonymous", "acme"] == 2
