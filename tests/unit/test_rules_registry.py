"""The registry of rules: the names of the policy, one shape, and reasons for all that is built."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from pydantic import ValidationError

import edge_agent.rules
from edge_agent._hot import OP_NAMES
from edge_agent.reasons import REASONS
from edge_agent.rules import BY_NAME, RULES, Mode, RateSettings, Row, Rule
from edge_agent.rules.scanner import ScannerSettings
from edge_agent.rules.source_rate import SourceRateSettings

BUILT = {
    "malformed": (),
    "banned": (Row("banned"),),
    "unknown-source": (Row("unknown_source"),),
    "emergency": (Row("emergency"),),
    "hops": (Row("hops"),),
    "target": (Row("target"),),
    "interface": (Row("interface"),),
    "dialog": (Row("dialog"),),
    "scanner": (Row("scanner"),),
    "source-rate": (Row("source_rate"), Row("open_rate")),
    "sweep": (Row("sweep"),),
    "auth-abuse": (Row("auth_abuse"),),
    "trunk-rate": (Row("trunk_rate"), Row("method_rate")),
    "caller-rate": (Row("caller_rate"),),
    "callee-rate": (Row("callee_rate"),),
    "overload": (Row("overload"),),
    "trunk-calls": (Row("trunk_calls"),),
    "caller-format": (Row("caller_format"),),
    "caller-owned": (Row("caller_owned"),),
    "caller-consistent": (Row("caller_consistent"),),
    "caller-anonymous": (Row("caller_anonymous"),),
    "do-not-originate": (Row("do_not_originate"),),
    "display-name": (Row("display_name"),),
    "destination": (Row("destination"),),
    "calling-hours": (Row("calling_hours"),),
    "toll-fraud": (Row("toll_fraud"),),
    "do-not-call": (Row("do_not_call"),),
    "dispersal": (Row("dispersal"),),
    "sequential": (Row("sequential"),),
    "short-calls": (Row("short_calls"),),
    "low-answer": (Row("low_answer"),),
    "wangiri": (Row("wangiri"),),
    "stir-signature": (),
    "stir-attestation": (),
    "stir-replay": (),
    "own-number-inbound": (Row("own_number_inbound"),),
    "forged-marking": (Row("forged_marking"),),
}


def test_they_stand_in_the_order_in_which_the_engine_asks() -> None:
    """What `rules` and `explain` show."""
    rows = [row.op for rule in RULES for row in rule.rows]
    assert [op for op in rows if op in OP_NAMES] == list(OP_NAMES)
    assert [rule.name for rule in RULES[-3:]] == ["stir-signature", "stir-attestation", "stir-replay"]


@pytest.fixture(params=RULES, ids=lambda rule: rule.name)
def rule(request: pytest.FixtureRequest) -> Rule:
    found: Rule = request.param
    return found


def test_names_are_unique_and_found() -> None:
    assert list(BY_NAME) == [rule.name for rule in RULES]
    assert all(BY_NAME[rule.name] is rule for rule in RULES)


def test_the_order_is_certain_and_cheap_first() -> None:
    """Ids in verdicts are positions, so the head of the order is part of the interface."""
    head = ["malformed", "banned", "unknown-source", "emergency", "hops", "target", "interface", "dialog", "overload"]
    assert [rule.name for rule in RULES[:10]] == [*head, "scanner"]


def test_every_file_is_a_rule_of_the_tuple() -> None:
    folder = Path(edge_agent.rules.__file__).parent
    files = {file.stem for file in folder.glob("*.py") if not file.stem.startswith("_")}
    assert files == {rule.name.replace("-", "_") for rule in RULES}


def test_a_rule_lives_in_the_file_of_its_name(rule: Rule) -> None:
    module = import_module(f"edge_agent.rules.{rule.name.replace('-', '_')}")
    assert module.RULE is rule
    assert (module.__doc__ or "").startswith(f"{rule.name}: ")


def test_every_rule_is_described(rule: Rule) -> None:
    assert rule.family and rule.finds and rule.answer
    assert rule.clauses == tuple(sorted(set(rule.clauses)))
    assert all(1 <= clause <= 33 for clause in rule.clauses) and rule.clauses
    assert rule.directions and set(rule.directions) <= {"T", "O", "U", "X"}


def test_structural_rules_enforce_everywhere(rule: Rule) -> None:
    if rule.structural:
        assert set(rule.directions.values()) == {Mode.ENFORCE}


def test_what_is_built_compiles_into_its_op() -> None:
    assert {rule.name: rule.rows for rule in RULES if rule.built} == BUILT


def test_what_is_built_has_reasons(rule: Rule) -> None:
    assert not rule.built or [reason.name for reason in REASONS if reason.rule == rule.name]


def test_every_reason_belongs_to_a_rule() -> None:
    assert {reason.rule for reason in REASONS} - {""} <= set(BY_NAME)


def test_settings_stand_without_a_file(rule: Rule) -> None:
    settings = rule.settings()
    assert settings.mode is None
    for name, field in rule.settings.model_fields.items():
        assert field.description, f"{rule.name}.{name} has no help"


def test_settings_refuse_unknown_keys_and_lax_values(rule: Rule) -> None:
    for wrong in ({"colour": "red"}, {"mode": "maybe"}, {"mode": True}):
        with pytest.raises(ValidationError):
            rule.settings.model_validate(wrong)


def test_modes_are_read_as_words(rule: Rule) -> None:
    assert rule.settings.model_validate({"mode": "monitor"}).mode is Mode.MONITOR


RATES = [rule for rule in RULES if issubclass(rule.settings, RateSettings)]


@pytest.mark.parametrize("rate", RATES, ids=lambda rule: rule.name)
@pytest.mark.parametrize(
    ("values", "good"),
    [
        ({"per_second": 1_000_000, "burst": 1_000_000}, True),
        ({"per_second": 0.01, "burst": 1}, True),
        ({"per_second": 10_000_000, "burst": 10_000_000}, True),
        ({"per_second": 10_000_001}, False),
        ({"per_second": 0}, False),
        ({"per_second": -1}, False),
        ({"per_second": float("inf")}, False),
        ({"per_second": float("nan")}, False),
        ({"per_second": "30"}, False),
        ({"burst": 0}, False),
        ({"burst": 1.5}, False),
        ({"burst": True}, False),
        ({"burst": 10_000_001}, False),
    ],
)
def test_range_of_rates(rate: Rule, values: dict[str, object], good: bool) -> None:
    if good:
        settings = rate.settings.model_validate(values)
        assert isinstance(settings, RateSettings)
        assert settings.per_second == values["per_second"]
    else:
        with pytest.raises(ValidationError):
            rate.settings.model_validate(values)


def test_rates_of_an_unknown_source() -> None:
    settings = SourceRateSettings()
    assert (settings.per_second, settings.burst) == (30, 60)
    assert (settings.prefix_per_second, settings.prefix_burst) == (240, 480)


def found_by(signatures: list[str], agent: str) -> bool:
    return any(signature.lower() in agent.lower() for signature in signatures)


@pytest.mark.parametrize(
    "agent",
    [
        "friendly-scanner",
        "sipcli/v1.8",
        "sipvicious",
        "pplsip",
        "svmap",
        "SIPScan 1.0",
        "Nmap NSE",
        "VaxIPUserAgent/3.5",
    ],
)
def test_tools_are_signed_for(agent: str) -> None:
    assert found_by(ScannerSettings().signatures, agent)


@pytest.mark.parametrize(
    "agent",
    [
        "eyeBeam release 1102q",
        "Cisco-CUCM12.5",
        "Asterisk PBX 18.9",
        "FPBX-15.0.16(16.9.0)",
        "PortSIP VoIP SDK 11.2",
        "CSipSimple_d2q-19/r2457",
        "VaxSIPUserAgent/3.1",
        "MizuPhone",
        "Z 3.3.25608 r25552",
        "SIPp",
        "sipsak 0.9.6",
        "PolycomVVX-VVX_411-UA/5.9.5",
        "Yealink SIP-T46S 66.85.0.5",
    ],
)
def test_real_equipment_is_never_signed_for(agent: str) -> None:
    assert not found_by(ScannerSettings().signatures, agent)


@pytest.mark.parametrize("signature", ["", "ab", "x" * 65, "bell\x07", "caffè", "two\nlines"])
def test_signatures_are_short_printable_words(signature: str) -> None:
    with pytest.raises(ValidationError):
        ScannerSettings.model_validate({"signatures": [signature]})
