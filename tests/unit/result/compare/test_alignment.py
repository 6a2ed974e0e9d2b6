# SPDX-License-Identifier: GPL-2.0-only
"""Compare variants with the base by what was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.machine.kernel_log import title_of
from orchestrator.machine.model import BootEnd, BootReport, Splat
from orchestrator.result.compare.alignment import Row, compare
from orchestrator.result.compare.status import Change
from orchestrator.result.model import NO_BAR, CaseId, Status, Verdict, WorkloadOutput
from orchestrator.result.model import Case as CaseValue
from orchestrator.result.run import BootResult, Run, with_failed_build
from tests.unit.result.test_samples import (
    ALL_PUD,
    FORCED_PTE,
    GOOD,
    HANG,
    MIXED,
    PANIC,
    PMD,
    PTE,
    PUD,
    Numbers,
    booted,
    broken_run,
    kernel,
    killed_run,
    numbers,
    pud_run,
    run_of,
    told,
)

QEMU_DIED = BootReport(BootEnd.QEMU, 1.0)


def changes(row: Row) -> dict[str, Change]:
    """Return the changes of a row by check."""
    return {one.check: one.change for one in row.changes}


def one_place(base: Numbers, variant: Numbers) -> dict[str, Change]:
    """Return the changes by check of a variant without any expectation."""
    boots = (booted(kernel(n), told(n, {"kernel": values})) for n, values in (("base", base), ("variant", variant)))
    return changes(compare(run_of(*boots)).blocks[0].rows[1])


def of_boots(base: BootResult, variant: BootResult) -> Change | None:
    """Return the variant's change at the first place."""
    return compare(run_of(base, variant)).blocks[0].rows[1].change


def ended(name: str, boot: BootReport, values: Numbers | None = None) -> BootResult:
    """Return a boot with this end, which measured `values` if given."""
    return booted(kernel(name, ALL_PUD), told(name, {"kernel": values}) if values else WorkloadOutput(), boot)


def test_the_change_is_about_what_was_measured_not_what_was_expected() -> None:
    null_hint, qemu = compare(pud_run()).blocks
    assert [(row.kernel, row.change) for row in null_hint.rows] == [
        ("base", None),
        ("vfio-thp", Change.FIX),
        ("vfio-size", Change.FIX),
        ("mm-align", Change.FIX),
        ("no-huge", Change.UNCHANGED),
    ]
    assert [row.change for row in qemu.rows] == [None, *[Change.UNCHANGED] * 3, Change.REGRESSION]
    assert {row.status for block in (null_hint, qemu) for row in block.rows} == {Status.PASS}


def test_all_measurements_are_compared_where_nothing_is_expected() -> None:
    assert one_place(PTE, PMD) == {
        "alignment": Change.FIX,
        "level": Change.FIX,
        "entries": Change.FIX,
        "faults": Change.FIX,
        "dma_faults": Change.FIX,
        "run": Change.UNCHANGED,
        "oracle": Change.UNCHANGED,
    }


def test_ptes_at_a_good_address_are_a_regression_of_all_but_alignment() -> None:
    found = one_place(PUD, FORCED_PTE)
    assert found["alignment"] is Change.UNCHANGED
    assert {found[check] for check in ("level", "entries", "faults", "dma_faults")} == {Change.REGRESSION}


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (PTE, MIXED, Change.FIX),
        (MIXED, PMD, Change.FIX),
        (PUD, MIXED, Change.REGRESSION),
        (MIXED, MIXED, Change.UNCHANGED),
        (MIXED, numbers(1 << 20, (2, 512, 1), 0, 0, 0), Change.FIX),
    ],
)
def test_of_mixed_levels_the_worst_counts_and_then_the_entries(before: Numbers, after: Numbers, change: Change) -> None:
    found = one_place(before, after)
    assert (found["level"], found["entries"]) == (change, change)


def test_fewer_entries_of_a_worse_level_are_no_fix() -> None:
    found = one_place(PMD, numbers(4096, (7, 0, 0), 0, 0, 0))
    assert (found["level"], found["entries"], found["faults"]) == (Change.REGRESSION,) * 3


def test_fewer_faults_alone_are_never_better() -> None:
    """Linux before 6.12: one fault fills the whole mapping with PTEs."""
    old = PTE | {"faults": 1, "dma_faults": 1}
    assert one_place(PTE, old)["faults"] is Change.UNCHANGED
    assert one_place(old, PTE)["faults"] is Change.UNCHANGED
    assert one_place(old, PMD)["faults"] is Change.FIX
    assert one_place(PMD, old)["dma_faults"] is Change.REGRESSION


def test_several_faults_for_one_entry_are_a_regression() -> None:
    assert one_place(PMD, PMD | {"faults": 2048})["faults"] is Change.REGRESSION
    assert one_place(PMD | {"faults": 2048}, PMD)["faults"] is Change.FIX


def test_the_programs_own_faults_are_no_change() -> None:
    assert one_place(PMD, PMD | {"faults": 1030})["faults"] is Change.UNCHANGED


def test_times_are_no_change() -> None:
    slow = PUD | {"touch_time": 10**12, "dma_time": 10**12}
    assert set(one_place(PUD, slow).values()) == {Change.UNCHANGED}


@pytest.mark.parametrize("boot", [PANIC, HANG])
def test_the_side_that_crashed_or_hung_is_the_worse_one(boot: BootReport) -> None:
    assert of_boots(ended("base", GOOD, PTE), ended("variant", boot)) is Change.REGRESSION
    assert of_boots(ended("base", boot), ended("variant", GOOD, PTE)) is Change.FIX


def test_two_crashes_are_unchanged_and_no_place_is_passed_over() -> None:
    block = compare(run_of(ended("base", PANIC), ended("variant", PANIC))).blocks[0]
    assert (block.place.bar, block.place.device, block.length) == (NO_BAR, "testdev", None)
    assert changes(block.rows[1]) == dict.fromkeys(changes(block.rows[1]), Change.UNCHANGED)
    assert block.rows[1].change is Change.UNCHANGED


def test_an_oops_after_the_last_measurement_is_a_regression() -> None:
    row = (
        compare(run_of(ended("base", GOOD, PTE), ended("variant", BootReport(BootEnd.OOPS, 1.0), PUD)))
        .blocks[0]
        .rows[1]
    )
    assert changes(row)["level"] is Change.FIX
    assert changes(row)["boot"] is Change.REGRESSION
    assert (row.change, row.status) == (Change.REGRESSION, Status.CRASH)


def test_an_error_of_the_infrastructure_says_nothing_of_the_kernel() -> None:
    assert of_boots(ended("base", GOOD, PTE), ended("variant", QEMU_DIED)) is Change.INCOMPLETE
    assert of_boots(ended("base", QEMU_DIED), ended("variant", GOOD, PTE)) is Change.INCOMPLETE
    assert of_boots(ended("base", QEMU_DIED), ended("variant", PANIC)) is Change.INCOMPLETE


def test_a_skip_is_incomplete_and_a_failed_program_is_a_regression() -> None:
    skipped = booted(kernel("v", ALL_PUD), told("v", {}, {"kernel": Verdict(Status.SKIP, "no IOMMU")}))
    failed = booted(kernel("v", ALL_PUD), told("v", {}, {"kernel": Verdict(Status.FAIL, "mmap: EINVAL")}))
    assert of_boots(ended("base", GOOD, PTE), skipped) is Change.INCOMPLETE
    assert of_boots(ended("base", GOOD, PTE), failed) is Change.REGRESSION


def test_a_measurement_that_only_one_side_has_was_added_or_removed() -> None:
    without = {name: value for name, value in PUD.items() if name != "dma_faults"}
    assert one_place(without, PUD)["dma_faults"] is Change.ADDED
    assert one_place(PUD, without)["dma_faults"] is Change.REMOVED
    assert "dma_faults" not in one_place(without, without)


def test_a_bar_that_only_the_variant_maps_was_added() -> None:
    more = told("variant", {"kernel": PUD})
    bar0 = tuple(replace(one, bar=0) for one in more.measurements)
    more = replace(
        more, measurements=more.measurements + bar0, program={**more.program, (0, "kernel"): Verdict(Status.PASS)}
    )
    blocks = compare(
        run_of(booted(kernel("base"), told("base", {"kernel": PUD})), booted(kernel("variant"), more))
    ).blocks
    assert [(block.place.bar, block.rows[1].change) for block in blocks if block.place.test == "kernel"] == [
        (0, Change.ADDED),
        (2, Change.UNCHANGED),
    ]


def test_a_killed_run_is_incomplete_where_nothing_ended() -> None:
    rows = compare(killed_run()).blocks[0].rows
    assert [(row.change, row.status, row.reading.note) for row in rows] == [
        (None, Status.PASS, ""),
        (Change.INCOMPLETE, None, "interrupted before it ended"),
        (Change.INCOMPLETE, None, "not run"),
    ]


def test_a_run_without_any_boot_still_has_its_workloads() -> None:
    block = compare(run_of(names=("base", "variant"))).blocks[0]
    assert (block.place.workload, block.place.device) == ("alignment", "testdev")
    assert block.rows[1].change is Change.INCOMPLETE


def test_a_kernel_that_was_not_built_is_incomplete_and_failed() -> None:
    run = run_of(ended("base", GOOD, PTE), names=("base", "variant"))
    failure = CaseValue(CaseId.of_build("variant"), Status.FAIL, message="mm/mmap.c:1: error", evidence="build.log:9")
    row = compare(with_failed_build(run, failure)).blocks[0].rows[1]
    assert (row.change, row.status) == (Change.INCOMPLETE, Status.FAIL)
    assert (row.reading.note, row.reading.evidence) == ("not built: mm/mmap.c:1: error", "build.log:9")


def test_the_base_comes_first_whatever_the_order_of_the_scenario() -> None:
    run: Run = pud_run()
    moved = replace(run, scenario=replace(run.scenario, kernels=tuple(reversed(run.scenario.kernels))))
    assert [row.kernel for row in compare(moved).blocks[0].rows][:2] == ["base", "no-huge"]


def test_unexpected_are_the_cases_that_fail_the_run() -> None:
    assert {case.status for case in compare(broken_run()).unexpected} == {Status.FAIL, Status.CRASH, Status.TIMEOUT}
    assert compare(pud_run()).unexpected == ()


def of_test(test: str, base: Numbers, variant: Numbers) -> dict[str, Change]:
    """Return the changes by check of a variant in one test without a placement."""
    boots = (booted(kernel(n), told(n, {test: values})) for n, values in (("base", base), ("variant", variant)))
    blocks = compare(run_of(*boots)).blocks
    return next(changes(block.rows[1]) for block in blocks if block.place.test == test)


def test_a_number_that_contradicts_the_oracle_fails_the_row_and_says_why() -> None:
    base, variant = (told(name, {"kernel": PUD}) for name in ("base", "variant"))
    wrong = told("variant", {"kernel": PUD | {"faults": 3}})
    row = compare(run_of(booted(kernel("base"), base), booted(kernel("variant"), wrong))).blocks[0].rows[1]
    assert (row.status, changes(row)["oracle"], row.change) == (Status.FAIL, Change.REGRESSION, Change.REGRESSION)
    assert row.reading.note == "faults: measured 3, predicted 2"
    row = compare(run_of(booted(kernel("base"), base), booted(kernel("variant"), variant))).blocks[0].rows[1]
    assert (row.status, row.change) == (Status.PASS, Change.UNCHANGED)


def test_a_warning_fails_every_row_of_its_boot() -> None:
    warned = replace(GOOD, splats=(splat("WARNING: mm/memory.c:1 at f+0x1"),), taint=(0, 512))
    boots = (
        booted(kernel("base"), told("base", {"kernel": PTE})),
        booted(kernel("variant"), told("variant", {"kernel": PUD}), warned),
    )
    row = compare(run_of(*boots)).blocks[0].rows[1]
    assert (row.status, changes(row)["log"], changes(row)["level"]) == (Status.FAIL, Change.REGRESSION, Change.FIX)
    place = "boots/k/alignment/console.log:1"
    assert row.reading.note == f"new in the guest kernel's log: WARNING: mm/memory.c at f ({place})"


A, B = "WARNING: mm/memory.c:1 at f+0x1", "rcu: INFO: rcu_preempt self-detected stall on CPU"
PLACE = " (boots/k/alignment/console.log:1)"
A2 = "WARNING: mm/memory.c:7 at f+0x2/0x3, CPU#1: init/1"


def splat(text: str) -> Splat:
    return Splat("any", title_of(text), text, "console.log:1")


@pytest.mark.parametrize(
    ("base", "variant", "change", "note"),
    [
        ((), (), None, ""),
        ((), (A,), Change.REGRESSION, title_of(A) + PLACE),
        ((A,), (A,), Change.UNCHANGED, ""),
        ((A,), (A2,), Change.UNCHANGED, ""),
        ((A,), (), Change.FIX, ""),
        ((A,), (B,), Change.REGRESSION, title_of(B) + PLACE),
        ((A,), (A, B), Change.REGRESSION, title_of(B) + PLACE),
        ((A, B), (B,), Change.FIX, ""),
        ((B, A), (A, B), Change.UNCHANGED, ""),
        ((), (A, B), Change.REGRESSION, f"{title_of(A)}{PLACE} and 1 more"),
    ],
)
def test_a_splat_that_the_base_has_not_is_a_regression_whatever_the_status(
    base: tuple[str, ...], variant: tuple[str, ...], change: Change | None, note: str
) -> None:
    boots = (
        booted(kernel(name), told(name, {"kernel": PTE}), replace(GOOD, splats=tuple(map(splat, lines))))
        for name, lines in (("base", base), ("variant", variant))
    )
    row = compare(run_of(*boots)).blocks[0].rows[1]
    assert changes(row).get("log") is change
    assert [one.note for one in row.changes if one.note] == ([f"new in the guest kernel's log: {note}"] if note else [])
    assert not note or row.reading.note == f"new in the guest kernel's log: {note}"


@pytest.mark.parametrize(
    ("base", "variant", "change"),
    [
        ((512, 512), (512, 512), Change.UNCHANGED),
        ((512, 512), (0, 512), Change.UNCHANGED),
        ((512, 512), (512, 640), Change.REGRESSION),
        ((128, 512), (512, 512), Change.FIX),
        ((0, 0), (512, 512), Change.REGRESSION),
    ],
)
def test_a_taint_that_the_base_has_not_is_a_regression(
    base: tuple[int, int], variant: tuple[int, int], change: Change
) -> None:
    boots = (
        booted(kernel(name), told(name, {"kernel": PTE}), replace(GOOD, taint=taint))
        for name, taint in (("base", base), ("variant", variant))
    )
    assert changes(compare(run_of(*boots)).blocks[0].rows[1])["log"] is change


def test_many_addresses_are_compared_by_the_level_that_they_prove() -> None:
    bad = {"ranges": 20, "long_pmd": 9, "congruent_pmd": 1, "long_pud": 3, "congruent_pud": 0}
    good = bad | {"congruent_pmd": 9, "congruent_pud": 3}
    assert of_test("random", bad, good)["level"] is Change.FIX
    assert of_test("random", good, bad)["level"] is Change.REGRESSION
    assert set(of_test("random", bad, bad | {"congruent_pmd": 2}).values()) == {Change.UNCHANGED}
    many = {"mmaps": 200, "distinct": 200, "alignment": 4096, "length": 2 << 30, "offset": 0}
    found = of_test("repeat.topdown", many, many | {"alignment": 1 << 30})
    assert (found["alignment"], found["level"]) == (Change.FIX, Change.FIX)


def test_stage_2_is_compared_by_its_entries_and_then_by_the_faults_of_the_vcpu() -> None:
    place = {"address": 127 << 40, "bar_address": 4 << 30, "offset": 0, "length": 2 << 30, "guest_address": 16 << 30}
    puds = place | {"stage2_pte": 0, "stage2_pmd": 0, "stage2_pud": 2, "stage2_faults": 2}
    ptes = place | {"stage2_pte": 524288, "stage2_pmd": 0, "stage2_pud": 0, "stage2_faults": 524288}
    for base, variant, change in ((ptes, puds, Change.FIX), (puds, ptes, Change.REGRESSION)):
        found = of_test("stage2.kernel", base, variant)
        assert (found["stage2"], found["stage2_faults"]) == (change, change)
    same = of_test("stage2.kernel", puds, puds)
    assert (same["stage2"], same["stage2_faults"]) == (Change.UNCHANGED, Change.UNCHANGED)
    twice = of_test("stage2.kernel", puds, puds | {"stage2_faults": 4})
    assert (twice["stage2"], twice["stage2_faults"]) == (Change.UNCHANGED, Change.REGRESSION)
    uncounted = {name: value for name, value in puds.items() if name != "stage2_faults"}
    assert of_test("stage2.kernel", uncounted, puds)["stage2_faults"] is Change.ADDED


def test_a_test_without_entries_is_compared_by_its_status() -> None:
    assert set(of_test("dma.type1", {"dma_faults": 9}, {"dma_faults": 2}).values()) == {Change.UNCHANGED}
    boots = [
        booted(kernel(name), told(name, {}, {"life.fork": Verdict(status, "why")}))
        for name, status in (("base", Status.PASS), ("variant", Status.FAIL))
    ]
    blocks = compare(run_of(*boots)).blocks
    row = next(block.rows[1] for block in blocks if block.place.test == "life.fork")
    assert (changes(row)["run"], row.change) == (Change.REGRESSION, Change.REGRESSION)
