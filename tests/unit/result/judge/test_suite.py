# SPDX-License-Identifier: GPL-2.0-only
"""The cases from the output of a suite and the end of its boot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.machine.model import BootEnd, BootReport, Splat
from orchestrator.result.judge.suite import SuiteOutput, failed_to_build, judge_suite, spell_status
from orchestrator.result.model import Case, Status
from orchestrator.scenario.model import CommandWorkload, Outcome, SelftestsWorkload, SuiteWorkload

DATA = Path(__file__).parents[2] / "data/suites"
SELFTESTS = SelftestsWorkload("vfio", ("vfio",), device="nvme")
KTAP = CommandWorkload("own", "./test", outcome=Outcome.KTAP, timeout=60.0)
STATUS = CommandWorkload("own", "./test", timeout=60.0)
GOOD = BootReport(BootEnd.OK, 9.0, taint=(0, 0))
PANIC = BootReport(BootEnd.PANIC, 9.0, ("[    4.2] Kernel panic - not syncing: x",), "boots/base/own/console.log:8")
HANG = BootReport(BootEnd.HANG, 60.0, (), "boots/base/own/console.log:9")
QEMU = BootReport(BootEnd.QEMU, 1.0, ("no such device",), "boots/base/own/console.log:1")
HALF = "KTAP version 1\n1..3\nok 1 a\n"


def judged(workload: SuiteWorkload, output: str, status: int | None = 0, boot: BootReport = GOOD) -> dict[str, Case]:
    """Return the cases by test, or by check if they are about the whole boot."""
    suite_output = SuiteOutput(output, status, evidence="boots/base/own/guest/output.log")
    cases = judge_suite("base", workload, boot, suite_output)
    return {case.id.test or case.id.check: case for case in cases}


def statuses(cases: dict[str, Case]) -> dict[str, str]:
    return {name: case.status for name, case in cases.items()}


def test_a_real_run_of_the_vfio_selftests() -> None:
    cases = judged(SELFTESTS, (DATA / "vfio-7.3-failing.log").read_text(), status=1)
    assert next(iter(cases)) == "log"
    assert [case.status for case in cases.values()].count(Status.PASS) == 10
    failed = cases["vfio:vfio_iommufd_setup_test/vfio_cdev.get_info_without_bind_fails"]
    assert failed.status is Status.FAIL
    assert failed.evidence == "boots/base/own/guest/output.log:16"
    name = "vfio/nvme/vfio:vfio_iommufd_setup_test/vfio_cdev.get_info_without_bind_fails/run"
    assert failed.id.name == name


@pytest.mark.parametrize(
    ("status", "expected", "message"),
    [
        (0, Status.PASS, ""),
        (4, Status.SKIP, "said last"),
        (1, Status.FAIL, "ended with exit status 1; it wrote last: said last"),
        (139, Status.FAIL, "was killed by SIGSEGV (exit status 139); it wrote last: said last"),
        (None, Status.CRASH, "it left no exit status"),
    ],
)
def test_an_exit_status_is_a_verdict(status: int | None, expected: Status, message: str) -> None:
    case = judged(STATUS, "said\nsaid last\n", status)["run"]
    assert (case.status, case.message) == (expected, message)
    assert case.lines == (() if expected in (Status.PASS, Status.SKIP) else ("said", "said last"))
    assert case.evidence == "boots/base/own/guest/output.log:2"


@pytest.mark.parametrize(
    ("boot", "status"), [(PANIC, Status.CRASH), (HANG, Status.TIMEOUT), (QEMU, Status.ERROR)], ids=lambda v: str(v)[:20]
)
def test_the_end_of_a_boot_decides_what_was_planned_and_not_reported(boot: BootReport, status: Status) -> None:
    cases = judged(KTAP, HALF, None, boot)
    assert statuses(cases) == {"boot": status, "a": "PASS", "#2": status, "#3": status}
    assert cases["#2"].message.startswith("never reported: ")
    assert cases["#2"].evidence == boot.evidence


def test_a_failed_program_that_wrote_nothing_or_too_much_is_quoted_within_bounds() -> None:
    assert judged(STATUS, "\n\n", 1)["run"].message == "ended with exit status 1"
    assert len(judged(STATUS, "x" * 100_000, 1)["run"].message) < 300


def test_a_kernel_that_stalls_is_quoted_instead_of_the_program() -> None:
    line = "[   30.0] rcu: INFO: rcu_preempt self-detected stall on CPU"
    stalled = BootReport(BootEnd.HANG, 60.0, (line,), "boots/base/own/console.log:9")
    assert "rcu_preempt self-detected stall" in judged(STATUS, "begun\n", None, stalled)["run"].message
    silent = BootReport(
        BootEnd.HANG, 60.0, ("[ 1.0] x",), "boots/base/own/console.log:9", why="the kernel wrote last: x"
    )
    assert judged(STATUS, "begun\n", None, silent)["run"].message.endswith("it wrote last: begun")


def test_a_suite_that_timed_out_shows_its_last_line() -> None:
    case = judged(STATUS, "begun\n", None, HANG)["run"]
    assert (case.status, case.message) == (
        Status.TIMEOUT,
        "the workload did not end within 60 s; it wrote last: begun",
    )


def test_what_a_dead_program_had_planned_is_a_crash() -> None:
    cases = judged(KTAP, HALF, 137)
    assert statuses(cases) == {"log": "PASS", "a": "PASS", "#2": "CRASH", "#3": "CRASH"}
    assert cases["#2"].message == "planned, but never reported; the program was killed by SIGKILL (exit status 137)"


def test_programs_that_the_runner_never_started_have_the_status_of_the_boot() -> None:
    output = "TAP version 13\n1..1\nok 1 selftests: m: a\n"
    for boot, status in ((GOOD, "CRASH"), (PANIC, "CRASH"), (HANG, "TIMEOUT"), (QEMU, "ERROR")):
        suite_output = SuiteOutput(output, 137, planned=("m:a", "n:b"), evidence="output.log")
        (_, first, second, *_) = judge_suite("base", SELFTESTS, boot, suite_output)
        assert (first.id.test, first.status) == ("m:a", "PASS")
        assert (second.id.test, second.status) == ("n:b", status)
        assert "never reported" in second.message


def test_a_runner_that_ran_nothing_says_why_once() -> None:
    suite_output = SuiteOutput("No such collection\n", 1, planned=("m:a", "n:b"), evidence="output.log")
    (_, whole) = judge_suite("base", SELFTESTS, GOOD, suite_output)
    assert (whole.status, whole.message) == (Status.ERROR, "the suite ran nothing: No such collection")


@pytest.mark.parametrize(
    ("output", "status", "expected", "message"),
    [
        ("TAP version 13\n1..1\nok 1 a\n", None, Status.CRASH, "it left no exit status"),
        ("", 0, Status.ERROR, "the suite ran nothing: it printed nothing"),
        ("No such collection 'x'\n", 1, Status.ERROR, "the suite ran nothing: No such collection 'x'"),
        ("TAP version 13\n1..0\n", 0, Status.ERROR, "the suite ran nothing: 1..0"),
        ("TAP version 13\n1..0 # SKIP no device\n", 4, Status.SKIP, "no device"),
        ("TAP version 13\n1..2\nBail out! no disk\n", 1, Status.FAIL, "it bailed out: no disk"),
        ("TAP version 13\n1..1\nok 1 a\n", 139, Status.FAIL, "none of its tests failed, but it was killed by SIGSEGV"),
    ],
)
def test_what_no_test_says_is_a_case_of_the_whole(output: str, status: int, expected: Status, message: str) -> None:
    case = judged(KTAP, output, status)["suite"]
    assert case.status is expected
    assert case.message.startswith(message)


def test_a_suite_that_says_it_all_by_its_tests_has_no_case_of_the_whole() -> None:
    assert statuses(judged(KTAP, "TAP version 13\n1..2\nok 1 a\nnot ok 2 b\n", 1)) == {
        "log": "PASS",
        "a": "PASS",
        "b": "FAIL",
    }


def test_what_could_not_be_set_up_is_the_infrastructures_error() -> None:
    suite_output = SuiteOutput(problem="the setup failed: false", evidence="output.log")
    boot = BootReport(BootEnd.WORKLOAD, 3.0, ("the setup failed: false",))
    cases = judge_suite("base", STATUS, boot, suite_output)
    assert {(case.status, case.message) for case in cases} == {(Status.ERROR, "the setup failed: false")}


def test_a_guest_that_warned_fails_beside_a_suite_that_passed() -> None:
    warned = replace(GOOD, splats=(Splat("WARNING", "WARNING: x.c", "WARNING: x.c:1", "console.log:1"),))
    assert statuses(judged(STATUS, "", 0, warned)) == {"log": "FAIL", "run": "PASS"}


def test_known_failures() -> None:
    workload = replace(KTAP, xfail=(("b*", "not yet"), ("a", "never")))
    cases = judged(workload, "TAP version 13\n1..4\nok 1 a\nnot ok 2 b\nok 3 bb # SKIP\nnot ok 4 c\n", 1)
    assert statuses(cases) == {"log": "PASS", "a": "XPASS", "b": "XFAIL", "bb": "SKIP", "c": "FAIL"}
    assert cases["a"].message == "passes, but xfail says: never; remove the xfail"
    assert cases["b"].message.startswith("not yet (")


BRACKETS = "KTAP version 1\n1..2\nnot ok 1 map[2M]\nok 2 map[1G]\n"


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (("map[2M]",), {"map[2M]": "XFAIL", "map[1G]": "PASS"}),
        (("map[[]2M]",), {"map[2M]": "XFAIL", "map[1G]": "PASS"}),
        (("map[1G]",), {"map[2M]": "FAIL", "map[1G]": "XPASS"}),
        (("map[3M]",), {"map[2M]": "FAIL", "map[1G]": "PASS", "xfail": "FAIL"}),
        (("map[2M]", "b", "c*"), {"map[2M]": "XFAIL", "map[1G]": "PASS", "xfail": "FAIL"}),
        (("map[2M]", "b", "xfail"), {"map[2M]": "XFAIL", "map[1G]": "PASS", "xfail": "XFAIL"}),
    ],
)
def test_names_with_brackets_and_names_of_no_case(known: tuple[str, ...], expected: dict[str, str]) -> None:
    cases = judged(replace(KTAP, xfail=tuple((name, "why") for name in known)), BRACKETS, 1)
    assert statuses(cases) == {"log": "PASS"} | expected
    if len(known) == 3 and "c*" in known:
        assert cases["xfail"].message == "xfail names 'b', 'c*', but no case has such a name; correct or remove it"


@pytest.mark.parametrize(
    ("output", "status", "boot"),
    [
        (HALF, 0, GOOD),
        (HALF, None, PANIC),
        (BRACKETS, None, HANG),
        (BRACKETS, None, GOOD),
        (BRACKETS, 1, replace(GOOD, odd=("a link",))),
        ("", 0, GOOD),
        ("TAP version 13\n1..0 # SKIP no device\n", 4, GOOD),
        ("TAP version 13\nok 1 a\n", 0, GOOD),
        (BRACKETS + "Bail out! why\n", 1, GOOD),
    ],
)
def test_of_a_suite_that_did_not_run_to_its_end_no_name_is_missed(
    output: str, status: int | None, boot: BootReport
) -> None:
    cases = judged(replace(KTAP, xfail=(("never", "why"),)), output, status, boot)
    assert "xfail" not in cases
    assert any(not case.status.expected for case in cases.values()) or cases["suite"].status is Status.SKIP


def test_a_command_goes_by_run() -> None:
    for name, expected in (("run", "XFAIL"), ("own/run", "XFAIL"), ("r*", "XFAIL"), ("other/run", "FAIL")):
        cases = judged(replace(STATUS, xfail=((name, "why"),)), "", 1)
        assert (cases["run"].status, "xfail" in cases) == (expected, expected == "FAIL")


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("KTAP version 1\nok 1 a\n", {"a": "PASS", "plan": "FAIL"}),
        ("TAP version 13\n1..1\nok 1 a # TODO b\n", {"a": "XPASS"}),
        ("TAP version 13\n1..1\nnot ok 1 a #3 # TODO b\n", {"a #3": "XFAIL"}),
        ("TAP version 13\n1..2\n\x1b[32mok 1 - a\x1b[0m\n\x1b[31mnot ok\x1b[0m 2 - b\n", {"a": "PASS", "b": "FAIL"}),
        ("TAP version 13\n1..2\nok 1 a\nok 2 a\n", {"a": "PASS", "a (2)": "PASS"}),
        ("TAP version 13\n1..1\nok 1 a\nBail out!\n", {"a": "PASS", "suite": "FAIL"}),
    ],
)
def test_what_the_formats_say_beside_ok(output: str, expected: dict[str, str]) -> None:
    assert statuses(judged(KTAP, output, 0)) == {"log": "PASS"} | expected


def test_a_suite_that_does_not_compile_is_the_kernels_fault() -> None:
    case = failed_to_build("base", SELFTESTS, "x.c:1: error")
    assert (case.id.name, case.status) == ("vfio/nvme/build", Status.FAIL)


def test_statuses_in_words() -> None:
    assert [spell_status(status) for status in (1, 134, 255)] == [
        "ended with exit status 1",
        "was killed by SIGABRT (exit status 134)",
        "ended with exit status 255",
    ]


LEFT = ("guest/program.status was a FIFO", "guest/x had the mode 4755")
ODD = replace(GOOD, odd=LEFT, evidence="boots/base/own/console.log:1")


@pytest.mark.parametrize(("status", "run"), [(0, Status.PASS), (1, Status.FAIL), (None, Status.ERROR)])
@pytest.mark.parametrize("boot", [ODD, replace(PANIC, odd=LEFT)])
def test_what_a_guest_must_not_leave_is_an_error_beside_what_the_suite_says(
    boot: BootReport, status: int | None, run: Status
) -> None:
    cases = judged(STATUS, "said\n", status, boot)
    assert cases["share"].status is Status.ERROR
    assert cases["share"].message == "; ".join(LEFT)
    assert cases["share"].evidence.endswith("/guest")
    if boot is ODD:
        assert cases["run"].status is run
    assert ("boot" in cases) is (boot is not ODD)


def test_a_test_that_is_missing_in_an_odd_share_is_no_crash() -> None:
    assert statuses(judged(KTAP, HALF, None, ODD))["#2"] is Status.ERROR
    assert statuses(judged(KTAP, HALF, None))["#2"] is Status.CRASH
