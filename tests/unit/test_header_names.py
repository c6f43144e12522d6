"""Header names as lines carry them: in any case, with and without the usual blank, at the edges of what a name may be.

Whether a name was known shows where a header may stand once: its second line is refused.
"""

from __future__ import annotations

import pytest

from cext import gen
from edge_agent import _hot

LINES = {
    "Via": "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
    "From": "From: <sip:a@h>;tag=1",
    "To": "To: <sip:b@h>",
    "Call-ID": "Call-ID: 1@h",
    "CSeq": "CSeq: 1 OPTIONS",
}
VALUES = {"Max-Forwards": "70", "Content-Length": "0", "Refer-To": "<sip:c@h>"}
ONCE = [(name, compact) for name, compact, single in gen.HEADERS if single]


def read(*lines: str, start: str = "OPTIONS sip:h SIP/2.0", end: str = "\r\n") -> str:
    """The reason why it is refused, or its kind."""
    found = _hot.parse(end.join((start, *lines, "", "")).encode())
    return str(found.get("reason", found["kind"]))


def spellings(name: str, compact: str) -> list[str]:
    forms = [name, name.lower(), name.upper(), name.swapcase()]
    return forms + [compact, compact.upper()] if compact else forms


@pytest.mark.parametrize(("name", "compact"), ONCE)
def test_a_name_is_known_in_every_spelling(name: str, compact: str) -> None:
    first = LINES.get(name, f"{name}: {VALUES.get(name, 'x')}")
    value = first.partition(": ")[2]
    others = [line for header, line in LINES.items() if header != name]
    assert read(*others, first) == "request"
    for form in spellings(name, compact):
        for between in (": ", ":", ":  ", ":\t", " : ", "\t:"):
            assert read(*others, first, form + between + value) == "duplicate-header", (form, between)


@pytest.mark.parametrize(("name", "compact"), ONCE)
def test_a_name_that_is_nearly_one_is_another(name: str, compact: str) -> None:
    first = LINES.get(name, f"{name}: {VALUES.get(name, 'x')}")
    others = [line for header, line in LINES.items() if header != name]
    for form in spellings(name, compact):
        for near in (f"{form}-", f"{form}.", f"-{form}", f"{form}{form}", f"{form}%", f"0{form}"):
            assert read(*others, first, f"{near}: x") == "request", near
        for bad in (f"{form}\x1a", f"{form}[", f"{form} x", f"\x7f{form}"):
            assert read(*others, first, f"{bad}: x") in ("header-name", "control-byte"), bad


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_the_shortest_start_line(end: str) -> None:
    for line in (": x", ":x", " : x", "a: x", "i: x"):
        assert read(line, *LINES.values(), start="A", end=end) == "start-line"
