"""The source's own rules: what a reviewer would otherwise have to look for each time.

Linters and types run in ``make lint``, before the tests.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.rules import RULES
from tests.proxy.table import TABLE

ROOT = Path(__file__).resolve().parent.parent
CEXT = ROOT / "cext"
TEXT = {".c", ".h", ".md", ".pxd", ".pxi", ".py", ".pyi", ".pyx", ".service", ".sip", ".sh", ".toml", ".xml", ""}
LONGEST = 500
# Files that may be longer than LONGEST lines, each with its reason.
LONG: dict[str, str] = {
    "cext/header_names.pxi": "written by gen.py: one line per header name",
    "edge_agent/_hot.pyi": "the face of one extension module: a stub has one file",
}
# Parts of the engine with functions for Python: made, published, read out, never on the path of a message.
FACES = {
    "_hot.pyx",
    "bans_face.pxi",
    "batch.pxi",
    "behaviour_face.pxi",
    "deferred_face.pxi",
    "tokens.pxi",
    "engine.pxi",
    "inspect.pxi",
    "prefixes.pxi",
    "networks.pxi",
    "number_builder.pxi",
    "number_sets.pxi",
    "policy.pxi",
    "toll_face.pxi",
}
# Prefixes of places that exist on one machine only. tests/ may use /tmp by name
# in prose; code asks pytest for its folders.
MACHINE_PATH = re.compile(r"""(?<![\w.$}/-])/(?:home|root|work|opt|Users|mnt)/[\w.]""")


def project_files() -> list[Path]:
    """Every file that is, or is about to be, part of the project."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def text_files() -> Iterator[tuple[str, str]]:
    for path in project_files():
        if path.suffix in TEXT:
            yield path.relative_to(ROOT).as_posix(), path.read_text(errors="replace")


def hot_parts() -> list[Path]:
    return sorted(path for path in CEXT.rglob("*") if path.suffix in {".pxi", ".pxd", ".pyx"})


def signatures(source: str) -> Iterator[tuple[int, str]]:
    """Line number and text of each ``cdef`` function that has a body, however many lines its head takes."""
    lines = source.splitlines()
    at = 0
    while at < len(lines):
        if re.match(r"\s*cdef\s+(?!extern|enum|struct|class|packed|union)[^=]*\(", lines[at]):
            start, head = at, lines[at]
            while head.count("(") > head.count(")") and at + 1 < len(lines):
                at += 1
                head += " " + lines[at].strip()
            if head.split("#")[0].rstrip().endswith(":"):
                yield start + 1, " ".join(head.split())
        at += 1


@pytest.mark.parametrize("part", hot_parts(), ids=lambda path: path.name)
def test_hot_functions_hold_no_python(part: Path) -> None:
    """``noexcept nogil``: the compiler then refuses Python in them, and no call checks for an exception.

    Methods (``self``) and the parts that face Python are free to, but nothing may be nogil and still raise.
    """
    heads = [(line, head) for line, head in signatures(part.read_text()) if "(self" not in head]
    if part.name in FACES:
        heads = [(line, head) for line, head in heads if "nogil" in head]
    assert not [f"{line}: {head}" for line, head in heads if "noexcept nogil" not in head]


def test_nothing_takes_the_gil_back() -> None:
    assert not [path.name for path in hot_parts() if re.search(r"^\s*with gil\b", path.read_text(), re.MULTILINE)]


def test_generated_parts_are_current() -> None:
    run = subprocess.run([sys.executable, CEXT / "gen.py", "--check"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


def test_the_header_compiles_without_a_warning(tmp_path: Path) -> None:
    (tmp_path / "alone.c").write_text('#include "hot.h"\n')
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-fsyntax-only"]
    run = subprocess.run(
        ["gcc", *flags, f"-I{CEXT}", tmp_path / "alone.c"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("rule", [rule.name for rule in RULES if rule.built])
def test_a_built_rule_has_a_test_and_a_case(rule: str) -> None:
    assert (ROOT / "tests" / "rules" / f"test_{rule.replace('-', '_')}.py").is_file()
    assert list((ROOT / "tests" / "cases").glob(f"{rule}-*"))


def test_the_documented_cases_are_the_tested_ones() -> None:
    assert TABLE.strip() in (ROOT / "ARCHITECTURE.md").read_text()


def test_documents_name_tests_that_exist() -> None:
    for document in ROOT.glob("*.md"):
        for file, test in re.findall(r"`(tests/(?!rules/test_x)[\w/]+\.py)(?:::(\w+))?", document.read_text()):
            assert (ROOT / file).is_file(), f"{document.name}: {file}"
            assert not test or f"def {test}(" in (ROOT / file).read_text(), f"{document.name}: {test}"


def test_documents_name_files_that_exist() -> None:
    """A file in backquotes is a path from the root, or from the folder of the engine or the package."""
    bases = [ROOT, CEXT, CEXT / "ops", *(ROOT / "edge_agent" / name for name in ("", "bans", "events", "nft", "stir"))]
    for document in [*ROOT.glob("*.md"), CEXT / "README.md"]:
        for name in re.findall(r"`([\w./]+\.(?:py|pyi|pxi|pxd|pyx|h|toml|service))\b", document.read_text()):
            found = name.endswith(("/x.py", "/x.pxi", "/test_x.py")) or any((base / name).is_file() for base in bases)
            assert found or name == "edge_agent.toml", f"{document.name}: {name}"


def test_no_file_names_a_place_on_one_machine() -> None:
    found = [f"{name}: {hit.group()}" for name, text in text_files() for hit in MACHINE_PATH.finditer(text)]
    assert not found


def test_only_the_ci_script_looks_outside_the_project() -> None:
    inside = {".ci/run", "tests/test_source.py"}
    assert not [name for name, text in text_files() if "../shared" in text and name not in inside]


def test_no_file_grows_out_of_sight() -> None:
    lengths = {name: text.count("\n") for name, text in text_files() if name != "LICENSE"}
    assert not {name: length for name, length in lengths.items() if length > LONGEST and name not in LONG}
    assert not [name for name in LONG if name not in lengths], "the list of long files names one that is gone"


def test_every_file_says_what_it_is() -> None:
    """The head of a Python file: what it is and what it never does, or of a fuzz target its invariant."""
    heads = {name: text.lstrip() for name, text in text_files() if name.endswith(".py")}
    assert not [name for name, text in heads.items() if text and not text.startswith(('"""', "# "))]
