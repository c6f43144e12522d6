"""Messages and captures of other projects, read in place from ``$EDGE_CORPUS``, with the treatment they must get.

Each directory's ``expected.tsv`` says what a right proxy does; where we are stricter than it asks, the file is
named in ``STRICTER`` with the reason. Without the variable every test here is skipped.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.captures import DAMAGED, is_sip, payloads
from tests.conformance.conftest import Treat
from tests.oracle.compare import difference
from tests.oracle.message import parse
from tests.oracle.tables import text_match

CORPUS = Path(os.environ.get("EDGE_CORPUS") or "/nonexistent")
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="EDGE_CORPUS names no directory with the corpus")
pytestmark = needs_corpus

STRICTER = {
    "pingtel.sip": ("400", "an empty To tag and '^' in the From tag break the grammar of a tag"),
    "sg.sip": ("400", "lines that end in CR CR LF: a bare CR is refused like a bare LF"),
    "wsinv.dat": ("403", "a Route that names another host would lead round the policy"),
    "mpart01.dat": ("403", "a Route that names another host would lead round the policy"),
}
BARE_LF = re.compile(rb"(?<!\r)\n")


def files(*patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in CORPUS.glob(pattern))


def name(path: Path) -> str:
    return path.relative_to(CORPUS).as_posix()


def named(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=[name(path) for path in paths])


def expected(path: Path) -> list[str]:
    """The columns behind the file's name in the expected.tsv that covers it."""
    for folder in path.parents:
        table = folder / "expected.tsv"
        if table.is_file():
            key = path.relative_to(folder).as_posix()
            for row in table.read_text().splitlines():
                first, *rest = row.split("\t")
                if first == key or (first.endswith("/*") and key.startswith(first[:-1])):
                    return rest
    raise AssertionError(f"no expected.tsv names {path}")


def allowed(path: Path) -> set[str]:
    """The treatments that the file's row names: "forward", "drop", a status."""
    columns = expected(path)
    found: set[str] = set()
    for column in columns:
        words = re.findall(r"\b(forward|accept|drop|[1-6][0-9][0-9])\b", column.partition(";")[0])
        words = words or re.findall(r"\b(forward|accept|drop|[1-6][0-9][0-9])\b", column)
        if words and not re.fullmatch(r"[0-9]+\.[0-9.]+", column):
            found |= set(words)
    if "accept" in found:
        found = (found - {"accept"}) | {"forward"}
    if any("policy" in column for column in columns):
        found |= {"403", "404", "405", "481", "483"}
    if path.name in STRICTER:
        found.add(STRICTER[path.name][0])
    return found


MESSAGES = files("sip-torture/*/*.dat", "sip-messages/**/*.sip")
SINGLE = files("sip-torture/*/*.dat", "sip-messages/kamailio-misc/*.sip", "sip-messages/pjsip-fuzz-seed/*.sip")
NORMAL = files("sip-messages/normal/*/*.sip")
EMERGENCY = files("sip-messages/emergency/*/*.sip")
SCANNERS = files("sip-messages/attack/scan-options/*.sip")
GUESSES = files("sip-messages/attack/register-bruteforce/*.sip")
CAPTURES = [path for path in files("pcap/*/*.pcap", "pcap/*/*.pcapng") if path.name not in DAMAGED]
ORDINARY = files("pcap/normal/*.pcap", "pcap/normal/*.pcapng", "pcap/odd/sip_compact_form.pcap")
CALLS = [path for path in CAPTURES if path.parent.name == "emergency"]


def test_corpus_is_whole() -> None:
    """A renamed folder must not turn the tests below into nothing."""
    counts = [len(group) for group in (MESSAGES, SINGLE, NORMAL, EMERGENCY, SCANNERS, GUESSES, CAPTURES, CALLS)]
    assert counts == [205, 63, 21, 35, 26, 60, 48, 37]


@named(MESSAGES)
def test_message_is_read_like_the_oracle(path: Path) -> None:
    hot = pytest.importorskip("edge_agent._hot")
    data = path.read_bytes()
    assert difference(hot.parse(data), parse(data)) == ""


@named(CAPTURES)
def test_capture_is_read_like_the_oracle(path: Path) -> None:
    hot = pytest.importorskip("edge_agent._hot")
    wrong = {difference(hot.parse(p.data), parse(p.data)): p.data for p in payloads(path)}
    assert set(wrong) == {""}, wrong


@named(SINGLE)
def test_treatment(path: Path, treat: Treat) -> None:
    data = path.read_bytes()
    fine = allowed(path)
    if BARE_LF.search(data.partition(b"\r\n\r\n")[0]):
        fine |= {"400", "drop"}
    read = parse(data)
    if data.startswith(b"SIP/2.0 "):
        source = "upstream"
    else:
        source = "strict" if fine & {"416", "501", "505"} and read["kind"] != "response" else "trunk"
    treatment = treat(data, source)
    assert treatment.short in fine, (treatment, read)


@named(NORMAL)
def test_normal_request_passes(path: Path, treat: Treat) -> None:
    treatment = treat(path.read_bytes(), "trunk")
    assert treatment.short == "forward", treatment


@named(EMERGENCY)
def test_emergency_call(path: Path, treat: Treat) -> None:
    data = path.read_bytes()
    assert treat(data, "emergency").short == "forward"
    assert treat(data, "trunk").short == "403"
    assert treat(data, "unknown").short in ("403", "drop")


@named(SCANNERS)
def test_scanner(path: Path, treat: Treat) -> None:
    data = path.read_bytes()
    assert treat(data, "unknown").short == "drop"
    tools = [row.split("\t")[0].encode() for row in (CORPUS / "rules/user-agents.tsv").read_text().splitlines()
             if row.endswith("\ttool")] + [b"friendly-scanner"]  # fmt: skip
    agent: bytes = parse(data)["user_agent"]
    if text_match(agent, tools):
        assert treat(data, "trunk").short == "403"


@named(GUESSES)
def test_password_guess_looks_normal(path: Path, treat: Treat) -> None:
    data = path.read_bytes()
    assert treat(data, "trunk").short == "forward"
    assert treat(data, "unknown").short == "drop"


@named(ORDINARY)
def test_ordinary_capture_is_not_blocked(path: Path, treat: Treat) -> None:
    """Requests pass; responses to nothing that we sent, keep-alives and other protocols end here."""
    for payload in payloads(path):
        short = treat(payload.data, "trunk").short
        if is_sip(payload.data) and not payload.data.startswith(b"SIP/"):
            assert short == "forward", (payload.data, short)
        else:
            assert short == "drop", (payload.data, short)


def sip_requests(path: Path) -> Iterator[bytes]:
    for payload in payloads(path):
        if is_sip(payload.data) and not payload.data.startswith(b"SIP/"):
            yield payload.data


@named(CALLS)
def test_emergency_capture(path: Path, treat: Treat) -> None:
    """Calls for help pass from who may make them, in whatever form; other legs pass inside an emergency network.

    What only its elements may mark so (Resource-Priority esnet, RFC 7135 §5) is refused to everybody else (RFC 4412
    §4.6.4). A dialled 911 is a call for help as urn:service:sos is (RFC 6881 SP-7).
    """
    requests = list(sip_requests(path))
    assert requests, "nothing was read"
    for data in requests:
        read = parse(data)
        assert read["kind"] == "request"
        host, user = (read["uri"]["host"] or b"").lower(), read["uri"]["user"]
        if (read["uri"]["scheme"] == "urn" and host.startswith(b"service:sos")) or user == b"911":
            if read["method"] == "INVITE" and not read["to_tag"]:
                assert treat(data, "emergency").short == "forward", data
                assert treat(data, "trunk").short == "403", data
        elif read["uri"]["scheme"] == "sip" and not read["routes"]:
            assert treat(data, "esinet").short == "forward", data
            outside = treat(data, "trunk")
            if b"\r\nResource-Priority: esnet." in data:
                assert (outside.short, outside.reason) == ("403", "marking-resource"), data
            else:
                assert outside.short == "forward", data


def test_scanner_capture(treat: Treat) -> None:
    for data in sip_requests(CORPUS / "pcap/attack/BadUserAgent-sipvicious.pcap"):
        assert treat(data, "unknown").short == "drop"


def test_content_length_that_is_no_number(treat: Treat) -> None:
    request, response = (p.data for p in payloads(CORPUS / "pcap/odd/invalid-content-length.pcap"))
    assert treat(request, "trunk").short == "400"
    assert treat(request, "unknown").short == "drop"
    assert treat(response, "upstream").short == "drop"


def test_http_gets_no_answer(treat: Treat) -> None:
    seen = list(payloads(CORPUS / "pcap/odd/http_on_sip_port.pcap"))
    assert seen
    for payload in seen:
        assert treat(payload.data, "unknown").short == "drop"
        assert treat(payload.data, "trunk").short == "drop"
