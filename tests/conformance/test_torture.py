"""The torture set: the oracle reads each message as meant, the engine reads it as the oracle does, and treats it so."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Treat
from tests.conformance.torture import TORTURE, Torture
from tests.oracle.compare import difference
from tests.oracle.message import parse

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
    if treatment.action == "forward":
        forwarded_body = treatment.output.partition(b"\r\n\r\n")[2]
        read = parse(case.data)
        head = len(case.data.lstrip(b"\r\n").partition(b"\r\n\r\n")[0]) + 4
        assert forwarded_body == case.data.lstrip(b"\r\n")[head : read["length"]]
        assert parse(treatment.output)["kind"] == "request"


@pytest.mark.parametrize("case", [c for c in TORTURE if c.treatment == "forward"], ids=lambda c: c.name)
def test_unknown_sources_get_silence(case: Torture, treat: Treat) -> None:
    assert treat(case.data, "unknown").short == "drop"
