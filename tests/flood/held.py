"""Calls that are begun to be held: without BYE, or taken back before anybody rings. They cost the trunk's own places, and only those."""

from __future__ import annotations

from typing import Any

from tests.flood.lab import BRAVO, Lab, Program, Report, Scene, Trial

LIMIT = 50
BRAVO_MAY = f"calls_per_second = 1000\nburst = 1000\nconcurrent_calls = {LIMIT}"
OTHER_CLOUD = "127.0.0.21:5080"
SECOND = f"""
[[upstream]]
name = "second"
targets = ["{OTHER_CLOUD}"]
domains = ["second.example.net"]
probe_every = "0s"
"""


def calls(scene: Scene, **options: Any) -> Program:
    """bravo's calls, with a cloud of their own."""
    share = {"trunk": BRAVO, "cloud": OTHER_CLOUD, "domain": "second.example.net", "from": "step:+13122200000,1"}
    return scene.good(**(share | options))


def up(scene: Scene) -> int:
    """bravo's calls that the agent counts as up."""
    return int(next(row["out"] for row in scene.snapshot().status["calls"] if row["trunk"] == "bravo"))


def never_hung_up(lab: Lab, trial: Trial) -> None:
    """200 and never a BYE: the trunk gets its concurrent calls and not one more; nobody else has one less."""
    with lab.scene(bravo=BRAVO_MAY, more=SECOND, bravo_cloud="second") as scene:
        held: list[int] = []

        def attack() -> list[Report]:
            report = calls(scene, seconds=lab.seconds, rate=100, end="none", patience=2).wait()
            held.append(up(scene))
            return [report | {"pps": 100}]

        outcome = lab.under(scene, trial, attack, seconds=lab.seconds + 2)
    report = outcome.floods[0]
    trial.equal("answered", LIMIT, report["answered"])
    trial.equal("refused with 486", report["sent"] - LIMIT, report["refused"].get("486", 0))
    trial.equal("counted as up at the end", LIMIT, held[0])


def cancelled_at_once(lab: Lab, trial: Trial) -> None:
    """INVITE, then CANCEL before 180, at any number: no place of the trunk's leaks, and afterwards it has them all."""
    with lab.scene(bravo=BRAVO_MAY, more=SECOND, bravo_cloud="second") as scene:
        held: list[int] = []

        def attack() -> list[Report]:
            report = calls(scene, seconds=lab.seconds, rate=200, end="cancel", patience=5).wait()
            held.append(up(scene))
            whole = calls(scene, seconds=1, rate=LIMIT, end="none", patience=3).wait()
            return [report | {"pps": 200}, whole | {"pps": LIMIT}]

        outcome = lab.under(scene, trial, attack, seconds=lab.seconds + 6)
    cancelled, whole = outcome.floods
    trial.equal("ended by 487, or refused for want of a place", cancelled["sent"], sum(cancelled["refused"].values()))
    trial.equal("counted as up after them", 0, held[0])
    trial.equal("calls answered afterwards", LIMIT, whole["answered"])
