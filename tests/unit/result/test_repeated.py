# SPDX-License-Identifier: GPL-2.0-only
"""Several boots of one kernel: one verdict for each case, and no number that differs is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from orchestrator.machine.model import BootEnd, BootReport, Splat
from orchestrator.report import as_json, junit, terminal
from orchestrator.result.compare.alignment import compare
from orchestrator.result.compare.status import Change
from orchestrator.result.judge.kernel_log import complaints
from orchestrator.result.model import REPEATABLE, Case, CaseId, Status
from orchestrator.result.repeated import combined, with_boot, with_boots
from orchestrator.result.run import BootResult, Job, JobKind, JobStatus, Run
from orchestrator.workload.model import Measurement
from tests.unit.result.test_samples import ALL_PTE, GOOD, PANIC, PMD, PTE, PUD, booted, kernel, run_of, told

LEVEL = CaseId("k", "alignment", "testdev", 2, "kernel", "level")
RUN = replace(LEVEL, check="run")
LOG = CaseId.of_log("k", "alignment", "testdev")


def boots(*statuses: Status | None, case_id: CaseId = LEVEL, measured: str = "PTE") -> list[BootResult]:
    """Boots with one case, which has these statuses; None for a boot without it."""
    return [
        BootResult(
            "k",
            "alignment",
            "testdev",
            GOOD,
            () if status is None else (Case(case_id, status, "PMD", measured, "" if status is P else "too small"),),
            round=number,
        )
        for number, status in enumerate(statuses, 1)
    ]


P, F, S, X, E = Status.PASS, Status.FAIL, Status.SKIP, Status.XPASS, Status.ERROR


@pytest.mark.parametrize(
    ("statuses", "planned", "status", "message"),
    [
        ((P, P, P), 3, P, ""),
        ((F, F, F), 3, F, "too small"),
        ((P, F, P, P, F), 5, F, "failed in 2 of 5 boots: too small"),
        ((F, P, P), 5, F, "failed in 1 of the 3 boots so far: too small"),
        ((P, S), 2, S, "skipped in 1 of 2 boots: too small"),
        ((F, Status.CRASH, P), 3, Status.CRASH, "crashed in 1 of 3 boots: too small"),
        ((Status.TIMEOUT, F, P), 3, Status.TIMEOUT, "timed out in 1 of 3 boots: too small"),
        ((Status.XFAIL, X), 2, X, "passed unexpectedly in 1 of 2 boots: too small"),
        ((P, Status.XFAIL), 2, Status.XFAIL, "failed as expected in 1 of 2 boots: too small"),
        ((E, P), 2, E, "not measured in 1 of 2 boots: too small"),
        ((E, F), 2, F, "failed in 1 of 2 boots: too small"),
        ((P, None, P), 3, P, "passed in 2 of 3 boots (no result in 1)"),
        ((F, None), 2, F, "failed in 1 of 2 boots (no result in 1): too small"),
    ],
)
def test_the_worst_verdict_counts_and_says_in_how_many_boots(
    statuses: Sequence[Status | None], planned: int, status: Status, message: str
) -> None:
    (case,) = combined(boots(*statuses), planned).cases
    assert (case.status, case.message) == (status, message)
    assert case.measured.startswith("PTE")
    assert (" in " in case.measured) is (" in " in message), "a report that shows only the number shows the count"


@pytest.mark.parametrize(
    ("statuses", "status", "message"),
    [
        ((F, None, None), F, "failed in 1 of 3 boots: too small"),
        ((P, None, P), P, ""),
    ],
)
def test_a_case_of_a_whole_boot_may_be_absent(statuses: Sequence[Status | None], status: Status, message: str) -> None:
    (case,) = combined(boots(*statuses, case_id=LOG), 3).cases
    assert (case.status, case.message) == (status, message)


def test_the_case_is_that_of_the_boot_that_shows_it() -> None:
    found = boots(P, F)
    failed = replace(found[1].cases[0], evidence="boots/k/alignment/2/guest/measurements.jsonl:3", lines=("x",))
    (case,) = combined((found[0], replace(found[1], cases=(failed,))), 2).cases
    assert (case.evidence, case.lines) == (failed.evidence, ("x",))


def measured(values: Sequence[int], *, exact: bool, name: str = "faults", unit: str = "faults") -> list[BootResult]:
    """Boots with one measurement, which has these values."""
    return [
        BootResult(
            "k",
            "alignment",
            "testdev",
            GOOD,
            measurements=(
                Measurement("k", "alignment", "testdev", 2, "kernel", name, value, unit, exact, f"{number}/m.jsonl:1"),
            ),
            round=number,
        )
        for number, value in enumerate(values, 1)
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((2, 2, 2), ""),
        ((2, 3), "faults must be equal in every boot, but is 2 (boot 1), 3 (boot 2)"),
        ((2, 3, 2), "faults must be equal in every boot, but is 2 (boots 1, 3), 3 (boot 2)"),
        ((1, 2, 2, 2), "faults must be equal in every boot, but is 2 (boots 2, 3, 4), 1 (boot 1)"),
        (
            (1, 2, 3, 4, 5, 6),
            "faults must be equal in every boot, but is 1 (boot 1), 2 (boot 2), 3 (boot 3), 4 (boot 4), and 2 more "
            "values",
        ),
    ],
)
def test_a_number_that_differs_between_boots_is_a_failed_case(values: Sequence[int], message: str) -> None:
    for boots_of in (measured(values, exact=True),):
        together = combined(boots_of, len(values))
        assert [case.message for case in together.cases] == ([message] if message else [])
        if message:
            (case,) = together.cases
            assert (case.id, case.status) == (replace(LEVEL, check=REPEATABLE), Status.FAIL)
            other = next(number for number, value in enumerate(values, 1) if value != values[0])
            assert case.evidence == f"{other}/m.jsonl:1"
        assert together.measurements[0].value == values[0], "never an average"


def test_numbers_of_one_test_that_differ_are_one_case_with_their_units() -> None:
    pairs = zip(
        measured((2, 3), exact=True),
        measured((4096, 8192), exact=True, name="alignment", unit="bytes"),
        strict=True,
    )
    both = [replace(one, measurements=(*one.measurements, *other.measurements)) for one, other in pairs]
    (case,) = combined(both, 2).cases
    assert case.message.endswith(
        "; alignment must be equal in every boot, but is 4096 bytes (boot 1), 8192 bytes (boot 2)"
    )


@pytest.mark.parametrize(("values", "middle", "boot"), [((30, 10, 20), 20, 3), ((10, 40, 30, 20), 20, 4), ((5,), 5, 1)])
def test_a_time_is_the_one_of_the_boot_in_the_middle(values: Sequence[int], middle: int, boot: int) -> None:
    together = combined(measured(values, exact=False, name="touch_time", unit="ns"), len(values))
    assert not together.cases
    (found,) = together.measurements
    assert (found.value, found.evidence) == (middle, f"{boot}/m.jsonl:1")


STALL = Splat("stall", "rcu: stall", "rcu: INFO: stall", "console.log:3")
WARNING = Splat("warning", "WARNING: x", "WARNING: at x", "console.log:7")


def report(
    number: int, *splats: Splat, end: BootEnd = BootEnd.OK, taint: tuple[int, int] | None = (0, 0)
) -> BootResult:
    where = f"boots/k/alignment/{number}/console.log:1"
    return BootResult("k", "alignment", "testdev", BootReport(end, 1.0, (), where, splats, taint), round=number)


def test_every_complaint_of_the_guest_kernel_is_kept_with_its_place() -> None:
    together = combined((report(1, STALL), report(2, WARNING, WARNING), report(3, STALL)), 3)
    assert len(together.boot.splats) == 2
    assert complaints(together.boot) == {
        STALL.title: "boots/k/alignment/1/console.log:3",
        WARNING.title: "boots/k/alignment/2/console.log:7",
    }


def test_a_taint_of_any_boot_is_kept() -> None:
    assert combined((report(1), report(2, taint=(0, 512)), report(3, taint=None)), 3).boot.taint == (0, 512)
    assert combined((report(1, taint=None), report(2, taint=None)), 2).boot.taint is None


@pytest.mark.parametrize("ends", list(permutations((BootEnd.OK, BootEnd.HANG, BootEnd.PANIC))))
def test_the_report_is_of_the_boot_with_the_worst_end(ends: tuple[BootEnd, ...]) -> None:
    together = combined([report(number, end=end) for number, end in enumerate(ends, 1)], 3)
    assert together.boot.end is BootEnd.PANIC
    assert together.boot.evidence == f"boots/k/alignment/{1 + ends.index(BootEnd.PANIC)}/console.log:1"


def test_a_known_end_is_worse_than_a_good_one_and_better_than_any_other() -> None:
    known = replace(
        report(2, end=BootEnd.PANIC), cases=(Case(CaseId.of_boot("k", "alignment", "testdev"), Status.XFAIL),)
    )
    assert combined((report(1), known), 2).boot.end is BootEnd.PANIC
    assert combined((known, report(3, end=BootEnd.HANG)), 2).boot.end is BootEnd.HANG


def test_what_a_guest_left_in_its_share_names_the_boot() -> None:
    odd = replace(report(2), boot=replace(report(2).boot, odd=("a link",)))
    assert combined((report(1), odd), 2).boot.odd == ("boot 2: a link",)


def repeated(**results: Sequence[BootResult]) -> Run:
    """A run that boots each of two kernels three times, of which these boots have ended."""
    names = ("base", "v")
    run = run_of(names=names)
    rounds = (
        Job(f"boot/{name}/alignment/{number}", JobKind.BOOT, name, "alignment", round=number)
        for number in (1, 2, 3)
        for name in names
    )
    run = replace(run, jobs=(*(job for job in run.jobs if job.kind is JobKind.BUILD), *rounds), boots=())
    run = with_boots(run, (boot for boots_of in results.values() for boot in boots_of))
    done = {(boot.kernel, boot.round) for boot in run.samples}
    jobs = (
        replace(job, status=JobStatus.DONE, seconds=4.0) if (job.kernel, job.round) in done else job for job in run.jobs
    )
    return replace(run, jobs=tuple(jobs))


def three(name: str, *places: Mapping[str, Mapping[str, int]], expect: bool = True) -> list[BootResult]:
    what = kernel(name, ALL_PTE if expect else None)
    return [replace(booted(what, told(name, place)), round=number) for number, place in enumerate(places, 1)]


def test_a_run_has_every_boot_and_one_result_for_each_kernel() -> None:
    places = [{"kernel": PTE, "qemu": PUD}] * 3
    ended = [*three("base", *places), *three("v", *places)]
    expected = repeated(all=ended)
    for order in permutations(ended):
        run = repeated()
        for boot in order:
            run = with_boot(run, boot)
        assert (run.boots, run.samples) == (expected.boots, expected.samples)
    assert [(boot.kernel, boot.round) for boot in expected.samples] == [
        *(("base", 1), ("v", 1), ("base", 2), ("v", 2), ("base", 3), ("v", 3))
    ]
    assert [(boot.kernel, boot.round) for boot in expected.boots] == [("base", 0), ("v", 0)]
    assert expected.boot("v", "alignment") == expected.boots[1]
    assert [boot.round for boot in expected.samples_of("v", "alignment")] == [1, 2, 3]
    assert {str(job.directory) for job in expected.jobs if job.kernel == "v"} == {
        *("kernels/v", "boots/v/alignment/1", "boots/v/alignment/2", "boots/v/alignment/3")
    }
    assert expected.ok
    assert len({case.id for case in expected.cases}) == len(expected.cases)


def test_a_run_that_boots_once_is_as_it_was() -> None:
    run = run_of(*(replace(boot, round=0) for boot in three("base", {"kernel": PTE})))
    assert (run.repeat, run.samples) == (1, ())
    assert run.samples_of("base", "alignment") == run.boots
    assert str(run.jobs[-1].directory) == "boots/base/alignment"


def test_a_flaky_level_is_a_regression_that_says_how_often() -> None:
    run = repeated(base=three("base", *[{"kernel": PMD}] * 3, expect=False), v=three("v", *[{"kernel": PTE}] * 3))
    assert next(block for block in compare(run).blocks).rows[1].change is Change.REGRESSION
    unequal = [{"kernel": PMD}, {"kernel": PTE}, {"kernel": PMD}]
    flaky = repeated(base=three("base", *[{"kernel": PMD}] * 3, expect=False), v=three("v", *unequal))
    row = next(block for block in compare(flaky).blocks).rows[1]
    assert {change.check: change.change for change in row.changes}[REPEATABLE] is Change.REGRESSION
    assert row.status is Status.FAIL
    text = terminal.render(compare(flaky), 80)
    assert "FAIL     v: alignment/testdev/BAR2/kernel/repeatable" in text
    assert "(boot 2)" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80
    names = [case["name"] for case in as_json.to_json(compare(flaky))["cases"] if case["kernel"] == "v"]
    assert "alignment/testdev/BAR2/kernel/repeatable" in names


def test_a_crash_in_one_boot_fails_the_run_and_shows_its_console() -> None:
    ended = three("v", *[{"kernel": PTE}] * 3)
    crashed = replace(
        booted(kernel("v", ALL_PTE), told("v", {}), replace(PANIC, evidence="boots/v/alignment/2/console.log:9")),
        round=2,
    )
    run = repeated(base=three("base", *[{"kernel": PTE}] * 3), v=(ended[0], crashed, ended[2]))
    (case,) = [case for case in run.cases if case.id.check == "boot"]
    assert (case.status, case.evidence) == (Status.CRASH, "boots/v/alignment/2/console.log:9")
    assert case.message.startswith("crashed in 1 of 3 boots: ")
    assert not run.ok
    runs = [case.message for case in run.cases if case.id.kernel == "v" and case.id.check == "run"]
    assert runs[0] == "passed in 2 of 3 boots (no result in 1)"


def test_junit_and_json_of_a_half_finished_run_are_whole() -> None:
    run = repeated(base=three("base", *[{"kernel": PTE}] * 2), v=three("v", {"kernel": PTE}))
    assert junit.render(run).count("<testcase") == len(run.cases)
    assert 'name="boots" value="3"' in junit.render(run)
    timed = re.findall(r'<testcase [^>]*time="4\.000"', junit.render(run))
    assert len(timed) == 2, "two boots of base, of 4 s each, divided among two tests"
    data = json.loads(json.dumps(as_json.to_json(compare(run))))
    assert data["repeat"] == 3
    assert data["run"]["unfinished"] == [f"boot/{name}/alignment/{n}" for n, name in ((2, "v"), (3, "base"), (3, "v"))]
    assert [(boot["kernel"], boot["round"], boot["directory"]) for boot in data["boots"]] == [
        *(("base", 1, "boots/base/alignment/1"), ("v", 1, "boots/v/alignment/1"), ("base", 2, "boots/base/alignment/2"))
    ]
    times = {(time["kernel"], time["name"]): time for time in data["times"]}
    assert [sample["round"] for sample in times["base", "touch_time"]["samples"]] == [1, 2]
    assert times["v", "dma_time"]["n"] == 1
    assert times["v", "dma_time"]["comparison"]["shown"] is False
    assert "4 of 8 jobs did not end" not in terminal.render(compare(run))
    assert Path(data["run"]["path"]).name
