"""forged-marking: what a peer may not assert is taken out of what goes on, and recorded; a priority it may not buy is refused."""

from __future__ import annotations

import re

import pytest

from edge_agent.policy.load import ConfigError
from edge_agent.rules.forged_marking import MARKINGS
from tests.agent import (
    CLOUD,
    FOREIGN,
    OWN,
    OWN2,
    Agent,
    MakeAgent,
    inbound,
    invite,
    policy,
    request,
)
from tests.proxy.message import Header
from tests.rules.marked import FORGED, PASS, PASSED, REFUSED, VERSTAT, assert_clean, cleaned, found, names
from tests.rules.modes import MODES, mode_policy

# A header that nobody but those with the right may send: what is recorded, and the name in `asserts`. A preferred
# identity is none, but a hint to the proxy.
STRIPPED: dict[str, tuple[Header, str, str]] = {
    "PAI": (("P-Asserted-Identity", "<sip:reception@pbx.example>"), "marking-asserted", "PAI"),
    "PPI": (("P-Preferred-Identity", f"<sip:{OWN}@pbx.example>"), "", ""),
    "emergency": (("Priority", "emergency"), "marking-priority", "Priority"),
    "psap-callback": (("Priority", "psap-callback"), "marking-priority", "Priority"),
    "P-Charge-Info": (("P-Charge-Info", f"<sip:{OWN}@pbx.example>;npi=ISDN"), "marking-charge", "P-Charge-Info"),
    "X-Edge": (("X-Edge-Verdict", "pass"), "marking-internal", ""),
    "X-Edge bare": (("X-Edge-", "pass"), "marking-internal", ""),
}


@pytest.mark.parametrize("kind", STRIPPED)
def test_hit(agent: MakeAgent, kind: str) -> None:
    header, reason, _ = STRIPPED[kind]
    told = agent().send(invite(OWN, header, ("Subject", "a call")))
    assert found(told) == reason
    assert header[0].lower() not in names(told)
    assert told.message.one("Subject") == "a call"
    if reason:
        event = told.event
        assert (event.action, event.rule, event.reason, event.finding) == ("forward", "forged-marking", "pass", reason)
        assert (event.peer, event.from_user, event.monitored) == ("acme", OWN, True)


@pytest.mark.parametrize("kind", STRIPPED)
def test_who_may_assert_it(agent: MakeAgent, kind: str) -> None:
    header, reason, right = STRIPPED[kind]
    party = agent(policy(f"asserts = {list(MARKINGS)}"))
    told = party.send(invite(OWN, header))
    assert found(told) == ("" if right else reason)
    assert (header[0].lower() in names(told)) == bool(right)
    if right:
        only = agent(policy(f'asserts = ["{right}"]'))
        assert found(only.send(invite(OWN, header))) == ""
        others = [name for name in MARKINGS if name != right]
        assert found(agent(policy(f"asserts = {others}")).send(invite(OWN, header))) == reason


@pytest.mark.parametrize("kind", STRIPPED)
def test_the_cloud_may_assert_all_but_our_own(agent: MakeAgent, kind: str) -> None:
    (name, value), reason, right = STRIPPED[kind]
    header = (name, value.replace(OWN, FOREIGN))
    told = agent().send(inbound(FOREIGN, OWN, header), CLOUD)
    assert found(told) == ("" if right else reason)
    assert (header[0].lower() in names(told)) == bool(right)
    told = agent(policy(cloud="asserts = []")).send(inbound(FOREIGN, OWN, header), CLOUD)
    assert found(told) == reason
    assert header[0].lower() not in names(told)


@pytest.mark.parametrize(
    "header",
    [
        ("Priority", "urgent"),
        ("Priority", "non-urgent"),
        ("Priority", "emergency-ish"),
        ("Priority", "normal;emergency"),
        ("X-Edge", "1"),
        ("X-Edgeworth", "1"),
        ("Edge-Verdict", "1"),
        ("X-X-Edge-1", "1"),
        ("P-Asserted-Identity", f"<sip:{OWN2}@x>"),
        ("P-Asserted-Identity", f"<sip:{OWN}@x>, <tel:{OWN2}>"),
        ("P-Access-Network-Info", "x"),
        ("Resource-Priority", "local.1"),
        ("Resource-Priority", "ets-000000.1, etsy.2"),
        ("Accept-Resource-Priority", "ets.0"),
        ("Require", "resource-priority"),
        ("Diversion", f"<sip:{OWN}@x>;verstatus=1"),
        ("Remote-Party-ID", f'"verstat=x ;verstat=y" <sip:{OWN}@x>;party=calling'),
        ("Subject", f";verstat={PASSED}"),
        ("Contact", f"<sip:{OWN};verstat={PASSED}@198.51.100.10>"),
    ],
)
def test_near_miss(agent: MakeAgent, header: Header) -> None:
    sent = invite(OWN).set("Contact") if header[0] == "Contact" else invite(OWN)
    told = agent().send(sent.above(header))
    assert found(told) == ""
    assert header in told.message.headers


# Spellings


@pytest.mark.parametrize("kind", STRIPPED)
@pytest.mark.parametrize("how", ["lower", "upper", "blank", "tab", "folded", "twice around", "no blank"])
def test_names_and_values_in_any_spelling(agent: MakeAgent, kind: str, how: str) -> None:
    (name, value), reason, _ = STRIPPED[kind]
    spelt = {
        "lower": (name.lower(), value.upper() if kind in ("emergency", "psap-callback") else value),
        "upper": (name.upper(), value),
        "blank": (name + " ", value),
        "tab": (name + "\t \t", value),
        "folded": (name, "\r\n " + value),
        "twice around": (name, f"\t {value} \t\r\n  "),
        "no blank": (name, value),
    }[how]
    sent = invite(OWN, spelt)
    data = bytes(sent)
    if how == "no blank":
        data = data.replace(f"{name}: ".encode(), f"{name}:".encode())
    told = agent().send(data)
    assert found(told) == reason
    assert not re.search(rf"^{name}\b".encode(), told.data, re.IGNORECASE | re.MULTILINE)
    assert_clean(sent, told)


@pytest.mark.parametrize("many", [2, 5, 40])
def test_many_rows(agent: MakeAgent, many: int) -> None:
    rows = [(f"X-Edge-{number}", "x" * number) for number in range(many)]
    sent = invite(OWN, *rows, ("Subject", "between"), *rows, ("P-Charge-Info", f"<tel:{OWN}>"))
    told = agent().send(sent)
    assert found(told) == "marking-internal"
    assert not [name for name in names(told) if name.startswith("x-edge") or name == "p-charge-info"]
    assert told.message.one("Subject") == "between"
    assert_clean(sent, told)


# P-Asserted-Identity


@pytest.mark.parametrize(
    ("rows", "stay"),
    [
        ([f"<sip:reception@x>, <tel:{OWN}>"], [f"<tel:{OWN}>"]),
        ([f"<tel:{OWN2}>, <sip:reception@x>"], [f"<tel:{OWN2}>"]),
        ([f'"a, b" <sip:reception@x> ;p="x,y" ,\r\n "c" <tel:{OWN}>'], [f'"c" <tel:{OWN}>']),
        ([f'"c, <d>" <tel:{OWN}> , "a" <sip:reception@x>'], [f'"c, <d>" <tel:{OWN}>']),
        ([f"<tel:{OWN}>", "<sip:reception@x>"], [f"<tel:{OWN}>"]),
        (["<sip:reception@x>", f"<tel:{OWN}>"], [f"<tel:{OWN}>"]),
        (["<sip:reception@x>"], []),
        (["sip:reception@x"], []),
        (["<sip:x.example>"], []),
        (["<urn:service:x>"], []),
    ],
)
def test_only_checked_values_go_on(agent: MakeAgent, rows: list[str], stay: list[str]) -> None:
    sent = invite(OWN, *(("P-Asserted-Identity", row) for row in rows))
    told = agent().send(sent)
    assert found(told) == "marking-asserted"
    assert told.message.all("P-Asserted-Identity") == stay
    assert_clean(sent, told)


def test_a_foreign_number_is_another_rule_s(agent: MakeAgent) -> None:
    foreign = ("P-Asserted-Identity", f"<sip:{FOREIGN}@x>")
    assert agent().send(invite(OWN, foreign)).short == "403 caller-consistent"
    told = agent(policy('rules.caller-consistent.mode = "monitor"')).send(invite(OWN, foreign))
    assert (told.short, told.monitored) == (PASS, ("caller-consistent",))
    assert foreign in told.message.headers


def test_an_upstream_without_the_right_asserts_no_number_either(agent: MakeAgent) -> None:
    asserted = ("P-Asserted-Identity", f"<sip:{FOREIGN}@x>")
    told = agent(policy(cloud="asserts = []")).send(inbound(FOREIGN, OWN, asserted), CLOUD)
    assert found(told) == "marking-asserted"
    assert told.message.all("P-Asserted-Identity") == []


def test_a_forwarded_caller_may_be_asserted(agent: MakeAgent) -> None:
    party = agent()
    party.send(inbound(FOREIGN, OWN), CLOUD)
    asserted = ("P-Asserted-Identity", f"<sip:{FOREIGN}@x>")
    told = party.send(invite(FOREIGN, ("Diversion", f"<sip:{OWN}@x>"), asserted))
    assert told.short == PASS
    assert asserted in told.message.headers


# P-Preferred-Identity: a hint to us


@pytest.mark.parametrize("value", [f"<sip:{OWN}@x>", f'"Ann, B" <sip:{OWN}@x>, <tel:{OWN2}>', f"<tel:{OWN2}>"])
def test_who_hides_is_asserted_by_us(agent: MakeAgent, value: str) -> None:
    """RFC 3325 §5: the proxy asserts what it found to be true; else nobody behind it would know who calls."""
    anonymous = '"Anonymous" <sip:anonymous@anonymous.invalid>'
    told = agent().send(invite(anonymous, ("Privacy", "id"), ("p-preferred-identity ", value)))
    assert found(told) == ""
    assert told.message.all("P-Preferred-Identity") == []
    assert told.message.one("P-Asserted-Identity ").strip() == value


def test_a_preferred_identity_beside_an_asserted_one_is_taken_out(agent: MakeAgent) -> None:
    anonymous = '"Anonymous" <sip:anonymous@anonymous.invalid>'
    rows = [("P-Asserted-Identity", f"<sip:{OWN}@x>"), ("P-Preferred-Identity", f"<sip:{OWN2}@x>")]
    for order in (rows, rows[::-1]):
        told = agent().send(invite(anonymous, *order))
        assert found(told) == ""
        assert told.message.all("P-Asserted-Identity") == [f"<sip:{OWN}@x>"]
        assert told.message.all("P-Preferred-Identity") == []


@pytest.mark.parametrize("value", [f"<sip:{FOREIGN}@x>", "<sip:reception@x>", f"<sip:reception@x>, <tel:{OWN}>"])
def test_what_was_not_checked_is_not_asserted_by_us(agent: MakeAgent, value: str) -> None:
    anonymous = '"Anonymous" <sip:anonymous@anonymous.invalid>'
    off = "\n".join(f'rules.{rule}.mode = "off"' for rule in ("caller-owned", "caller-consistent", "caller-anonymous"))
    told = agent(policy(off)).send(invite(anonymous, ("P-Preferred-Identity", value)))
    assert told.short == PASS
    assert not {"p-preferred-identity", "p-asserted-identity"} & set(names(told))


def test_a_named_caller_is_not_asserted_anew(agent: MakeAgent) -> None:
    told = agent().send(invite(OWN, ("P-Preferred-Identity", f"<sip:{OWN2}@x>")))
    assert told.message.all("P-Asserted-Identity") == []


# Resource-Priority


@pytest.mark.parametrize(
    "value",
    [
        "esnet.0",
        "ets.0",
        "ETS.4",
        "wps.1",
        "q735.0",
        "dsn.flash-override",
        "drsn.routine",
        "dsn-000001.2",
        "crts-000009.0",
        "rts-000000.9",
        "mcpttp.0",
        "esnet.17",
        "local.1, ets.0",
        "ets.0, local.1",
        "local.1,\r\n\twps.0",
        "\r\n wps.0",
        "wps.0,",
        "ets.0, ets.1",
    ],
)
def test_a_priority_that_must_be_authorised(agent: MakeAgent, value: str) -> None:
    for name in ("Resource-Priority", "resource-priority", "RESOURCE-PRIORITY "):
        told = agent().send(invite(OWN, (name, value)))
        assert told.short == REFUSED
        assert told.data.startswith(b"SIP/2.0 403 Resource Priority Not Authorised\r\n")
        assert told.event.rule == "forged-marking"
    rows = [("Resource-Priority", part.strip()) for part in value.split(",")]
    assert agent().send(invite(OWN, *rows)).short == REFUSED
    allowed = agent(policy('asserts = ["Resource-Priority"]')).send(invite(OWN, ("Resource-Priority", value)))
    assert allowed.short == PASS
    assert "resource-priority" in names(allowed)
    assert agent().send(inbound(FOREIGN, OWN, ("Resource-Priority", value)), CLOUD).short == PASS


@pytest.mark.parametrize("value", ["foo.1, FOO.2", "foo", "", ".1", "foo.", "foo.1,", "foo .1", "foo.1;x", "a.1," * 9])
def test_a_priority_that_nobody_can_read(agent: MakeAgent, value: str) -> None:
    told = agent().send(invite(OWN, ("Resource-Priority", value)))
    assert told.short == "400 marking-repeated"


def test_eight_values_are_read(agent: MakeAgent) -> None:
    many = ", ".join(f"space{number}.1" for number in range(8))
    told = agent().send(invite(OWN, ("Resource-Priority", many)))
    assert told.short == PASS
    assert told.message.one("Resource-Priority") == many
    assert agent().send(invite(OWN, ("Resource-Priority", f"{many}, more.1"))).short == "400 marking-repeated"


@pytest.mark.parametrize("required", ["resource-priority", "100rel, Resource-Priority", "100rel,resource-priority"])
def test_an_unknown_priority_that_is_required(agent: MakeAgent, required: str) -> None:
    """RFC 4412 §4.6.2: 417, which lists what would be taken: nothing, of this sender."""
    sent = invite(OWN, ("Require", required), ("Resource-Priority", "local.1"))
    told = agent().send(sent)
    assert told.short == "417 marking-unknown"
    assert told.data.startswith(b"SIP/2.0 417 Unknown Resource-Priority\r\n")
    assert told.message.one("Accept-Resource-Priority") == ""
    assert agent().send(sent.set("Resource-Priority", "ets.1")).short == REFUSED
    assert agent(policy('asserts = ["Resource-Priority"]')).send(sent).short == PASS
    assert agent().send(sent.set("Require", "resource-priorities")).short == PASS


@pytest.mark.parametrize("method", ["OPTIONS", "REFER"])
def test_other_requests(agent: MakeAgent, method: str) -> None:
    more = [("Refer-To", "<sip:+442071838750@cloud.example.net>")] if method == "REFER" else []
    uri = "sip:+442071838750@cloud.example.net"
    sent = request(method, uri, OWN, *more, ("Resource-Priority", "wps.0"))
    assert agent().send(sent).short == REFUSED
    told = agent().send(request(method, uri, OWN, *more, ("X-Edge-1", "x"), ("Priority", "emergency")))
    assert found(told) == "marking-internal"
    assert not {"x-edge-1", "priority"} & set(names(told))


# Modes, settings, reload


@pytest.mark.parametrize(("general", "trunk", "whole", "mode"), MODES)
def test_modes(general: str, trunk: str, whole: str, mode: str) -> None:
    """What enforce takes out, monitor leaves and records."""
    expected = mode if general or trunk or whole else "enforce"
    party = Agent(mode_policy("forged-marking", general, trunk, whole))
    sent = invite(VERSTAT, *FORGED)
    told = party.send(sent)
    if expected == "enforce":
        assert found(told) == "marking-internal"
        cleaned(told)
    else:
        assert found(told) == ("marking-internal" if expected == "monitor" else "")
        assert [row for row in told.message.headers if row in FORGED] == FORGED
        assert told.message.one("From") == sent.one("From")
    if expected == "monitor":
        assert (told.event.rule, told.event.finding, told.event.monitored) == (
            "forged-marking",
            "marking-internal",
            True,
        )
    refused = party.send(invite(OWN, ("Resource-Priority", "wps.0")))
    assert refused.short == (REFUSED if expected == "enforce" else PASS)


def test_reload(agent: MakeAgent) -> None:
    party = agent()
    for text, allowed in (("", False), ('asserts = ["Priority", "Resource-Priority"]', True), ("", False)):
        party.reload(policy(text))
        assert found(party.send(invite(OWN, ("Priority", "emergency")))) == ("" if allowed else "marking-priority")
        assert party.send(invite(OWN, ("Resource-Priority", "ets.0"))).short == (PASS if allowed else REFUSED)
    counted = party.engine.counters()
    assert counted["monitored"]["forged-marking", "acme"] == 2
    assert counted["by_verdict"]["answer", "forged-marking", "marking-resource", "acme"] == 2


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("Resource-Prioritie", 'did you mean "Resource-Priority"'),
        ("pai", 'did you mean "PAI"'),
        ("P-Asserted-Identity", 'did you mean "PAI"'),
        ("X-Edge", "there are: PAI"),
        ("", "there are: PAI"),
    ],
)
def test_an_unknown_marking_is_refused_with_a_hint(written: str, hint: str) -> None:
    for text in (policy(f'asserts = ["{written}"]'), policy(cloud=f'asserts = ["{written}"]')):
        with pytest.raises(ConfigError, match="is no marking") as refused:
            Agent(text)
        assert hint in str(refused.value)
