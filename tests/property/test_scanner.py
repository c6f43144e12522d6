"""A tool's name is found wherever it stands in a header that is searched, in letters of any case, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.oracle.tables import text_match

SIGNATURES = [b"sipvicious", b"friendly-scanner", b"Nmap NSE", b"aaaaaaaa", b"xyz"]
POLICY = """
[[listen]]
address = "127.0.0.1:5060"
[[upstream]]
name = "cloud"
targets = ["192.0.2.60:5060"]
[[trunk]]
name = "trunk"
sources = ["198.51.100.1/32"]
upstream = "cloud"
[rules.scanner]
signatures = [{signatures}]
"""
OPTIONS = (
    b"OPTIONS sip:+12125552001@192.0.2.60 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK1\r\n"
    b'From: "%s" <sip:%s@x>;tag=1\r\nTo: <sip:a@x>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nUser-Agent: %s\r\n'
    b"Max-Forwards: 70\r\n\r\n"
)
LONGEST = 256  # bytes of a value that are searched

piece = st.one_of(
    st.sampled_from(SIGNATURES),
    st.sampled_from(SIGNATURES).map(lambda s: s[:-1]),
    st.sampled_from(SIGNATURES).map(lambda s: s[1:]),
    st.sampled_from([b"a", b"x", b"-", b" ", b"sip", b"Acme PBX 7", b"/", b"q" * 250]),
)
text = st.builds(
    lambda parts, cases: b"".join(p.upper() if c == 1 else p.lower() if c == 2 else p for p, c in zip(parts, cases)),
    st.lists(piece, max_size=4),
    st.lists(st.integers(0, 2), min_size=4, max_size=4),
).map(lambda value: value.strip())


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the rule finds in a message."""
    hot = pytest.importorskip("edge_agent._hot")
    from edge_agent.policy.compile import compile_policy
    from edge_agent.policy.load import load

    path = tmp_path_factory.mktemp("scanner") / "policy.toml"
    path.write_text(POLICY.format(signatures=", ".join(f'"{s.decode()}"' for s in SIGNATURES)))
    engine = hot.Engine(rates_mib=1, transactions_mib=1, leases_mib=1, callers_mib=1, secret=bytes(32))
    engine.publish(compile_policy(load(path), 1))

    def reason(data: bytes) -> str:
        [step] = [s for s in engine.explain(data, ("198.51.100.1", 5060), 0, 10**12) if s.rule == "scanner"]
        return str(step.reason)

    return reason


@given(text, text)
@example(b"SIPVicious", b"")
@example(b"", b"FRIENDLY-scanner")
@example(b"xy", b"z")
@example(b"aaaaaaa", b"Nmap")
def test_agent_and_display_name(ask: Any, agent: bytes, display: bytes) -> None:
    found = any(text_match(value[:LONGEST], SIGNATURES) for value in (agent, display))
    assert ask(OPTIONS % (display, b"1", agent)) == ("scanner-agent" if found else "")


@given(st.sampled_from(SIGNATURES).filter(lambda s: b" " not in s), st.sampled_from([b"", b"a", b"7"]))
def test_user(ask: Any, name: bytes, around: bytes) -> None:
    assert ask(OPTIONS % (b"", around + name.upper() + around, b"Acme")) == "scanner-agent"
