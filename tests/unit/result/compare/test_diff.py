# SPDX-License-Identifier: GPL-2.0-only
"""Compare two runs: planted differences of kernels, of suites, and of the runs themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from orchestrator.machine.kernel_log import title_of
from orchestrator.machine.model import BootEnd, BootReport, Splat
from orchestrator.result.compare.diff import RunDiff, diff_runs
from orchestrator.result.compare.diff_pair import KernelPair
from orchestrator.result.compare.status import Change
from orchestrator.result.judge.alignment import judge
from orchestrator.result.model import Case, CaseId, Status, Verdict, WorkloadOutput
from orchestrator.result.run import BootResult, JobStatus, Run, RunStatus, with_failed_build
from orchestrator.scenario.model import Placement
from tests.unit.result.test_samples import (
    FORCED_PTE,
    GOOD,
    HANG,
    MIXED,
    PANIC,
    PMD,
    PTE,
    PUD,
    WORKLOAD,
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
WARNING = "[    3.2] WARNING: CPU: 0 PID: 1 at mm/memory.c:77 unmap_page_range+0x1/0x2"
WARNED = replace(GOOD, splats=(Splat("warning", title_of(WARNING), WARNING, "console.log:9"),))
SKIPPED = Verdict(Status.SKIP, "no such BAR")


def one(values: Numbers | None, boot: BootReport = GOOD, name: str = "base", **more: Verdict) -> Run:
    """Return a run of one kernel, with `values` at the placement `kernel`."""
    places = {"kernel": values} if values else {}
    verdicts = {test.replace("_", "."): verdict for test, verdict in more.items()}
    output = told(name, places, verdicts) if places or more else WorkloadOutput()
    workload = replace(WORKLOAD, placements=(Placement.KERNEL,))
    cases = judge(kernel(name), workload, boot, output)
    return run_of(BootResult(name, "alignment", "testdev", boot, cases, output.measurements))


def changes(diff: RunDiff) -> dict[str, Change]:
    """Return the changes by test and check."""
    return {f"{each.place.test}/{each.check}".strip("/"): each.change for each in diff.differences}


def between(first: Run, second: Run) -> dict[str, Change]:
    """Return the changes between two runs, of kernels of the same name.

    Left out is whether the numbers are as predicted, which follows from them.
    """
    return {name: change for name, change in changes(diff_runs(first, second)).items() if "/oracle" not in name}


def all_of(change: Change, *checks: str) -> dict[str, Change]:
    """Return `change` for each of `checks` of the placement `kernel`."""
    return {f"kernel/{check}": change for check in checks}


NUMBERS = ("level", "entries", "faults", "dma_faults")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (one(PTE), one(PTE), {}),
        (one(PUD), one(PUD | {"touch_time": 10**12, "vmpte": 8192}), {}),
        (one(PMD), one(PMD | {"faults": 1030}), {}),
        (one(PTE), one(PMD), all_of(Change.FIX, "alignment", *NUMBERS)),
        (one(PUD), one(PMD), all_of(Change.REGRESSION, "alignment", *NUMBERS)),
        (one(PUD), one(FORCED_PTE), all_of(Change.REGRESSION, *NUMBERS)),
        (one(PUD), one(MIXED), all_of(Change.REGRESSION, "alignment", *NUMBERS)),
        (one(PMD), one(PMD | {"faults": 2048}), all_of(Change.REGRESSION, "faults")),
        (one(PTE), one(PTE | {"faults": 1}), all_of(Change.UNCHANGED, "faults")),
        (one(PTE), one(None, PANIC), {"boot": Change.REGRESSION, "kernel/run": Change.REGRESSION}),
        (one(None, HANG), one(PTE), {"boot": Change.FIX, "kernel/run": Change.FIX}),
        (one(None, PANIC), one(None, PANIC), {}),
        (one(PTE), one(None, QEMU_DIED), {"boot": Change.INCOMPLETE, "kernel/run": Change.INCOMPLETE}),
        (one(PTE), one(PTE, WARNED), {"log": Change.REGRESSION}),
        (one(PTE, WARNED), one(PTE), {"log": Change.FIX}),
        (one(PTE, WARNED), one(PTE, WARNED), {}),
        (one(PTE), one(PTE, kernel=Verdict(Status.FAIL, "wrong")), {"kernel/run": Change.REGRESSION}),
        (one(PTE), one(None, kernel=SKIPPED), {"kernel/run": Change.INCOMPLETE}),
        (one(None, kernel=SKIPPED), one(None, kernel=SKIPPED), {}),
        (one(PTE), one(PTE, dma_x=Verdict(Status.PASS)), {"dma.x/run": Change.ADDED}),
        (one(PTE, dma_x=Verdict(Status.PASS)), one(PTE), {"dma.x/run": Change.REMOVED}),
    ],
)
def test_planted_differences_of_one_kernel(first: Run, second: Run, expected: dict[str, Change]) -> None:
    assert between(first, second) == expected


def test_what_does_not_differ_is_counted() -> None:
    pair = diff_runs(one(PTE), one(PTE)).pairs[0]
    assert (pair.differences, pair.unchanged, pair.unknown) == ((), 7, 0)
    pair = diff_runs(one(PTE), one(PTE | {"faults": 2 * PTE["faults"]})).pairs[0]
    assert [each.check for each in pair.differences] == ["faults", "oracle"]
    assert pair.unchanged == 5
    pair = diff_runs(one(None, kernel=SKIPPED), one(None, kernel=SKIPPED)).pairs[0]
    assert (pair.unchanged, pair.unknown > 0) == (0, True)


def test_values_and_evidence_are_those_of_each_run() -> None:
    found = {each.check: each for each in diff_runs(one(PTE), one(PUD)).differences}
    assert (found["alignment"].base, found["alignment"].variant) == ("4 KiB", "1 GiB")
    assert (found["faults"].base, found["faults"].variant) == ("524288", "2")
    assert found["faults"].evidence == "boots/base/alignment/measurements.jsonl:6"
    died = diff_runs(one(PTE), one(None, PANIC)).differences
    assert {(each.base, each.variant) for each in died} == {("PASS", "CRASH")}
    assert "Kernel panic" in died[0].note


def test_kernels_are_paired_by_name_or_as_asked_for() -> None:
    first, second = one(PTE), one(PUD, name="patched")
    assert not diff_runs(first, second).pairs
    found = diff_runs(first, second, (KernelPair("base", "patched"),))
    assert set(changes(found).values()) == {Change.FIX}
    same = pud_run()
    pairs = (KernelPair("no-huge", "vfio-size"), KernelPair("vfio-size", "no-huge"))
    found = diff_runs(same, same, pairs)
    assert [{each.change for each in pair.differences} for pair in found.pairs] == [{Change.FIX}, {Change.REGRESSION}]
    assert not any("no partner" in sentence for sentence in found.left_out)


def test_kernels_without_a_partner_are_named() -> None:
    left_out = diff_runs(pud_run(), one(PTE)).left_out
    assert left_out == ("no partner for kernels vfio-thp, vfio-size, mm-align, no-huge of the first run",)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, Status.FAIL, Change.REGRESSION),
        (Status.FAIL, None, Change.FIX),
        (None, Status.ERROR, Change.INCOMPLETE),
        (Status.FAIL, Status.FAIL, None),
    ],
)
def test_a_kernel_that_is_not_built(before: Status | None, after: Status | None, expected: Change | None) -> None:
    def run(status: Status | None) -> Run:
        if status is None:
            return one(PTE)
        return with_failed_build(run_of(names=("base",)), Case(CaseId.of_build("base"), status, message="mm/a.c:1: x"))

    diff = diff_runs(run(before), run(after))
    assert changes(diff) == ({"build": expected} if expected else {})
    assert diff.lost == (after is Status.ERROR)
    assert diff.compared


def test_a_result_that_the_second_run_lacks_is_not_a_regression_but_lost() -> None:
    diff = diff_runs(pud_run(), killed_run())
    by_kernel = {pair.pair.base: pair.differences for pair in diff.pairs}
    assert not by_kernel["base"]
    assert [(each.check, each.base, each.variant) for each in by_kernel["vfio-thp"]] == [("boot", "PASS", "not run")]
    assert (diff.worse, diff.lost) == (False, True)
    assert "the second run is interrupted: 2 of 6 jobs did not end" in diff.conditions
    back = diff_runs(killed_run(), pud_run())
    assert (back.worse, back.lost) == (False, False)


def test_a_crash_is_worse_and_a_skipped_test_is_not_lost() -> None:
    diff = diff_runs(pud_run(), broken_run())
    assert (diff.worse, diff.lost) == (True, False)
    skipped = diff_runs(one(PTE), one(None, kernel=SKIPPED))
    assert (skipped.worse, skipped.lost) == (False, False)


def scenario(run: Run, **values: object) -> Run:
    """Return `run` with other facts of its scenario."""
    return replace(run, scenario=replace(run.scenario, **values))  # type: ignore[arg-type]


def workload(run: Run, **options: object) -> Run:
    """Return `run` with other options of its workload."""
    return scenario(run, workloads={"alignment": {**run.scenario.workloads["alignment"], **options}})


DEVICE: Mapping[str, Mapping[str, object]] = {"testdev": {"model": "pci-testdev", "bar_size": 4 << 30}}
MACHINE: Mapping[str, object] = {"cpus": 1, "memory": 2 << 30, "iommu": "auto", "accelerator": "auto"}


def device(run: Run, **options: object) -> Run:
    """Return `run` with other options of its device."""
    return scenario(run, devices={"testdev": {**DEVICE["testdev"], **options}})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda run: workload(run, length=1 << 20), "workload alignment: length none in the first, 1048576 in the"),
        (lambda run: workload(run, offset=4096), "workload alignment: offset 0 in the first, 4096 in the second"),
        (lambda run: workload(run, hole=8192), "workload alignment: hole none in the first, 8192 in the second"),
        (lambda run: workload(run, device="nvme"), "device testdev in the first, nvme in the second"),
        (lambda run: workload(run, command="true"), "workload alignment: command none in the first, true in the"),
        (lambda run: device(run, bar_size=8 << 30), "device testdev: bar_size 4294967296 in the first, 8589934592"),
        (lambda run: device(run, model="nvme"), "device testdev: model pci-testdev in the first, nvme in the second"),
        (lambda run: device(run, found="8086:1"), "device testdev: found none in the first, 8086:1 in the second"),
        (lambda run: scenario(run, workloads={"other": {}}), "workload alignment: in the first run only"),
    ],
)
def test_results_that_are_not_about_the_same_are_left_out_with_both_values(
    change: Callable[[Run], Run], sentence: str
) -> None:
    diff = diff_runs(device(one(PTE)), change(device(one(PUD))))
    assert any(sentence in each for each in diff.left_out), diff.left_out
    assert not diff.compared


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda run: replace(run, accelerator="kvm"), "accelerator: tcg in the first, kvm in the second; times cannot"),
        (lambda run: replace(run, host="lab1"), "host: local in the first, lab1 in the second"),
        (lambda run: replace(run, tools={**run.tools, "qemu": "9"}), "QEMU: 10.0.2 in the first, 9 in the second"),
        (lambda run: replace(run, tools={"virtme_ng": "2", **run.tools}), "virtme-ng: none in the first, 2 in"),
        (lambda run: scenario(run, name="other"), "scenario: pud in the first, other in the second"),
        (lambda run: scenario(run, sha256="1" * 64), "scenario pud: the file was changed (000000000000 in"),
        (lambda run: scenario(run, overrides="--tree x"), "options: none in the first, --tree x in the second"),
        (lambda run: scenario(run, machine={**MACHINE, "memory": 1}), "machine: memory 2147483648 in the first, 1 in"),
        (lambda run: scenario(run, machine={**MACHINE, "iommu": "none"}), "machine: iommu auto in the first, none in"),
        (lambda run: scenario(run, machine={}), "machine: not recorded in the second run"),
        (lambda run: replace(run, status=RunStatus.FAILED), "the second run is failed"),
        (lambda run: workload(run, tests=["random"], seed=2), "workload alignment: seed of the tests random: 1 in the"),
    ],
)
def test_conditions_that_differ_are_named_and_the_results_compared(change: Callable[[Run], Run], sentence: str) -> None:
    plain = workload(scenario(one(PTE), machine=MACHINE), tests=["random"], seed=1)
    diff = diff_runs(plain, change(plain))
    assert [each for each in diff.conditions if each.startswith(sentence)], diff.conditions
    assert len(diff.conditions) == 1
    assert diff.pairs[0].unchanged == 7


def test_equal_runs_have_nothing_to_name() -> None:
    plain = scenario(pud_run(), machine=MACHINE)
    reason = replace(plain, accelerator="tcg (there is no /dev/kvm)")
    moved = workload(reason, timeout=1.0, where="x:1", seed=3)
    diff = diff_runs(plain, moved)
    assert (diff.conditions, diff.left_out, diff.differences) == ((), (), ())


def test_a_test_that_only_one_run_selects_is_left_out() -> None:
    both = run_of(booted(kernel("base"), told("base", {"kernel": PTE, "qemu": PUD})))
    first, second = workload(both, placements=["kernel", "qemu"]), workload(one(PTE), placements=["kernel"])
    diff = diff_runs(first, second)
    assert diff.left_out == ("workload alignment: in the first run only: BAR2/qemu",)
    assert (diff.differences, diff.pairs[0].unchanged) == ((), 7)
    # With the same selection, it was lost.
    assert between(both, one(PTE)) == {"qemu/run": Change.REMOVED}


def test_another_length_of_the_whole_bar_is_left_out_and_the_rest_compared() -> None:
    small = {"kernel": numbers(4096, (16, 0, 0), 0, 0, 0) | {"length": 65536}, "qemu": PUD}
    first = run_of(booted(kernel("base"), told("base", {"kernel": PTE, "qemu": PUD})))
    diff = diff_runs(first, run_of(booted(kernel("base"), told("base", small))))
    length = "length 2 GiB in the first run, 64 KiB in the second"
    assert diff.left_out == (f"base: alignment/testdev/BAR2: {length}: kernel",)
    assert (diff.differences, diff.pairs[0].unchanged) == ((), 7)


def suite(ended: BootReport = GOOD, /, **statuses: Status) -> Run:
    """Return a run of one kernel with a suite of these cases."""
    cases = tuple(
        Case(CaseId("base", "mm", "dev", test=test, check="run"), status, message=f"why {test}", evidence="log:1")
        for test, status in statuses.items()
    )
    run = run_of(BootResult("base", "mm", "dev", ended, cases))
    jobs = tuple(replace(job, workload="mm") if job.workload else job for job in run.jobs)
    return replace(run, jobs=jobs, scenario=replace(run.scenario, workloads={"mm": {"command": "x", "device": "dev"}}))


@pytest.mark.parametrize(
    ("first", "second", "expected", "unchanged"),
    [
        (suite(a=Status.PASS, b=Status.FAIL), suite(a=Status.PASS, b=Status.FAIL), {}, 2),
        (suite(a=Status.PASS, b=Status.FAIL), suite(a=Status.FAIL, b=Status.PASS), {"a": "regression", "b": "fix"}, 0),
        (suite(a=Status.PASS), suite(a=Status.PASS, b=Status.PASS), {"b": "added"}, 1),
        (suite(a=Status.PASS), suite(a=Status.PASS, b=Status.FAIL), {"b": "regression"}, 1),
        (suite(a=Status.PASS, b=Status.PASS), suite(a=Status.PASS), {"b": "removed"}, 1),
        (suite(a=Status.PASS, b=Status.PASS), suite(HANG, a=Status.PASS), {"b": "incomplete"}, 1),
        (suite(a=Status.PASS), suite(a=Status.ERROR), {"a": "incomplete"}, 0),
        (suite(a=Status.PASS), suite(), {"boot": "incomplete"}, 0),
    ],
)
def test_cases_of_suites(first: Run, second: Run, expected: dict[str, str], unchanged: int) -> None:
    diff = diff_runs(first, second)
    assert changes(diff) == expected
    assert diff.pairs[0].unchanged == unchanged
    assert diff.lost == ("incomplete" in expected.values())


def test_a_suite_with_another_command_is_left_out() -> None:
    other = suite(a=Status.FAIL)
    other = replace(other, scenario=replace(other.scenario, workloads={"mm": {"command": "y", "device": "dev"}}))
    diff = diff_runs(suite(a=Status.PASS), other)
    assert diff.left_out == ("workload mm: command x in the first, y in the second",)
    assert not diff.compared


def test_the_same_artifact_is_recognized() -> None:
    first = replace(one(PTE), kernels={"base": {"build": "abc"}})
    other = replace(first, kernels={"base": {"build": "abd"}})
    assert [diff_runs(first, run).pairs[0].same_build for run in (first, other, one(PTE))] == [True, False, None]


@pytest.mark.parametrize(
    ("before", "after", "sentences"),
    [
        ({"version": "7.3.4", "cached": True}, {"version": "7.3.4", "cached": False}, ()),
        ({"version": "7.3.4"}, {"version": "7.3.5"}, ("version: 7.3.4 in the first, 7.3.5 in the second",)),
        ({"patches": []}, {"patches": ["a", "b"]}, ("patches: none in the first, a b in the second",)),
        ({"arch": "arm64"}, {"arch": "x86_64"}, ("architecture: arm64 in the first, x86_64 in the second",)),
        (
            {"config_sha256": "a" * 64},
            {"config_sha256": "b" * 64},
            (f"configuration: {'a' * 12} in the first, {'b' * 12} in the second",),
        ),
        ({"version": "7.3.4"}, {"version": "7.3.4", "arch": "x86_64"}, ()),
    ],
)
def test_the_inputs_of_builds_that_differ_are_named(
    before: dict[str, object], after: dict[str, object], sentences: tuple[str, ...]
) -> None:
    first, second = (replace(one(PTE), kernels={"base": facts}) for facts in (before, after))
    assert diff_runs(first, second).pairs[0].builds == sentences


def test_a_pending_boot_is_unknown_in_both() -> None:
    run = run_of(names=("base",), status=RunStatus.INTERRUPTED)
    pending = replace(run, jobs=tuple(replace(job, status=JobStatus.INTERRUPTED) for job in run.jobs))
    pair = diff_runs(pending, pending).pairs[0]
    assert (pair.differences, pair.unchanged, pair.unknown > 0) == ((), 0, True)
