# SPDX-License-Identifier: GPL-2.0-only
"""The prediction of stage 2, compared with a model that walks page by page and with numbers that were measured."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.scenario.model import Capability, FaultMaps, Level
from orchestrator.workload.alignment.entries import Entries
from orchestrator.workload.alignment.prediction import Extent
from orchestrator.workload.alignment.stage2 import hold_stage2, predict_stage2
from tests.unit.workload.alignment.test_prediction import SMALL, capabilities, extents

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
HIGH = 127 << 40
BAR = 4 * GIB
GUEST = 16 * GIB
ALL = Capability()
OLD = Capability((), FaultMaps.MAPPING, recovers_stage2=False)
LINUX_6_12 = Capability(recovers_stage2=False)

SIZES = (SMALL.pud, SMALL.pmd, SMALL.pte)


def inside(at: int, size: int, start: int, length: int) -> bool:
    """Return whether the aligned block of `size` around `at` is in the range."""
    block = at - at % size
    return start <= block and block + size <= start + length


def host_size(at: int, extent: Extent, can: Capability) -> int:
    """Return the size of the entry with which the process maps the page at the virtual address `at`."""
    levels = {SMALL.pud: Level.PUD, SMALL.pmd: Level.PMD}
    for size, level in levels.items():
        congruent = (extent.address - extent.physical) % size == 0
        able = level in can.levels and can.fault_maps is FaultMaps.ENTRY
        if able and congruent and inside(at, size, extent.address, extent.length):
            return size
    return SMALL.pte


def walked(extent: Extent, guest: int, can: Capability) -> Entries:
    """Return the entries that KVM makes when every page is read, by the rules of kvm_mmu_max_mapping_level()."""
    counts, mapped = dict.fromkeys(SIZES, 0), set[int]()
    for page in range(extent.length):
        if page in mapped:
            continue
        most = host_size(extent.address + page, extent, can)
        for size in SIZES:
            congruent = (guest - extent.address) % size == 0
            if size <= most and congruent and inside(guest + page, size, guest, extent.length):
                break
        first = page - (guest + page) % size
        mapped.update(range(first, first + size))
        counts[size] += 1
    return Entries(counts[SMALL.pte], counts[SMALL.pmd], counts[SMALL.pud])


@given(extents, st.integers(0, 200), capabilities)
def test_it_agrees_with_a_walk_over_all_pages(extent: Extent, guest: int, can: Capability) -> None:
    assert predict_stage2(extent, guest, can, SMALL) == walked(extent, guest, can)


@given(extents, st.integers(0, 3), capabilities)
def test_the_best_guest_physical_address_gives_what_the_process_has(extent: Extent, puds: int, can: Capability) -> None:
    guest = extent.address % SMALL.pud + puds * SMALL.pud
    assert predict_stage2(extent, guest, can, SMALL) == walked(extent, guest, can)


def numbers(address: int, guest: int, length: int, **more: int) -> dict[str, int]:
    where = {"address": address, "bar_address": BAR, "offset": 0, "length": length, "guest_address": guest}
    return where | more


def entries(name: str, pte: int, pmd: int, pud: int) -> dict[str, int]:
    return {f"{name}_pte": pte, f"{name}_pmd": pmd, f"{name}_pud": pud}


@pytest.mark.parametrize(
    ("address", "guest", "length", "can", "counts"),
    [
        # Linux 6.12 and 7.3 under QEMU's emulation of SVM, 2 GiB.
        (HIGH + 4 * KIB, GUEST + 4 * KIB, 2 * GIB, ALL, (524288, 0, 0)),
        (HIGH + 2 * MIB, GUEST + 2 * MIB, 2 * GIB, LINUX_6_12, (0, 1024, 0)),
        (HIGH + 512 * MIB + 2 * MIB, GUEST + 512 * MIB + 2 * MIB, 2 * GIB, Capability((Level.PMD,)), (0, 1024, 0)),
        (HIGH, GUEST, 2 * GIB, ALL, (0, 0, 2)),
        (HIGH, GUEST + 2 * MIB, 2 * GIB, ALL, (0, 1024, 0)),
        (HIGH, GUEST + 4 * KIB, 64 * MIB, ALL, (16384, 0, 0)),
        (HIGH + 4 * KIB, GUEST + 4 * KIB, 128 * MIB, ALL, (32768, 0, 0)),
        # Linux 6.1 maps PTEs, whatever the addresses.
        (HIGH, GUEST, 2 * GIB, OLD, (524288, 0, 0)),
    ],
)
def test_what_was_measured(
    address: int, guest: int, length: int, can: Capability, counts: tuple[int, int, int]
) -> None:
    measured = numbers(address, guest, length, stage2_faults=sum(counts), **entries("stage2", *counts))
    checks = hold_stage2(measured, can)
    assert {check.name for check in checks} == {"stage2", "stage2_faults"}
    assert all(check.agrees for check in checks), [str(check) for check in checks]


LOGGED = (
    numbers(HIGH, GUEST, 2 * GIB)
    | entries("stage2", 0, 0, 2)
    | entries("stage2_log_on", 524288, 0, 0)
    | entries("stage2_logged", 524288, 0, 0)
    | entries("stage2_log_off", 0, 0, 2)
    | entries("stage2_again", 0, 0, 2)
)
REMOVED = LOGGED | entries("stage2_log_off", 0, 0, 0)


def wrong(measured: dict[str, int], can: Capability) -> list[str]:
    return [str(check) for check in hold_stage2(measured, can) if not check.agrees]


@pytest.mark.parametrize(
    ("measured", "can", "problems"),
    [
        (LOGGED, ALL, []),
        (REMOVED, LINUX_6_12, []),
        (REMOVED, ALL, ["stage2_log_off: measured no entries, predicted 2 PUD"]),
        (LOGGED, LINUX_6_12, ["stage2_log_off: measured 2 PUD, predicted no entries"]),
        (
            LOGGED | entries("stage2_log_on", 0, 1024, 0),
            ALL,
            ["stage2_log_on: measured 1024 PMD, predicted 524288 PTE"],
        ),
        (LOGGED | entries("stage2_logged", 0, 0, 2), ALL, ["stage2_logged: measured 2 PUD, predicted 524288 PTE"]),
        (LOGGED | entries("stage2_again", 0, 1024, 0), ALL, ["stage2_again: measured 1024 PMD, predicted 2 PUD"]),
        (LOGGED | entries("stage2", 512, 1023, 0), ALL, ["stage2: measured 1023 PMD + 512 PTE, predicted 2 PUD"]),
        (LOGGED | {"stage2_faults": 3}, ALL, ["stage2_faults: measured 3, predicted 2"]),
        (LOGGED | {"stage2_own_faults": 1}, ALL, ["stage2_own_faults: measured 1, predicted 0"]),
        (
            LOGGED | {"guest_alignment": 2 * MIB},
            ALL,
            ["guest_alignment: measured 2 MiB, predicted 1 GiB"],
        ),
    ],
)
def test_each_number_is_held(measured: dict[str, int], can: Capability, problems: list[str]) -> None:
    assert wrong(measured, can) == problems


def test_a_test_without_a_virtual_machine_has_nothing_to_hold() -> None:
    without = {name: value for name, value in LOGGED.items() if name != "guest_address"}
    assert hold_stage2(without, ALL) == ()
    assert hold_stage2({"guest_address": GUEST}, ALL) == ()


def test_a_kernel_with_ptes_only_keeps_them_when_logging_ends() -> None:
    small = entries("stage2_log_off", 524288, 0, 0)
    assert wrong(numbers(HIGH, GUEST, 2 * GIB) | small, OLD) == []
