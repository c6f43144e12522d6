"""What does a list of ten million numbers cost: to load, to reload, to ask? ``python -m tests.bench.bench_lists``

``[--numbers N] [--json FILE]``

- Asked: nanoseconds of one look-up whose cache line is nowhere near, the best of
  several rounds: as the engine asks, which fetches the lines of a group of eight
  messages before it screens them; each waiting for the one before; and the same in
  a set that fits into the nearest cache.  Instructions are
  callgrind's, and how many lines a look-up needs is counted in the table itself:
  neither depends on the machine.
- Loaded: the daemon started on the list, then started again with its compiled
  file, then reloaded with a list of as many other numbers. CPU is that of daemon and
  child, since the machine is shared; memory is the most that both had at once
  (proportional, so a page that they share counts once) over what a daemon
  without lists has once it is up. Another daemon starts on denied networks
  instead: what "networks" takes beyond "without lists" is theirs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from edge_agent._hot import NumberSet
from edge_agent.numbering.compiled import CompiledLists
from tests.bench.bench_instructions import HERE, ROOT, TOTALS, TRIGGER
from tests.e2e.daemon import Daemon

NUMBERS = 10_000_000
NETWORKS = 100_000
ASKED = 1 << 17
PASSES = (1, 2)
ROUNDS = 15
MIB = 2**20
FIRST, STEP, WIDTH = 2_010_000_000, 797, 7_970_000_000
WANTED = {"probe, absent": 100.0, "probe, listed": 100.0, "start": 10.0, "memory": 200.0, "reload memory": 200.0}
GROUP = 8  # of the engine: process.pxi


def digits(number: int, turn: int = 0) -> int:
    """The n-th number of a list: ten digits, spread over the plan. Another turn: another list of them."""
    return FIRST + (number * STEP * 1_000_003 + turn) % WIDTH


def write_list(path: Path, count: int, turn: int = 0) -> None:
    with open(path, "w") as file:
        file.writelines(f"+1{digits(number, turn)}\n" for number in range(count))


def write_networks(path: Path) -> None:
    """Networks beside each other, from 16.0.0.0 on, each until the same day."""
    lines = (f"{n >> 16}.{n >> 8 & 255}.{n & 255}.0/24 2030-01-01\n" for n in range(1 << 20, (1 << 20) + NETWORKS))
    path.write_text("".join(lines))


def packed(numbers: Iterator[int]) -> bytes:
    return array("Q", (11 << 54 | 10_000_000_000 + number for number in numbers)).tobytes()


def listed(count: int) -> bytes:
    chance = random.Random(1)
    return packed(digits(chance.randrange(count)) for _ in range(ASKED))


def absent() -> bytes:
    """Numbers that lists of turn 0 don't have: every listed one is a multiple of STEP away from the first."""
    chance = random.Random(2)
    return packed(FIRST + chance.randrange(WIDTH // STEP) * STEP + 5 for _ in range(ASKED))


def nanoseconds(numbers: NumberSet, asked: bytes, apart: bool, ahead: int = 0) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        before = time.thread_time_ns()
        numbers.count(asked, 0, apart, ahead)
        best = min(best, time.thread_time_ns() - before)
    return best / ASKED


def lines_touched(content: bytes, asked: bytes) -> float:
    """Lines that a look-up reads, on average: the engine's law over again (cext/ops/lines.pxi)."""
    lines, bits = (int.from_bytes(content[at : at + 8], "little") for at in (144, 152))
    words = memoryview(content)[192 : 192 + lines * 64].cast("I")
    mask, half, touched = 2**bits - 1, (bits + 1) // 2, 0
    sample = array("Q", asked)[:20_000]
    for number in sample:
        key = number - (11 << 54) + 10**11
        mixed = key * 0x9E3779B97F4A7C15 & mask
        mixed = (mixed ^ mixed >> half) * 0xD6E8FEB86659FD93 & mask
        mixed ^= mixed >> half
        at = mixed * lines >> bits
        while True:
            touched += 1
            line = words[at * 16 : at * 16 + 16].tolist()
            if mixed & 2**32 - 1 in line[1 : 1 + (line[0] & 15)] or not line[0] >> 16 + (mixed >> 8 & 15) & 1:
                break
            at = (at + 1) % lines
    return touched / len(sample)


# Instructions


def counted(library: str, folder: str) -> None:
    """The program that callgrind runs."""
    import ctypes

    marks = ctypes.CDLL(library)
    [file] = Path(folder).glob("*.numbers")
    numbers = NumberSet.mapped(file.read_bytes(), bytes.fromhex(file.stem))
    for name, asked in (("listed", listed(NUMBERS)), ("absent", absent())):
        for passes in (1, *PASSES):
            marks.mark_on()
            for _ in range(passes):
                numbers.count(asked)
            marks.mark_off()
            marks.mark_dump(f"{name}:{passes}".encode())


def instructions(compiled: Path, folder: Path) -> dict[str, float]:
    library = folder / "marks.so"
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, HERE / "marks.c"], check=True)
    valgrind = ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/counts"]
    program = [sys.executable, "-m", "tests.bench.bench_lists", "--counted", str(library), str(compiled)]
    subprocess.run([*valgrind, *program], cwd=ROOT, capture_output=True, check=True)
    totals: dict[tuple[str, int], int] = {}
    for path in folder.glob("counts*"):
        text = path.read_text()
        if (trigger := TRIGGER.search(text)) and (total := TOTALS.search(text)):
            totals[trigger[1], int(trigger[2])] = int(total[1])
    return {name: (totals[name, 2] - totals[name, 1]) / ASKED for name in ("listed", "absent")}


# The daemon


def family(pid: int) -> list[int]:
    """A process and its children."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += (task / "children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(child for one in set(children) for child in family(int(one)))]


def proportional(pid: int) -> int:
    """Bytes of memory, pages that several processes map shared out among them."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def spent(pid: int) -> float:
    """Seconds of CPU, of ended children too."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


class Watch:
    """The most memory that a daemon and its children have at once."""

    def __init__(self, daemon: Daemon) -> None:
        self.most = 0
        self._daemon = daemon
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._end.wait(0.02):
            if self._daemon.process is not None:
                self.most = max(self.most, sum(proportional(one) for one in family(self._daemon.pid)))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


@contextmanager
def running(folder: Path, lists: str = "") -> Iterator[tuple[Daemon, float, float, int]]:
    """A daemon, the seconds and CPU seconds until it was ready, and the most memory it had."""
    with Daemon(folder, more=f"[lists]\n{lists}") as daemon:
        began = time.perf_counter()
        with Watch(daemon) as watch:
            daemon.launch()
            daemon.until(lambda: any("READY=1" in notice for notice in daemon.hear()), 300)
        yield daemon, time.perf_counter() - began, spent(daemon.pid), watch.most
        daemon.stop()
    (folder / "notify").unlink()


def loads(folder: Path, count: int) -> dict[str, float]:
    with running(folder) as (daemon, seconds, cpu, _):
        # As it is when it has started: its own start takes more for a moment, which only sometimes is seen.
        without = proportional(daemon.pid)
        found = {"without lists": seconds, "without lists, CPU": cpu}
    write_networks(folder / "deny.txt")
    with running(folder, 'deny = ["file:deny.txt"]') as (_, seconds, cpu, most):
        found |= {"networks": seconds, "networks, CPU": cpu, "networks memory": (most - without) / MIB}
    write_list(folder / "dno.txt", count)
    for name in ("start", "start again"):
        with running(folder, 'do_not_originate = ["file:dno.txt"]') as (daemon, seconds, cpu, most):
            found |= {name: seconds, f"{name}, CPU": cpu}
            found["memory" if name == "start" else "memory again"] = (most - without) / MIB
            if name == "start":
                continue
            held = proportional(daemon.pid)
            began = time.perf_counter()
            with Watch(daemon) as watch:
                assert daemon.command("reload").returncode == 0
            found |= {"reload, same list": time.perf_counter() - began}
            found |= {"reload memory, same list": (watch.most - without) / MIB}
            write_list(folder / "dno.txt", count, 1)
            before, began = spent(daemon.pid), time.perf_counter()
            with Watch(daemon) as watch:
                assert daemon.command("reload").returncode == 0
            found |= {"reload": time.perf_counter() - began, "reload, CPU": spent(daemon.pid) - before}
            found["reload memory"] = (watch.most - without) / MIB
            daemon.until(lambda most=held + 10 * MIB: proportional(daemon.pid) < most)  # type: ignore[misc]
            found["after the reload"] = (proportional(daemon.pid) - without) / MIB
    return found


def main() -> int:
    ask = argparse.ArgumentParser(prog="python -m tests.bench.bench_lists", description=__doc__)
    ask.add_argument("--numbers", type=int, default=NUMBERS)
    ask.add_argument("--json", type=Path)
    ask.add_argument("--counted", nargs=2, help=argparse.SUPPRESS)
    chosen = ask.parse_args()
    if chosen.counted:
        counted(*chosen.counted)
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = loads(folder, chosen.numbers)
        write_list(folder / "probe.txt", chosen.numbers)
        compiled = CompiledLists(folder / "compiled")
        compiled.keeping = True
        with open(folder / "probe.txt", "rb") as file:
            numbers = compiled.get(file.fileno(), True)
        small = NumberSet(b"".join(b"+1%d\n" % digits(number) for number in range(1000)))
        for kind, asked in (("listed", listed(chosen.numbers)), ("absent", absent())):
            found[f"probe, {kind}"] = nanoseconds(numbers, asked, True, GROUP)
            found[f"probe, {kind}, nothing fetched ahead"] = nanoseconds(numbers, asked, True)
            found[f"probe, {kind}, one behind the other"] = nanoseconds(numbers, asked, False)
            [file_made] = (folder / "compiled").iterdir()
            found[f"lines, {kind}"] = lines_touched(file_made.read_bytes(), asked)
        found["probe, absent, in the nearest cache"] = nanoseconds(small, absent(), True)
        for kind, count in instructions(folder / "compiled", folder).items():
            found[f"instructions, {kind}"] = count
    for what, value in found.items():
        wanted = WANTED.get(what)
        told = "" if wanted is None else f"   asked {wanted:g}: {'reached' if value <= wanted else 'MISSED'}"
        print(f"{what:40} {value:10.2f}{told}")
    print(f"child: at most {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MiB")
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
