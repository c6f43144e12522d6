"""What does verifying a signed call cost beside the signature itself? ``python -m tests.bench.bench_stir``

"headers" is verification alone, "service" a held call from the engine's queue to
its answer, each with a token of its own and the certificate in memory; both on
one core. Rounds of ours and of ``openssl speed`` alternate, since the machine is
shared; all count CPU time, and the ratio of each pair; their median is told.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from edge_agent._hot import Deferred
from edge_agent.stir import chain, sign
from edge_agent.stir.fetch import Certificates
from edge_agent.stir.judge import Subject
from edge_agent.stir.service import BATCH, Rules, Service
from edge_agent.stir.verify import Call, verify
from tests.ca import Authority

URL = "https://cr.example.net/1234.pem"
CALLER, CALLED = "12025550143", "12125550100"
ORIGID = UUID(int=0x7B1C3F0E5A0D4A8E9D430123456789AB)


def openssl(seconds: int) -> float:
    """Verifications per second of one core."""
    command = ["openssl", "speed", "-seconds", str(seconds), "ecdsap256"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    line = next(line for line in told.splitlines() if "nistp256" in line)
    return float(re.findall(r"[\d.]+", line)[-1])


def ours(seconds: float) -> float:
    """Whole headers per second: token, claims, certificate from memory, signature."""
    authority = Authority()
    leaf = authority.leaf()
    credential = chain.load(leaf.pem, [authority.root.certificate])
    now = authority.now.timestamp()
    values = [sign.shaken(leaf.key, URL, CALLER, CALLED, "A", ORIGID, int(now) - age) for age in range(20)]
    call = Call(CALLER, CALLED, CALLED, None)
    count, began = 0, time.process_time()
    while (spent := time.process_time() - began) < seconds:
        for value in values:
            assert verify([value], call, now, lambda url: credential).attest == "A"
        count += len(values)
    return count / spent


def deferred(number: int, identity: str) -> Deferred:
    """A call that waits."""
    return Deferred(
        ticket=number,
        time_ns=0,
        peer="acme",
        subject="acme",
        upstream="",
        verify=True,
        sign=False,
        owned=False,
        caller=CALLER,
        to=CALLED,
        called=CALLED,
        date="",
        identities=[identity],
        call_id=f"call-{number}",
    )


class Calls:
    """The engine's face: a queue, and a count of what passed."""

    def __init__(self) -> None:
        self.deferred_fd, self.deferred_share, self.passed = -1, 4096, 0
        self.calls: list[Deferred] = []

    def deferred(self, limit: int = 64) -> list[Deferred]:
        taken, self.calls = self.calls, []
        return taken

    def resolve(
        self,
        ticket: int,
        reason: int,
        verstat: int,
        attest: str,
        monitored: Sequence[int],
        text: bytes,
        priority: Sequence[str] = (),
        callback: bool = False,
    ) -> bool:
        self.passed += verstat == 1 and not monitored
        return True


def served(count: int) -> float:
    """Calls per second through the service: queue, verification, replay table, answer."""
    authority = Authority()
    leaf = authority.leaf()
    now = authority.now.timestamp()
    certificates = Certificates([authority.root.certificate], clock=time.time)
    certificates.preload(URL, leaf.pem)
    calls = [
        deferred(number, sign.shaken(leaf.key, URL, CALLER, CALLED, "A", UUID(int=number), int(now)))
        for number in range(count)
    ]
    engine = Calls()
    service = Service(engine, certificates, lambda url: None, lambda: None, wall=lambda: now)
    service.use(Rules(subjects={"acme": Subject("acme", requires=True)}))
    spent = 0.0
    for at in range(0, count, BATCH):
        engine.calls = calls[at : at + BATCH]
        began = time.process_time()
        service.turn()
        spent += time.process_time() - began
    assert engine.passed == count, service.status()
    service.close()
    return count / spent


def main() -> int:
    ask = argparse.ArgumentParser(prog="python -m tests.bench.bench_stir", description=__doc__)
    ask.add_argument("--rounds", type=int, default=5)
    ask.add_argument("--json", type=Path)
    chosen = ask.parse_args()
    ratios: list[float] = []
    whole: list[float] = []
    for _ in range(chosen.rounds):
        here, there, service = ours(1.0), openssl(1), served(8000)
        ratios.append(here / there)
        whole.append(service / there)
        print(
            f"headers {here:8.0f}/s {ratios[-1]:.2f}   service {service:8.0f}/s {whole[-1]:.2f}   openssl {there:8.0f}/s"
        )
    median, served_median = statistics.median(ratios), statistics.median(whole)
    print(f"median of openssl speed: headers {median:.2f}, service {served_median:.2f}")
    if chosen.json:
        told = {"ratio": median, "rounds": ratios, "service": served_median, "service_rounds": whole}
        chosen.json.write_text(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
