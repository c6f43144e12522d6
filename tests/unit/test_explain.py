"""explain: the source, the file, every rule in order, the same verdict as the engine gives when it screens."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edge_agent.cli import commands
from edge_agent.explain import BadInput, explain, parse_source, read_message
from edge_agent.explain_view import render
from edge_agent.rules import RULES
from edge_agent.show import console

CONFIG = """
[agent]
name = "sbc-1"
state_dir = "{folder}"
[keys]
grace = "0s"
[[listen]]
address = "127.0.0.1:21110"
[[upstream]]
name = "cloud"
targets = ["127.0.0.20:21111"]
[[upstream]]
name = "psap"
targets = ["127.0.0.30:21112"]
[[trunk]]
name = "acme"
sources = ["127.0.0.10/32"]
upstream = "cloud"
contact = ["127.0.0.10:21113"]
caller_ids = ["+12125000000..+12125000999"]
[[trunk]]
name = "bravo"
sources = ["127.0.0.11/32"]
upstream = "cloud"
contact = ["127.0.0.11:21114"]
caller_ids = ["+13125000000..+13125000999"]
emergency = "route"
emergency_upstream = "psap"
[trunk.rules.caller-owned]
mode = "monitor"
"""

INVITE = """INVITE sip:{called}@127.0.0.1:21110 SIP/2.0
Via: SIP/2.0/UDP 127.0.0.10:5060;rport;branch=z9hG4bKabc
Max-Forwards: 70
From: "Al" <sip:{caller}@127.0.0.10>;tag=1
To: <sip:{called}@127.0.0.1>
Call-ID: abc@127.0.0.10
CSeq: 1 INVITE
Contact: <sip:127.0.0.10:5060>
User-Agent: {agent}
Content-Length: 0

"""


class Scene:
    def __init__(self, folder: Path) -> None:
        self.config = folder / "edge_agent.toml"
        self.config.write_text(CONFIG.format(folder=folder))
        self.file = folder / "message.sip"

    def tell(self, source: str, crlf: bool = False, **changes: str) -> dict[str, Any]:
        fields = {"called": "+13475550123", "caller": "+12125000001", "agent": "PBX"} | changes
        text = INVITE.format(**fields)
        self.file.write_text(text if crlf else text.replace("\n", "\r\n"), newline="")
        return explain(self.file, source, self.config, crlf)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def step(result: dict[str, Any], rule: str) -> dict[str, Any]:
    return next(step for step in result["steps"] if step["rule"] == rule)


# source and file


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("192.0.2.10", ("192.0.2.10", 5060)),
        ("192.0.2.10:5070", ("192.0.2.10", 5070)),
        ("[2001:DB8::1]:5070", ("2001:db8::1", 5070)),
        ("[2001:db8::1]", ("2001:db8::1", 5060)),
        ("2001:db8::1", ("2001:db8::1", 5060)),
    ],
)
def test_sources(text: str, source: tuple[str, int]) -> None:
    assert parse_source(text) == source


@pytest.mark.parametrize("text", ["", "acme", "1.2.3", "192.0.2.10:0", "192.0.2.10:65536", "192.0.2.10:x", "[x]:1"])
def test_bad_sources(text: str) -> None:
    with pytest.raises(BadInput, match="is no address"):
        parse_source(text)


def test_bare_line_ends_are_told_and_only_converted_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.sip"
    path.write_bytes(b"A\nB\r\n\n")
    assert read_message(path, crlf=False) == (b"A\nB\r\n\n", [mention("--crlf")])
    assert read_message(path, crlf=True) == (b"A\r\nB\r\n\r\n", [mention("converted")])
    path.write_bytes(b"A\r\nB\r\n\r\n")
    assert read_message(path, crlf=True) == (b"A\r\nB\r\n\r\n", [])


class mention(str):
    """Equal to any text that has it."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and str.__str__(self) in other

    __hash__ = str.__hash__


def test_too_large_for_a_datagram(tmp_path: Path) -> None:
    (tmp_path / "a.sip").write_bytes(b"x" * 70_000)
    with pytest.raises(BadInput, match="at most 65535"):
        read_message(tmp_path / "a.sip", crlf=False)


# verdicts


def test_a_good_call_passes_every_rule(scene: Scene) -> None:
    result = scene.tell("127.0.0.10")
    assert [step["rule"] for step in result["steps"]] == [rule.name for rule in RULES]
    assert result["peer"] == "acme"
    assert result["verdict"]["reason"] == "pass"
    assert result["verdict"]["answer"] == "forward to cloud at 127.0.0.20 port 21111"
    assert all(step["reason"] == "" for step in result["steps"])
    off = {step["rule"]: step["note"] for step in result["steps"] if step["mode"] == "off"}
    assert set(off.values()) == {"off for this peer"} and "calling-hours" in off


def test_a_forged_caller(scene: Scene) -> None:
    result = scene.tell("127.0.0.10", caller="+12025551000")
    owned = step(result, "caller-owned")
    assert (owned["mode"], owned["applies"], owned["reason"]) == ("enforce", True, "caller-owned")
    assert owned["value"] == 12025551000 and owned["answer"] == "403 Caller ID Not Allowed"
    assert step(result, "caller-anonymous")["applies"], "the rules behind the deciding one are told too"
    assert result["verdict"]["answer"].startswith("answer 403")


def test_a_monitored_rule_finds_and_the_call_passes(scene: Scene) -> None:
    result = scene.tell("127.0.0.11", caller="+12025551000")
    owned = step(result, "caller-owned")
    assert (owned["mode"], owned["reason"]) == ("monitor", "caller-owned")
    assert result["verdict"]["answer"].startswith("forward to cloud")


def test_emergency_calls(scene: Scene) -> None:
    refused = scene.tell("127.0.0.10", called="911")
    assert step(refused, "emergency")["reason"] == refused["verdict"]["reason"] == "emergency-not-authorised"
    routed = scene.tell("127.0.0.11", called="911", caller="+13125000001")
    assert step(routed, "emergency")["reason"] == routed["verdict"]["reason"] == "emergency-routed"
    assert routed["verdict"]["answer"].startswith("forward to psap at 127.0.0.30")


def test_an_unknown_source(scene: Scene) -> None:
    result = scene.tell("127.0.0.66")
    assert result["peer"] == "" and result["verdict"]["reason"] == "unknown-source"
    assert step(result, "unknown-source")["answer"] == "drop"
    assert step(result, "caller-owned")["note"] == "not reached"


def test_the_flow_s_own_rules_are_told_by_the_engine(scene: Scene) -> None:
    """malformed, unknown-source, source-rate and emergency are no rows; each says whether it was reached."""
    good = scene.tell("127.0.0.10")
    for rule in ("malformed", "emergency"):
        assert (step(good, rule)["applies"], step(good, rule)["answer"]) == (True, "pass")
    assert step(good, "unknown-source")["note"] == "looks at unknown sources only"
    assert step(good, "source-rate")["note"] == "looks at unknown sources and open trunks only"
    stranger = scene.tell("127.0.0.66")
    for rule in ("banned", "source-rate", "malformed", "emergency"):
        assert (step(stranger, rule)["applies"], step(stranger, rule)["answer"]) == (True, "pass")
    refused = scene.tell("127.0.0.66", called="911")
    assert (step(refused, "emergency")["reason"], step(refused, "unknown-source")["answer"]) == (
        "emergency-unknown",
        "pass",
    )
    broken = scene.tell("127.0.0.10", agent="x\nCSeq: 2 INVITE")
    assert (step(broken, "malformed")["reason"], step(broken, "malformed")["answer"]) == (
        "duplicate-header",
        "400 Duplicate Header",
    )
    assert step(broken, "emergency")["note"] == step(broken, "hops")["note"] == "not reached"


def test_a_fault_that_an_emergency_call_survives(scene: Scene) -> None:
    told = scene.tell("127.0.0.11", called="911", agent="x\nContact: <sip:a@>")
    malformed = step(told, "malformed")
    assert (malformed["mode"], malformed["reason"], malformed["answer"]) == ("monitor", "contact", "400 Bad Contact")
    assert told["verdict"]["reason"] == step(told, "emergency")["reason"] == "emergency-routed"
    told = scene.tell("127.0.0.10", called="911", agent="x\nContact: <sip:a@>")
    assert (step(told, "malformed")["mode"], told["verdict"]["reason"]) == ("enforce", "contact")


def test_responses_have_no_emergency_step(scene: Scene) -> None:
    scene.file.write_bytes(
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=a\r\nTo: <sip:a@b>;tag=b\r\n"
        b"Call-ID: x\r\nCSeq: 1 INVITE\r\n\r\n"
    )
    told = explain(scene.file, "127.0.0.20:21111", scene.config, crlf=False)
    assert (step(told, "malformed")["answer"], step(told, "emergency")["note"]) == ("pass", "not reached")
    assert told["verdict"]["reason"] == "response-unmatched"


def test_a_scanner(scene: Scene) -> None:
    assert step(scene.tell("127.0.0.10", agent="friendly-scanner"), "scanner")["reason"] == "scanner-agent"


def test_bytes_that_are_no_sip(scene: Scene) -> None:
    scene.file.write_bytes(b"GET / HTTP/1.1\r\nHost: \x1b[2J\r\n\r\n")
    result = explain(scene.file, "127.0.0.10", scene.config, crlf=False)
    assert step(result, "malformed")["reason"] == result["verdict"]["reason"] != ""
    assert result["message"]["kind"] == "error"


def test_the_verdict_is_the_engines_own(scene: Scene) -> None:
    """A policy can be told apart from its explanation only if both are asked: the second is process()."""
    from edge_agent import _hot
    from edge_agent.policy.compile import compile_policy
    from edge_agent.policy.load import load

    for caller, source in (("+12125000001", "127.0.0.10"), ("+12025551000", "127.0.0.10"), ("x", "127.0.0.11")):
        told = scene.tell(source, caller=caller)["verdict"]["reason"]
        engine = _hot.Engine(rates_mib=1, transactions_mib=1, leases_mib=1, secret=bytes(32))
        engine.publish(compile_policy(load(scene.config), 1))
        batch = _hot.Batch(1)
        batch.add(scene.file.read_bytes(), (source, 5060), 0)
        engine.process(batch, 10**9, _hot.OutBatch())
        ((_, _, reason, _),) = engine.counters()["by_verdict"]
        assert reason == told


# what people see


def test_the_table_says_what_numbers_mean(scene: Scene) -> None:
    screen = console()
    with screen.capture() as capture:
        screen.print(render(scene.tell("127.0.0.10", caller="+12025551000")))
    text = capture.get()
    for words in (
        "(acme)",
        "Max-Forwards 70",
        "at least 1",
        "caller 12025551000",
        "at most 16384",
    ):
        assert words in text
    assert "not built yet" not in text, "all rules are"
    assert "verdict: answer 403 Caller ID Not Allowed  caller-owned: the caller's number" in text


def test_the_command(scene: Scene) -> None:
    scene.tell("127.0.0.10")
    arguments = ["explain", str(scene.file), "--source", "127.0.0.10", "-c", str(scene.config)]
    assert CliRunner().invoke(commands, arguments).exit_code == 0
    as_json = CliRunner().invoke(commands, [*arguments, "--json"])
    assert json.loads(as_json.stdout)["verdict"]["reason"] == "pass"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["explain", "gone.sip", "--source", "127.0.0.10"], "gone.sip: No such file or directory"),
        (["explain", "message.sip", "--source", "acme"], "'acme' is no address"),
    ],
)
def test_bad_input_is_one_line_and_exit_1(scene: Scene, arguments: list[str], line: str) -> None:
    scene.tell("127.0.0.10")
    here = [str(scene.file.parent / part) if part.endswith(".sip") else part for part in arguments]
    result = CliRunner().invoke(commands, [*here, "-c", str(scene.config)])
    assert result.exit_code == 1
    assert line in result.stderr and result.stderr.count("\n") == 1


def test_a_bad_configuration_is_told(scene: Scene) -> None:
    scene.tell("127.0.0.10")
    scene.config.write_text("[nonsense]")
    result = CliRunner().invoke(
        commands, ["explain", str(scene.file), "--source", "127.0.0.10", "-c", str(scene.config)]
    )
    assert result.exit_code == 1 and "nonsense" in result.stderr
