"""What an operator or the machine does to the daemon while a flood lasts."""

from __future__ import annotations

import time

from edge_agent.admin.client import call
from tests.flood.lab import Lab, Report, Trial


def reload_in_flood(lab: Lab, trial: Trial) -> None:
    """Reloads during the flood: none fails, no call is lost, and none waits for them."""
    with lab.scene() as scene:

        def attack() -> list[Report]:
            flood = scene.flood(network="11.0.0.0/8", mode="random", seconds=lab.seconds, rate=lab.flood_rate)
            for _ in range(5):
                time.sleep(lab.seconds / 6)
                status, reply = call(scene.folder / "control.sock", "POST", "/api/reload")
                trial.equal("reload", (200, True), (status, reply.get("ok")))
            return [flood.wait()]

        lab.under(scene, trial, attack, memory_kib=4096)


def kill_in_flood(lab: Lab, trial: Trial) -> None:
    """SIGKILL during the flood, and a start at once: calls that were being set up or ended then come through by their repeats."""
    with lab.scene() as scene:

        def attack() -> list[Report]:
            flood = scene.flood(network="11.0.0.0/8", mode="random", seconds=lab.seconds + 2, rate=lab.flood_rate)
            time.sleep(lab.seconds / 2)
            scene.agent.kill()
            scene.agent.start()
            return [flood.wait()]

        outcome = lab.under(
            scene, trial, attack, judge="calls", seconds=lab.seconds + 3, memory_kib=1 << 20, patience=30
        )
    trial.at_least("repeats", 1, outcome.during["repeats"])
