"""The control plane's heap, in processes of its own: threads share it, and what was freed serves again without a page more."""

import json
import os
import subprocess
import sys

SHARED = """
import ctypes, threading
from edge_agent import heap
heap.tune()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
taken = []
def take():
    taken.extend(libc.malloc(1 << 12) for _ in range(100))
for _ in range(8):
    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
[line] = [line for line in open("/proc/self/maps") if line.rstrip().endswith("[heap]")]
first, last = (int(end, 16) for end in line.split()[0].split("-"))
print(sum(first <= block < last for block in taken))
"""

HEADROOM = """
from edge_agent import heap
def resident():
    return int(next(line for line in open("/proc/self/smaps_rollup") if line.startswith("Anonymous:")).split()[1])
heap.tune()
resident()
{headroom}
before = resident()
kept = [bytes(size) for size in range(600, 1400, 10)], [bytes(400) for _ in range(100)]
print(resident() - before)
"""


def told(script: str) -> int:
    """What it prints, with the C library's allocator and Python's, whatever ours are."""
    environment = {name: value for name, value in os.environ.items() if name not in ("LD_PRELOAD", "PYTHONMALLOC")}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    number = json.loads(done.stdout)
    assert isinstance(number, int)
    return number


def test_threads_share_one_heap() -> None:
    """Where each has its own, a rare chore of one takes pages that lie free in the others."""
    assert told(SHARED) == 800
    assert told(SHARED.replace("heap.tune()", "")) == 0


def test_headroom_is_there_before_it_is_needed() -> None:
    """120 KiB in the sizes of log lines and records: not a page of it is new."""
    assert told(HEADROOM.format(headroom="")) >= 80
    assert told(HEADROOM.format(headroom="pin = heap.take_headroom()")) == 0
