# SPDX-License-Identifier: GPL-2.0-only
"""arm64 kernels from a cross compiler, with the same workload.

They are booted under emulation, behind an SMMU.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.vm.conftest import REPOSITORY, Finished, orch
from tests.vm.test_pud import HANDFUL, PMDS, PTES, measured

SCENARIO = REPOSITORY / "scenarios/arm64.yaml"
PROGRAM = Path(__file__).parent / "programs/contiguous.c"

_KERNEL_PLACEMENT = {
    "base": ("PTE", PTES, 4 << 10),
    "vfio-thp": ("PMD", PMDS, 2 << 20),
    "vfio-size": ("PMD", PMDS, 2 << 20),
}

MORE = """\
name: more
description: All that the workload can test, and a program of our own, on the same kernel.
devices:
  testdev: {emulated: pci-testdev, bar: 4G}
workloads:
  all:
    run: alignment
    device: testdev
    bars: 2
    length: 2G
    tests: [repeat, random, ranges, life, split, dma, sub-page]
    repeats: 20
    ranges: 100
    hole: 516M
    timeout: 5m
  contiguous: {command: ./contiguous, files: contiguous, timeout: 2m}
kernels:
  base:
    source: {debian: linux-source-7.3, suite: trixie-backports}
    arch: arm64
    config: [guest-arm64, vfio-arm64, kvm-host-arm64]
    patches: arm64-ptdump
"""


@pytest.fixture(scope="module")
def arm64(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The scenario that comes with orch."""
    return orch(tmp_path_factory.mktemp("arm64"), "run", str(SCENARIO))


@pytest.fixture(scope="module")
def more(arm64: Finished, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Further workloads on its base kernel."""
    assert arm64.status == 0, arm64.out + arm64.err
    place = tmp_path_factory.mktemp("more")
    (place / "more.yaml").write_text(MORE)
    flags = ("-O2", "-Wall", "-Werror", "-static")
    subprocess.run(["aarch64-linux-gnu-gcc", *flags, "-o", place / "contiguous", PROGRAM], check=True)
    return orch(place / "results", "run", str(place / "more.yaml"))


def statuses(done: Finished, workload: str) -> dict[str, str]:
    """The status of every case of a boot by test and check."""
    result = json.loads((done.run / f"boots/base/{workload}/result.json").read_text())
    return {f"{case['id']['test']}/{case['id']['check']}": case["status"] for case in result["cases"]}


def test_every_kernel_behaves_as_understood(arm64: Finished) -> None:
    assert arm64.status == 0, arm64.out + arm64.err


@pytest.mark.parametrize("kernel", _KERNEL_PLACEMENT)
def test_the_kernels_own_placement_gives_pmds_where_it_is_asked_to(arm64: Finished, kernel: str) -> None:
    level, entries, alignment = _KERNEL_PLACEMENT[kernel]
    values = measured(arm64.run, kernel, "kernel")
    by_level = {"PTE": values["entries_pte"], "PMD": values["entries_pmd"], "PUD": values["entries_pud"]}
    assert by_level == {"PTE": 0, "PMD": 0, "PUD": 0, level: entries}
    assert values["alignment"] == alignment
    assert entries <= values["faults"] <= entries + HANDFUL
    assert entries <= values["dma_faults"] <= entries + HANDFUL


@pytest.mark.parametrize("kernel", _KERNEL_PLACEMENT)
def test_qemus_placement_gives_pmds_for_want_of_puds(arm64: Finished, kernel: str) -> None:
    values = measured(arm64.run, kernel, "qemu")
    assert (values["entries_pte"], values["entries_pmd"], values["entries_pud"]) == (0, PMDS, 0)


def test_no_entry_of_a_bar_is_contiguous(arm64: Finished) -> None:
    """Sixteen PTEs of one folio fold into a contiguous run; VFIO's are of none."""
    found = {
        (kernel, placement): measured(arm64.run, kernel, placement)["entries_contiguous"]
        for kernel in _KERNEL_PLACEMENT
        for placement in ("kernel", "qemu", "offset", "misaligned")
    }
    assert set(found.values()) == {0}
    assert re.search(r"^kernel +alignment +level +entries +CONT ", arm64.out, re.MULTILINE)
    assert "CONFIG_ARM64_CONTPTE=y" in (arm64.run / "kernels/base/config").read_text()


def test_contiguous_entries_are_seen_where_there_are_some(more: Finished) -> None:
    assert more.status == 0, more.out + more.err
    output = (more.run / "boots/base/contiguous/guest/output.log").read_text()
    assert "contiguous PTEs: 256 of 256" in output


def test_the_guest_is_an_arm64_behind_an_smmu(arm64: Finished) -> None:
    for kernel in _KERNEL_PLACEMENT:
        facts = json.loads((arm64.run / f"kernels/{kernel}/provenance.json").read_text())
        assert facts["toolchain"]["arch"] == "arm64"
        assert facts["toolchain"]["compiler"].startswith("aarch64-linux-gnu-gcc ")
        guest = arm64.run / f"boots/{kernel}/alignment"
        assert f"#{facts['key'][:12]}" in (guest / "guest/version").read_text()
        assert "aarch64-linux-gnu-gcc" in (guest / "guest/version").read_text()
        assert "arm-smmu-v3" in (guest / "console.log").read_text()


def test_variants_are_built_from_the_bases_tree(arm64: Finished) -> None:
    assert all(arm64.build(kernel).objects < 100 for kernel in _KERNEL_PLACEMENT)
    assert 500 < arm64.build("stock").objects <= 1000


def test_the_levels_of_a_stock_kernel_are_deduced_as_a_patched_kernel_shows_them(arm64: Finished) -> None:
    """A stock kernel does not show a process's page tables."""
    levels = {"kernel": "PTE", "qemu": "PMD", "offset": "PMD", "misaligned": "PTE"}
    for placement, level in levels.items():
        block = arm64.out.split(f"placement {placement}", 1)[1].split("\n\n", 1)[0]
        rows = {line.split()[0]: line.split() for line in block.splitlines()[1:] if line}
        assert rows["base"][3] == level
        assert rows["stock"][3] == f"{level}*"
        assert rows["base"][4] == rows["stock"][4]


def test_all_that_the_workload_tests_holds_on_arm64(more: Finished) -> None:
    found = statuses(more, "all")
    assert set(found.values()) <= {"PASS", "SKIP"}
    passed = {name.split("/")[0] for name, status in found.items() if status == "PASS"}
    assert {"repeat.topdown", "random", "dma.type1.full", "dma.type1v2.slice", "life.munmap", "life.mremap"} <= passed
    assert found["split.munmap/run"] == "SKIP"
