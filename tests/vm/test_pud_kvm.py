# SPDX-License-Identifier: GPL-2.0-only
"""The main scenario under KVM: the same exact measurements and the same statuses as under emulation."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from tests.vm.conftest import SCENARIO, Finished, orch
from tests.vm.outer import OUTER, TESTDEV, UNDER_KVM, Outer, boot_outer, exact, read, statuses, written
from tests.vm.test_pud import CASES

pytestmark = pytest.mark.long

BAR = 4 << 30


@pytest.fixture(scope="module")
def measured(pud: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The main scenario with the kernels that were built here, and a device that is passed through."""
    place = tmp_path_factory.mktemp("measured")
    scenario = yaml.safe_load(SCENARIO.read_text())
    expected = scenario["kernels"]["base"]["expect"]
    for name, kernel in scenario["kernels"].items():
        (place / name).mkdir()
        for file in ("vmlinux", "config"):
            shutil.copy(pud.build(name).directory / file, place / name / file)
        source = {"image": f"{name}/vmlinux", "config": f"{name}/config"}
        scenario["kernels"][name] = {"source": source, "expect": {**expected, **kernel.get("expect", {})}}
    scenario["devices"] = {"testdev": {"passthrough": TESTDEV}}
    scenario["machine"] = {"memory": "1G"}
    (place / "pud.yaml").write_text(yaml.safe_dump(scenario))
    return place


@pytest.fixture(scope="module")
def outer(measured: Path, tmp_path_factory: pytest.TempPathFactory) -> Outer:
    """What the outer guest left, which ran the scenario under KVM."""
    place = tmp_path_factory.mktemp("outer")
    kernel = orch(place / "results", "run", str(written(place, OUTER)))
    assert kernel.status == 0, kernel.err
    (place / "cache").mkdir()
    given = {"cache": place / "cache", "inner": measured}
    return boot_outer(kernel.build("outer"), place / "host/guest", "measured", given, BAR)


def test_a_guest_under_kvm_has_the_cpu_of_its_host(outer: Outer) -> None:
    for boot in sorted((outer.steps / "pud-results/latest/boots").glob("*/*")):
        command = (boot / "command.sh").read_text()
        assert "accel=kvm" in command
        assert "-cpu host" in command
        assert "--disable-kvm" not in command


def test_the_exact_measurements_under_kvm_are_those_under_emulation(outer: Outer, pud: Finished) -> None:
    assert outer.status("pud") == 0, outer.text("pud.err")
    run = outer.steps / "pud-results/latest"
    assert (read(run / "run.json")["accelerator"], pud.record["accelerator"][:3]) == (UNDER_KVM, "tcg")
    for kernel in pud.record["kernels"]:
        under_kvm, under_tcg = (read(one / f"boots/{kernel}/alignment/result.json") for one in (run, pud.run))
        assert exact(under_kvm) == exact(under_tcg)
        assert statuses(under_kvm) == statuses(under_tcg)
        assert {name for _, _, name in exact(under_kvm)} >= {"alignment", "entries_pud", "faults", "dma_faults"}
        assert len(statuses(under_kvm)) == CASES
