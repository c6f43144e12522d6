"""The report of what rules in monitor mode found: shares, order, and examples in fixed memory."""

from __future__ import annotations

from edge_agent import _hot
from edge_agent.findings import CALLERS, PAIRS, SHOWN, Examples, report
from edge_agent.findings_view import render
from edge_agent.show import console

FINDINGS = {
    ("acme", "from", ""): (200, 100),
    ("acme", "from", "display-name"): (4, 3),
    ("acme", "from", "caller-rate"): (20, 0),
    ("beta", "to", ""): (5, 0),
    ("beta", "to", "do-not-originate"): (5, 0),
}


def event(caller: str, *, peer: str = "acme", finding: str = "caller-rate", monitored: bool = True) -> _hot.Event:
    return _hot.Event(
        0, "forward", "caller-rate", "pass", 0, monitored, "INVITE", peer, ("198.51.100.10", 5060),
        "c", caller, "", "", 0, 0, finding,
    )  # fmt: skip


def test_shares_of_calls_and_of_answered_ones() -> None:
    told = report(FINDINGS, Examples(), "2026-01-02T03:04:05Z")
    rows = [
        (row["peer"], row["direction"], row["rule"], row["calls"], row["of_calls"], row["answered"], row["of_answered"])
        for row in told["rules"]
    ]
    assert rows == [
        ("acme", "from", "caller-rate", 20, 0.1, 0, 0.0),
        ("beta", "to", "do-not-originate", 5, 1.0, 0, 0.0),
        ("acme", "from", "display-name", 4, 0.02, 3, 0.03),
    ]
    assert told["peers"][0] == {"peer": "acme", "direction": "from", "calls": 200, "answered": 100}


def test_nothing_was_found() -> None:
    told = report({}, Examples(), "now")
    assert told == {"since": "now", "rules": [], "peers": [], "examples_dropped": 0}
    console().print(render(told))


def test_examples_are_the_most_frequent_callers() -> None:
    examples = Examples()
    examples.add(event(f"+1212555{number:04d}") for number in range(5) for _ in range(number + 1))
    assert examples.top("acme", "caller-rate") == ["+12125550004", "+12125550003", "+12125550002"]
    assert examples.top("acme", "display-name") == []


def test_the_rule_is_that_of_the_finding() -> None:
    examples = Examples()
    examples.add([event("+12125550001", finding="display-number")])
    assert examples.top("acme", "display-name") == ["+12125550001"]


def test_other_events_are_no_examples() -> None:
    examples = Examples()
    examples.add(
        event("+12125550001", finding=told) for told in ("emergency-to", "marking-verstat", "toll-warning-calls")
    )
    assert not any(examples.top("acme", rule) for rule in ("emergency", "forged-marking", "toll-fraud"))
    examples.add([event("+12125550001", monitored=False), event("+1", peer="")._replace(method="OPTIONS")])
    assert examples.top("acme", "caller-rate") == [] and examples.top("", "caller-rate") == []


def test_a_flood_of_callers_takes_no_more_memory_and_hides_no_frequent_one() -> None:
    examples = Examples()
    examples.add(event("+12125550001") for _ in range(100))
    examples.add(event(f"+1312555{number:04d}") for number in range(5 * CALLERS))
    assert "+12125550001" in examples.top("acme", "caller-rate")
    assert len(examples.top("acme", "caller-rate")) == SHOWN


def test_pairs_are_bounded_and_the_rest_is_counted() -> None:
    examples = Examples()
    examples.add(event("+12125550001", peer=f"p{number}") for number in range(PAIRS + 7))
    assert examples.dropped == 7
    assert report(FINDINGS, examples, "now")["examples_dropped"] == 7


def test_for_people() -> None:
    examples = Examples()
    examples.add([event("[bold]+12125550001")])
    shown = console()
    with shown.capture() as captured:
        shown.print(render(report(FINDINGS, examples, "now")))
    assert "[bold]+12125550001" in captured.get() and "10.00%" in captured.get()
