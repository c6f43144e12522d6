"""Bans while floods and scans last: who gets one, what keeps it, and what it must outlive."""

from __future__ import annotations

import itertools
import os
import struct
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from edge_agent.admin.client import call
from tests.e2e.sipp import default_command
from tests.flood.build import program
from tests.flood.lab import Host, Lab, Options, Report, Scene, Trial

HERE, ATTACKER = "203.0.113.1/24", "203.0.113.66/24"
TARGET, SOURCE = "203.0.113.1:5060", "203.0.113.66:5060"
LISTEN = f'[[listen]]\naddress = "{TARGET}"'
TOOLS = {
    "svmap": ("-m", "OPTIONS"),
    "svcrack": ("--maximumtime", "3", "-u", "100", "-r", "1-400"),
    "svwar": ("--force", "--maximumtime", "3", "-e100-400", "-m", "REGISTER"),
}


def banned(scene: Scene) -> dict[str, dict[str, Any]]:
    """Every ban in force, by network."""
    status, reply = call(scene.folder / "control.sock", "GET", "/api/bans")
    assert status == 200, reply
    return {row["network"]: row for row in reply["bans"]}


def sipvicious(scene: Scene, host: Host, tool: str) -> str:
    """What a tool of sipvicious says of the agent, from that host."""
    command = [*host.inside, str(Path(sys.executable).with_name(f"sipvicious_{tool}")), *TOOLS[tool]]
    done = subprocess.run(
        [*command, TARGET.split(":")[0]],
        env={**os.environ, "HOME": str(scene.folder)},
        cwd=scene.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


def scans_by_strangers(lab: Lab, trial: Trial) -> None:
    """sipvicious from a stranger's host (svmap, svwar, svcrack) finds nothing, gets no packet back, and is banned for it."""
    with Host("attacker", HERE, ATTACKER) as attacker, lab.scene(listen=LISTEN) as scene:
        said: dict[str, str] = {}

        def attack() -> list[Report]:
            for tool in TOOLS:
                said[tool] = sipvicious(scene, attacker, tool)
            return []

        outcome = lab.under(scene, trial, attack, seconds=20)
        bans = banned(scene)
    for tool, text in said.items():
        trial.check(f"{tool} found", "nothing", text.strip().splitlines()[-1][-60:], "found nothing" in text)
    trial.equal("answered", 0, outcome.grown(peer="", action="answer"))
    trial.check("banned", "203.0.113.66/32", ", ".join(bans), list(bans) == ["203.0.113.66/32"])


def one_source(lab: Lab, trial: Trial) -> None:
    """A stranger's host at a hundred times the rate of good calls is banned within its first messages; no peer ever is."""
    with Host("attacker", HERE, ATTACKER) as attacker, lab.scene(listen=LISTEN) as scene:
        own: Options = {"host": attacker, "target": TARGET, "source": SOURCE, "seconds": lab.seconds}
        forged: Options = own | {"source": "127.0.0.10:5070", "forge": True}
        # The kernel lets nobody's 127.0.0.10 in from a wire: what is forged in that name is sent here.
        del forged["host"], forged["target"]
        rate = {"rate": lab.flood_rate / 2}
        outcome = lab.under(
            scene, trial, scene.floods(own | rate, forged | {"rate": lab.flood_rate / 50, "mode": "malformed"})
        )
        bans = banned(scene)
    trial.check("banned", "203.0.113.66/32 alone", ", ".join(bans), list(bans) == ["203.0.113.66/32"])
    trial.at_most("of the stranger's read beyond the address", 1000, outcome.grown(peer="", reason="unknown-source"))


def slow_scan(lab: Lab, trial: Trial) -> None:
    """A scan below every rate, two messages a second: each is dropped, and the source is banned all the same."""
    rate = 20 if lab.short else 2
    with Host("attacker", HERE, ATTACKER) as attacker, lab.scene(listen=LISTEN) as scene:
        options: Options = {"host": attacker, "target": TARGET, "source": SOURCE, "method": "OPTIONS", "rate": rate}
        options |= {"to": "step:+12125000000,1", "count": 30}
        outcome = lab.under(scene, trial, scene.floods(options), seconds=30 / rate + 1)
        bans = banned(scene)
    trial.equal("answered or forwarded", 0, outcome.grown(peer="") - outcome.grown(peer="", action="drop"))
    trial.equal("over a rate", 0, outcome.grown(peer="", reason="source-rate"))
    trial.check("banned", "203.0.113.66/32", ", ".join(bans), list(bans) == ["203.0.113.66/32"])


def clock_steps(lab: Lab, trial: Trial) -> None:
    """The wall clock steps by an hour, to and fro, during bans: they end when they would have, and so do those in the store."""
    with Host("attacker", HERE, ATTACKER) as attacker:
        clock = lab.folder / "clock"
        clock.write_bytes(struct.pack("q", 0))
        around = ("env", f"LD_PRELOAD={program('clock')}", f"EDGE_CLOCK={clock}")
        with lab.scene(listen=LISTEN, bans='kernel = false\nfirst = "20s"', around=around) as scene:
            left: list[float] = []
            listed: list[int] = []
            flood: Options = {"host": attacker, "target": TARGET, "source": SOURCE, "seconds": 2, "rate": 500}

            def step(seconds: int) -> None:
                clock.write_bytes(struct.pack("q", seconds))
                time.sleep(1.5)
                left.append(next(row["seconds_left"] for row in banned(scene).values()))

            def attack() -> list[Report]:
                sent = scene.flood(**flood).wait()
                time.sleep(1)
                for seconds in (0, 3600, -3600, 0, 3600):
                    step(seconds)
                scene.agent.kill()
                scene.agent.start()
                listed.append(len(banned(scene)))
                clock.write_bytes(struct.pack("q", 0))
                time.sleep(max(0.0, left[-1]) + 1)
                listed.append(len(banned(scene)))
                return [sent]

            lab.under(scene, trial, attack, seconds=1, judge="", rate=20, memory_kib=1 << 20)
    trial.check(
        "seconds left after steps of 0, +1 h, -1 h, back, +1 h",
        "fewer each time, by less than 5",
        ", ".join(f"{seconds:.1f}" for seconds in left),
        all(0 < before - after < 5 for before, after in itertools.pairwise(left)),
    )
    trial.equal("bans after SIGKILL, and when their time is over", [1, 0], listed)


def banned_in_the_kernel(lab: Lab, trial: Trial) -> None:
    """A banned host's packets cost the agent nothing while the kernel holds the ban: it reads none; without, it drops each unread."""
    micros: dict[bool, float] = {}
    for kernel in (False, True):
        socket = lab.folder / "nft.sock"
        with ExitStack() as stack:
            attacker = stack.enter_context(Host("attacker", HERE, ATTACKER))
            if kernel:
                stack.callback(nft_helper(socket).kill)
            bans = f'kernel = {str(kernel).lower()}\nhelper = "{socket}"'
            scene = stack.enter_context(lab.scene(listen=LISTEN, bans=bans))
            own: Options = {"host": attacker, "target": TARGET, "source": SOURCE}
            scene.flood(count=200, rate=1000, **own).wait()
            time.sleep(3)
            trial.equal("banned", ["203.0.113.66/32"], list(banned(scene)))
            idle = scene.snapshot().cpu_seconds
            time.sleep(lab.seconds)
            before = scene.snapshot()
            report = scene.flood(seconds=lab.seconds, rate=lab.flood_rate / 2, **own).wait()
            after = scene.snapshot()
        more = (after.cpu_seconds - before.cpu_seconds) - (before.cpu_seconds - idle)
        micros[kernel] = 1e6 * more / report["sent"]
        read = after.received - before.received
        if kernel:
            trial.equal("read with the kernel path on", 0, read)
        else:
            trial.at_least("read without it", 0.5 * report["sent"], read)
    trial.at_most(
        "µs a banned packet costs the agent with the kernel path on",
        round(micros[False] / 10, 3),
        round(micros[True], 3),
    )
    trial.figures = {"agent_cpu_us_per_banned_packet": {"kernel": micros[True], "agent": micros[False]}}


def nft_helper(socket: Path) -> subprocess.Popen[bytes]:
    """The helper that holds bans in this namespace's nftables, ready."""
    log = socket.with_name("nft.log")
    command = [*default_command(), "nft-helper", "--socket", str(socket), "--read-back", "0.5"]
    with open(log, "wb") as out:
        helper = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    deadline = time.monotonic() + 20
    while b'"event":"started"' not in log.read_bytes():
        if helper.poll() is not None or time.monotonic() > deadline:
            helper.kill()
            raise RuntimeError(log.read_text())
        time.sleep(0.05)
    return helper
