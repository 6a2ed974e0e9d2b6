# SPDX-License-Identifier: GPL-2.0-only
"""A wheel, installed in an empty virtual environment, runs the main scenario outside a checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.vm.conftest import REPOSITORY, Finished


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a virtual environment with only the wheel and its dependencies."""
    place = tmp_path_factory.mktemp("wheel")
    build = (sys.executable, "-m", "build", "--wheel", "--outdir", str(place), str(REPOSITORY))
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = place.glob("orch-*.whl")
    venv.create(place / "venv", with_pip=True)
    pip = (str(place / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel))
    subprocess.run(pip, check=True, capture_output=True)
    return place / "venv/bin"


def start(installed: Path, place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed ``orch`` in `place` as a user does."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    argv = (str(installed / "orch"), *arguments)
    return subprocess.run(argv, cwd=place, env=environment, capture_output=True, text=True, check=False)


def test_an_installed_wheel_runs_the_main_scenario(installed: Path, tmp_path: Path, pud: Finished) -> None:
    done = start(installed, tmp_path, "run", "scenarios/pud.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "results/latest/run.json").read_text())
    assert all(job["status"] == "done" for job in record["jobs"])
    assert record["counts"] == pud.record["counts"]


def test_its_version_is_the_checkouts(installed: Path, tmp_path: Path) -> None:
    commit = subprocess.run(
        ("git", "-C", REPOSITORY, "rev-parse", "--short", "HEAD"), check=True, capture_output=True, text=True
    ).stdout.strip()
    version = start(installed, tmp_path, "--version").stdout.splitlines()[0]
    assert version.startswith("orch ")
    assert f"g{commit[:7]}" in version
