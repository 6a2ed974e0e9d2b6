# SPDX-License-Identifier: GPL-2.0-only
"""Kernels that are broken on purpose fail the right case, with the right words.

Nothing else fails, and nothing fails for the base.  One defect is not on purpose: what kernels from 6.12 to 7.3 do with
a PUD entry that is split or moved, which the series `mremap-pud` and `pud-split` fix.
"""

from __future__ import annotations

import json

import pytest

from tests.vm.conftest import PATCHES, Finished, orch

BASE = "  base:\n    source: {{debian: linux-source-7.3, suite: trixie-backports}}\n    config: [{config}]\n"

MAPPINGS = """\
name: broken-mappings
description: Kernels that place, map or zap wrongly, on purpose.
devices:
  testdev: {emulated: pci-testdev, bar: 4G}
  ram: {emulated: ivshmem-plain, bar: 4G}
workloads:
  # The second part begins at an odd page, where an address that is aligned to its size is good for nothing.
  place:
    run: alignment
    device: testdev
    bars: 2
    length: 2G
    placements: kernel
    tests: [map, random, ranges]
    ranges: 300
    seed: 1
    hole: 516M
    timeout: 2m
  # No room for a PUD entry: in 64 MiB the kernel's placement gets PTEs, and QEMU's gets PMD entries.
  show:
    run: alignment
    device: ram
    bars: 2
    length: 64M
    placements: [kernel, qemu]
    tests: [content, life]
    timeout: 2m
kernels:
"""
DMA = """\
name: broken-dma
description: A kernel that leaves a page mapped for DMA, on purpose.
devices:
  testdev: {emulated: pci-testdev, bar: 4G}
workloads:
  dma: {run: alignment, device: testdev, bars: 2, length: 64M, tests: dma, timeout: 2m}
kernels:
"""
PUDS = """\
name: huge-puds
description: PUD entries that are split and moved, without and with the patch that lets kernels live through it.
devices:
  ram: {emulated: ivshmem-plain, bar: 4G}
workloads:
  life: {run: alignment, device: ram, bars: 2, length: 2G, tests: life, timeout: 2m}
  split: {run: alignment, device: ram, bars: 2, length: 2G, tests: split, timeout: 2m}
kernels:
"""


def run(tmp_path_factory: pytest.TempPathFactory, scenario: str, config: str, variants: str) -> Finished:
    """Run a scenario whose base is Linux 7.3 as it is."""
    home = tmp_path_factory.mktemp("broken")
    (home / "broken.yaml").write_text(scenario + BASE.format(config=config) + variants)
    return orch(home / "results", "run", str(home / "broken.yaml"))


def variant(name: str, expect: str = "{}") -> str:
    """A kernel with the patch of its name."""
    patch = PATCHES / f"{name}.patch"
    return f"  {name}:\n    extends: base\n    patches: {patch}\n    expect: {expect}\n"


@pytest.fixture(scope="module")
def mappings(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    variants = variant("wrong-boundary", "{kernel: {level: PUD}}") + variant("wrong-page") + variant("leak-mmap")
    return run(tmp_path_factory, MAPPINGS, "guest, vfio", variants)


@pytest.fixture(scope="module")
def dma(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return run(tmp_path_factory, DMA, "guest, vfio, iommufd, userland", variant("leak-dma"))


@pytest.fixture(scope="module")
def puds(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    fixed = "  fixed:\n    extends: base\n    patches: [mremap-pud, pud-split]\n"
    return run(tmp_path_factory, PUDS, "guest, vfio", fixed)


def messages(done: Finished, kernel: str) -> dict[str, str]:
    """The message of each unsuccessful case of a kernel, by test and check."""
    found = {}
    for path in sorted((done.run / "boots" / kernel).glob("*/result.json")):
        for case in json.loads(path.read_text())["cases"]:
            if case["status"] not in ("PASS", "SKIP"):
                found[f"{case['id']['test']}/{case['id']['check']}"] = message_of(case)
    return found


def message_of(case: dict[str, str]) -> str:
    """The text of a case in the report."""
    return case["message"] or f"expected {case['expected']}, measured {case['measured']}"


def test_the_base_is_green(mappings: Finished, dma: Finished) -> None:
    assert messages(mappings, "base") == {}
    assert messages(dma, "base") == {}
    assert mappings.status == dma.status == 1


def test_a_wrong_boundary_shows_where_the_offset_matters(mappings: Finished) -> None:
    """The whole BAR and the ranges from its start are as good as expected."""
    found = messages(mappings, "wrong-boundary")
    assert set(found) == {"after.kernel/level", "random/level"}
    for part in ("level PTE", "expected PUD, which is 1 PUD + 253 PMD + 511 PTE here"):
        assert part in found["after.kernel/level"]
    assert "congruent modulo 2 MiB" in found["random/level"]


def test_a_wrong_page_is_seen_by_all_that_map_it(mappings: Finished) -> None:
    """Not by the kernel's placement, which here has PTEs, and only PMD entries are wrong."""
    found = messages(mappings, "wrong-page")
    assert "content.qemu/run" in found
    assert {name for name in found if not name.startswith("life.")} == {"content.qemu/run"}
    for part in ("the page at BAR offset 0x200000", "shows the page at BAR offset 0x400000"):
        assert part in found["content.qemu/run"]
    assert "of the page at offset 0x200000: wrong content" in found["life.munmap/run"]


def test_mappings_that_outlive_memory_enable_are_found(mappings: Finished) -> None:
    found = messages(mappings, "leak-mmap")
    whats = ("memory-disable", "memory-race", "fork", "mremap", "mremap-part")
    assert set(found) == {f"life.{what}{level}/run" for what in whats for level in ("", "-pmd", "-pte")}
    assert "with PCI_COMMAND_MEMORY cleared: no signal, expected SIGBUS" in found["life.memory-disable/run"]
    assert "in a child, with memory off: no signal, expected SIGBUS" in found["life.fork/run"]
    assert "expected the content or SIGBUS" in found["life.memory-race/run"]
    ktap = (mappings.run / "boots/leak-mmap/show/guest/ktap.log").read_text()
    assert "32 PMD and 0 PUD entries" in ktap
    assert "expected none: the mapping was not zapped" in ktap


def test_what_stays_mapped_for_dma_is_found(dma: Finished) -> None:
    """All tests that unmap through type1 find it, and no others do."""
    found = messages(dma, "leak-dma")
    assert {name.split(".")[1] for name in found} == {"type1", "type1v2"}
    assert "unmap left 1 IOMMU entries at IOVA" in found["dma.type1v2.full/run"]
    assert "unmap left 1 IOMMU entries at IOVA" in found["dma.type1v2.page/run"]


def test_no_other_boot_ended_early(mappings: Finished, dma: Finished) -> None:
    for done in (mappings, dma):
        results = [json.loads(path.read_text()) for path in done.run.glob("boots/*/*/result.json")]
        assert {result["boot"]["end"] for result in results} == {"ok"}


def test_a_kernel_can_live_through_a_pud_entry_that_is_split(puds: Finished) -> None:
    assert messages(puds, "fixed") == {}
    ktap = (puds.run / "boots/fixed/split/guest/ktap.log").read_text()
    assert "SKIP" not in ktap
    assert "entries again: 511 PTE, 511 PMD, 1 PUD" in ktap


def test_what_the_base_does_with_such_an_entry_is_that_alone(puds: Finished) -> None:
    """Debian's 7.3 fails in these ways until it is fixed."""
    found = messages(puds, "base")
    split = {f"split.{what}/run" for what in ("munmap", "mprotect", "mremap", "fork")}
    assert set(found) <= {"life.mremap/run", "life.mremap-part/run", "/boot", "/log", *split}
    if "/boot" in found:
        crashed = json.loads((puds.run / "boots/base/split/result.json").read_text())
        console = (puds.run / "boots/base/split/console.log").read_text()
        assert crashed["boot"]["end"] == "oops"
        assert "split_huge_pmd_address" in console
