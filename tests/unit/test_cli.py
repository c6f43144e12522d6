"""The commands as an operator meets them: exit codes, one line per error on stderr, JSON where a table is printed."""

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from edge_agent import __version__, check
from edge_agent.asking import DEFAULT_SOCKET
from edge_agent.cli import commands
from edge_agent.reasons import REASONS
from edge_agent.rules import RULES

GOOD = """
[agent]
name = "sbc-1"
state_dir = "{folder}"

[[listen]]
address = "127.0.0.1:21100"

[[upstream]]
name = "cloud"
targets = ["127.0.0.1:21101"]

[[trunk]]
name = "acme"
sources = ["127.0.0.10/32"]
upstream = "cloud"
contact = ["127.0.0.10:21102"]
caller_ids = ["+12125000000..+12125000999", "file:acme.txt"]

[tables]
rates_mib = 4

[admin]
socket = "{folder}/control.sock"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "acme.txt").write_text("+16465550000..+16465550009\n")
    path = tmp_path / "edge_agent.toml"
    path.write_text(GOOD.format(folder=tmp_path))
    return path


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(commands, [str(argument) for argument in arguments])


def from_json(result: Result) -> Any:
    return json.loads(result.stdout)


# exit codes


def test_usage_errors_exit_2() -> None:
    assert invoke("check").exit_code == 2
    assert invoke("nonsense").exit_code == 2
    assert invoke("explain", "x.sip", "-c", "y.toml").exit_code == 2


def test_help_and_module_entry() -> None:
    done = subprocess.run([sys.executable, "-m", "edge_agent", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    for name in ("run", "check", "reload", "status", "rules", "explain", "demo", "version"):
        assert f"\n  {name} " in done.stdout


def test_an_internal_error_exits_3_with_its_trace() -> None:
    code = "import edge_agent.cli as c, edge_agent.__main__ as m\nc.commands = lambda **k: 1 / 0\nm.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "ZeroDivisionError" in done.stderr and "please report it" in done.stderr


def test_version() -> None:
    assert invoke("version").stdout.startswith(f"edge-agent {__version__} (Python ")
    assert from_json(invoke("version", "--json"))["version"] == __version__


# check


def test_check_of_a_good_configuration(config: Path, tmp_path: Path) -> None:
    result = invoke("check", "-c", config)
    assert result.exit_code == 0
    assert "1,010" in result.stdout and "acme" in result.stdout and "table rates" in result.stdout
    assert f"good: {config}" in result.stdout
    assert not (tmp_path / "dialog.key").exists(), "check makes nothing"


def test_check_as_json(config: Path) -> None:
    facts = from_json(invoke("check", "-c", config, "--json"))
    assert facts["ok"] is True and facts["errors"] == []
    assert facts["trunks"][0] | {"sources": []} == {
        "name": "acme",
        "sources": [],
        "upstream": "cloud",
        "numbers": 1010,
        "lists": 2,
        "calls_per_second": 20.0,
        "concurrent_calls": 300,
        "emergency": "reject",
    }
    assert facts["tables_mib"] == {
        "rates": 4,
        "strikes": 1.0,
        "bans": 4.5,
        "requests": 4.0,
        "toll": 1.56,
        "transactions": 64,
        "marks": 8,
        "leases": 10,
        "callers": 8,
        "behaviour": 8,
        "deferred": 8,
        "evaders": 0.35,
    }
    assert facts["budget_mib"] == pytest.approx(121.5, abs=0.1)


def test_check_tells_every_error(config: Path) -> None:
    text = (
        config.read_text().replace('upstream = "cloud"', 'upstream = "clod"').replace("file:acme.txt", "file:gone.txt")
    )
    config.write_text(text + "\n[agnet]\n")
    result = invoke("check", "-c", config)
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert all(line.startswith(f"edge-agent: {config}: ") for line in lines)
    assert len(lines) >= 3
    for word in ("agnet", "clod", "gone.txt"):
        assert word in result.stderr
    facts = from_json(invoke("check", "-c", config, "--json"))
    assert facts["ok"] is False and len(facts["errors"]) == len(lines)
    assert all(error["file"] and error["message"] for error in facts["errors"])


def test_check_tells_notices_and_still_passes(config: Path) -> None:
    config.write_text(config.read_text() + '\n[events]\nhep = "127.0.0.1:9060"\n')
    result = invoke("check", "-c", config)
    assert result.exit_code == 0
    assert "notice: " in result.stderr and "not built yet" in result.stderr


def test_check_of_no_file(tmp_path: Path) -> None:
    result = invoke("check", "-c", tmp_path / "gone.toml")
    assert result.exit_code == 1
    assert "gone.toml" in result.stderr and "No such file" in result.stderr and result.stderr.count("\n") == 1


def test_a_file_that_may_not_be_read_is_no_question_of_usage(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    result = invoke("check", "-c", config)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "can't be read: Permission denied" in result.stderr


@pytest.mark.parametrize("where", ["file/state", "forbidden/state"])
def test_check_notices_a_state_dir_that_cant_be_made(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    may = os.access
    forbidden = tmp_path / "forbidden"
    forbidden.mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != forbidden and may(path, mode))
    (tmp_path / "file").write_text("")
    (tmp_path / "dialog.key").write_text("ab" * 32)
    (tmp_path / "dialog.key").chmod(0o600)
    text = config.read_text().replace(f'state_dir = "{tmp_path}"', f'state_dir = "{tmp_path / where}"')
    config.write_text(f'{text}\n[keys]\ndialog = "file:{tmp_path}/dialog.key"\n')
    result = invoke("check", "-c", config)
    assert result.exit_code == 0
    assert "agent.state_dir" in result.stderr and "can't be made by this user" in result.stderr


def test_check_on_a_narrow_terminal_cuts_nothing(config: Path) -> None:
    name = "a-customer-with-a-name-that-is-longer-than-most"
    config.write_text(config.read_text().replace('name = "acme"', f'name = "{name}"'))
    out = io.StringIO()
    Console(width=60, file=out).print(check.render(check.check(config)))
    text = out.getvalue()
    assert "…" not in text
    column = [line.split("│")[1].strip() for line in text.splitlines() if line.startswith("│")]
    assert name in "".join(column)


def test_a_start_that_is_interrupted_says_so(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: Path) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("edge_agent.daemon.run", interrupted)
    result = invoke("run", "-c", config)
    assert (result.exit_code, result.stderr) == (1, "edge-agent: stopped before it had started\n")


def test_check_looks_at_the_dialog_key(config: Path, tmp_path: Path) -> None:
    (tmp_path / "dialog.key").write_text("short")
    (tmp_path / "dialog.key").chmod(0o600)
    result = invoke("check", "-c", config)
    assert result.exit_code == 1
    assert "keys.dialog" in result.stderr and "64 hex digits" in result.stderr


def test_check_by_somebody_else_excuses_what_it_may_not_read(config: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "dialog.key").write_text("short")
    config.write_text(config.read_text().replace(f'state_dir = "{tmp_path}"', f'state_dir = "{state}"'))
    assert invoke("check", "-c", config).exit_code == 1, "who may read it sees that it is bad"
    for folder in [tmp_path, *list(tmp_path.parents)[:-2]]:
        folder.chmod(0o755)
    state.chmod(0)
    was_root = os.geteuid() == 0
    try:
        if was_root:
            os.seteuid(65534)
        assert invoke("check", "-c", config).exit_code == 0
    finally:
        if was_root:
            os.seteuid(0)
        state.chmod(0o700)


# rules


def test_rules_lists_all_in_screening_order() -> None:
    result = invoke("rules")
    assert result.exit_code == 0
    places = [result.stdout.index(f"│ {rule.name} ") for rule in RULES]
    assert places == sorted(places)


def test_rules_as_json_holds_settings_and_reasons() -> None:
    rules = {rule["name"]: rule for rule in from_json(invoke("rules", "--json"))}
    assert list(rules) == [rule.name for rule in RULES]
    told = {reason["name"] for rule in rules.values() for reason in rule["reasons"]}
    assert told == {reason.name for reason in REASONS if reason.rule}
    assert "rules.scanner.signatures" in [setting["key"] for setting in rules["scanner"]["settings"]]


def test_one_rule() -> None:
    result = invoke("rules", "caller-owned")
    assert result.exit_code == 0
    assert "Caller ID Not Allowed" in result.stdout and "rules.caller-owned.mode" in result.stdout


def test_no_such_rule() -> None:
    result = invoke("rules", "caller-owend")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


# finding the daemon


@pytest.mark.parametrize("command", ["status", "reload"])
def test_no_daemon_is_one_clear_line(command: str, config: Path, tmp_path: Path) -> None:
    for options in (["--socket", tmp_path / "control.sock"], ["-c", config]):
        result = invoke(command, *options)
        assert result.exit_code == 1
        assert result.stderr.count("\n") == 1
        assert f"{tmp_path}/control.sock: no such socket" in result.stderr


def test_the_default_socket() -> None:
    if Path(DEFAULT_SOCKET).exists():
        pytest.skip("an agent of this host runs")
    assert DEFAULT_SOCKET in invoke("status").stderr


def test_a_faulty_configuration_still_leads_to_the_daemon(config: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text() + "\n[nonsense]\n")
    assert f"{tmp_path}/control.sock: no such socket" in invoke("reload", "-c", config).stderr


def test_what_is_no_toml_is_told(config: Path) -> None:
    config.write_text("[agent\n")
    result = invoke("reload", "-c", config)
    assert result.exit_code == 1
    assert "is not valid TOML" in result.stderr
    assert "its policy stays in force" in result.stderr.splitlines()[-1]
