"""The daemon's life: start, reload both ways, refused reloads, trouble at start, logs, health, watchdog, stop."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.daemon import COMMAND, Caller, Daemon
from tests.e2e.sipp import ask_options

FORGED, OWNED = "+12025551000", "+12125000001"
REFUSED = "SIP/2.0 403 Caller ID Not Allowed"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path) as daemon:
        yield daemon


@pytest.fixture
def acme(daemon: Daemon) -> Iterator[Caller]:
    with Caller("127.0.0.10", daemon.agent) as caller:
        yield caller


def verdicts(daemon: Daemon) -> dict[str, int]:
    return {row["reason"]: row["count"] for row in daemon.status()["counters"]["verdicts"]}


def resident(daemon: Daemon) -> float:
    """MiB."""
    pages = int(Path(f"/proc/{daemon.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


# start


def test_ready_means_serving(daemon: Daemon, acme: Caller) -> None:
    daemon.configure(more='hep = "127.0.0.1:9060"\n[bans]\nkernel = false')  # of [events], the last section
    daemon.start()
    acme.invite(FORGED)
    assert acme.answer() == REFUSED
    assert f"STATUS=Screening on {daemon.agent}, policy 1" in daemon.hear()[0]
    assert stat.S_IMODE((daemon.folder / "control.sock").stat().st_mode) == 0o660
    assert stat.S_IMODE((daemon.folder / "state" / "dialog.key").stat().st_mode) == 0o600
    assert daemon.lines("started")[0]["trunks"] == 1
    assert "events.hep" in daemon.lines("notice")[0]["message"], "run tells the notices of the configuration"


def test_status_tells_the_balance_and_peers(daemon: Daemon, acme: Caller) -> None:
    daemon.start()
    for _ in range(3):
        acme.invite(FORGED)
        acme.answer()
    status = daemon.status()
    counters = status["counters"]
    assert (counters["received"], counters["answered"], counters["missing"]) == (3, 3, 0)
    assert {peer["name"]: peer["kind"] for peer in status["peers"]} == {"acme": "trunk", "cloud": "upstream"}
    assert status["policy"]["generation"] == 1 and status["tables"]["rates"]["bytes"] == 4 << 20
    assert "caller-owned" in daemon.command("status").stdout


def test_several_workers_share_the_port(tmp_path: Path) -> None:
    with Daemon(tmp_path, workers=2) as daemon:
        daemon.start()
        for _ in range(40):  # the kernel spreads sources over the workers' sockets
            with Caller("127.0.0.10", daemon.agent) as caller:
                caller.invite(FORGED)
                assert caller.answer() == REFUSED
        status = daemon.status()
        assert status["counters"]["received"] == 40
        assert len(status["heartbeats"]) == 2 and all(status["heartbeats"])
        assert daemon.stop() == 0


def test_lean_and_idle(daemon: Daemon) -> None:
    daemon.start()
    tables = sum(table["bytes"] for table in daemon.status()["tables"].values()) / 2**20
    assert resident(daemon) <= 90 + tables, "MiB: the process, and its tables"

    def used() -> int:
        fields = Path(f"/proc/{daemon.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    time.sleep(0.5)
    before = used()
    time.sleep(3)
    assert (used() - before) / os.sysconf("SC_CLK_TCK") <= 0.06, "2 % of a core at most"


# trouble at start


def refused(daemon: Daemon) -> str:
    """The one line with which it refuses to start."""
    daemon.launch()
    assert daemon.process is not None
    assert daemon.process.wait(20) == 1
    assert daemon.hear() == [], "systemd is never told that it is ready"
    (line,) = daemon.text().splitlines()
    assert line.startswith("edge-agent: ")
    return line


def test_a_port_in_use(daemon: Daemon) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(daemon.agent)
        assert f"listen {daemon.agent}: the port is in use" in refused(daemon)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_agent_takes_no_share_of_the_port(tmp_path: Path, workers: int) -> None:
    """SO_REUSEPORT would let it: half of the calls would go to each."""
    (tmp_path / "second").mkdir()
    with Daemon(tmp_path, workers=workers) as first, Daemon(tmp_path / "second", workers=workers) as second:
        first.start()
        second.agent = first.agent
        second.configure()
        assert "the port is in use" in refused(second)
        assert first.stop() == 0


def test_an_address_of_another_host(daemon: Daemon) -> None:
    daemon.config.write_text(daemon.config.read_text().replace(str(daemon.agent), "192.0.2.1:5060"))
    assert "listen 192.0.2.1:5060: this host has no such address" in refused(daemon)


def test_a_control_socket_in_use(tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    with Daemon(tmp_path) as first, Daemon(tmp_path / "second") as second:
        first.start()
        second.config.write_text(
            second.config.read_text().replace(f"{second.folder}/control", f"{first.folder}/control")
        )
        assert "another agent answers there" in refused(second)
        assert first.status()["name"] == "life"


def test_a_socket_left_by_a_crash_is_no_trouble(daemon: Daemon) -> None:
    daemon.start().stop(signal.SIGKILL)
    assert (daemon.folder / "control.sock").exists()
    daemon.hear().clear()
    daemon.start()
    assert daemon.status()["name"] == "life"


def test_a_key_open_to_others(daemon: Daemon) -> None:
    key = daemon.folder / "state" / "dialog.key"
    key.parent.mkdir()
    key.write_text("ab" * 32)
    key.chmod(0o644)
    assert "open to others (mode 0644)" in refused(daemon)


def test_a_key_that_systemd_passes(daemon: Daemon) -> None:
    text = daemon.config.read_text()
    daemon.config.write_text(text.replace("[keys]", '[keys]\ndialog = "credential:sip"'))
    assert "credential:sip: systemd passed no credentials; the unit needs LoadCredential=sip:" in refused(daemon)
    passed = daemon.folder / "credentials"
    passed.mkdir()
    (passed / "sip").write_text("ab" * 32)
    (passed / "sip").chmod(0o440)
    (daemon.folder / "log").write_text("")
    daemon.hear().clear()
    daemon.start({"CREDENTIALS_DIRECTORY": str(passed)})
    kept = {file.name for file in (daemon.folder / "state").iterdir() if not file.name.startswith("bans.db")}
    assert kept == {"credential.seen"}, "no key is made"


def test_an_old_key_is_forgotten_without_a_restart(daemon: Daemon) -> None:
    state = daemon.folder / "state"
    state.mkdir()
    for name, secret in (("dialog.key", "ab" * 32), ("dialog.key.old", "cd" * 32)):
        (state / name).write_text(secret)
        (state / name).chmod(0o600)
    almost = time.time() - 86400 + 8
    os.utime(state / "dialog.key", (almost, almost))
    daemon.start()
    assert not daemon.lines("old-key-forgotten")
    daemon.until(lambda: daemon.lines("old-key-forgotten"), 30)
    assert daemon.status()["pid"] == daemon.pid


def test_every_error_of_a_bad_configuration(daemon: Daemon) -> None:
    daemon.configure(more="[nonsense]", rate='"fast"')
    daemon.launch()
    assert daemon.process is not None and daemon.process.wait(20) == 1
    lines = daemon.text().splitlines()
    assert len(lines) == 2 and all(line.startswith(f"edge-agent: {daemon.config}: ") for line in lines)
    assert "nonsense" in lines[0] + lines[1] and "calls_per_second" in lines[0] + lines[1]


# reload


def test_reload_by_command(daemon: Daemon, acme: Caller) -> None:
    daemon.start()
    acme.invite(FORGED)
    assert acme.answer() == REFUSED
    daemon.configure(more='[rules.caller-owned]\nmode = "off"')
    done = daemon.command("reload")
    assert (done.returncode, done.stdout, done.stderr) == (0, "policy 2 is in force\n", "")
    with Caller("127.0.0.10", daemon.agent) as other, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as cloud:
        cloud.bind(daemon.cloud)
        cloud.settimeout(5)
        other.invite(FORGED)
        assert cloud.recv(65536).startswith(b"INVITE"), "the new policy screens"
    assert verdicts(daemon)["caller-owned"] == 1, "counters are kept"
    assert [record["generation"] for record in daemon.lines("reloaded")] == [2]


def test_reload_by_signal(daemon: Daemon) -> None:
    daemon.start()
    daemon.configure(more='[rules.caller-owned]\nmode = "monitor"')
    os.kill(daemon.pid, signal.SIGHUP)
    daemon.until(lambda: daemon.lines("reloaded"))
    assert daemon.status()["policy"]["generation"] == 2
    told = "\n".join(daemon.hear()).splitlines()
    assert told.index("RELOADING=1") < len(told) - 1 - told[::-1].index("READY=1"), "READY ends the reload"
    (stamp,) = (line for line in told if line.startswith("MONOTONIC_USEC="))
    assert 0 <= time.monotonic_ns() // 1000 - int(stamp.split("=")[1]) < 60e6


def test_many_signals_at_once_end_in_a_running_policy(daemon: Daemon) -> None:
    daemon.start()
    for _ in range(10):
        os.kill(daemon.pid, signal.SIGHUP)
        time.sleep(0.01)
    assert daemon.command("reload").returncode == 0
    assert daemon.status()["policy"]["generation"] == 1 + len(daemon.lines("reloaded"))


def test_a_bad_reload_keeps_the_policy(daemon: Daemon, acme: Caller) -> None:
    daemon.start()
    daemon.configure(more="[nonsense]", rate='"fast"')
    done = daemon.command("reload")
    assert done.returncode == 1 and done.stdout == ""
    errors = done.stderr.splitlines()
    assert len(errors) == 3 and errors[-1] == "edge-agent: refused; policy 1 stays in force"
    assert "nonsense" in done.stderr and "calls_per_second" in done.stderr
    assert len(daemon.lines("reload-error")) == 2, "every error is logged too"
    acme.invite(FORGED)
    assert acme.answer() == REFUSED

    os.kill(daemon.pid, signal.SIGHUP)
    daemon.until(lambda: len(daemon.lines("reload-failed")) == 2)
    status = daemon.status()
    assert status["policy"]["generation"] == 1 and len(status["policy"]["failed_reload"]) == 2
    assert "last reload failed" in daemon.command("status").stdout
    assert "the last reload failed" in daemon.hear()[-1]

    daemon.configure(more="", rate=1000)
    assert daemon.command("reload").returncode == 0
    assert daemon.status()["policy"]["failed_reload"] == []


def test_a_broken_file_is_told_by_the_command_itself(daemon: Daemon) -> None:
    daemon.start()
    daemon.config.write_text("[agent")
    done = daemon.command("reload")
    assert done.returncode == 1 and "is not valid TOML" in done.stderr
    done = subprocess.run(
        [*COMMAND, "reload", "--socket", str(daemon.folder / "control.sock"), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and json.loads(done.stdout)["ok"] is False
    daemon.configure()
    assert daemon.status()["policy"]["generation"] == 1


def test_rate_state_is_kept_over_a_reload(tmp_path: Path) -> None:
    with Daemon(tmp_path, rate=0.02, burst=1) as daemon, Caller("127.0.0.10", daemon.agent) as caller:
        daemon.start()
        caller.invite(OWNED)
        daemon.until(lambda: verdicts(daemon).get("pass"))
        assert daemon.command("reload").returncode == 0
        caller.invite(OWNED)
        assert caller.answer() == "SIP/2.0 486 Busy Here"


def test_reloads_of_a_long_list_take_no_more_memory(daemon: Daemon) -> None:
    numbers = daemon.folder / "numbers.txt"
    numbers.write_text("".join(f"+1646{2000000 + 17 * number}\n" for number in range(300_000)))
    daemon.config.write_text(daemon.config.read_text().replace('00999"]', '00999", "file:numbers.txt"]'))
    daemon.start()
    before = resident(daemon)
    for change in range(5):
        os.utime(numbers, (change, change))  # else the list wouldn't be read again
        assert daemon.command("reload").returncode == 0
    assert resident(daemon) - before < 3, "MiB; one list takes about 5"


def test_what_only_a_start_can_change_is_told_and_kept(daemon: Daemon, acme: Caller) -> None:
    daemon.start()
    before = daemon.agent
    text = daemon.config.read_text()
    text = text.replace(str(before), "127.0.0.1:21999").replace("workers = 1", "workers = 2")
    daemon.config.write_text(text.replace("rates_mib = 4", "rates_mib = 8").replace("control.sock", "other.sock"))
    reload = [*COMMAND, "reload", "--json", "--socket", str(daemon.folder / "control.sock")]
    done = subprocess.run(reload, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    notices = [notice for notice in json.loads(done.stdout)["notices"] if "takes effect at the next start" in notice]
    assert [notice.split(": ")[1] for notice in notices] == [
        "agent.workers",
        "listen",
        "tables.rates_mib",
        "admin.socket",
    ]
    acme.invite(FORGED)
    assert acme.answer() == REFUSED
    assert not (daemon.folder / "other.sock").exists()


# logs


def test_a_verdict_is_one_line(daemon: Daemon, acme: Caller) -> None:
    daemon.start()
    acme.invite(FORGED, agent_name='evil"},{\x1b')
    acme.invite(FORGED, agent_name='evil\\u0000"},{')
    daemon.until(lambda: len(daemon.lines("verdict")) == 2)
    control, forged = daemon.lines("verdict")
    assert control["reason"] == "control-byte"
    assert (forged["action"], forged["rule"], forged["status"]) == ("answer", "caller-owned", 403)
    assert (forged["peer"], forged["caller"], forged["callee"]) == ("acme", FORGED, "+13475550123")
    assert forged["user_agent"] == 'evil\\u0000"},{'
    assert daemon.text().strip("\n").replace("\n", "").isprintable()


def test_what_monitored_rules_found_is_reported(daemon: Daemon, acme: Caller) -> None:
    daemon.configure(more='[rules.caller-owned]\nmode = "monitor"')
    daemon.start()
    for _ in range(3):
        acme.invite(FORGED)
    daemon.until(lambda: daemon.lines("verdict"))
    report = json.loads(daemon.command("rules", "--report", "--json").stdout)
    [row] = report["rules"]
    assert (row["peer"], row["direction"], row["rule"]) == ("acme", "from", "caller-owned")
    assert (row["calls"], row["of_calls"], row["answered"], row["examples"]) == (3, 1.0, 0, [FORGED])
    assert FORGED in daemon.command("rules", "--report").stdout
    refused = daemon.command("rules", "caller-owned", "--report")
    assert refused.returncode == 2 and "--report" in refused.stderr


def test_a_flood_is_capped_and_summed(daemon: Daemon, acme: Caller) -> None:
    daemon.start()
    sent = 500
    for _ in range(sent):
        acme.invite(FORGED)
    daemon.until(lambda: verdicts(daemon).get("caller-owned") == sent)

    def told() -> int:
        # caller-rate and callee-rate record their findings besides.
        sums = [record for record in daemon.lines("verdicts") if record["action"] != "monitor"]
        return len(daemon.lines("verdict")) + sum(int(record["suppressed"]) for record in sums)

    daemon.until(lambda: told() == sent, 5)
    time.sleep(1.2)
    assert told() == sent, "and nothing is told twice"
    assert len(daemon.lines("verdict")) <= 60


def test_the_journal_reads_priorities(daemon: Daemon) -> None:
    daemon.config.write_text(daemon.config.read_text().replace('log = "stderr"', 'log = "journal"'))
    log = daemon.folder / "log"
    log.touch()
    seen = log.stat()
    daemon.start({"JOURNAL_STREAM": f"{seen.st_dev}:{seen.st_ino}"})
    assert daemon.text().startswith('<6>{"ts":')


# health and watchdog


def test_a_dead_upstream_is_found_and_comes_back(tmp_path: Path) -> None:
    with Daemon(tmp_path, probe="200ms") as daemon:
        daemon.start()
        daemon.until(lambda: daemon.lines("target-down"))
        assert ask_options(daemon.agent, "127.0.0.10").startswith("SIP/2.0 503")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as cloud:
            cloud.bind(daemon.cloud)
            cloud.settimeout(5)
            probe, sender = cloud.recvfrom(65536)
            assert probe.startswith(b"OPTIONS sip:") and b"<sip:life@127.0.0.1>" in probe
            assert sender[0] == daemon.agent.host
            cloud.sendto(probe.replace(f"OPTIONS sip:{daemon.cloud} SIP/2.0".encode(), b"SIP/2.0 405 No"), sender)
            daemon.until(lambda: daemon.lines("target-up"))
        assert ask_options(daemon.agent, "127.0.0.10").startswith("SIP/2.0 200")
        # A reload in between doesn't forget.
        daemon.until(lambda: len(daemon.lines("target-down")) == 2)
        assert daemon.command("reload").returncode == 0
        assert ask_options(daemon.agent, "127.0.0.10").startswith("SIP/2.0 503")


def test_the_watchdog_is_fed_while_workers_turn(daemon: Daemon) -> None:
    daemon.start({"WATCHDOG_USEC": "6000000"})
    daemon.until(lambda: daemon.hear().count("WATCHDOG=1") >= 3)


def test_the_watchdog_starves_with_a_stuck_worker(daemon: Daemon) -> None:
    daemon.start({"WATCHDOG_USEC": "6000000"}, broken("time.sleep(60)"))
    daemon.until(lambda: daemon.lines("worker-stuck"))
    fed = daemon.hear().count("WATCHDOG=1")
    time.sleep(2.5)
    assert daemon.hear().count("WATCHDOG=1") == fed
    daemon.stop(signal.SIGKILL)


def test_a_worker_that_ends_takes_the_daemon_with_it(daemon: Daemon) -> None:
    daemon.start(command=broken("raise OSError('epoll')"))
    assert daemon.process is not None and daemon.process.wait(20) == 3
    (ended,) = daemon.lines("part-ended")
    assert (ended["level"], ended["part"]) == ("critical", "pump") and "OSError: epoll" in ended["exception"]
    assert daemon.lines()[-1]["event"] == "stopped"


def broken(pump: str) -> list[str]:
    """The agent with an engine whose pump does something else."""
    code = (
        "import sys, time\n"
        "import edge_agent.daemon as daemon\n"
        "class Engine(daemon._hot.Engine):\n"
        f"    def pump(self, worker, sockets, strangers):\n        {pump}\n"
        "daemon._hot.Engine = Engine\n"
        "from edge_agent.__main__ import main\n"
        "main()\n"
    )
    return [sys.executable, "-c", code]


# stop


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop(daemon: Daemon, acme: Caller, number: int) -> None:
    daemon.start()
    acme.invite(FORGED)
    acme.answer()
    began = time.monotonic()
    assert daemon.stop(number) == 0
    assert time.monotonic() - began < 5
    (last,) = daemon.lines("stopped")
    assert daemon.lines()[-1] == last
    assert (last["received"], last["answered"], last["missing"]) == (1, 1, 0)
    assert [line["reason"] for line in daemon.lines("verdict")] == ["caller-owned"], "what happened last is told"
    assert any(notice.startswith("STOPPING=1") for notice in daemon.hear())
    assert not (daemon.folder / "control.sock").exists()


def test_stop_in_a_flood(daemon: Daemon) -> None:
    daemon.start()
    code = (
        "import socket\n"
        "sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "sock.bind(('127.0.0.66', 0))\n"
        "while True:\n"
        f"    sock.sendto(b'INVITE sip:x@y SIP/2.0\\r\\n\\r\\n', {tuple(daemon.agent)})\n"
    )
    flood = subprocess.Popen([sys.executable, "-c", code])
    try:
        time.sleep(0.5)
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 5
    finally:
        flood.kill()
        flood.wait()
    assert daemon.lines("stopped")[0]["missing"] == 0


def test_the_port_is_free_after_a_stop(daemon: Daemon) -> None:
    daemon.start().stop()
    daemon.hear().clear()
    daemon.start()
    assert daemon.stop() == 0
