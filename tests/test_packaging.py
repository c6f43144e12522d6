"""The sdist builds the wheel, and the wheel runs without the source tree."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from edge_agent import __version__

ROOT = Path(__file__).resolve().parent.parent

POLICY = """
[agent]
name = "wheel"
state_dir = "{state}"

[[listen]]
address = "127.0.0.1:23990"

[[upstream]]
name = "cloud"
targets = ["127.0.0.1:23991"]

[[trunk]]
name = "acme"
sources = ["127.0.0.10/32"]
upstream = "cloud"
contact = ["127.0.0.10:23992"]
caller_ids = ["+12125550100"]
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel that was built from it alone."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel in an environment of its own; the libraries it asks for are lent by this one."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    (wheel,) = built.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    subprocess.run([*pip, "install", "-qq", "--root-user-action=ignore", "--no-deps", str(wheel)], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    lent = folder / "venv" / "lib" / version / "site-packages" / "lent.pth"
    lent.write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def run(installed: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    path = installed / "venv" / "bin"
    return subprocess.run(
        [path / command[0], *command[1:]], cwd=installed, env=environment, capture_output=True, text=True, check=False
    )


def test_the_sdist_holds_what_a_build_needs(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"cext/_hot.pyx", "cext/hot.h", "cext/gen.py", "config/edge_agent.toml", "systemd/edge-agent.service"}
    assert wanted | {"setup.py", "pyproject.toml", "LICENSE", "README.md", "ARCHITECTURE.md"} <= names
    assert not [name for name in names if name.endswith((".so", ".pyc")) or name.startswith(("tests/", "build/"))]


@pytest.mark.parametrize("target", ["build", "demo"])
def test_make_has_a_rule_for_all_that_it_needs(built: Path, tmp_path: Path, target: str) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    done = subprocess.run(
        ["make", "--dry-run", "-C", str(tmp_path / sdist.name.removesuffix(".tar.gz")), target],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "setup.py --quiet build_ext --inplace" in done.stdout and "EDGE_PROFILE" not in done.stdout


def test_the_wheel_holds_the_package_alone(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names} == {"edge_agent", f"edge_agent-{__version__}.dist-info"}
    assert {"edge_agent/py.typed", "edge_agent/_hot.pyi"} <= set(names)
    assert [name for name in names if name.startswith("edge_agent/_hot.") and name.endswith(".so")]


def test_the_wheel_runs_without_the_tree(installed: Path) -> None:
    where = run(installed, "python", "-c", "import edge_agent._hot as hot; print(hot.__file__)").stdout
    assert where.startswith(str(installed)), where
    version = run(installed, "edge-agent", "version")
    assert (version.returncode, version.stderr) == (0, "")
    assert __version__ in version.stdout


def test_the_wheel_checks_a_policy(installed: Path) -> None:
    policy = installed / "policy.toml"
    policy.write_text(POLICY.format(state=installed))
    good = run(installed, "edge-agent", "check", "-c", policy)
    assert good.returncode == 0, good.stdout + good.stderr
    policy.write_text(POLICY.format(state=installed).replace('upstream = "cloud"', 'upstream = "clod"'))
    assert run(installed, "edge-agent", "check", "-c", policy).returncode == 1
