# SPDX-License-Identifier: GPL-2.0-only
"""The VM tests share the user's own cache and one run of the main scenario."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestrator.cli.arguments import cache_directory
from orchestrator.host.local import LocalHost
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.model import KernelBuild
from tests.declared import declared_path

REPOSITORY = Path(__file__).resolve().parents[2]
PATCHES = Path(__file__).parent / "patches"
ORCH = str(Path(sys.executable).parent / "orch")
SCENARIO = REPOSITORY / "scenarios/pud.yaml"
_INFO = ["name", "cmdline"]


@pytest.fixture(autouse=True, scope="session")
def declared_programs_only(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Give all programs started here the declared programs only.

    A fresh machine has no others.
    """
    os.environ["PATH"] = declared_path(tmp_path_factory.mktemp("declared"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here needs QEMU, and is skipped without it."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.vm)
            if shutil.which("qemu-system-x86_64") is None:
                item.add_marker(pytest.mark.skip(reason="QEMU is not installed and could not be: see 'make setup'"))


@dataclass(frozen=True)
class Finished:
    """One ``orch`` command that has ended."""

    status: int
    out: str
    err: str
    results: Path

    @property
    def run(self) -> Path:
        """The directory of the newest run."""
        return (self.results / "latest").resolve()

    @property
    def record(self) -> dict[str, Any]:
        """The run's run.json."""
        loaded: dict[str, Any] = json.loads((self.run / "run.json").read_text())
        return loaded

    def build(self, kernel: str) -> KernelBuild:
        """The artifact that the run used for `kernel`."""
        key = json.loads((self.run / "kernels" / kernel / "provenance.json").read_text())["key"]
        found = KernelCache(cache_directory()).artifact(kernel, key)
        assert found
        return found


def orch(results: Path, *arguments: str, cwd: Path | None = None) -> Finished:
    """Run ``orch`` as a user does, with its results in `results`."""
    done = subprocess.run(
        [ORCH, *arguments, "--results", str(results)],
        cwd=cwd or REPOSITORY,
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr, results)


@pytest.fixture(scope="session")
def pud(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The main scenario, run as the README says.

    What the cache lacks is fetched and built.
    """
    return orch(tmp_path_factory.mktemp("pud"), "run", str(SCENARIO))


@pytest.fixture(scope="session")
def again(pud: Finished, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The same once more, when everything is built."""
    assert pud.status == 0, pud.err
    return orch(tmp_path_factory.mktemp("again"), "run", str(SCENARIO))


@pytest.fixture(scope="session")
def base(pud: Finished) -> KernelBuild:
    """The unpatched kernel."""
    assert (pud.run / "kernels/base/provenance.json").exists(), pud.err
    return pud.build("base")


@pytest.fixture
def host() -> LocalHost:
    """This machine."""
    return LocalHost()


@pytest.fixture(autouse=True)
def nothing_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """After every test, whatever happened in it, no virtual machine of these tests is alive."""
    yield
    assert not virtual_machines(tmp_path_factory.getbasetemp())


def virtual_machines(below: Path) -> set[int]:
    """The process ids of every QEMU whose guest writes to a directory `below`.

    Others may use this machine, too.
    """
    found = ((one.pid, one.info["name"] or "", one.info["cmdline"] or []) for one in psutil.process_iter(_INFO))
    return {pid for pid, name, argv in found if name.startswith("qemu-system") and str(below) in " ".join(argv)}


def scenario_text(kernels: str, length: str = "64M") -> str:
    """A scenario of one device and one workload; `kernels` is YAML, indented by two."""
    return f"""\
name: broken
description: Kernels that are broken on purpose.
devices:
  testdev: {{emulated: pci-testdev, bar: 4G}}
workloads:
  alignment: {{run: alignment, device: testdev, bars: 2, length: {length}, placements: [qemu, kernel], timeout: 60s}}
kernels:
  base:
    source: {{debian: linux-source-7.3, suite: trixie-backports}}
    config: [guest, vfio]
    expect:
      qemu: {{level: PMD}}
{kernels}"""
