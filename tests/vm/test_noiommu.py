# SPDX-License-Identifier: GPL-2.0-only
"""VFIO's no-IOMMU mode: guests without an IOMMU, which run all that does not need one."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.kernel.model import KernelBuild
from tests.vm.conftest import REPOSITORY, Finished, orch, scenario_text
from tests.vm.test_clang import CLANG, MODULES
from tests.vm.test_scenarios import comparison, table

REASON = "no IOMMU in the guest (no-IOMMU mode)"


def without_iommu(text: str) -> str:
    """A scenario's text with a machine that has no IOMMU."""
    return text.replace("devices:", "machine: {iommu: none}\ndevices:", 1)


@pytest.fixture(scope="module")
def noiommu(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    done = orch(tmp_path_factory.mktemp("noiommu"), "run", str(REPOSITORY / "scenarios/noiommu.yaml"))
    assert done.status == 0, done.out + done.err
    return done


def test_bars_are_placed_and_mapped_as_behind_an_iommu(noiommu: Finished) -> None:
    levels = {"kernel": ("PTE", "PUD"), "qemu": ("PUD", "PUD"), "offset": ("PUD", "PUD"), "misaligned": ("PTE", "PTE")}
    for placement, expected in levels.items():
        rows = table(noiommu, f"placement {placement}")
        assert (rows["base"][2], rows["vfio-size"][2]) == expected
        assert rows["base"][5] == rows["vfio-size"][5] == "-", "faults of a DMA map"


def test_what_maps_for_dma_is_skipped_and_nothing_else_is(noiommu: Finished) -> None:
    runs = [case for case in comparison(noiommu)["cases"] if case["name"].endswith("/run")]
    skipped = {case["name"].split("/")[-2] for case in runs if case["message"] == REASON}
    dma = {case["name"].split("/")[-2] for case in runs if "/dma." in case["name"]}
    assert len(dma) == 34
    assert skipped == dma | {"life.dma", "life.dma-pmd", "life.dma-pte"}
    others = {case["name"].split("/")[-2]: case["status"] for case in runs if case["message"] != REASON}
    assert {name for name, status in others.items() if status == "SKIP"} == {
        *("life.flags", "life.flags-pmd", "life.flags-pte"),  # without CONFIG_PROC_PAGE_MONITOR
        "life.reset",
        "life.reset-pmd",
        "life.reset-pte",
    }
    assert {"content.qemu", "life.close", "repeat.topdown", "kernel"} <= others.keys()


def test_the_guest_really_has_no_iommu_and_its_taint_is_known(noiommu: Finished) -> None:
    for kernel in ("base", "vfio-size"):
        boot = noiommu.run / f"boots/{kernel}/alignment"
        assert "intel-iommu" not in (boot / "command.sh").read_text()
        console = (boot / "console.log").read_text()
        assert "vfio-noiommu device opened by user" in console
        assert "DMAR" not in console
        taint = [(boot / f"guest/tainted.{when}").read_text().strip() for when in ("before", "after")]
        assert taint == ["0", "64"]
    logs = {case["status"] for case in comparison(noiommu)["cases"] if case["name"].endswith("/log")}
    assert logs <= {"PASS", "XFAIL"}, "bad pud of life.mremap"


@pytest.mark.long
def test_a_vfio_of_modules_is_in_the_mode_too(tmp_path: Path) -> None:
    """On the kernel of `test_clang`, whose whole build serves both."""
    scenario = tmp_path / "modules.yaml"
    text = without_iommu(scenario_text("")).replace("[guest, vfio]", "[guest, vfio, noiommu]")
    scenario.write_text(text.replace("    expect:", f"    compiler: {CLANG}\n{MODULES}    expect:"))
    done = orch(tmp_path / "results", "run", str(scenario))
    assert done.status == 0, done.out + done.err
    boot = done.run / "boots/base/alignment"
    assert "vfio_pci" in (boot / "guest/modules.log").read_text()
    assert "vfio-noiommu device opened by user" in (boot / "console.log").read_text()


def test_a_kernel_that_was_not_asked_to_have_the_mode_is_one_sentence_before_anything_is_built(tmp_path: Path) -> None:
    scenario = tmp_path / "lacks.yaml"
    scenario.write_text(without_iommu(scenario_text("")))
    done = orch(tmp_path / "results", "run", str(scenario))
    assert done.status == 2
    (line,) = [line for line in done.err.splitlines() if line.startswith("orch: ")]
    assert line.endswith(
        ": kernel 'base' has no CONFIG_VFIO_NOIOMMU, which a machine with 'iommu: none' needs; add noiommu to its "
        "'config'"
    )
    assert " build" not in done.err


def test_a_kernel_that_was_built_without_the_mode_is_refused_and_not_booted(base: KernelBuild, tmp_path: Path) -> None:
    scenario = tmp_path / "image.yaml"
    text = without_iommu(scenario_text("")).replace("    config: [guest, vfio]\n", "")
    debian = "{debian: linux-source-7.3, suite: trixie-backports}"
    scenario.write_text(text.replace(debian, f"{{image: {base.image}, config: {base.config}}}"))
    done = orch(tmp_path / "results", "run", str(scenario))
    assert done.status == 2, done.out + done.err
    assert "kernel 'base' has no CONFIG_VFIO_NOIOMMU" in done.err
    assert "take one that was built with it" in done.err
    assert not list(done.run.glob("boots/*/*/console.log"))
