"""One number in every spelling that a header may give it, and what every rule takes it for (RFC 8224 §8.3, RFC 3966).

Each line of the table is asked of rules that look at it in their own way: lists
(do-not-originate, in From and asserted), owned numbers, the rate of a caller, the
owner of a called number. A spelling that no rule may read as a number is on none.
"""

from __future__ import annotations

import pytest

from tests.agent import CALLED, CLOUD, OWN, US, Agent, invite, policy, request

N = "12125552000"
# URI, country of the trunk, and the number; None: no number that anybody could own or list.
TABLE: list[tuple[str, str, str | None]] = [
    # plain, and with what stands before a national number
    ("sip:+12125552000@h", "US", N),
    ("sip:12125552000@h", "US", N),
    ("sip:2125552000@h", "US", N),
    ("sip:01112125552000@h", "US", N),
    ("sips:+12125552000@h", "US", N),
    ("SIP:+12125552000@H", "US", N),
    ("sip:+12125552000@198.51.100.7:5070", "US", N),
    ("sip:+12125552000@[2001:db8::7]", "US", N),
    ("sip:+12125552000@h;user=phone", "US", N),
    ("sip:12125552000@h;user=phone", "US", N),
    ("sip:2125552000@h;user=dialstring", "US", N),
    ("sip:+442071838750@h", "US", "442071838750"),
    ("sip:011442071838750@h", "US", "442071838750"),
    ("sip:00442071838750@h", "US", None),
    ("sip:442071838750@h", "US", None),
    ("sip:02071838750@h", "GB", "442071838750"),
    ("sip:2071838750@h", "GB", "442071838750"),
    ("sip:00442071838750@h", "GB", "442071838750"),
    ("sip:0012125552000@h", "GB", N),
    ("sip:2125552000@h", "GB", "442125552000"),
    ("sip:0011442071838750@h", "AU", "442071838750"),
    ("sip:004930123456@h", "DE", "4930123456"),
    # escapes are decoded once
    ("sip:%2B12125552000@h", "US", N),
    ("sip:%2b12125552000@h", "US", N),
    ("sip:%31%32%31%32%35%35%35%32%30%30%30@h", "US", N),
    ("sip:+1212%35552000@h", "US", N),
    ("sip:%252B12125552000@h", "US", None),
    ("sip:+1212%2535552000@h", "US", None),
    ("sip:+12125552000%00@h", "US", None),
    ("sip:+1212555200%30@h", "US", N),
    ("sip:+12125552000%20@h", "US", None),
    ("sip:%20+12125552000@h", "US", None),
    ("sip:+1%20212%20555%202000@h", "US", None),
    ("sip:+12125552000%3Bext=7@h", "US", None),
    # separators of RFC 3966, and no others
    ("sip:+1-212-555-2000@h", "US", N),
    ("sip:+1.212.555.2000@h", "US", N),
    ("sip:+1(212)555-2000@h", "US", N),
    ("sip:(212)555-2000@h", "US", N),
    ("sip:1%2D212%2d5552000@h", "US", N),
    ("sip:-+12125552000@h", "US", N),
    ("sip:+1_212_555_2000@h", "US", None),
    ("sip:+1/212/5552000@h", "US", None),
    ("sip:+1,212,5552000@h", "US", None),
    ("sip:+1~2125552000@h", "US", None),
    ("sip:*67+12125552000@h", "US", None),
    ("sip:12125552000%23@h", "US", None),
    # one plus, in front
    ("sip:++12125552000@h", "US", None),
    ("sip:+%2B12125552000@h", "US", None),
    ("sip:1+2125552000@h", "US", None),
    ("sip:12125552000+@h", "US", None),
    ("sip:+@h", "US", None),
    ("sip:+012125552000@h", "US", None),
    ("sip:+1(0)2125552000@h", "US", "102125552000"),
    # digits of other scripts, letters
    ("sip:%EF%BC%91%EF%BC%92%EF%BC%91%EF%BC%9255%35%352000@h", "US", None),
    ("sip:+%D9%A1%D9%A2%D9%A1%D9%A25552000@h", "US", None),
    ("sip:+1800FLOWERS@h", "US", None),
    ("sip:+1212555200O@h", "US", None),
    ("sip:+1212555%6C000@h", "US", None),
    # parameters of a telephone-subscriber
    ("sip:+12125552000;npdi@h", "US", N),
    ("sip:+12125552000;rn=+16465550000;npdi@h", "US", N),
    ("sip:+12125552000;cic=+12345@h", "US", N),
    ("sip:+12125552000;tgrp=tg1;trunk-context=example.net@h", "US", N),
    ("sip:+12125552000;ext=2001@h", "US", N),
    ("sip:+12125552000;isub=1411@h", "US", N),
    ("sip:+12125552000;postd=pp22@h", "US", N),
    ("sip:+12125552000;verstat=TN-Validation-Passed@h", "US", N),
    ("sip:+12125552000;cpc=ordinary;oli=00@h", "US", N),
    ("sip:+12125552000;m=1@h", "US", N),
    ("sip:+12125552000;am-x=1@h", "US", N),
    ("sip:+12125552000;m-x=1@h", "US", None),
    ("sip:+12125552000;ext=1;M-Billing@h", "US", None),
    ("sip:2125552000;m-x@h", "US", None),
    ("tel:+12125552000;m-x=1", "US", None),
    ("sip:+12125552000;m%2Dx=1@h", "US", None),
    # a local number is its context's, and the context is no prefix
    ("sip:2125552000;phone-context=+1@h", "US", N),
    ("sip:2125552000;phone-context=%2B1@h", "US", N),
    ("sip:2125552000;PHONE-CONTEXT=+1@h", "US", N),
    ("sip:2125552000;phone-context=pbx.example@h", "US", N),
    ("sip:2125552000;phone-context=+44@h", "US", None),
    ("sip:2125552000;ext=1;phone-context=+44@h", "US", None),
    ("sip:2125552000;phone-context=%2b44@h", "US", None),
    ("sip:2125552000;phone%2Dcontext=+44@h", "US", None),
    ("sip:2125552000;phone-context=pbx.example;phone-context=+44@h", "US", None),
    ("sip:2125552000;phone-context=+1212@h", "US", None),
    ("sip:5552000;phone-context=+1212@h", "US", None),
    ("sip:+12125552000;phone-context=+44@h", "US", N),
    ("sip:2125552000@h;phone-context=+44", "US", N),
    ("tel:+12125552000", "US", N),
    ("TEL:+12125552000", "US", N),
    ("tel:+1-212-555-2000", "US", N),
    ("tel:+1.212(555)2000;ext=7", "US", N),
    ("tel:2125552000;phone-context=+1", "US", N),
    ("tel:2125552000;phone-context=example.com", "US", N),
    ("tel:2125552000;phone-context=+44", "US", None),
    ("tel:+12125552000;npdi;rn=+16465550000", "US", N),
    # passwords are cut off
    ("sip:+12125552000:secret@h", "US", N),
    ("sip:+12125552000:+16465550000@h", "US", N),
    ("sip:+12125552000;npdi:secret@h", "US", N),
    ("sip::+12125552000@h", "US", None),
    # too long, too short, none
    ("sip:+123456789012345@h", "US", "123456789012345"),
    ("sip:+1234567890123456@h", "US", None),
    ("sip:+12125552000999999999999999@h", "US", None),
    ("sip:0111234567890123456@h", "US", None),
    ("sip:5552000@h", "US", None),
    ("sip:911@h", "US", None),
    ("tel:911;phone-context=+1", "US", None),
    ("sip:0@h", "US", None),
    ("sip:h", "US", None),
    ("sip:anonymous@anonymous.invalid", "US", None),
    ("mailto:+12125552000@h", "US", None),
    ("urn:service:12125552000", "US", None),
]
CASES = pytest.mark.parametrize(("uri", "country", "number"), TABLE, ids=[uri for uri, _, _ in TABLE])
EVERYTHING = [f"+{digit}*" for digit in range(1, 10)]
ALONE = ["caller-format", "caller-owned", "caller-consistent", "caller-anonymous", "display-name"]
ALONE += ["do-not-originate", "caller-rate"]
HIT = "403 do-not-originate"


def only(rule: str, more: str = "") -> str:
    """Of the rules about callers this one alone."""
    off = "".join(f'[rules.{other}]\nmode = "off"\n' for other in ALONE if other != rule)
    return f'{off}[rules.{rule}]\nmode = "enforce"\n{more}'


def listing(country: str, *numbers: str) -> Agent:
    entries = ", ".join(f'"{number}"' for number in numbers)
    rules = f"[lists]\ndo_not_originate = [{entries}]\n{only('do-not-originate')}"
    return Agent(policy(f'country = "{country}"', rules=rules))


def beside(number: str) -> str:
    return f"+{int(number) + 1}"


@CASES
def test_a_listed_caller(uri: str, country: str, number: str | None) -> None:
    message, asserted = invite(f"<{uri}>"), invite(OWN, ("P-Asserted-Identity", f"<{uri}>"))
    if number is None:
        assert listing(country, *EVERYTHING).send(message).short != HIT
        assert listing(country, "+3*", "+44*", "+9*").send(asserted).short != HIT
    else:
        assert listing(country, f"+{number}").send(message).short == HIT
        assert listing(country, beside(number)).send(message).short == "forward pass"
        assert listing(country, f"+{number}").send(asserted).short == HIT
        assert listing(country, beside(number)).send(asserted).short == "forward pass"


@CASES
def test_an_owned_caller(uri: str, country: str, number: str | None) -> None:
    def verdict(owned: str) -> str:
        rules = only("caller-owned")
        return Agent(policy(f'country = "{country}"', owned=owned, rules=rules)).send(invite(f"<{uri}>")).short

    if number is None:
        anonymous = "anonymous" in uri
        assert verdict('", "'.join(EVERYTHING)) == ("forward pass" if anonymous else "403 caller-owned")
    else:
        assert verdict(f"+{number}") == "forward pass"
        assert verdict(beside(number)) == "403 caller-owned"


@CASES
def test_the_rate_of_a_caller(uri: str, country: str, number: str | None) -> None:
    """A number that is spelled anew is no new caller."""
    rules = only("caller-rate", "per_second = 0.01\nburst = 1\n")
    party = Agent(policy(f'country = "{country}"', rules=rules))
    first = f"+{number or N}"
    assert party.send(invite(first)).short == "forward pass"
    again = party.send(invite(f"<{uri}>")).short
    assert (again == "486 caller-rate") == (number is not None), again


@CASES
def test_the_owner_of_a_called_number(uri: str, country: str, number: str | None) -> None:
    """Calls from the cloud: read by the agent's own plan."""
    called = uri
    if uri[:4].lower() != "tel:" and "@" in uri:
        user, _, host = uri.partition("@")
        called = "".join([user, "@", US, *host.partition(";")[1:]])
    owned = f"+{number}" if number else '", "'.join(EVERYTHING)
    party = Agent(policy(f'country = "{country}"', agent=f'country = "{country}"', owned=owned))
    found = party.send(request("INVITE", called, CALLED), CLOUD).short
    assert (found == "forward pass") == (number is not None), found
