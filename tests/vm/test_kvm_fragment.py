# SPDX-License-Identifier: GPL-2.0-only
"""A kernel with the fragment `kvm` boots under KVM, uses what the fragment adds, and measures the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from tests.vm.conftest import Finished, orch
from tests.vm.outer import OUTER, TESTDEV, UNDER_KVM, Outer, boot_outer, exact, read, statuses, written

pytestmark = pytest.mark.long

FRAGMENT = """\
name: fragment
description: A kernel with the fragment for KVM.
machine: {memory: 1G}
devices:
  testdev: {emulated: pci-testdev, bar: 256M}
workloads:
  alignment: {run: alignment, device: testdev, bars: 2, length: 64M, placements: [qemu, kernel], timeout: 5m}
kernels:
  kvm:
    source: {debian: linux-source-7.3, suite: trixie-backports}
    config: [guest, vfio, kvm]
    expect:
      qemu: {level: PMD}
      kernel: {level: PTE}
"""


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The scenario on this machine, which builds the kernel."""
    place = tmp_path_factory.mktemp("fragment")
    (place / "fragment.yaml").write_text(FRAGMENT)
    return orch(place / "results", "run", str(place / "fragment.yaml"))


@pytest.fixture(scope="module")
def outer(emulated: Finished, tmp_path_factory: pytest.TempPathFactory) -> Outer:
    """The same kernel under KVM in an outer guest, with a device that is passed through."""
    assert emulated.status == 0, emulated.err
    place = tmp_path_factory.mktemp("outer")
    kernel = orch(place / "results", "run", str(written(place, OUTER)))
    assert kernel.status == 0, kernel.err
    for name in ("inner", "cache"):
        (place / name).mkdir()
    for file in ("vmlinux", "config"):
        shutil.copy(emulated.build("kvm").directory / file, place / "inner" / file)
    scenario = yaml.safe_load(FRAGMENT)
    scenario["devices"] = {"testdev": {"passthrough": TESTDEV}}
    recipe = scenario["kernels"]["kvm"]
    recipe["source"] = {"image": "vmlinux", "config": "config"}
    del recipe["config"]
    (place / "inner/fragment.yaml").write_text(yaml.safe_dump(scenario))
    given = {name: place / name for name in ("inner", "cache")}
    return boot_outer(kernel.build("outer"), place / "host/guest", "fragment", given, 256 << 20)


def test_the_fragment_boots_under_kvm_and_uses_its_clock(outer: Outer) -> None:
    assert outer.status("fragment") == 0, outer.text("fragment.err")
    run = outer.steps / "fragment-results/latest"
    assert read(run / "run.json")["accelerator"] == UNDER_KVM
    console = (run / "boots/kvm/alignment/console.log").read_text()
    assert "Hypervisor detected: KVM" in console
    assert "kvm-clock: Using msrs" in console


def test_the_fragment_changes_no_exact_measurement(outer: Outer, emulated: Finished) -> None:
    runs: tuple[Path, Path] = (outer.steps / "fragment-results/latest", emulated.run)
    under_kvm, under_tcg = (read(run / "boots/kvm/alignment/result.json") for run in runs)
    assert exact(under_kvm) == exact(under_tcg)
    assert statuses(under_kvm) == statuses(under_tcg)
