"""Build of edge_agent._hot: one extension from one compile unit, cext/_hot.pyx.

EDGE_DEBUG=1     bounds checks on, -O1 -g
EDGE_SANITIZE=1  AddressSanitizer and UndefinedBehaviorSanitizer
EDGE_ANNOTATE=1  Cython's annotated HTML beside the C in build/
"""

from __future__ import annotations

import os

from Cython.Build import cythonize
from setuptools import Extension, setup

DEBUG = os.environ.get("EDGE_DEBUG") == "1"
SANITIZE = os.environ.get("EDGE_SANITIZE") == "1"

compile_args = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-Wno-unused-parameter"]
compile_args += ["-Wno-missing-field-initializers", "-Wno-cast-function-type", "-Wno-sign-compare"]
compile_args += ["-O1", "-g"] if DEBUG or SANITIZE else ["-O3", "-g1"]
link_args: list[str] = []
if SANITIZE:
    compile_args += ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined"]
    link_args += ["-fsanitize=address,undefined"]

setup(
    ext_modules=cythonize(
        [
            Extension(
                "edge_agent._hot",
                ["cext/_hot.pyx"],
                include_dirs=["cext"],
                depends=["cext/hot.h"],
                extra_compile_args=compile_args,
                extra_link_args=link_args,
            )
        ],
        build_dir="build",
        annotate=os.environ.get("EDGE_ANNOTATE") == "1",
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "embedsignature": True,
        },
        force=DEBUG or SANITIZE,
    )
)
