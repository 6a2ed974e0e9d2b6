# SPDX-License-Identifier: GPL-2.0-only
"""The cases of a workload with a VMM: what is expected of it, and what the oracle predicts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.machine.model import BootEnd, BootReport
from orchestrator.result.judge.alignment import judge
from orchestrator.result.model import Case, Status, Verdict, WorkloadOutput
from orchestrator.scenario.model import DebianVmm, Expectation, Level, Placement, VmmWorkload
from orchestrator.workload.model import Measurement
from tests.unit.result.test_samples import GOOD, PANIC, kernel

WORKLOAD = VmmWorkload("qemu", "testdev", DebianVmm("qemu-system-x86", "sid"), "qemu", (2,))
GIB = 1 << 30
NUMBERS = {
    "address": 100 * GIB,
    "bar_address": 4 * GIB,
    "offset": 0,
    "length": 4 * GIB,
    "alignment": GIB,
    "entries_pte": 0,
    "entries_pmd": 0,
    "entries_pud": 4,
    "entries_cached": 0,
    "entries_writable": 4,
    "entries_executable": 0,
    "entries_global": 0,
    "entries_kernel": 0,
    "asked_writable": 1,
    "guest_address": 4 * GIB,
    "guest_alignment": GIB,
    "stage2_pte": 0,
    "stage2_pmd": 0,
    "stage2_pud": 4,
}
ALL = Expectation(alignment=GIB, level=Level.PUD, entries=4, stage2=Level.PUD)


def output(**changed: int) -> WorkloadOutput:
    made = tuple(
        Measurement("k", "qemu", "testdev", 2, "vmm", name, value, "", True)
        for name, value in (NUMBERS | changed).items()
    )
    return WorkloadOutput(made, {(2, "vmm"): Verdict(Status.PASS)}, "boots/k/qemu/ktap.log")


def judged(found: WorkloadOutput, expect: Expectation | None = ALL, boot: BootReport = GOOD) -> dict[str, Case]:
    stated = (("qemu", expect), ("other", Expectation(level=Level.PTE))) if expect else ()
    made = replace(kernel("k", Expectation(level=Level.PTE)), expect_vmm=stated)
    assert made.expect[0][0] is Placement.KERNEL
    return {case.id.check: case for case in judge(made, WORKLOAD, boot, found) if case.id.check != "log"}


def test_the_expectation_is_that_of_the_workload() -> None:
    cases = judged(output())
    assert {check: case.status for check, case in cases.items()} == dict.fromkeys(
        ("run", "oracle", "attributes", "alignment", "level", "entries", "stage2"), Status.PASS
    )
    assert list(judged(output(), None)) == ["run", "oracle", "attributes"]


@pytest.mark.parametrize(
    ("changed", "failed"),
    [
        ({"stage2_pud": 0, "stage2_pmd": 2048}, {"oracle", "stage2"}),
        ({"stage2_pud": 3}, {"oracle", "stage2"}),
        ({"entries_pud": 0, "entries_pmd": 2048, "entries_writable": 2048}, {"oracle", "level", "entries"}),
        # a guest-physical address that is not congruent is no fault of the kernel, but not what is expected
        (
            {"guest_address": 4 * GIB + (2 << 20), "guest_alignment": 2 << 20, "stage2_pud": 0, "stage2_pmd": 2048},
            {"stage2"},
        ),
        # an old VMM, at a multiple of 64 MiB
        (
            {"address": 100 * GIB + (64 << 20), "alignment": 64 << 20, "guest_alignment": 64 << 20}
            | {"entries_pud": 0, "entries_pmd": 2048, "entries_writable": 2048, "stage2_pud": 0, "stage2_pmd": 2048},
            {"alignment", "level", "entries", "stage2"},
        ),
    ],
)
def test_each_number_fails_its_cases(changed: dict[str, int], failed: set[str]) -> None:
    cases = judged(output(**changed))
    assert {check for check, case in cases.items() if case.status is Status.FAIL} == failed


def test_a_bar_in_pieces_has_no_prediction() -> None:
    found = output()
    left = tuple(m for m in found.measurements if m.name.startswith("stage2_"))
    assert list(judged(replace(found, measurements=left), None)) == ["run"]


def test_a_guest_that_panics_is_a_crash_of_the_test() -> None:
    cases = judged(WorkloadOutput((), {}, "boots/k/qemu/ktap.log"), ALL, PANIC)
    assert cases["run"].status is Status.CRASH
    assert cases["stage2"].status is Status.CRASH
    assert PANIC.end is BootEnd.PANIC
