# SPDX-License-Identifier: GPL-2.0-only
"""An installed orch works outside a checkout.

The wheel has the data and the guest's sources.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, unpacked as pip would."""
    place = tmp_path_factory.mktemp("wheel")
    # Where what builds it is installed, pip need not fetch it; `make setup` has built with what it fetched.
    here = all(find_spec(name) for name in ("hatchling", "hatch_vcs"))
    options = ["--no-build-isolation"] if here else []
    argv = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", *options, "-w", str(place), str(REPOSITORY)]
    subprocess.run(argv, check=True, capture_output=True)
    (wheel,) = place.glob("orch-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place / "site")
    return place / "site"


def names(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_the_wheel_carries_all_data(unpacked: Path) -> None:
    shipped = {"kernels": "data/kernels", "scenarios": "data/scenarios"}
    shipped["orchestrator/workload/guest"] = "workload/guest"
    shipped["orchestrator/report/html/templates"] = "report/html/templates"
    for origin, place in shipped.items():
        there, here = unpacked / "orchestrator" / place, REPOSITORY / origin
        assert names(there) == names(here)


def test_a_scenario_loads_from_the_wheel_alone(unpacked: Path, tmp_path: Path) -> None:
    script = f"import sys; sys.path.insert(0, {str(unpacked)!r}); from orchestrator.cli.main import main; "
    script += "import orchestrator; print(orchestrator.__file__); sys.exit(main(['check', 'scenarios/pud.yaml']))"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith(str(unpacked))
    assert "ok (5 kernels" in done.stdout
