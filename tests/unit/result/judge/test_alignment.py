# SPDX-License-Identifier: GPL-2.0-only
"""Expectation + measurements + the boot's end → cases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.machine.model import BootEnd, BootReport
from orchestrator.result.compare.alignment import compare
from orchestrator.result.compare.status import Change
from orchestrator.result.judge.alignment import describe_end, judge
from orchestrator.result.judge.checks import OWN_FAULTS
from orchestrator.result.model import NO_BAR, Case, CaseId, Status, Verdict, WorkloadOutput
from orchestrator.scenario.model import Capability, Expectation, Level, Placement, TestGroup
from tests.unit.result.test_samples import (
    ALL_PMD,
    ALL_PTE,
    ALL_PUD,
    FORCED_PTE,
    GOOD,
    HIGH,
    MIXED,
    ONLY_PTE,
    PANIC,
    PMD,
    PTE,
    PUD,
    WORKLOAD,
    Numbers,
    booted,
    kernel,
    numbers,
    run_of,
    taken,
    told,
)

ONE = replace(WORKLOAD, placements=(Placement.KERNEL,))


def cases_of(expect: Expectation, output: WorkloadOutput, boot: BootReport = GOOD) -> dict[str, Case]:
    """Return the cases of one placement by check, with the boot's end.

    The case of the log is in `test_kernel_log`.
    """
    cases = judge(kernel("k", expect), ONE, boot, output)
    return {case.id.check: case for case in cases if case.id.check != "log"}


def test_all_checks_that_the_expectation_states_and_the_run() -> None:
    cases = cases_of(replace(ALL_PMD, dma_faults=1024), told("k", {"kernel": PMD}))
    assert {check: case.status for check, case in cases.items()} == dict.fromkeys(
        ("run", "oracle", "alignment", "level", "entries", "faults", "dma_faults"), Status.PASS
    )
    assert all(not case.message for case in cases.values())


def test_nothing_is_judged_that_the_expectation_leaves_out() -> None:
    assert list(cases_of(Expectation(level=Level.PMD), told("k", {"kernel": PMD}))) == ["run", "oracle", "level"]
    assert list(cases_of(Expectation(), told("k", {"kernel": PMD}))) == ["run", "oracle"]


def test_a_better_alignment_than_asked_passes_but_a_better_level_does_not() -> None:
    cases = cases_of(ALL_PMD, told("k", {"kernel": PUD}))
    assert cases["alignment"].status is Status.PASS
    assert cases["level"].status is Status.FAIL
    assert cases["level"].message == "level PUD, expected PMD"


def test_messages_say_expected_and_measured_and_evidence_the_line() -> None:
    values = numbers(128 << 10, (524288, 0, 0), 0, 0, 0)
    cases = cases_of(ALL_PUD, told("k", {"kernel": values}))
    assert cases["alignment"].message == "alignment 128 KiB, expected at least 1 GiB"
    assert cases["entries"].message == "entries 524288 (all PTE), expected 2"
    assert cases["faults"].message == "faults 524288, expected 2 to 10"
    assert cases["alignment"].evidence == "boots/k/alignment/measurements.jsonl:2"


def test_evidence_falls_back_to_the_file_where_no_line_is_known() -> None:
    measurements = tuple(replace(one, evidence="") for one in taken("k", "kernel", PTE))
    output = WorkloadOutput(measurements, {(2, "kernel"): Verdict(Status.PASS)}, "boots/k/alignment/measurements.jsonl")
    assert {case.evidence for case in cases_of(ALL_PUD, output).values()} == {output.evidence}


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
    output = told("k", {"qemu": PUD}, {"kernel": Verdict(Status.SKIP, "no IOMMU group")})
    cases = judge(what, WORKLOAD, GOOD, output)
    assert {c.status for c in cases if c.id.test == "kernel"} == {Status.SKIP}
    assert {c.message for c in cases if c.id.test == "kernel"} == {"no IOMMU group"}
    assert {c.status for c in cases if c.id.test == "qemu"} == {Status.PASS}


def test_what_a_failed_program_did_not_measure_is_the_kernels_failure() -> None:
    output = told("k", {}, {"kernel": Verdict(Status.FAIL, "mmap: Invalid argument", "ktap.log:4")})
    cases = cases_of(ALL_PUD, output)
    assert {case.status for case in cases.values()} == {Status.FAIL}
    assert cases["run"].message == "mmap: Invalid argument"
    assert cases["level"].message == "not measured, because the program failed: mmap: Invalid argument"
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
    lost = [case for case in cases if case.id.test == "qemu"]
    assert [case.id.check for case in lost] == ["run", "alignment", "level", "entries", "faults"]
    assert {(c.status, c.evidence, c.lines) for c in lost} == {(status, boot.evidence, boot.lines)}
    assert {case.status for case in cases if case.id.test == "kernel"} == {Status.PASS}


def test_entries_torn_by_a_crash_are_no_level() -> None:
    half = {name: PUD[name] for name in ("length", "alignment", "entries_pte")}
    output = replace(told("k", {"kernel": half}), program={})
    cases = cases_of(ALL_PUD, output, PANIC)
    assert cases["alignment"].status is Status.PASS
    assert cases["level"].status is Status.CRASH


def test_an_oops_after_the_last_measurement_still_fails_the_run() -> None:
    cases = cases_of(ALL_PUD, told("k", {"kernel": PUD}), BootReport(BootEnd.OOPS, 3.0))
    assert [(check, case.status) for check, case in cases.items() if case.status is not Status.PASS] == [
        ("boot", Status.CRASH)
    ]


def test_a_promise_broken_by_a_good_boot_is_an_error() -> None:
    output = told("k", {"kernel": {name: PUD[name] for name in ("alignment",)}})
    case = cases_of(ALL_PUD, output)["faults"]
    assert (case.status, case.message) == (Status.ERROR, "the workload reported no faults")
    assert cases_of(ALL_PUD, replace(output, program={}))["run"].message == "the workload reported no verdict"


def test_given_bars_have_their_cases_even_if_nothing_was_reported() -> None:
    cases = judge(kernel("k", ALL_PUD), replace(ONE, bars=(0, 2)), PANIC, WorkloadOutput())
    assert [(case.id.bar, case.id.check) for case in cases][:3] == [(NO_BAR, "boot"), (0, "run"), (0, "alignment")]
    assert {case.id.bar for case in cases} == {NO_BAR, 0, 2}
    assert {case.status for case in cases} == {Status.CRASH}


def test_unknown_bars_leave_one_case_for_the_boot() -> None:
    crashed = judge(kernel("k", ALL_PUD), ONE, PANIC, WorkloadOutput())
    assert [(case.id.name, case.status) for case in crashed] == [("alignment/testdev/boot", Status.CRASH)]
    silent = judge(kernel("k", ALL_PUD), ONE, GOOD, WorkloadOutput())
    assert [(case.id.name, case.status) for case in silent] == [
        ("alignment/testdev/boot", Status.ERROR),
        ("alignment/testdev/log", Status.PASS),
    ]


def test_bars_come_from_what_was_reported() -> None:
    measurements = (*taken("k", "kernel", PUD, bar=4), *taken("k", "kernel", PTE, bar=0))
    output = WorkloadOutput(measurements, {(bar, "kernel"): Verdict(Status.PASS) for bar in (0, 4)})
    cases = judge(kernel("k", ALL_PUD), ONE, GOOD, output)
    assert [case.id.bar for case in cases] == [NO_BAR] + [0] * 6 + [4] * 6


def test_measurements_of_others_are_ignored() -> None:
    assert judge(kernel("k", ALL_PUD), ONE, GOOD, told("other", {}))[0].id.check == "boot"
    output = WorkloadOutput(taken("other", "kernel", PUD))
    assert [case.id.check for case in judge(kernel("k", ALL_PUD), ONE, GOOD, output)] == ["boot", "log"]


def test_the_end_is_described_in_one_sentence_without_the_timestamp() -> None:
    assert describe_end(ONE, PANIC) == (
        "the guest kernel panicked: Kernel panic - not syncing: Fatal exception in interrupt"
    )
    assert describe_end(ONE, BootReport(BootEnd.HANG, 300.0)) == "the workload did not end within 300 s"


def test_names_of_cases() -> None:
    assert CaseId.of_build("k").name == "build"
    assert CaseId.of_boot("k", "alignment", "testdev").name == "alignment/testdev/boot"
    assert CaseId("k", "alignment", "testdev", 2, "qemu", "level").name == "alignment/testdev/BAR2/qemu/level"


def test_the_oracle_says_what_was_predicted_and_what_was_measured() -> None:
    case = cases_of(Expectation(), told("k", {"kernel": PUD}))["oracle"]
    assert (case.status, case.expected, case.measured) == (Status.PASS, *["2 PUD, 2 faults"] * 2)
    assert case.evidence == "boots/k/alignment/measurements.jsonl:3"


def test_what_contradicts_the_oracle_fails_with_both_numbers() -> None:
    case = cases_of(Expectation(), told("k", {"kernel": FORCED_PTE}))["oracle"]
    assert case.status is Status.FAIL
    assert (case.expected, case.measured) == (
        "2 PUD, 2 faults, 2 dma_faults, 0 B to 4 KiB vmpte",
        "524288 PTE, 524288 faults, 524288 dma_faults, 4104 KiB vmpte",
    )
    assert case.message.startswith(
        "entries: measured 524288 PTE, predicted 2 PUD; faults: measured 524288, predicted 2; dma_faults: "
    )
    assert cases_of(Expectation(), told("k", {"kernel": FORCED_PTE}, can=ONLY_PTE))["oracle"].status is Status.PASS


def test_a_single_fault_too_many_contradicts_the_oracle_but_no_expectation() -> None:
    cases = cases_of(ALL_PUD, told("k", {"kernel": PUD | {"faults": 3}}))
    assert cases["faults"].status is Status.PASS
    assert cases["oracle"].message == "faults: measured 3, predicted 2"
    assert cases["oracle"].evidence == "boots/k/alignment/measurements.jsonl:6"


def test_xfail_excuses_no_contradiction() -> None:
    known = Expectation(level=Level.PUD, xfail="not yet")
    cases = cases_of(known, told("k", {"kernel": FORCED_PTE}))
    assert (cases["level"].status, cases["oracle"].status) == (Status.XFAIL, Status.FAIL)


def test_the_oracle_is_silent_where_no_single_mapping_was_measured() -> None:
    without = {name: value for name, value in PUD.items() if name != "bar_address"}
    assert "oracle" not in cases_of(Expectation(), told("k", {"kernel": without}))
    alone = {name: PUD[name] for name in ("address", "bar_address", "offset", "length")}
    assert "oracle" not in cases_of(Expectation(), told("k", {"kernel": alone}))


UNREAD = "the kernel cannot show its page tables"


def unread(values: Numbers, *, deduced: bool) -> WorkloadOutput:
    """Return the output of a kernel that cannot show its page tables.

    Its entries are deduced or not.
    """
    known = {name: value for name, value in values.items() if deduced or not name.startswith("entries_")}
    marked = known | {"entries_deduced": 1} if deduced else known
    return replace(told("k", {"kernel": marked}), unread=UNREAD)


def test_deduced_entries_are_judged_and_say_that_they_are_deduced() -> None:
    cases = cases_of(ALL_PMD, unread(PMD, deduced=True))
    assert cases.pop("attributes").status is Status.SKIP
    assert {case.status for case in cases.values()} == {Status.PASS}
    assert cases["level"].measured == "PMD (deduced)"
    assert cases["entries"].measured == "1024 (all PMD) (deduced)"
    wrong = cases_of(ALL_PMD, unread(PTE, deduced=True))["level"]
    assert (wrong.status, wrong.message) == (Status.FAIL, "level PTE (deduced), expected PMD")


ATTRIBUTES = {"entries_cached": 0, "entries_executable": 0, "entries_global": 0, "entries_kernel": 0}


def test_attributes_are_a_case_of_every_mapping_whose_entries_were_read() -> None:
    asked = {"asked_writable": 1, "entries_writable": 1024}
    right = cases_of(Expectation(), told("k", {"kernel": PMD | ATTRIBUTES | asked}))["attributes"]
    assert (right.status, right.message) == (Status.PASS, "")
    wrong = cases_of(Expectation(), told("k", {"kernel": PMD | ATTRIBUTES | asked | {"entries_cached": 7}}))[
        "attributes"
    ]
    assert (wrong.status, wrong.message) == (Status.FAIL, "entries_cached: measured 7, predicted 0")
    assert "entries_cached" in wrong.expected


def test_attributes_that_could_not_be_read_are_skipped_with_the_reason() -> None:
    case = cases_of(Expectation(), unread(PMD, deduced=True))["attributes"]
    assert (case.status, case.message) == (Status.SKIP, unread(PMD, deduced=True).unread)
    assert case.message


def test_deduced_entries_are_no_witness_for_the_oracle() -> None:
    case = cases_of(Expectation(), unread(PMD, deduced=True))["oracle"]
    assert (case.status, case.measured) == (Status.PASS, "1024 faults")


def test_an_unknown_level_is_skipped_with_the_reason_expected_or_not() -> None:
    for expect in (ALL_PMD, Expectation()):
        cases = cases_of(expect, unread(PMD, deduced=False))
        assert (cases["run"].status, cases["level"].status) == (Status.PASS, Status.SKIP)
        assert cases["level"].message.startswith(f"{UNREAD}, and faults and growth of the page tables")
    assert cases_of(ALL_PMD, unread(PMD, deduced=False))["entries"].status is Status.SKIP


def test_a_kernel_that_can_show_its_page_tables_must() -> None:
    without = {name: value for name, value in PMD.items() if not name.startswith("entries_")}
    assert cases_of(ALL_PMD, told("k", {"kernel": without}))["level"].status is Status.ERROR


def level_of(test: str, values: Numbers, level: Level, can: Capability | None = None) -> Case:
    """Return the level case of one test of the kernel's placement."""
    workload = replace(ONE, tests=tuple(TestGroup))
    output = told("k", {test: values}, can=can or Capability())
    cases = judge(kernel("k", Expectation(alignment=1 << 30, level=level, entries=2, faults=2)), workload, GOOD, output)
    (case,) = (case for case in cases if (case.id.test, case.id.check) == (test, "level"))
    checks = [case.id.check for case in cases if case.id.test == test]
    assert checks == ["run", "level"] or test.startswith(("before", "after"))
    return case


def part(offset: int, length: int, entries: tuple[int, int, int]) -> Numbers:
    """Return what a test measures of a part of the BAR, at a perfect address."""
    values = numbers(1 << 30, entries, 0, 0, 0)
    return values | {"offset": offset, "length": length, "address": HIGH + offset}


@pytest.mark.parametrize(
    ("level", "entries", "status", "expected"),
    [
        (Level.PUD, (511, 511, 1), Status.PASS, "PUD, which is 1 PUD + 511 PMD + 511 PTE here"),
        (Level.PUD, (511, 1023, 0), Status.FAIL, "PUD, which is 1 PUD + 511 PMD + 511 PTE here"),
        (Level.PMD, (511, 1023, 0), Status.PASS, "PMD, which is 1023 PMD + 511 PTE here"),
        (Level.PMD, (511, 511, 1), Status.FAIL, "PMD, which is 1023 PMD + 511 PTE here"),
        (Level.PTE, ((2 << 18) - 1, 0, 0), Status.PASS, "PTE"),
        (Level.PTE, (511, 511, 1), Status.FAIL, "PTE"),
    ],
)
def test_a_level_holds_if_a_range_is_large_enough_for_it(
    level: Level, entries: tuple[int, int, int], status: Status, expected: str
) -> None:
    case = level_of("after.kernel", part(4096, (2 << 30) - 4096, entries), level)
    assert (case.status, case.expected) == (status, expected)


def test_a_range_too_small_for_the_level_is_as_good_as_it_can_be() -> None:
    case = level_of("before.kernel", part(0, 4096, (1, 0, 0)), Level.PUD)
    assert (case.status, case.expected, case.measured) == (Status.PASS, "PUD, which is PTE here", "PTE")


def drawn(long_pmd: int, congruent_pmd: int, long_pud: int, congruent_pud: int) -> Numbers:
    """Return what the test `random` measures."""
    counts = {
        "long_pmd": long_pmd,
        "congruent_pmd": congruent_pmd,
        "long_pud": long_pud,
        "congruent_pud": congruent_pud,
    }
    return {"seed": 7, "ranges": 2000} | counts


@pytest.mark.parametrize(
    ("values", "level", "status", "proven"),
    [
        (drawn(1981, 4, 803, 0), Level.PTE, Status.PASS, Level.PTE),
        (drawn(1981, 4, 803, 0), Level.PMD, Status.FAIL, Level.PTE),
        (drawn(9, 9, 3, 1), Level.PMD, Status.PASS, Level.PMD),
        (drawn(9, 9, 3, 1), Level.PUD, Status.FAIL, Level.PMD),
        (drawn(9, 9, 3, 3), Level.PUD, Status.PASS, Level.PUD),
        (drawn(9, 9, 3, 3), Level.PMD, Status.FAIL, Level.PUD),
        (drawn(9, 8, 3, 3), Level.PUD, Status.FAIL, Level.PTE),
        (drawn(9, 9, 0, 0), Level.PUD, Status.PASS, Level.PMD),
        (drawn(0, 0, 0, 0), Level.PUD, Status.PASS, Level.PTE),
    ],
)
def test_random_ranges_prove_the_best_level_that_none_of_them_rules_out(
    values: Numbers, level: Level, status: Status, proven: Level
) -> None:
    case = level_of("random", values, level)
    assert (case.status, case.measured.split()[0]) == (status, proven)
    assert case.evidence == "boots/k/alignment/measurements.jsonl:4"


def test_random_ranges_are_reported_with_their_numbers() -> None:
    measured = level_of("random", drawn(1981, 4, 803, 0), Level.PTE).measured
    assert measured == "PTE (4 of 1981 ranges congruent modulo 2 MiB, 0 of 803 modulo 1 GiB)"


def test_a_claim_beyond_the_sizes_of_the_ranges_says_so() -> None:
    assert level_of("random", drawn(9, 9, 0, 0), Level.PUD).expected == "PUD, with room for PMD only"


def test_a_kernel_without_huge_pfnmaps_proves_ptes_at_any_address() -> None:
    assert level_of("random", drawn(9, 9, 3, 3), Level.PTE, ONLY_PTE).status is Status.PASS
    assert level_of("random", drawn(9, 9, 3, 3), Level.PUD, ONLY_PTE).status is Status.FAIL


@pytest.mark.parametrize(
    ("least", "length", "level", "status", "measured"),
    [
        (4096, 2 << 30, Level.PTE, Status.PASS, "PTE (least alignment of 200 mmaps: 4 KiB)"),
        (4096, 2 << 30, Level.PUD, Status.FAIL, "PTE (least alignment of 200 mmaps: 4 KiB)"),
        (2 << 20, 2 << 30, Level.PMD, Status.PASS, "PMD (least alignment of 200 mmaps: 2 MiB)"),
        (1 << 30, 2 << 30, Level.PUD, Status.PASS, "PUD (least alignment of 200 mmaps: 1 GiB)"),
        (1 << 30, 1 << 29, Level.PUD, Status.PASS, "PMD (least alignment of 200 mmaps: 1 GiB)"),
        (1 << 30, 4096, Level.PUD, Status.PASS, "PTE (least alignment of 200 mmaps: 1 GiB)"),
    ],
)
def test_repeated_mmaps_prove_what_the_worst_of_them_allows(
    least: int, length: int, level: Level, status: Status, measured: str
) -> None:
    values = {"mmaps": 200, "distinct": 200, "alignment": least, "length": length, "offset": 0}
    case = level_of("repeat.topdown", values, level)
    assert (case.status, case.measured) == (status, measured)


def test_what_a_test_of_many_addresses_did_not_report_is_missing() -> None:
    torn = {name: value for name, value in drawn(9, 9, 3, 3).items() if name != "congruent_pud"}
    case = level_of("random", torn, Level.PUD)
    assert (case.status, case.message) == (Status.ERROR, "the workload reported no level")


def test_every_planned_test_has_a_case_and_so_has_an_unplanned_one() -> None:
    workload = replace(ONE, bars=(2,), tests=(TestGroup.MAP, TestGroup.REPEAT))
    output = told("k", {"kernel": PUD}, {"surprise": Verdict(Status.FAIL, "what?"), "life.fork": Verdict(Status.PASS)})
    cases = judge(kernel("k"), workload, GOOD, output)
    assert [(case.id.test, case.status) for case in cases if case.id.check == "run"] == [
        ("kernel", Status.PASS),
        ("repeat.topdown", Status.ERROR),
        ("repeat.bottomup", Status.ERROR),
        ("surprise", Status.FAIL),
        ("life.fork", Status.PASS),
    ]


def test_tests_of_no_placement_are_judged_by_the_program_and_the_oracle_alone() -> None:
    output = told("k", {"content.kernel": PUD})
    cases = judge(kernel("k", ALL_PTE), replace(ONE, tests=(TestGroup.CONTENT,)), GOOD, output)
    assert [case.id.check for case in cases if case.id.test == "content.kernel"] == ["run", "oracle"]


SPLIT = replace(WORKLOAD, name="alignment", bars=(2,), tests=(TestGroup.SPLIT,))
KNOWN = (("split.*", "takes a BAR for a table of PMDs"), ("alignment/boot", "takes a BAR for a table of PMDs"))
BEFORE = taken("k", "split.munmap", {"before_pud": 2})


def split_cases(boot: BootReport, output: WorkloadOutput, known: tuple[tuple[str, str], ...]) -> dict[str, Status]:
    cases = judge(replace(kernel("k"), xfail=known), SPLIT, boot, output)
    return {case.id.test or case.id.check: case.status for case in cases}


def test_after_a_known_crash_only_the_test_that_ran_into_it_is_a_known_failure() -> None:
    assert split_cases(PANIC, WorkloadOutput(BEFORE), KNOWN) == {
        "boot": Status.XFAIL,
        "split.munmap": Status.XFAIL,
        "split.mprotect": Status.SKIP,
        "split.mremap": Status.SKIP,
        "split.fork": Status.SKIP,
    }


def test_a_boot_that_crashes_before_its_workload_began_is_no_known_failure() -> None:
    statuses = split_cases(PANIC, WorkloadOutput(), KNOWN)
    assert statuses["boot"] is Status.CRASH


def test_without_a_known_crash_every_lost_test_is_a_crash() -> None:
    assert set(split_cases(PANIC, WorkloadOutput(BEFORE), ()).values()) == {Status.CRASH}


def test_a_workload_without_any_test_is_no_success() -> None:
    nothing = replace(WORKLOAD, tests=(TestGroup.RANGES,), placements=(Placement.MISALIGNED,), bars=(2,))
    assert Status.ERROR in {case.status for case in judge(kernel("k"), nothing, GOOD, WorkloadOutput())}


def test_what_a_guest_must_not_leave_is_an_error_of_the_boot() -> None:
    odd = replace(GOOD, odd=("guest/ktap.log was a symbolic link to '/dev/zero'",))
    cases = booted(kernel("base", ALL_PTE), told("base", {"kernel": PTE}), odd).cases
    assert [case.message for case in cases if case.id.check == "share"] == list(odd.odd)
    assert [case.status for case in cases if case.id.check == "share"] == [Status.ERROR]
    run = run_of(
        booted(kernel("base"), told("base", {"kernel": PTE}), odd),
        booted(kernel("v"), told("v", {"kernel": PTE})),
    )
    rows = compare(run).blocks[0].rows
    assert [row.status for row in rows] == [Status.ERROR, Status.PASS]
    assert rows[1].change is Change.INCOMPLETE


STAGE2 = {
    "length": 2 << 30,
    "offset": 0,
    "bar_address": 4 << 30,
    "alignment": 1 << 30,
    "address": 127 << 40,
    "guest_address": 16 << 30,
    "guest_alignment": 1 << 30,
    "entries_pte": 0,
    "entries_pmd": 0,
    "entries_pud": 2,
    "faults": 2,
    "stage2_pte": 0,
    "stage2_pmd": 0,
    "stage2_pud": 2,
    "stage2_faults": 2,
    "stage2_own_faults": 0,
}
SMALL_STAGE2 = STAGE2 | {"stage2_pte": 524288, "stage2_pud": 0, "stage2_faults": 524288}


@pytest.mark.parametrize(
    ("numbers", "claim", "statuses", "message"),
    [
        (STAGE2, Level.PUD, {"oracle": Status.PASS, "stage2": Status.PASS}, ""),
        (STAGE2, Level.PMD, {"oracle": Status.PASS, "stage2": Status.FAIL}, "stage2 PUD, expected PMD"),
        (SMALL_STAGE2, Level.PTE, {"oracle": Status.FAIL, "stage2": Status.PASS}, ""),
        (SMALL_STAGE2, Level.PUD, {"oracle": Status.FAIL, "stage2": Status.FAIL}, "stage2 PTE, expected PUD"),
        (STAGE2, None, {"oracle": Status.PASS}, ""),
    ],
)
def test_stage_2_is_predicted_and_compared_with_its_own_expectation(
    numbers: dict[str, int], claim: Level | None, statuses: dict[str, Status], message: str
) -> None:
    """The expected level of the process is not that of stage 2, and not judged by these tests."""
    expected = Expectation(level=Level.PTE, faults=7, stage2=claim)
    output = told("k", {"stage2.qemu": numbers})
    found = judge(kernel("k", qemu=expected), replace(WORKLOAD, tests=(TestGroup.STAGE2,)), GOOD, output)
    cases = {case.id.check: case for case in found if case.id.test == "stage2.qemu"}
    assert {check: case.status for check, case in cases.items() if check != "run"} == statuses
    assert "attributes" not in cases
    if "stage2" in cases:
        assert cases["stage2"].message == message
    line = list(numbers).index("stage2_pte" if statuses["oracle"] is Status.FAIL else "entries_pte") + 1
    assert cases["oracle"].evidence.endswith(f":{line}")


def test_what_kvm_did_not_map_is_no_measured_level() -> None:
    without = {name: value for name, value in STAGE2.items() if not name.startswith("stage2_p")}
    output = told("k", {"stage2.qemu": without})
    workload = replace(WORKLOAD, tests=(TestGroup.STAGE2,))
    found = judge(kernel("k", qemu=Expectation(stage2=Level.PUD)), workload, GOOD, output)
    case = next(case for case in found if case.id.check == "stage2")
    assert (case.status, case.message) == (Status.ERROR, "the workload reported no stage2")
