"""Signed calls in number: what is verified beside the good calls costs these nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.ca import Authority
from tests.flood.lab import AGENT, BRAVO, Lab, Report, Trial

URL = "https://cr.example.net/1234.pem"
SIGNED_RATE = 2000
FIRST = 13122200000


def signed_calls(lab: Lab, trial: Trial) -> None:
    """2,000 signed calls a second are verified, or shed as the settings say, and unsigned calls beside them are neither lost nor late."""
    folder = lab.folder / "signed"
    roots = folder / "roots"
    roots.mkdir(parents=True)
    authority = Authority()
    leaf = authority.leaf()
    (roots / "root.pem").write_bytes(authority.root.pem)
    (folder / "leaf.pem").write_bytes(leaf.pem)
    (folder / "key.pem").write_bytes(leaf.key_pem)
    limits = 'calls_per_second = 1000000\nburst = 1000000\nconcurrent_calls = 1000000\nstir = "require"'
    more = f'[stir]\nroots = "{roots}"\n[stir.preload]\n"{URL}" = "{folder / "leaf.pem"}"'
    count = round(SIGNED_RATE * lab.seconds)

    def attack() -> list[Report]:
        done = subprocess.run(
            command(folder / "key.pem", count), capture_output=True, text=True, check=False, timeout=600
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        report: Report = json.loads(done.stdout)
        return [report]

    with lab.scene(bravo=limits, more=more) as scene:
        outcome = lab.under(scene, trial, attack, memory_kib=16384)
        status = scene.snapshot().status
    passed = outcome.grown(peer="bravo", action="forward")
    refused = outcome.grown(peer="bravo", action="answer", reason="certificate-unavailable")
    trial.equal("signed calls sent", count, outcome.sent)
    trial.equal("of these forwarded or shed", count, passed + refused)
    trial.equal("still waiting", 0, status["counters"]["waiting"])
    trial.at_least("of these verified", count // 10, status["stir"]["verified"].get("passed", 0))


def command(key: Path, count: int) -> list[str]:
    options = {
        "key": key,
        "url": URL,
        "first": FIRST,
        "source": BRAVO,
        "target": AGENT,
        "rate": SIGNED_RATE,
        "count": count,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "tests.flood.signer", *words]
