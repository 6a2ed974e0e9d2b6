# SPDX-License-Identifier: GPL-2.0-only
"""A guest kernel's taint and log as a case."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.machine.kernel_log import find_splats, title_of
from orchestrator.machine.model import BootEnd, BootReport, Splat
from orchestrator.result.judge.kernel_log import Known, complaints, log_cases
from orchestrator.result.judge.taint import ordinary, spell_taint
from orchestrator.result.model import Case, Status
from orchestrator.result.run import BootResult
from orchestrator.result.store.codec import decode_boot, encode_boot

WARNING = "WARNING: mm/memory.c:1 at f+0x1, CPU#0: alignment/80"
STALL = "rcu: INFO: rcu_preempt self-detected stall on CPU"
OWN = ordinary(prebuilt=False, noiommu=False)
NOIOMMU = ordinary(prebuilt=False, noiommu=True)
PREBUILT = ordinary(prebuilt=True, noiommu=False)


def report(taint: tuple[int, int] | None, *lines: str, end: BootEnd = BootEnd.OK) -> BootReport:
    splats = find_splats("".join(f"[    2.000000] {line}\n" for line in lines), "console.log")
    return BootReport(end, 1.0, (), "boots/k/w/console.log:7", splats, taint)


def case(taint: tuple[int, int] | None, *lines: str, normal: int = OWN, known: Known = ()) -> Case:
    (found,) = log_cases("k", "w", "testdev", report(taint, *lines), normal, known)
    return found


def test_no_taint_and_a_silent_log_pass() -> None:
    found = case((0, 0))
    assert (found.id.name, found.status, found.message) == ("w/testdev/log", Status.PASS, "")
    assert (found.expected, found.measured) == ("no taint, no warning", "taint 0, no warning")
    assert found.evidence == "boots/k/w/console.log:7"


def test_a_new_taint_fails_with_its_letters() -> None:
    found = case((0, 512))
    assert (found.status, found.message) == (Status.FAIL, "the guest kernel's taint went from 0 to 512 (W)")
    assert found.measured == "taint from 0 to 512 (W), no warning"


@pytest.mark.parametrize("letter", "FSRMBUDAWILJ")
def test_a_taint_from_before_the_workload_is_none_that_is_normal(letter: str) -> None:
    bit = 1 << "PFSRMBUDAWCIOELKXTNJ".index(letter)
    for normal in (OWN, PREBUILT):
        found = case((bit, bit), normal=normal)
        assert found.status is Status.FAIL
        assert found.message == f"the guest kernel was tainted before the workload began: {bit} ({letter})"


@pytest.mark.parametrize(
    ("letter", "normal"),
    [*((one, OWN) for one in "CKTN"), *((one, PREBUILT) for one in "CKTNPOEX"), ("U", NOIOMMU)],
)
def test_a_taint_that_says_what_was_loaded_is_no_fault(letter: str, normal: int) -> None:
    bit = 1 << "PFSRMBUDAWCIOELKXTNJ".index(letter)
    for taint in ((bit, bit), (0, bit)):
        found = case(taint, normal=normal)
        assert (found.status, found.expected) == (Status.PASS, f"no taint but {bit} ({letter}), no warning")


@pytest.mark.parametrize(("letter", "normal"), [*((one, OWN) for one in "POEX"), ("U", OWN), ("U", PREBUILT)])
def test_a_taint_that_nothing_explains_fails(letter: str, normal: int) -> None:
    bit = 1 << "PFSRMBUDAWCIOELKXTNJ".index(letter)
    assert case((bit, bit), normal=normal).status is Status.FAIL


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (0, 512, "'s taint went from 0 to 512 (W)"),
        (0, 576, "'s taint went from 0 to 576 (UW)"),
        (64, 0, "'s taint went from 64 (U) to 0"),
        (512, 576, " was tainted before the workload began: 512 (W)"),
        (0, 1 << 30, "'s taint went from 0 to 1073741824 (?)"),
    ],
)
def test_no_iommu_mode_excuses_no_other_taint(before: int, after: int, message: str) -> None:
    found = case((before, after), normal=NOIOMMU)
    assert (found.status, found.message) == (Status.FAIL, f"the guest kernel{message}")


def test_a_warning_fails_with_its_line_and_without_its_time() -> None:
    found = case((0, 512), WARNING, WARNING, STALL)
    assert found.status is Status.FAIL
    assert found.message == (
        "the guest kernel warned: WARNING: mm/memory.c:1 at f+0x1, CPU#0: alignment/80 (and 1 more)"
    )
    assert found.measured == "taint from 0 to 512 (W), 3 warnings"
    assert found.evidence == "boots/k/w/console.log:1"
    assert found.lines == (
        f"boots/k/w/console.log:1: {WARNING} (2 times)",
        f"boots/k/w/console.log:3: {STALL}",
    )
    assert case((0, 0), WARNING).measured == "taint 0, 1 warning"


def test_an_unknown_taint_proves_nothing() -> None:
    assert case(None).status is Status.ERROR
    assert case(None, WARNING).status is Status.FAIL


@pytest.mark.parametrize("end", [end for end in BootEnd if end is not BootEnd.OK])
def test_a_splat_is_reported_however_the_boot_ended(end: BootEnd) -> None:
    for taint in (None, (0, 512)):
        (found,) = log_cases("k", "w", "", report(taint, WARNING, end=end), OWN, ())
        assert (found.status, found.evidence) == (Status.FAIL, "boots/k/w/console.log:1")
    (found,) = log_cases("k", "w", "", report((512, 512), end=end), OWN, ())
    assert found.status is Status.FAIL
    assert log_cases("k", "w", "", report(None, end=end), OWN, ()) == []
    assert log_cases("k", "w", "", report((0, 0), end=end), OWN, ()) == []


def test_what_ended_a_boot_is_reported_once() -> None:
    crashed = replace(report(None, WARNING, "BUG: kernel NULL pointer dereference", end=BootEnd.OOPS))
    (found,) = log_cases("k", "w", "", replace(crashed, evidence="boots/k/w/console.log:2"), OWN, ())
    assert [line.partition(": ")[2] for line in found.lines] == [WARNING]
    (found,) = log_cases("k", "w", "", replace(crashed, evidence="boots/k/w/console.log:1"), OWN, ())
    assert found.lines[0].endswith("BUG: kernel NULL pointer dereference")
    panicked = report(None, "Oops: 0000 [#1] SMP", "Kernel panic - not syncing: Fatal exception", end=BootEnd.OOPS)
    assert log_cases("k", "w", "", replace(panicked, evidence="boots/k/w/console.log:1"), OWN, ()) == []


TITLE = "WARNING: mm/memory.c at f"


@pytest.mark.parametrize("pattern", ["log", "w/log", f"log/{TITLE}", f"w/log/{TITLE}", "log/WARNING: mm/*"])
def test_a_splat_that_is_known_is_an_expected_failure_and_a_new_one_is_not(pattern: str) -> None:
    known = ((pattern, "known since 7.2"),)
    found = case((0, 512), WARNING, known=known)
    assert found.status is Status.XFAIL
    assert found.message == f"known since 7.2 (the guest kernel warned: {WARNING})"
    names_all = pattern.endswith("log")
    assert case((0, 512), WARNING, STALL, known=known).status is (Status.XFAIL if names_all else Status.FAIL)
    assert case((0, 0), known=known).status is (Status.XPASS if names_all else Status.PASS)
    assert case(None, known=known).status is Status.ERROR


@pytest.mark.parametrize("pattern", ["*", "w*", "w/*", "l*", "catalog", "log.map", "other/log"])
def test_a_pattern_that_names_no_log_is_about_tests(pattern: str) -> None:
    known = ((pattern, "why"),)
    assert case((0, 512), WARNING, known=known).status is Status.FAIL
    assert case((0, 0), known=known).status is Status.PASS


def test_a_taint_that_is_known_is_an_expected_failure() -> None:
    assert case((512, 512), known=(("log/taint W", "why"),)).status is Status.XFAIL
    assert case((512, 512), known=(("log/taint D", "why"),)).status is Status.FAIL
    assert case((0, 640), known=(("log/taint W", "why"),)).status is Status.FAIL


def test_complaints_of_two_boots_that_met_with_the_same_are_equal() -> None:
    first = report((0, 512), "WARNING: mm/memory.c:12 at f+0x1/0x2, CPU#0: alignment/80", STALL)
    second = report((0, 512), STALL, *["WARNING: mm/memory.c:99 at f+0x7/0x9, CPU#1: init/1"] * 2)
    assert complaints(first).keys() == complaints(second).keys() == {TITLE, title_of(STALL)}
    assert complaints(second)[TITLE] == "boots/k/w/console.log:2"
    assert complaints(report((0, 512))) == {"taint W": ""}
    assert complaints(report((512, 640))) == {"taint D": "", "taint W": ""}
    assert complaints(report((4096, 64))) == complaints(report(None)) == {}


@pytest.mark.parametrize(
    ("taint", "text"),
    [(0, "0"), (1, "1 (P)"), (128 | 512, "640 (DW)"), (1 << 19, "524288 (J)"), (1 << 40, f"{1 << 40} (?)")],
)
def test_taints_are_spelled_as_the_kernels_documentation_does(taint: int, text: str) -> None:
    assert spell_taint(taint) == text


def test_taint_and_splats_are_kept_with_the_results() -> None:
    splats = (Splat("WARNING", TITLE, WARNING, "console.log:1", 3),)
    for taint in ((0, 512), None):
        kept = BootResult("k", "w", "testdev", BootReport(BootEnd.OK, 1.0, splats=splats, taint=taint))
        assert decode_boot(encode_boot(kept)) == kept
    older = encode_boot(kept)
    del older["boot"]["taint"], older["boot"]["splats"]
    assert (decode_boot(older).boot.taint, decode_boot(older).boot.splats) == (None, ())
