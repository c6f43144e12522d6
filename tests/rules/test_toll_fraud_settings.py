"""toll-fraud: settings and lists that are refused, each with its place and a hint. It sends nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.policy.load import ConfigError, load
from tests.rules.test_toll_fraud import limits


def told(folder: Path, text: str) -> list[str]:
    (folder / "policy.toml").write_text(text)
    with pytest.raises(ConfigError) as error:
        load(folder / "policy.toml")
    return [str(problem).replace(f"{folder}/", "") for problem in error.value.problems]


LINE = '(a line is "+37190* premium 2.50": prefix, class, and perhaps the price of a minute)'
AT = "policy.toml: rules.toll-fraud"


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ("+37190*", f"no prefix with its class {LINE}"),
        ("premium", f"no prefix with its class {LINE}"),
        ("37190* premium", f"a prefix starts with + and a country code {LINE}"),
        ("+0* premium", f"no prefix of an E.164 number {LINE}"),
        ("+371ABC* premium", f"no prefix with its class {LINE}"),
        ("+37190* premum", "'premum' is no class of prefixes (did you mean \"premium\"?)"),
        (
            "+37190* gold",
            "'gold' is no class of prefixes (there are: premium, shared-cost, personal, satellite, network, ",
        ),
        ("+37190* premium 0", 'a price of 0 (a minute costs more than 0 and at most 10000; "ordinary" isn\'t counted)'),
        ("+37190* premium -2", "a price of -2 (a minute costs more"),
        ("+37190* premium 1e9", "'1e9' is no price (write the price of a minute with a point"),
        ("+37190* premium 2,50", "'2,50' is no price (write the price of a minute with a point"),
        ("+37190* premium 99999", "a price of 99999 (a minute costs more"),
        ("+37190* ordinary 2", "an ordinary prefix has no price (take the price away"),
    ],
)
def test_bad_lines_are_told(tmp_path: Path, entry: str, line: str) -> None:
    [problem] = told(tmp_path, limits(f'prefixes = ["{entry}"]'))
    assert problem.startswith(f"{AT}.prefixes[0]: {line}"), problem


@pytest.mark.parametrize(
    "text",
    [
        "calls_per_day = 0",
        "calls_per_day = -1",
        "calls_per_day = 1.5",
        "minutes_per_day = 0",
        "spend_per_day = -5",
        "spend_per_day = inf",
        "caller_calls_per_day = 0",
        "caller_minutes_per_day = nan",
        "class_calls_per_day = { premium = 0 }",
        "class_minutes_per_day = { gold = 5 }",
        "prices = { premium = 0 }",
        "prices = { ordinary = 1.0 }",
        "warn = 0",
        "warn = 1.1",
        "off_hours = 0",
        'business_from = "8"',
        'business_days = ["sunday"]',
        "business_days = []",
        'business_zone = "Mars"',
    ],
)
def test_bad_settings_are_told(tmp_path: Path, text: str) -> None:
    [problem] = told(tmp_path, limits(text))
    assert problem.startswith(f"{AT}.{text.split(' ')[0]}"), problem


def test_other_faults_are_told(tmp_path: Path) -> None:
    [line] = told(tmp_path, limits('business_from = "18:00"\nbusiness_until = "08:00"'))
    assert (
        line
        == f'{AT}.business_from: the hours end before they begin (set business_from to an earlier time than "08:00")'
    )
    (tmp_path / "rates.txt").write_text("+1312* premium 2\n+1312* premium 3\n+1313* gold\n")
    first, second = told(tmp_path, limits('prefixes = ["file:rates.txt"]'))
    assert first.startswith("rates.txt: line 2: +1312* is listed twice (rates.txt: line 1)")
    assert second.startswith("rates.txt: line 3: 'gold' is no class")
    [line] = told(tmp_path, limits('prefixes = ["file:none.txt"]'))
    assert line.startswith(f"{AT}.prefixes[0]: can't be read: none.txt: No such file")
    [line] = told(tmp_path, limits(acme='rules.toll-fraud.prefixes = ["+1* premium"]'))
    assert line.startswith(
        "policy.toml: trunk[acme].rules.toll-fraud.prefixes: what is dear is the same for every trunk"
    )


def test_too_many_prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.policy.toll.RATES", 7)
    (tmp_path / "policy.toml").write_text(limits('prefixes = ["+1312* premium 2.5"]'))
    load(tmp_path / "policy.toml")
    [line] = told(tmp_path, limits('prefixes = ["+1312* premium 2.5", "+1313* premium 2.6"]'))
    assert "more than 7 different prices" in line


def test_twenty_bad_lines_are_enough(tmp_path: Path) -> None:
    (tmp_path / "rates.txt").write_text("nonsense\n" * 100)
    problems = told(tmp_path, limits('prefixes = ["file:rates.txt"]'))
    assert len(problems) == 21 and problems[-1] == "rates.txt: reading stopped after 20 bad lines"
