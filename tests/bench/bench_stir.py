"""What does verifying a signed call cost beside the signature itself? ``python -m tests.bench.bench_stir``

Rounds of ours and of ``openssl speed`` alternate, since the machine is shared;
the ratio of each pair counts, and their median is told.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID

from edge_agent.stir import chain, sign
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
    count, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < seconds:
        for value in values:
            assert verify([value], call, now, lambda url: credential).attest == "A"
        count += len(values)
    return count / spent


def main() -> int:
    ask = argparse.ArgumentParser(prog="python -m tests.bench.bench_stir", description=__doc__)
    ask.add_argument("--rounds", type=int, default=5)
    ask.add_argument("--json", type=Path)
    chosen = ask.parse_args()
    ratios: list[float] = []
    for _ in range(chosen.rounds):
        here, there = ours(1.0), openssl(1)
        ratios.append(here / there)
        print(f"ours {here:8.0f}/s   openssl {there:8.0f}/s   {ratios[-1]:.2f}")
    median = statistics.median(ratios)
    print(f"median {median:.2f} of openssl speed")
    if chosen.json:
        chosen.json.write_text(json.dumps({"ratio": median, "rounds": ratios}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
