"""The emergency lane against the oracle: every form of a dial string, and strings that only look like one."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge_agent.numbering.emergency import dial_strings
from tests.conformance.conftest import Agent
from tests.conformance.torture.build import CLOUD, message
from tests.oracle.numbers import DialStrings, emergency
from tests.oracle.uri import read_uri

US = dial_strings("US", ["9"])
DIAL = DialStrings(US.exact, US.plus, US.tests)
LANE = {
    # What the trunk without and the one with a route must get: action or status, and the reason.
    "sos": (("403", "emergency-not-authorised"), ("forward", "emergency-routed")),
    "test": (("403", "emergency-not-authorised"), ("forward", "emergency-test")),
}

PARTS = "9 91 911 112 999 933 1 0 + +1 011 - . ( ) %31 %2B %2D %23 , ;x=1 *67 *82 * %2A31%23 p w X sos SOS %20 a 555"
part = st.sampled_from(PARTS.split())
user = st.lists(part, min_size=1, max_size=5).map("".join)
place = st.sampled_from(
    [
        f"sip:%s@{CLOUD}",
        f"sips:%s@{CLOUD};user=phone",
        f"sip:%s@{CLOUD};user=dialstring",
        "tel:%s",
        "urn:service:%s",
        "tel:%s;phone-context=+1",
        "tel:%s;phone-context=+44",
        f"sip:%s;phone-context=+19@{CLOUD};user=phone",
    ]
)


def invite(uri: str, method: str = "INVITE") -> bytes:
    return message(
        f"{method} {uri} SIP/2.0",
        "Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK911",
        "From: <sip:+12125550123@pbx.example.org>;tag=911",
        f"To: <sip:someone@{CLOUD}>",
        "Call-ID: 911@pbx.example.org",
        f"CSeq: 1 {method}",
        "Max-Forwards: 70",
        "Contact: <sip:wren@198.51.100.1>",
    )


@settings(max_examples=1000, derandomize=True, database=None, deadline=None)
@given(place, user)
@example(f"sip:%s@{CLOUD}", "911")
@example(f"sip:%s@{CLOUD}", "9911")
@example(f"sip:%s@{CLOUD}", "99911")
@example(f"sip:%s@{CLOUD}", "911#")
@example(f"sip:%s@{CLOUD}", "911,,,22")
@example(f"sip:%s@{CLOUD}", "9-1-1")
@example(f"sip:%s@{CLOUD}", "+911126543210")
@example(f"sip:%s@{CLOUD}", "+91112")
@example(f"sip:%s@{CLOUD}", "911126543210")
@example(f"sip:%s@{CLOUD}", "sos")
@example(f"sip:%s@{CLOUD}", "sos.wren")
@example(f"sip:%s@{CLOUD}", "*67911")
@example(f"sip:%s@{CLOUD}", "%2A67911")
@example("tel:%s", "911#")
@example("urn:service:%s", "sos.fire")
@example("urn:service:%s", "sosial")
@example("urn:service:%s", "test.sos")
@example("urn:service:%s", "test:sos")
@example("urn:service:%s", "counseling")
@example("urn:service:%s", "s%6Fs?=x")
@example(f"sip:%s@{CLOUD};user=dialstring", "9X911")
@example(f"sip:%s@{CLOUD}", "9X911")
@example(f"sip:%s@{CLOUD}", "9w911p22")
@example(f"sip:%s@{CLOUD}", "91p1")
@example(f"sip:%s@{CLOUD}", "*67,*82p9911#22")
@example(f"sip:%s@{CLOUD}", "9*6711")
@example("sip:%s", "911")
@example("sip:%s", "9112")
@example("tel:%s;phone-context=+44", "999")
@example("tel:%s;phone-context=+44", "*679-9-9#")
@example("tel:%s;phone-context=+44", "9p999")
@example("tel:%s;phone-context=+44", "+999")
@example(f"sip:%s;phone-context=+19@{CLOUD};user=phone", "11")
def test_lane(agent: Agent, where: str, dialled: str) -> None:
    uri = where % dialled
    read = read_uri(uri.encode())
    data = invite(uri)
    without, with_route = agent.treat(data, "trunk"), agent.treat(data, "emergency")
    if read is None:
        assert (without.short, with_route.short) == ("400", "400")
        return
    context = re.search(r";phone-context=\+(\d+)", where)
    kind = emergency(read, DIAL, uri.endswith(";user=dialstring"), context[1] if context else "")
    got = ((without.short, without.reason), (with_route.short, with_route.reason))
    if kind:
        assert got == LANE[kind]
    else:
        assert not any(reason.startswith("emergency") for _, reason in got), got


@pytest.mark.parametrize("method", ["MESSAGE", "REFER"])
def test_lane_other_methods(agent: Agent, method: str) -> None:
    """A first request of any method towards an emergency service is no ordinary one."""
    assert agent.treat(invite("urn:service:sos", method), "trunk").short == "403"


def test_refer_to(agent: Agent) -> None:
    """A transfer to an emergency service is looked at like a call to one."""
    data = invite(f"sip:+12125550140@{CLOUD}", "REFER").replace(
        b"Max-Forwards", f"Refer-To: <sip:911@{CLOUD}>\r\nMax-Forwards".encode()
    )
    refused = agent.treat(data, "trunk")
    assert (refused.short, refused.reason) == ("403", "emergency-refer")


def test_unknown_source(agent: Agent) -> None:
    assert agent.treat(invite("sip:911@" + CLOUD), "unknown").short in ("403", "drop")
