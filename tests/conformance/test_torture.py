"""The torture set: the oracle reads each message as meant, the engine reads it as the oracle does, and treats it so."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.conformance.conftest import Treat
from tests.conformance.torture import TORTURE, Torture
from tests.oracle.compare import difference
from tests.oracle.message import END_OF_LINE, parse

PASSING = [case for case in TORTURE if case.treatment == "forward"]
each = pytest.mark.parametrize("case", TORTURE, ids=[case.name for case in TORTURE])


def test_set_is_whole() -> None:
    sections = [case.section.split()[0] for case in TORTURE]
    assert (sections.count("4475"), sections.count("5118")) == (49, 12)
    assert len({case.name for case in TORTURE}) == len(TORTURE)


@each
def test_oracle(case: Torture) -> None:
    read = parse(case.data)
    assert case.reason in read.get("reasons", [""])
    assert {key: read[key] for key in case.reads} == case.reads


@each
def test_engine_reads_it_like_the_oracle(case: Torture) -> None:
    hot = pytest.importorskip("edge_agent._hot")
    assert difference(hot.parse(case.data), parse(case.data)) == ""


@each
def test_treatment(case: Torture, treat: Treat) -> None:
    treatment = treat(case.data, case.source)
    assert treatment.short == case.treatment, (case.probes, treatment)


@pytest.mark.parametrize("case", PASSING, ids=[case.name for case in PASSING])
def test_what_goes_on_is_what_came(case: Torture, treat: Treat) -> None:
    """Body and headers byte for byte, but for those that a proxy writes, and not a byte behind the body."""
    output = treat(case.data, case.source).output
    sent, got = parse(case.data), parse(output)
    assert got["kind"] == "request"
    assert got["via_count"] == sent["via_count"] + 1
    assert got["max_forwards"] == (sent["max_forwards"] - 1 if sent["max_forwards"] >= 0 else 70)
    head, _, body = case.data.partition(b"\r\n\r\n")
    forwarded_head, _, forwarded_body = output.partition(b"\r\n\r\n")
    assert forwarded_body == body[: sent["length"] - len(head) - 4]
    assert kept(head) <= kept(forwarded_head)


def kept(head: bytes) -> Counter[bytes]:
    """Header lines that a proxy passes on untouched."""
    rows = END_OF_LINE.split(head)[1:]
    names = [(row.partition(b":")[0].strip().lower(), row) for row in rows]
    return Counter(row for name, row in names if name not in (b"via", b"v", b"max-forwards", b"route"))


@pytest.mark.parametrize("case", PASSING, ids=[case.name for case in PASSING])
def test_unknown_sources_get_silence(case: Torture, treat: Treat) -> None:
    assert treat(case.data, "unknown").short == "drop"
