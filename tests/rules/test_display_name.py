"""display-name: what the caller's name shows besides the caller. The rule enforces here; by default it only records."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent import _hot
from edge_agent.numbering.plans import plan
from edge_agent.numbering.skeleton import letters
from edge_agent.policy.load import ConfigError
from tests.agent import BETA, BETAS, CLOUD, FOREIGN, OWN, OWN2, Agent, MakeAgent, inbound, invite, policy
from tests.oracle.display import display, is_plain
from tests.rules.modes import check_modes

PASS = "forward pass"
NUMBER, HIDDEN, MARK = "403 display-number", "403 display-hidden", "403 display-mark"
HIDDEN_URI = "403 display-uri"
STRICT = policy(
    rules='[rules.display-name]\nmode = "enforce"\nmarks = ["Bank of Example", "IRS Office"]\n[rules.scanner]\nmode = "off"'
)


def named(name: str, caller: str = OWN) -> str:
    return f'"{name}" <sip:{caller}@pbx.example>'


def told(party: Agent, name: str) -> str:
    return party.send(invite(named(name))).short


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Alice",
        "Smith & Sons, Ltd.",
        "Zoë Müller",
        "Алла",
        "山田太郎",
        "Room 2031",
        "Suite 100-200",
        "Est. 1985",
        "Unit 12/34",
        "R2D2 C3PO",
        # the caller's own number, however written, and another of the trunk's
        OWN,
        OWN[1:],
        OWN[2:],
        "(212) 555-2000",
        "212.555.2000",
        "+1 212 555 2000",
        "Sales 212-555-2000",
        "555-2000",  # its last digits
        OWN2,
        "(212) 555-2001",
    ],
)
def test_names_that_may_stand(agent: MakeAgent, name: str) -> None:
    assert told(agent(STRICT), name) == PASS


@pytest.mark.parametrize(
    "name",
    [
        FOREIGN,
        FOREIGN[1:],
        FOREIGN[2:],
        "(415) 555-2671",
        "415.555.2671",
        "415 - 555 - 2671",
        "4 1 5 5 5 5 2 6 7 1",
        "Bank 415/555/2671",
        "4155552671 Support",
        "+44 20 7183 8750",
        "555-2671",
        # other scripts and shapes
        "٤١٥٥٥٥٢٦٧١",
        "४१५५५५२६७१",
        "４１５５５５２６７１",
        "𝟒𝟏𝟓𝟓𝟓𝟓𝟐𝟔𝟕𝟏",
        "④①⑤⑤⑤⑤②⑥⑦①",
        "⁴¹⁵⁵⁵⁵²⁶⁷¹",
        "４１５–５５５–２６７１",
        # letters that look like digits
        "4l55552671",
        "4I5 555 267I",
        "(415) 555-O671",
        "415 555 26O1",
        # what nobody sees between them
        "415\u200b555\u200b2671",
        "415\u2060555\u00ad2671",
        "4\u03351\u03355\u03355552671",
        # as quoted pairs
        r"\4\1\5\5\5\5\2\6\7\1",
        # more digits than any number has
        "41555526710000000",
        f"{OWN} {FOREIGN}",
    ],
)
def test_another_number(agent: MakeAgent, name: str) -> None:
    assert told(agent(STRICT), name) == NUMBER


@pytest.mark.parametrize(
    "name",
    [
        "Bank of Example",
        "BANK OF EXAMPLE",
        "The Bank-of-Example, Fraud Dept.",
        "BankofExample",
        "B a n k o f E x a m p l e",
        "Bаnk оf Ехаmрlе",  # Cyrillic
        "Βank οf Εxample",  # Greek
        "Ｂａｎｋ ｏｆ Ｅｘａｍｐｌｅ",
        "𝓑𝓪𝓷𝓴 of Example",
        "Bánk öf Éxample",
        "Ⓑⓐⓝⓚ of Example",
        r"B\a\n\k of Example",
        "irs office",
    ],
)
def test_a_protected_mark(agent: MakeAgent, name: str) -> None:
    assert told(agent(STRICT), name) == MARK


@pytest.mark.parametrize("name", ["Bank", "Bank of Samples", "Example of Bank", "IRS", "First Office"])
def test_beside_a_mark(agent: MakeAgent, name: str) -> None:
    assert told(agent(STRICT), name) == PASS


@pytest.mark.parametrize(
    "name",
    [
        "Ban\u200bk",
        "Alice\u202e",
        "\u2066Alice\u2069",
        "\ufeffAlice",
        "Al\u00adice",
        "Alice\U000e0041",
        "Bank\u200b of Example",
        "\u3164",
        "x" * 300,
        "x" * 257,
    ],
)
def test_what_nobody_sees(agent: MakeAgent, name: str) -> None:
    assert told(agent(STRICT), name) == HIDDEN


def test_the_longest_name(agent: MakeAgent) -> None:
    assert told(agent(STRICT), "x" * 256) == PASS
    assert told(agent(STRICT), " " * 400 + "Alice") == PASS
    assert told(agent(STRICT), " " * 400 + FOREIGN) == NUMBER


def test_bytes_that_are_no_utf8(agent: MakeAgent) -> None:
    """They end a number and are nothing else: overlong, cut off, surrogates, beyond Unicode."""
    party = agent(STRICT)
    for raw in (
        b"\xff\xfe",
        b"\xc0\xb4",
        b"\xe0\x80\xb4",
        b"\xe4\xb8",
        b"\xed\xa0\x80",
        b"\xf5\x80\x80\x80",
        b"\xf0\x90",
    ):
        message = bytes(invite(named("NAME"))).replace(b"NAME", b"Al" + raw + b"ice")
        assert party.send(message).short == PASS


@pytest.mark.parametrize("header", ["P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID"])
def test_names_of_other_callers(agent: MakeAgent, header: str) -> None:
    party = agent(STRICT)
    assert party.send(invite(OWN, (header, f'"{FOREIGN}" <sip:{OWN}@x>'))).short == NUMBER
    assert party.send(invite(OWN, (header, f'"{OWN2}" <sip:{OWN}@x>'))).short == PASS


@pytest.mark.parametrize(
    "name",
    [
        "sip:president@example.gov",
        "Ann <sip:president@example.gov>",
        "SIPS:x@example.gov",
        "Ann (sip:x)",
        "ｓｉｐ：x@y.example",
        "ѕір:x@y.example",  # Cyrillic
        r"Ann \<s\ip:\x@y>",
        "s\u200bip:x",
        "<sip:>",
    ],
)
def test_a_second_uri(agent: MakeAgent, name: str) -> None:
    assert told(agent(STRICT), name) == HIDDEN_URI


@pytest.mark.parametrize(
    "name",
    [
        "Gossip:daily",
        "SIP: Ann",
        "sip",
        "sip:",
        "Tel: 212-555-2000",
        "tel:+12125552000",
        "sips",
        "1sip:x",
        "Ann@x",
        "mailto:a",
    ],
)
def test_no_second_uri(agent: MakeAgent, name: str) -> None:
    assert told(agent(STRICT), name) == PASS


def test_who_diverted_is_named_by_himself_only(agent: MakeAgent) -> None:
    text = STRICT.replace('upstream = "cloud"\ncontact', 'upstream = "cloud"\nforwards = "trust"\ncontact', 1)
    own, earlier = f"<sip:{OWN}@x>", "+16465550100"
    for name, short in (
        (OWN, PASS),
        (earlier, PASS),
        ("646 555-0100", PASS),
        ("555-0100", PASS),
        (FOREIGN[:-1] + "9", NUMBER),
    ):
        diverted = ("Diversion", f'{own}, "{name}" <sip:{earlier}@x>')
        assert agent(text).send(invite(FOREIGN, diverted)).short == short
    assert agent(text).send(invite(FOREIGN, ("Diversion", f'"Bank of Example" {own}'))).short == MARK
    # The name of one is no licence for the name of another.
    two = invite(FOREIGN, ("Diversion", f"{own}, <sip:{earlier}@x>"), ("Remote-Party-ID", f'"{earlier}" <sip:{OWN}@x>'))
    assert agent(text).send(two).short == NUMBER


def test_an_anonymous_call(agent: MakeAgent) -> None:
    """Behind nobody, the asserted number may be shown, and no other."""
    party = agent(STRICT)
    asserted = ("P-Asserted-Identity", f"<sip:{OWN}@x>")
    assert party.send(invite('"Anonymous" <sip:anonymous@anonymous.invalid>', asserted)).short == PASS
    assert party.send(invite(f'"{OWN}" <sip:anonymous@anonymous.invalid>', asserted)).short == PASS
    assert party.send(invite(f'"{FOREIGN}" <sip:anonymous@anonymous.invalid>', asserted)).short == NUMBER


def test_an_unquoted_name(agent: MakeAgent) -> None:
    party = agent(STRICT)
    assert party.send(invite(f"4155552671 <sip:{OWN}@x>")).short == NUMBER
    assert party.send(invite(f"Bank of Example <sip:{OWN}@x>")).short == MARK


def test_another_list_for_the_owner(agent: MakeAgent) -> None:
    acme = '[trunk.rules.display-name]\nmarks = ["Other Bank"]'
    text = policy(acme, rules='[rules.display-name]\nmode = "enforce"\nmarks = ["Bank of Example"]')
    party = agent(text)
    assert told(party, "Bank of Example") == PASS
    assert told(party, "Other Bank") == MARK
    assert party.send(invite(named("Bank of Example", BETAS)), BETA).short == MARK


@pytest.mark.parametrize("mark", ["", "abc", "- - -", "x" * 65, "日本"])
def test_marks_that_are_none(mark: str) -> None:
    with pytest.raises(ConfigError, match="letters and digits"):
        Agent(policy(rules=f'[rules.display-name]\nmarks = ["{mark}"]'))


def test_calls_from_the_cloud_and_emergency_calls(agent: MakeAgent) -> None:
    party = agent(STRICT)
    assert party.send(inbound(f'"{OWN}" <sip:{FOREIGN}@x>'), CLOUD).short == PASS
    emergency = invite(named(FOREIGN, BETAS), uri="sip:911@cloud.example.net")
    assert party.send(emergency, BETA).short == "forward emergency-routed"


def test_modes() -> None:
    check_modes("display-name", lambda agent: agent.send(invite(named(FOREIGN))), NUMBER, default="monitor")


def test_event_and_reload(agent: MakeAgent) -> None:
    party = agent()
    found = party.send(invite(named(FOREIGN)))
    assert (found.short, found.monitored, found.event.value) == (PASS, ("display-name",), int(FOREIGN))
    party.reload(STRICT)
    assert told(party, FOREIGN) == NUMBER


POOL = "0123456789+-. ()/sSpPр:OolIiАаΑ٣४５①abcBANK\u200b\u202e\u0301日é\U000e0041\U0001d7d2:@,;&"


@given(st.one_of(st.text(st.sampled_from(POOL), max_size=40), st.text(max_size=30)).filter(is_plain))
def test_the_engine_reads_as_the_oracle(name: str) -> None:
    party = _party()
    party.wait(1)
    marks = [letters(mark) for mark in ("Bank of Example", "IRS Office")]
    message = bytes(invite(named("NAME"))).replace(b"NAME", name.encode())
    found = party.send(message)
    assert found.short == (f"403 {reason}" if (reason := display(name, marks, _own)) else PASS)


@cache
def _party() -> Agent:
    return Agent(STRICT)


def _own(plus: bool, digits: str) -> bool:
    number = _hot.canonical(("+" if plus else "") + digits, plan("US"))
    return OWN[1:-2] == number[:-2] if number else OWN.endswith(digits)
