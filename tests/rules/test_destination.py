"""destination: prefixes of called numbers, longest match, for all trunks and for one; in any spelling, and in transfers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.policy.compile import compile_tables
from edge_agent.policy.load import ConfigError, load
from tests.agent import (
    ACME,
    BETA,
    BETAS,
    CALLED,
    CLOUD,
    OWN,
    SECOND,
    Agent,
    Decision,
    MakeAgent,
    dial,
    inbound,
    invite,
    policy,
    request,
    tables,
)
from tests.rules.legs import Call, place, receive
from tests.rules.modes import check_modes
from tests.rules.spellings import callees

DIALLED = Path(os.environ.get("EDGE_CORPUS") or "/nonexistent", "numbers/tollfraud-dialled.txt")
HIT, PASS = "403 destination", "forward pass"
PREMIUM = "+19005552000"
CLOUD_HOST = "cloud.example.net"


def lists(deny: str, allow: str = "", *, acme: str = "", beta: str = "", more: str = "") -> str:
    """A policy with those entries for all trunks; each of them TOML strings with commas."""
    return policy(acme, beta=beta, rules=f"[rules.destination]\ndeny = [{deny}]\nallow = [{allow}]\n{more}")


def own(deny: str = "", allow: str = "") -> str:
    return f"rules.destination.deny = [{deny}]\nrules.destination.allow = [{allow}]"


def test_nothing_listed_nothing_found(agent: MakeAgent) -> None:
    party = agent(policy())
    assert party.send(dial(PREMIUM)).short == PASS
    assert agent(lists("", '"+1900*"')).send(dial(PREMIUM)).short == PASS


def test_the_prefix_and_its_neighbours(agent: MakeAgent) -> None:
    party = agent(lists('"+1900*", "+8835100"'))
    assert {
        party.send(dial(number)).short for number in ("+19000000000", "+19009999999", "+8835100", "+88351000123")
    } == {HIT}
    assert {party.send(dial(n)).short for n in ("+18999999999", "+19010000000", "+883510", "+88351012345")} == {PASS}


def test_the_longest_prefix_decides(agent: MakeAgent) -> None:
    party = agent(lists('"*", "+1212555*"', '"+1*", "+12125552*"'))
    assert party.send(dial("+16465550000")).short == PASS
    assert party.send(dial("+12125551000")).short == HIT
    assert party.send(dial("+12125552000")).short == PASS
    assert party.send(dial("+442071838750")).short == HIT


def test_a_trunk_s_lists_stand_beside_the_general_ones(agent: MakeAgent) -> None:
    """A list of its own takes nothing away; an equal or longer prefix does."""
    party = agent(lists('"+1900*", "+44*"', acme=own('"+49*"', '"+44*", "+190055520*"')))
    assert {party.send(dial(n)).short for n in ("+19005551000", "+4915112345678")} == {HIT}
    assert {party.send(dial(n)).short for n in ("+442071838750", "+19005552000")} == {PASS}
    told = {n: party.send(dial(n, BETAS), BETA).short for n in ("+442071838750", PREMIUM, "+4915112345678")}
    assert told == {"+442071838750": HIT, PREMIUM: HIT, "+4915112345678": PASS}


@pytest.mark.parametrize("how", callees(PREMIUM))
def test_in_any_spelling(agent: MakeAgent, how: str) -> None:
    assert agent(lists('"+1900*"')).send(dial(f"sip:{callees(PREMIUM)[how]}@{CLOUD_HOST}")).short == HIT


@pytest.mark.parametrize(
    "user",
    [
        "19005552000999",
        "9005552000999",
        "+19005552000999",
        "+190055520009999999999",
        "01119005552000999999999",
        "0019005552000",
        "+01119005552000",
        "*6719005552000",
        "*679005552000",
        "%2A67+19005552000",
        "#31#+19005552000",
        "+19005552000,,123",
        "19005552000#",
        "1-900-555-2000%23",
        "9005552000;phone-context=+44",
        "19005552000;phone-context=+44",
        "2125552000;phone-context=+44",
        "1.(900).555 2000".replace(" ", "%20"),
    ],
)
def test_what_only_a_switch_understands(agent: MakeAgent, user: str) -> None:
    """Numbers without a canonical form: overdialled, behind a service code, with pauses, of another country's context."""
    party = agent(lists('"+1900*"'))
    assert party.send(dial(f"sip:{user}@{CLOUD_HOST}")).short == HIT
    assert agent(policy()).send(dial(f"sip:{user}@{CLOUD_HOST}")).short == PASS


@pytest.mark.skipif(not DIALLED.is_file(), reason="EDGE_CORPUS names no directory with numbers/tollfraud-dialled.txt")
def test_what_toll_fraud_dials(agent: MakeAgent) -> None:
    party = agent(lists('"+44*", "+972*"'))
    strings = DIALLED.read_text().split()
    assert strings and {party.send(dial(user)).short for user in strings} == {HIT}


@pytest.mark.parametrize(
    "user",
    [
        "9011442037690237",
        "9,011442037690237",
        "9w011442037690237",
        "9011+442037690237",
        "99011442037690237",
        "9900442037690237",
        "00442037690237",
        "000442037690237",
        "0011442037690237",
        "1011442037690237",
        "+9011442037690237",
        "++442037690237",
        "%2B%2B442037690237",
        "0+442037690237",
        "9+44-2037-690237",
        "0442037690237",
        "442037690237",
        "*67*82+442037690237",
        "*679011442037690237",
        "9011442037690237,,123",
        "8011442037690237",
        "8,011442037690237",
        "1010288011442037690237",
    ],
)
def test_behind_an_outside_line_and_other_countries_prefixes(agent: MakeAgent, user: str) -> None:
    party = agent(lists('"+44*"'))
    assert party.send(dial(f"sip:{user}@{CLOUD_HOST}")).short == HIT


@pytest.mark.parametrize(
    "user", ["919005552000", "99005552000", "9,19005552000", "009005552000", "9+1900,5552000", "101028819005552000"]
)
def test_a_number_of_the_country_behind_an_outside_line(agent: MakeAgent, user: str) -> None:
    assert agent(lists('"+1900*"')).send(dial(f"sip:{user}@{CLOUD_HOST}")).short == HIT


@pytest.mark.parametrize(
    "user", ["9725928910", "4420376902", "02125552000", "9,12125552000", "12125552000,,0114420376902"]
)
def test_a_national_number_is_none_of_another_country(agent: MakeAgent, user: str) -> None:
    """Dallas isn't Israel: what the trunk's plan has is read as nothing else, nor is what it has behind one digit."""
    assert agent(lists('"+44*", "+972*", "+212*"')).send(dial(f"sip:{user}@{CLOUD_HOST}")).short == PASS


@pytest.mark.parametrize("user", ["9005", "alice", "1900", "*97", "900555200", "x19005552000"])
def test_what_is_no_such_number(agent: MakeAgent, user: str) -> None:
    """Extensions and names are under no prefix, but under "*"."""
    assert agent(lists('"+1900*"')).send(dial(f"sip:{user}@{CLOUD_HOST}")).short == PASS
    assert agent(lists('"*"', '"+1*"')).send(dial(f"sip:{user}@{CLOUD_HOST}")).short == HIT


def test_tel(agent: MakeAgent) -> None:
    party = agent(lists('"+1900*"'))
    assert party.send(dial("tel:+1-900-555-2000")).short == HIT
    assert party.send(dial("tel:+1-901-555-2000")).short == PASS


def test_the_trunk_s_country_reads_its_numbers(agent: MakeAgent) -> None:
    party = agent(lists('"+4490*"', acme='country = "GB"', more='[rules.caller-format]\nmode = "off"'))
    assert party.send(dial(f"sip:09098790123@{CLOUD_HOST}")).short == HIT
    assert party.send(dial(f"sip:09098790123999@{CLOUD_HOST}")).short == HIT
    assert party.send(dial(f"sip:02071838750@{CLOUD_HOST}")).short == PASS


def test_a_transfer_is_a_new_call(agent: MakeAgent) -> None:
    """Refer-To outside a dialog, whoever is asked to make the call."""
    party = agent(lists('"+1900*"'))
    for user in ("+19005552000", "19005552000", "*679005552000"):
        refer = request("REFER", f"sip:+12125550100@{CLOUD_HOST}", OWN, ("Refer-To", f"<sip:{user}@{CLOUD_HOST}>"))
        assert party.send(refer).short == HIT
    fine = request("REFER", f"sip:+12125550100@{CLOUD_HOST}", OWN, ("Refer-To", f"<sip:+12125550101@{CLOUD_HOST}>"))
    assert party.send(fine).short == PASS


@pytest.mark.parametrize("start", [place, receive])
def test_a_transfer_inside_a_call(agent: MakeAgent, start: Callable[[Agent], Call]) -> None:
    """By the trunk, whoever called; the Request-URI inside a dialog is the far side's Contact, and no matter."""
    party = agent(lists('"*"', f'"{CALLED}", "+12125550100"'))
    call = start(party).up()
    [route] = call.passed.all("Record-Route")
    back = call.near == CLOUD
    near, far = call.sent.one("From"), "<sip:callee@x>;tag=far"
    for to, expected in (("+12125550100", PASS), (PREMIUM, HIT), ("*679005552000", HIT)):
        refer = request("REFER", f"sip:+19005551111@{CLOUD[0]}", OWN, ("Route", route), to_tag="far")
        refer = refer.set("Call-ID", call.sent.one("Call-ID")).set("From", far if back else near)
        refer = refer.set("To", near if back else far).above(("Refer-To", f"<sip:{to}@{CLOUD_HOST}>"))
        assert party.send(refer).short == expected, to


def test_a_to_tag_proves_no_call(agent: MakeAgent) -> None:
    """What no cookie proves to be of a call that is up is a new one, be it in the time of grace or with `dialog` off."""
    fine, dear = (f"sip:{number}@{CLOUD_HOST}" for number in (CALLED, PREMIUM))
    grace = agent()
    grace.publish(tables(lists('"+1900*"')), grace_until=grace.now + 60 * SECOND)
    for party in (grace, agent(lists('"+1900*"', acme='rules.dialog.mode = "off"'))):
        assert party.send(request("INVITE", dear, OWN, to_tag="invented")).short == HIT
        assert party.send(request("INVITE", fine, OWN, to_tag="invented")).short == PASS
        assert party.send(request("BYE", dear, OWN, to_tag="invented")).short == PASS


def test_a_proven_re_invite_is_no_new_call(agent: MakeAgent) -> None:
    """Its Request-URI is the Contact of who took the call, whatever that number is: to refuse it could end the call."""
    party = agent(lists('"*"', f'"{CALLED}"'))
    call = place(party).up()
    assert call.inside("INVITE").passed.start == f"INVITE sip:u@{CLOUD[0]} SIP/2.0"


def test_nor_is_one_a_pass_to_what_is_denied_by_name(agent: MakeAgent) -> None:
    """Its Call-ID and From tag are the trunk's, its To tag may be invented: the cloud might take it for a new call."""
    party = agent(lists('"+1900*"'))
    opened = party.send(dial(CALLED)).message
    [cookie] = opened.all("Record-Route")

    def inside(method: str, uri: str, *routes: str) -> str:
        sent = request(method, uri, OWN, *(("Route", route) for route in (cookie, *routes)), to_tag="invented")
        return party.send(sent.set("Call-ID", opened.one("Call-ID")).set("From", opened.one("From"))).short

    host = CLOUD[0]
    assert inside("INVITE", f"sip:{PREMIUM}@{host}") == HIT
    assert inside("INVITE", f"sip:1{PREMIUM[2:]}@{host};user=phone") == HIT
    assert inside("INVITE", f"sip:b@{host}", f"<sip:{PREMIUM}@{CLOUD_HOST}>") == HIT
    for written in (f"9011{PREMIUM[1:]}", f"+{PREMIUM[1:]}99999", f"%2B{PREMIUM[1:]}"):
        assert inside("INVITE", f"sip:{written}@{host}") == HIT, written
    more = [f"<sip:{host};lr>"] * 7
    for n in range(7):
        assert inside("INVITE", f"sip:b@{host}", *more[:n], f"<sip:{PREMIUM}@{CLOUD_HOST}>") == HIT
    assert inside("INVITE", f"sip:b@{host}", *more, f"<sip:{PREMIUM}@{CLOUD_HOST}>") == "403 target-route"
    assert inside("INVITE", f"sip:b@{host}", *more) == PASS
    assert inside("BYE", f"sip:b@{host}", *more, more[0]) == PASS
    assert inside("INVITE", f"sip:{CALLED}@{host}") == PASS
    assert inside("INVITE", f"sip:b@{host}") == PASS
    assert inside("BYE", f"sip:{PREMIUM}@{host}") == PASS


def test_who_called_in_from_a_denied_number_is_still_reached(agent: MakeAgent) -> None:
    """The trunk holds that call; its Contact has the caller's number."""
    party = agent(lists('"+44*"'))
    opened = party.send(inbound("+442071838750", OWN), CLOUD)
    [cookie] = opened.message.all("Record-Route")
    near = opened.message.one("From")
    hold = request("INVITE", f"sip:+442071838750@{CLOUD[0]}", OWN, ("Route", cookie), to_tag="x")
    hold = hold.set("Call-ID", opened.message.one("Call-ID")).set("From", f"<sip:{OWN}@x>;tag=pbx").set("To", near)
    assert party.send(hold).short == PASS


def test_calls_from_the_cloud_are_no_matter(agent: MakeAgent) -> None:
    assert agent(lists('"*"')).send(inbound(), CLOUD).short == PASS


def test_an_emergency_call_is_no_matter_for_a_list(agent: MakeAgent) -> None:
    party = agent(lists('"*"'))
    assert party.send(dial("sip:911@cloud.example.net", BETAS), BETA).short == "forward emergency-routed"
    assert party.send(dial("sip:+1911@cloud.example.net", BETAS), BETA).short == "forward emergency-routed"


def test_event(agent: MakeAgent) -> None:
    event = agent(lists('"+1900*"')).send(dial(PREMIUM)).event
    assert (event.action, event.rule, event.status, event.peer) == ("answer", "destination", 403, "acme")
    assert (event.source, event.value) == (ACME, int(PREMIUM))


def test_modes() -> None:
    def hit(party: Agent) -> Decision:
        return party.send(dial(PREMIUM))

    check_modes("destination", hit, HIT, acme='rules.destination.deny = ["+1900*"]')


def test_a_file_and_its_reload(tmp_path: Path) -> None:
    file = tmp_path / "deny.txt"
    file.write_text("# premium\n+1 (900)*\n\n+8835100 # satellites\r\n")
    (tmp_path / "policy.toml").write_text(lists('"file:deny.txt"'))
    party = Agent(folder=tmp_path)
    assert {party.send(dial(number)).short for number in (PREMIUM, "+8835100123")} == {HIT}
    file.write_text("+44*\n")
    party.publish(compile_tables(load(tmp_path / "policy.toml"), 2))
    assert party.send(dial(PREMIUM)).short == PASS
    assert party.send(invite()).short == HIT


def told(folder: Path, text: str) -> list[str]:
    (folder / "policy.toml").write_text(text)
    with pytest.raises(ConfigError) as error:
        load(folder / "policy.toml")
    return [str(problem).replace(f"{folder}/", "") for problem in error.value.problems]


def test_broken_lines_are_told_with_file_line_and_hint(tmp_path: Path) -> None:
    (tmp_path / "deny.txt").write_text("+1900*\n+1900ABC\n1900*\n+0*\n+1900*5\n")
    hint = '(a line is "+1900*", or "*" for every number)'
    assert told(tmp_path, lists('"file:deny.txt", "premium"')) == [
        f"deny.txt: line 2: holds letters, no prefix of a number {hint}",
        f"deny.txt: line 3: a prefix starts with + and a country code {hint}",
        f"deny.txt: line 4: no prefix of an E.164 number {hint}",
        f"deny.txt: line 5: no prefix of an E.164 number {hint}",
        f"policy.toml: rules.destination.deny[1]: holds letters, no prefix of a number {hint}",
    ]


def test_twenty_bad_lines_are_enough(tmp_path: Path) -> None:
    (tmp_path / "deny.txt").write_text("letters\n" * 1000)
    problems = told(tmp_path, lists('"file:deny.txt"'))
    assert len(problems) == 21 and problems[-1] == "deny.txt: reading stopped after 20 bad lines"


def test_a_prefix_in_both_lists_is_refused(tmp_path: Path) -> None:
    (tmp_path / "allow.txt").write_text("+44*\n+1-900\n")
    what = "(list it once; the longest prefix of a number decides)"
    assert told(tmp_path, lists('"+1900*"', '"file:allow.txt"')) == [
        f"policy.toml: rules.destination.deny[0]: +1900* is also allowed (allow.txt: line 2) {what}"
    ]
    at = "policy.toml: trunk[acme].rules.destination"
    assert told(tmp_path, lists("", acme=own('"*"', '"*"'))) == [
        f"{at}.deny[0]: * is also allowed ({at}.allow[0]) {what}",
    ]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    [line] = told(tmp_path, lists('"file:none.txt"'))
    assert line.startswith("policy.toml: rules.destination.deny[0]: can't be read: none.txt: No such file")


def test_trunks_with_equal_lists_share_a_table(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(lists('"+1900*"'))
    tables = compile_tables(load(tmp_path / "policy.toml"), 1)
    found = {id(peer.destination) for peer in tables.peers if peer.destination is not None}
    assert len(found) == 1 and len([peer for peer in tables.peers if peer.destination is not None]) > 1


def test_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.policy.prefixes.MOST", 3)
    (tmp_path / "deny.txt").write_text("+1\n+2\n+3\n")
    (tmp_path / "policy.toml").write_text(lists('"file:deny.txt"'))
    assert len(load(tmp_path / "policy.toml").destinations) > 0
    (tmp_path / "deny.txt").write_text("+1\n+2\n+3\n+4\n")
    [line] = told(tmp_path, lists('"file:deny.txt"'))
    assert "rules.destination.deny: more than 3 prefixes" in line
