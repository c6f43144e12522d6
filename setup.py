"""Build of edge_agent._hot: one extension from one compile unit, cext/_hot.pyx.

EDGE_DEBUG=1     -O1 -g, for a debugger
EDGE_SANITIZE=1  AddressSanitizer and UndefinedBehaviorSanitizer
EDGE_ANNOTATE=1  Cython's annotated HTML beside the C in build/
EDGE_PROFILE=record, then =use
                 counts branches; compiles with what was counted (make build does
                 both, with tests/bench/train.py between)
EDGE_ENGINE=no   leaves the engine out, to install what the package needs

Everything else about the package stands in pyproject.toml.
"""

from __future__ import annotations

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

DEBUG = os.environ.get("EDGE_DEBUG") == "1"
SANITIZE = os.environ.get("EDGE_SANITIZE") == "1"
ANNOTATE = os.environ.get("EDGE_ANNOTATE") == "1"
PROFILE = "" if DEBUG or SANITIZE else os.environ.get("EDGE_PROFILE", "")
ENGINE = os.environ.get("EDGE_ENGINE") != "no"

# Each kind of build has a folder of its own: objects of one never end up in another.
BUILD = "build/sanitize" if SANITIZE else "build/debug" if DEBUG else "build"

# Our header is free of warnings; what Cython writes is not under our hand, so
# four kinds that its C can't avoid are left out. No -march: SSE2 is x86-64's base.
compile_args = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-Wno-unused-parameter"]
compile_args += ["-Wno-missing-field-initializers", "-Wno-cast-function-type", "-Wno-sign-compare"]
compile_args += ["-O1", "-g"] if DEBUG or SANITIZE else ["-O3", "-g1"]
link_args: list[str] = []
if SANITIZE:
    compile_args += ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined"]
    link_args += ["-fsanitize=address,undefined"]
# The counts lie beside the object, so both builds have the same. What wasn't run keeps its -O3.
if PROFILE == "record":
    compile_args += ["-fprofile-generate", "-fprofile-update=single"]
    link_args += ["-fprofile-generate"]
elif PROFILE == "use":
    # Inlined as the counts say, parts of Cython's C look uninitialized to GCC; the first build has had that warning.
    compile_args += ["-fprofile-use", "-fprofile-partial-training", "-Wmissing-profile", "-Wno-maybe-uninitialized"]
depends = sorted(path for path in Path("cext").rglob("*") if path.suffix in {".h", ".pxd", ".pxi"})
if PROFILE == "use":
    depends += Path("build/profile").glob(".trained")

setup(
    options={"build": {"build_base": BUILD}},
    ext_modules=cythonize(
        [
            Extension(
                "edge_agent._hot",
                ["cext/_hot.pyx"],
                include_dirs=["cext"],
                # A changed part rebuilds the one unit that includes it.
                depends=[str(path) for path in depends],
                extra_compile_args=compile_args,
                extra_link_args=link_args,
            )
        ],
        build_dir=BUILD,
        annotate=ANNOTATE,
        # Checks of Python sequences stay on: hot code indexes C arrays only, which they don't touch.
        compiler_directives={"language_level": 3, "cdivision": True, "embedsignature": True},
        force=ANNOTATE,
    )
    if ENGINE
    else [],
)
