# SPDX-License-Identifier: GPL-2.0-only
"""Expectation + measurements + the boot's end → cases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.machine.model import BootEnd, BootReport
from orchestrator.result.judge import OWN_FAULTS, describe_end, judge
from orchestrator.result.model import NO_BAR, Case, CaseId, Status, Told, Verdict
from orchestrator.scenario.model import Expectation, Level, Placement
from tests.unit.test_result_samples import (
    ALL_PMD,
    ALL_PUD,
    GOOD,
    MIXED,
    PANIC,
    PMD,
    PTE,
    PUD,
    WORKLOAD,
    kernel,
    numbers,
    taken,
    told,
)

ONE = replace(WORKLOAD, placements=(Placement.KERNEL,))


def cases_of(expect: Expectation, said: Told, boot: BootReport = GOOD) -> dict[str, Case]:
    """The cases of one placement, by check."""
    return {case.id.check: case for case in judge(kernel("k", expect), ONE, boot, said)}


def test_all_checks_that_the_expectation_states_and_the_run() -> None:
    cases = cases_of(replace(ALL_PMD, dma_faults=1024), told("k", {"kernel": PMD}))
    assert {check: case.status for check, case in cases.items()} == dict.fromkeys(
        ("run", "alignment", "level", "entries", "faults", "dma_faults"), Status.PASS
    )
    assert all(not case.message for case in cases.values())


def test_nothing_is_judged_that_the_expectation_leaves_out() -> None:
    assert list(cases_of(Expectation(level=Level.PMD), told("k", {"kernel": PMD}))) == ["run", "level"]
    assert [case.id.check for case in judge(kernel("k"), ONE, GOOD, told("k", {"kernel": PMD}))] == ["run"]


def test_a_better_alignment_than_asked_passes_but_a_better_level_does_not() -> None:
    cases = cases_of(ALL_PMD, told("k", {"kernel": PUD}))
    assert cases["alignment"].status is Status.PASS
    assert cases["level"].status is Status.FAIL
    assert cases["level"].message == "level PUD, expected PMD"


def test_messages_say_expected_and_measured_and_evidence_the_line() -> None:
    values = numbers(128 << 10, (524288, 0, 0), 0, 0, 0)
    cases = cases_of(ALL_PUD, told("k", {"kernel": values}))
    assert cases["alignment"].message == "alignment 128 KiB, expected at least 1 GiB"
    assert cases["entries"].message == "entries 524288 (all PTE), expected 2 (all PUD)"
    assert cases["faults"].message == "faults 524289, expected 2 to 10"
    assert cases["alignment"].evidence == "boots/k/alignment/measurements.jsonl:2"


def test_evidence_falls_back_to_the_file_where_no_line_is_known() -> None:
    measurements = tuple(replace(one, evidence="") for one in taken("k", "kernel", PTE))
    said = Told(measurements, {(2, "kernel"): Verdict(Status.PASS)}, "boots/k/alignment/measurements.jsonl")
    assert {case.evidence for case in cases_of(ALL_PUD, said).values()} == {said.evidence}


def test_mixed_levels_are_spelled_out() -> None:
    case = cases_of(ALL_PUD, told("k", {"kernel": MIXED}))["level"]
    assert case.status is Status.FAIL
    assert case.measured == "1 PUD + 512 PMD + 3 PTE"


def test_nothing_mapped_is_no_level() -> None:
    case = cases_of(ALL_PUD, told("k", {"kernel": numbers(1 << 30, (0, 0, 0), 0, 0, 0)}))["level"]
    assert (case.status, case.measured) == (Status.FAIL, "no entries")


@pytest.mark.parametrize(
    ("faults", "status"),
    [(1023, Status.FAIL), (1024, Status.PASS), (1024 + OWN_FAULTS, Status.PASS), (1025 + OWN_FAULTS, Status.FAIL)],
)
def test_faults_are_exact_up_to_the_programs_own(faults: int, status: Status) -> None:
    assert cases_of(ALL_PMD, told("k", {"kernel": PMD | {"faults": faults}}))["faults"].status is status


def test_one_fault_before_6_12_is_no_pass_for_two_pud_faults() -> None:
    assert cases_of(ALL_PUD, told("k", {"kernel": PTE | {"faults": 1}}))["faults"].status is Status.FAIL


def test_xfail_turns_fail_into_xfail_and_pass_into_xpass_but_leaves_the_run_alone() -> None:
    known = replace(ALL_PMD, xfail="PMDs need the vfio patch")
    failed = cases_of(known, told("k", {"kernel": PTE}))
    assert failed["level"].status is Status.XFAIL
    assert failed["level"].message == "PMDs need the vfio patch (level PTE, expected PMD)"
    assert failed["run"].status is Status.PASS
    passed = cases_of(known, told("k", {"kernel": PMD}))["level"]
    assert passed.status is Status.XPASS
    assert "remove the xfail" in passed.message


def test_a_skip_of_the_program_skips_the_checks_of_its_placement_only() -> None:
    what = kernel("k", ALL_PUD, ALL_PUD)
    said = told("k", {"qemu": PUD}, {"kernel": Verdict(Status.SKIP, "no IOMMU group")})
    cases = judge(what, WORKLOAD, GOOD, said)
    assert {c.status for c in cases if c.id.placement == "kernel"} == {Status.SKIP}
    assert {c.message for c in cases if c.id.placement == "kernel"} == {"no IOMMU group"}
    assert {c.status for c in cases if c.id.placement == "qemu"} == {Status.PASS}


def test_what_a_failed_program_did_not_measure_is_the_kernels_failure() -> None:
    said = told("k", {}, {"kernel": Verdict(Status.FAIL, "mmap: Invalid argument", "ktap.log:4")})
    cases = cases_of(ALL_PUD, said)
    assert {case.status for case in cases.values()} == {Status.FAIL}
    assert cases["run"].message == "mmap: Invalid argument"
    assert cases["level"].message == "not measured, for the program failed: mmap: Invalid argument"
    assert cases["level"].evidence == "ktap.log:4"


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (BootEnd.PANIC, Status.CRASH),
        (BootEnd.OOPS, Status.CRASH),
        (BootEnd.HANG, Status.TIMEOUT),
        (BootEnd.QEMU, Status.ERROR),
        (BootEnd.WORKLOAD, Status.ERROR),
    ],
)
def test_a_placement_that_never_reported_takes_the_status_of_the_boots_end(end: BootEnd, status: Status) -> None:
    boot = BootReport(end, 9.0, ("the line that shows it",), "boots/k/alignment/console.log:7")
    cases = judge(kernel("k", ALL_PUD, ALL_PUD), WORKLOAD, boot, told("k", {"kernel": PUD}))
    lost = [case for case in cases if case.id.placement == "qemu"]
    assert [case.id.check for case in lost] == ["run", "alignment", "level", "entries", "faults"]
    assert {(c.status, c.evidence, c.lines) for c in lost} == {(status, boot.evidence, boot.lines)}
    assert {case.status for case in cases if case.id.placement == "kernel"} == {Status.PASS}


def test_entries_torn_by_a_crash_are_no_level() -> None:
    half = {name: PUD[name] for name in ("length", "alignment", "entries_pte")}
    said = replace(told("k", {"kernel": half}), program={})
    cases = cases_of(ALL_PUD, said, PANIC)
    assert cases["alignment"].status is Status.PASS
    assert cases["level"].status is Status.CRASH


def test_an_oops_after_the_last_measurement_still_fails_the_run() -> None:
    cases = cases_of(ALL_PUD, told("k", {"kernel": PUD}), BootReport(BootEnd.OOPS, 3.0))
    assert [(check, case.status) for check, case in cases.items() if case.status is not Status.PASS] == [
        ("boot", Status.CRASH)
    ]


def test_a_promise_broken_by_a_good_boot_is_an_error() -> None:
    said = told("k", {"kernel": {name: PUD[name] for name in ("alignment",)}})
    case = cases_of(ALL_PUD, said)["faults"]
    assert (case.status, case.message) == (Status.ERROR, "the workload reported no faults")
    assert cases_of(ALL_PUD, replace(said, program={}))["run"].message == "the workload reported no verdict"


def test_given_bars_have_their_cases_even_if_nothing_was_reported() -> None:
    cases = judge(kernel("k", ALL_PUD), replace(ONE, bars=(0, 2)), PANIC, Told())
    assert [(case.id.bar, case.id.check) for case in cases][:3] == [(NO_BAR, "boot"), (0, "run"), (0, "alignment")]
    assert {case.id.bar for case in cases} == {NO_BAR, 0, 2}
    assert {case.status for case in cases} == {Status.CRASH}


def test_unknown_bars_leave_one_case_for_the_boot() -> None:
    crashed = judge(kernel("k", ALL_PUD), ONE, PANIC, Told())
    assert [(case.id.name, case.status) for case in crashed] == [("alignment/testdev/boot", Status.CRASH)]
    silent = judge(kernel("k", ALL_PUD), ONE, GOOD, Told())
    assert [(case.id.name, case.status) for case in silent] == [("alignment/testdev/boot", Status.ERROR)]


def test_bars_come_from_what_was_reported() -> None:
    measurements = (*taken("k", "kernel", PUD, bar=4), *taken("k", "kernel", PTE, bar=0))
    said = Told(measurements, {(bar, "kernel"): Verdict(Status.PASS) for bar in (0, 4)})
    cases = judge(kernel("k", ALL_PUD), ONE, GOOD, said)
    assert [case.id.bar for case in cases] == [0] * 5 + [4] * 5


def test_measurements_of_others_are_ignored() -> None:
    assert judge(kernel("k", ALL_PUD), ONE, GOOD, told("other", {}))[0].id.check == "boot"
    said = Told(taken("other", "kernel", PUD))
    assert [case.id.check for case in judge(kernel("k", ALL_PUD), ONE, GOOD, said)] == ["boot"]


def test_the_end_is_told_in_one_sentence_without_the_timestamp() -> None:
    assert describe_end(ONE, PANIC) == (
        "the guest kernel panicked: Kernel panic - not syncing: Fatal exception in interrupt"
    )
    assert describe_end(ONE, BootReport(BootEnd.HANG, 300.0)) == "the workload did not end within 300 s"


def test_names_of_cases() -> None:
    assert CaseId.of_build("k").name == "build"
    assert CaseId.of_boot("k", "alignment", "testdev").name == "alignment/testdev/boot"
    assert CaseId("k", "alignment", "testdev", 2, "qemu", "level").name == "alignment/testdev/BAR2/qemu/level"
