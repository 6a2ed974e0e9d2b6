# SPDX-License-Identifier: GPL-2.0-only
"""What KVM maps into a virtual machine: the shipped scenario, and kernels whose KVM is broken on purpose."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.vm.conftest import REPOSITORY, Finished, orch
from tests.vm.test_broken_kernels import messages, variant
from tests.vm.test_scenarios import cases, table

BROKEN = """\
name: broken-kvm
description: Kernels whose KVM maps wrongly, on purpose.
machine: {virtualization: yes}
devices:
  ram: {emulated: ivshmem-plain, bar: 4G}
workloads:
  # One of the GiB, so that a wrong page is another one of the BAR.
  alignment:
    run: alignment
    device: ram
    bars: 2
    offset: 1G
    length: 1G
    placements: qemu
    tests: [map, stage2]
    timeout: 10m
kernels:
  base:
    source: {debian: linux-source-7.3, suite: trixie-backports}
    config: [guest, vfio, kvm-host]
    expect:
      qemu: {level: PUD, stage2: PUD}
"""
EXPECT = "{qemu: {level: PUD, stage2: PUD}}"
_LARGE = ("qemu", "gpa-pmd", "dirty-log", "read-only", "memory-disable", "memory-race", "close")
LARGE = {f"stage2.{what}" for what in _LARGE}
"""The tests in which stage 2 has PMD or PUD entries, apart from those of the content."""


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    done = orch(tmp_path_factory.mktemp("stage2"), "run", str(REPOSITORY / "scenarios/stage2.yaml"))
    assert done.status == 0, done.out + done.err
    return done


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    home = tmp_path_factory.mktemp("broken")
    names = ("kvm-small", "kvm-wrong-page", "kvm-not-zapped", "kvm-half-split")
    (home / "broken.yaml").write_text(BROKEN + "".join(variant(name, EXPECT) for name in names))
    return orch(home / "results", "run", str(home / "broken.yaml"))


def test_a_better_placement_reaches_the_virtual_machine(shipped: Finished) -> None:
    rows = table(shipped, "testdev BAR2, 2 GiB, workload stage2, test stage2.kernel")
    found = {name: row[-5:-2] for name, row in rows.items() if name in ("base", "vfio-thp", "vfio-size", "mm-align")}
    assert found == {
        "base": ["PTE", "524288", "524288"],
        "vfio-thp": ["PMD", "1024", "1024"],
        "vfio-size": ["PUD", "2", "2"],
        "mm-align": ["PUD", "2", "2"],
    }


def test_a_misaligned_part_has_single_pages(shipped: Finished) -> None:
    rows = table(shipped, "ram BAR2, 128 MiB, workload misaligned, test stage2.misaligned")
    assert rows["base"][-5:-2] == ["PTE", "32768", "32768"]


def test_every_test_runs_on_ram_and_no_log_has_a_complaint(shipped: Finished) -> None:
    found = cases(shipped)
    runs = [key for key in found if key[1].startswith("content/") and key[1].endswith("/run")]
    assert len(runs) == 4 * 11
    assert {found[key] for key in runs} == {"PASS"}
    assert {status for (_, name), status in found.items() if name.endswith("/log")} == {"PASS"}


def test_the_base_of_the_broken_kernels_is_green(broken: Finished) -> None:
    assert messages(broken, "base") == {}
    assert broken.status == 1


def test_a_kvm_without_large_pages_is_found_by_all_that_count_them(broken: Finished) -> None:
    """The process's own entries are as good as before, and the content is right."""
    found = messages(broken, "kvm-small")
    content = {f"stage2.{name}/oracle" for name in ("content", "content-pmd")}
    assert set(found) == {f"{test}/oracle" for test in LARGE} | content | {"stage2.qemu/stage2"}
    assert found["stage2.qemu/stage2"] == "stage2 PTE, expected PUD"
    assert "stage2: measured 262144 PTE, predicted 1 PUD" in found["stage2.qemu/oracle"]
    rows = table(broken, "ram BAR2, offset 1 GiB, 1 GiB, test stage2.qemu")
    assert rows["kvm-small"][-2:] == ["regression", "FAIL"]


def test_a_wrong_page_in_stage_2_is_seen_through_the_virtual_machine(broken: Finished) -> None:
    """Every number is as it should be: entries, faults, and the process's mapping."""
    found = messages(broken, "kvm-wrong-page")
    assert set(found) == {"stage2.content/run", "stage2.content-pmd/run", "stage2.memory-race/run"}
    assert "through the virtual machine the page at BAR offset 0x40000000" in found["stage2.content/run"]
    assert "shows " in found["stage2.content/run"]
    assert "shows the page at BAR offset 0x40200000" in found["stage2.content-pmd/run"]


def test_entries_that_outlive_the_mapping_are_found(broken: Finished) -> None:
    found = messages(broken, "kvm-not-zapped")
    assert set(found) == {f"stage2.{what}/run" for what in ("memory-disable", "memory-race", "close")}
    left = "stage 2 still has 0 PTE, 0 PMD, 1 PUD"
    assert f"with PCI_COMMAND_MEMORY cleared, {left}" in found["stage2.memory-disable/run"]
    assert f"after munmap(), {left}" in found["stage2.close/run"]


def test_reads_of_the_virtual_machine_that_should_have_failed_are_found(broken: Finished) -> None:
    assert "had the wrong content" in messages(broken, "kvm-not-zapped")["stage2.memory-race/run"]


def test_entries_that_are_too_large_to_log_dirty_pages_are_found(broken: Finished) -> None:
    found = messages(broken, "kvm-half-split")
    assert set(found) == {"stage2.dirty-log/oracle"}
    assert "stage2_log_on: measured 512 PMD, predicted 262144 PTE" in found["stage2.dirty-log/oracle"]


REPEATED = """\
name: repeated
description: Are the exact numbers of stage 2 the same in every run?
machine: {virtualization: yes}
devices:
  ram: {emulated: ivshmem-plain, bar: 4G}
workloads:
  # Entries of all three sizes, and those of single pages.
  alignment:
    run: alignment
    device: ram
    bars: 2
    offset: 1022M
    length: 1052676K
    tests: stage2
    seed: 1
    timeout: 4m
kernels:
  base:
    source: {debian: linux-source-7.3, suite: trixie-backports}
    config: [guest, vfio, kvm-host]
"""
RUNS = 20


@pytest.mark.long
def test_the_exact_numbers_are_the_same_in_twenty_runs(tmp_path: Path) -> None:
    (tmp_path / "repeated.yaml").write_text(REPEATED)
    seen: list[dict[tuple[str, str], int]] = []
    for at in range(RUNS):
        done = orch(tmp_path / f"results-{at}", "run", str(tmp_path / "repeated.yaml"))
        assert done.status == 0, done.out + done.err
        lines = (done.run / "boots/base/alignment/guest/measurements.jsonl").read_text().splitlines()
        measured = [json.loads(line) for line in lines]
        seen.append({(one["test"], one["name"]): one["value"] for one in measured if one["exact"]})
    assert len(seen[0]) > 150
    assert [numbers for numbers in seen if numbers != seen[0]] == []
