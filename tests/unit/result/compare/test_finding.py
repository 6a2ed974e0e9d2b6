# SPDX-License-Identifier: GPL-2.0-only
"""The finding of a run: one sentence about each variant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from orchestrator.machine.model import BootEnd, BootReport
from orchestrator.result.compare.alignment import compare
from orchestrator.result.compare.finding import differences, findings, without_log
from orchestrator.result.compare.status import Change
from orchestrator.result.model import Case, CaseId, Status, Verdict, WorkloadOutput
from orchestrator.result.run import BootResult, Run
from tests.unit.report.test_hostile import suite_run
from tests.unit.result.test_samples import MIXED, PMD, PTE, PUD, booted, kernel, killed_run, pud_run, run_of, told


def compared(base: Mapping[str, int], variant: Mapping[str, int]) -> Run:
    """Return a run of two kernels, with their numbers for the kernel's own placement."""
    return run_of(*(boot_of(name, numbers) for name, numbers in (("base", base), ("new", variant))))


def boot_of(name: str, numbers: Mapping[str, int]) -> BootResult:
    """Return a boot with the given numbers for the kernel's placement, and PUD entries for QEMU's."""
    return booted(kernel(name), told(name, {"kernel": numbers, "qemu": PUD}))


MAPS = "new maps 2 GiB of testdev BAR2 (placement kernel) with "


@pytest.mark.parametrize(
    ("base", "variant", "change", "sentence"),
    [
        (PTE, PUD, Change.FIX, f"{MAPS}2 PUD entries, and base with 524,288 PTE entries"),
        (PUD, PMD, Change.REGRESSION, f"{MAPS}1,024 PMD entries, and base with 2 PUD entries"),
        (PMD, MIXED, Change.REGRESSION, f"{MAPS}1 PUD + 512 PMD + 3 PTE entries, and base with 1,024 PMD entries"),
        (
            PMD,
            {**PMD, "faults": 1100},
            Change.REGRESSION,
            "new has faults 1100 for 2 GiB of testdev BAR2 (placement kernel), and base has 1024",
        ),
        (PMD, PMD, Change.UNCHANGED, "new shows no difference from base in 14 compared values"),
    ],
)
def test_numbers_are_one_sentence(
    base: Mapping[str, int], variant: Mapping[str, int], change: Change, sentence: str
) -> None:
    (finding,) = findings(compare(compared(base, variant)))
    assert (finding.change, finding.sentence) == (change, sentence)


def test_what_differs_is_counted() -> None:
    run = compared(PTE, PUD)
    (finding,) = findings(compare(run))
    assert finding.differ == len(differences(compare(run), "new")) == 5
    assert finding.of == 14


def test_a_crash_is_said_before_all_that_follows_from_it() -> None:
    base = boot_of("base", PTE)
    report = BootReport(BootEnd.PANIC, 3.0, ("Kernel panic - not syncing: Oops",), "boots/new/alignment/console.log:7")
    crashed = booted(kernel("new"), WorkloadOutput(), report)
    (finding,) = findings(compare(run_of(base, crashed)))
    assert finding.change is Change.REGRESSION
    assert finding.sentence.startswith("new crashes, and base does not: ")
    (backwards,) = findings(compare(run_of(of_kernel(crashed, "base"), of_kernel(base, "new"))))
    assert backwards.change is Change.FIX
    assert backwards.sentence.startswith("base crashes, and new does not: ")


def of_kernel(boot: BootResult, name: str) -> BootResult:
    """Return a boot result as that of another kernel."""
    cases = tuple(replace(case, id=replace(case.id, kernel=name)) for case in boot.cases)
    measured = tuple(replace(one, kernel=name) for one in boot.measurements)
    return replace(boot, kernel=name, cases=cases, measurements=measured)


def test_a_kernel_that_does_not_build_is_said_without_paths_of_this_machine() -> None:
    message = "kernel 'new' does not build: mm/mmap.c:7: error: x (log: /home/me/.cache/orch/failed/new.log)"
    case = Case(CaseId.of_build("new"), Status.FAIL, message=message)
    run = replace(compared(PTE, PTE), builds=(case,))
    (finding,) = findings(compare(run))
    assert (finding.change, finding.sentence) == (Change.REGRESSION, "new does not build: mm/mmap.c:7: error: x")
    base = replace(run, builds=(replace(case, id=CaseId.of_build("base"), message="no disk", status=Status.ERROR),))
    (finding,) = findings(compare(base))
    assert (finding.change, finding.sentence) == (Change.INCOMPLETE, "base could not be built: no disk")


def test_what_both_kernels_skip_is_no_difference() -> None:
    skipped = Verdict(Status.SKIP, "no such device")
    verdicts = {"kernel": skipped, "qemu": skipped}
    boots = tuple(booted(kernel(name), told(name, {}, verdicts)) for name in ("base", "new"))
    (finding,) = findings(compare(run_of(*boots)))
    assert (finding.differ, finding.of) == (0, 0)
    assert finding.sentence == "nothing of new could be compared with base: no such device"
    assert differences(compare(run_of(*boots)), "new") == ()


def test_what_only_one_kernel_skips_is_not_known() -> None:
    new = booted(kernel("new"), told("new", {"qemu": PUD}, {"kernel": Verdict(Status.SKIP, "no such device")}))
    (finding,) = findings(compare(run_of(boot_of("base", PTE), new)))
    assert finding.change is Change.INCOMPLETE
    assert finding.sentence.endswith(": no such device")


@pytest.mark.parametrize("run", [pud_run(), killed_run(), suite_run(), run_of(names=("base", "new"))])
def test_any_run_has_a_finding_for_each_variant(run: Run) -> None:
    found = findings(compare(run))
    assert [finding.kernel for finding in found] == [name for name in run.scenario.kernels if name != run.scenario.base]
    assert all(finding.sentence and "\n" not in finding.sentence for finding in found)


def test_only_the_path_of_a_log_is_taken_away() -> None:
    assert without_log("x (log: /a/b.log)") == "x"
    assert without_log("x (log: a) y") == "x (log: a) y"
