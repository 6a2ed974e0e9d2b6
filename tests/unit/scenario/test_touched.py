# SPDX-License-Identifier: GPL-2.0-only
"""The table of the scenarios that answer for a patch."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from orchestrator.cli.scenarios import load_scenario
from orchestrator.scenario.resolve.data import scenarios_dir
from orchestrator.scenario.touched import TABLE, answering


@pytest.mark.parametrize(
    ("files", "scenarios"),
    [
        (["mm/mmap.c"], ["pud"]),
        (["mm/mremap.c"], ["pud", "placement"]),
        (["drivers/vfio/pci/vfio_pci_core.c"], ["pud"]),
        (["drivers/vfio/vfio_iommu_type1.c"], ["pud", "dma-map"]),
        (["virt/kvm/kvm_main.c"], ["stage2"]),
        (["arch/x86/kvm/mmu/mmu.c", "mm/mmap.c"], ["pud", "stage2"]),
        (["arch/arm64/mm/fault.c"], ["arm64"]),
        (["tools/testing/selftests/vfio/vfio_dma_mapping_test.c"], ["selftests"]),
        (["include/linux/mm_types.h"], ["pud"]),
        (["include/linux/sub/mm_types.h"], []),
        (["fs/read_write.c"], ["pud"]),
        (["fs/ext4/file.c"], []),
        (["net/core/dev.c"], []),
        (["commands/mm/mmap.c"], []),
        ([], []),
    ],
)
def test_a_patch_is_answered_for_by_what_it_touches(files: list[str], scenarios: list[str]) -> None:
    assert [found.scenario for found in answering(files)] == scenarios


def test_the_first_file_that_matches_is_the_reason() -> None:
    (found,) = answering(["net/core/dev.c", "mm/gup.c", "mm/mmap.c"])
    assert found.file == "mm/gup.c"


def test_every_scenario_of_the_table_is_there_and_its_base_can_be_patched() -> None:
    for name in yaml.safe_load(TABLE.read_text()):
        scenario = load_scenario(scenarios_dir() / f"{name}.yaml")
        assert not scenario.kernel(scenario.base).prebuilt


def test_another_table_can_be_read(tmp_path: Path) -> None:
    table = tmp_path / "touched.yaml"
    table.write_text("net: [net/]\n")
    assert [found.scenario for found in answering(["net/core/dev.c"], table)] == ["net"]
