"""Compiles the programs of this folder with the flags of the test build, once per change, into build/flood.

It never runs them and never writes beside the sources.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILT = HERE.parents[1] / "build" / "flood"
FLAGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function"]
LIBRARIES = {"clock": ["-shared", "-fPIC"]}


def program(name: str) -> Path:
    """The program (or preload library) of ``name``.c, ready to run."""
    source = HERE / f"{name}.c"
    made = BUILT / (f"{name}.so" if name in LIBRARIES else name)
    newest = max(path.stat().st_mtime for path in (source, *HERE.glob("*.h")))
    if not made.exists() or made.stat().st_mtime < newest:
        BUILT.mkdir(parents=True, exist_ok=True)
        # Two test runs at once: each writes its own file and the last rename wins.
        fresh = made.with_name(f"{made.name}.{os.getpid()}")
        command = ["gcc", *FLAGS, *LIBRARIES.get(name, []), "-o", str(fresh), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{name}.c doesn't compile:\n{done.stderr}")
        fresh.rename(made)
    return made


if __name__ == "__main__":
    for each in sorted(HERE.glob("*.c")):
        print(program(each.stem))
