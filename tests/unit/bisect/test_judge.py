# SPDX-License-Identifier: GPL-2.0-only
"""The cases that judge a commit, their verdicts, and reasons if none judges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from orchestrator.bisect.explain import nothing_differs
from orchestrator.bisect.judge import BUILD, combine_verdicts, criteria, function_in, judge, sign
from orchestrator.bisect.model import Answer, CaseResult, Criterion, Question, State, Trial, Verdict
from orchestrator.result.model import Status
from tests.unit.bisect.toy_history import BOOT, LEVEL, bad, crashed, failed, good, refused, unbuilt

GOOD, BAD = good("a"), bad("b")
LOG = "alignment/testdev/log"
LEVELS = criteria((GOOD,), (BAD,), "", "base")


def showing(status: Status, message: str = "", name: str = LEVEL) -> Trial:
    """Return a trial with one case."""
    return Trial("c", "", 1.0, 0, (CaseResult(BUILD, Status.PASS), CaseResult(name, status, "", "", message)))


def names(found: tuple[Criterion, ...]) -> list[str]:
    return [one.case for one in found]


def test_a_case_that_passes_at_good_only_judges() -> None:
    assert names(LEVELS) == [LEVEL]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Status.PASS, Status.PASS),
        (Status.PASS, Status.SKIP),
        (Status.PASS, Status.ERROR),
        (Status.SKIP, Status.FAIL),
        (Status.FAIL, Status.FAIL),
        (Status.FAIL, Status.PASS),
        (Status.ERROR, Status.FAIL),
    ],
)
def test_a_case_that_does_not_tell_good_from_bad_does_not_judge(before: Status, after: Status) -> None:
    assert not criteria((showing(before),), (showing(after),), "", "base")


def test_a_case_that_is_missing_at_one_end_does_not_judge() -> None:
    assert not criteria((GOOD,), (showing(Status.FAIL, name="another/case"),), "", "base")


def test_a_case_that_is_not_alike_each_time_does_not_judge() -> None:
    assert not criteria((GOOD, GOOD), (BAD, GOOD), "", "base")
    assert not criteria((GOOD, BAD), (BAD, BAD), "", "base")
    assert names(criteria((GOOD, GOOD), (BAD, BAD), "", "base")) == [LEVEL]


@pytest.mark.parametrize("pattern", [LEVEL, "*/level", f"base: {LEVEL}", "*BAR2*"])
def test_a_pattern_is_that_of_a_name_as_reports_show_it(pattern: str) -> None:
    assert names(criteria((GOOD,), (BAD,), pattern, "base")) == [LEVEL]


def test_a_pattern_leaves_out_the_others() -> None:
    assert not criteria((GOOD,), (BAD,), "*/faults", "base")


@pytest.mark.parametrize(
    ("trial", "answer"),
    [
        (good("x"), Answer.GOOD),
        (bad("x"), Answer.BAD),
        (showing(Status.XFAIL), Answer.GOOD),
        (showing(Status.XPASS), Answer.BAD),
        (showing(Status.SKIP), Answer.SKIP),
        (showing(Status.TIMEOUT), Answer.SKIP),
        (showing(Status.PASS, name="another"), Answer.SKIP),
        (crashed("x"), Answer.SKIP),
        (unbuilt("x"), Answer.SKIP),
        (failed("x"), Answer.SKIP),
        (refused("x"), Answer.SKIP),
    ],
)
def test_what_neither_does_well_nor_fails_as_the_bad_end_does_is_skipped(trial: Trial, answer: Answer) -> None:
    assert judge(LEVELS, trial).answer is answer


@pytest.mark.parametrize(
    ("trial", "why"),
    [
        (good("x"), "PASS level PUD"),
        (bad("x"), "FAIL level PTE, expected PUD"),
        (crashed("x"), "CRASH the guest kernel panicked: a panic"),
        (unbuilt("x"), "FAIL kernel 'base' does not build: a.c:7: error"),
        (refused("x"), "kernel 'base': patch a.patch does not apply"),
        (showing(Status.PASS, name="another"), f"the case {LEVEL} is missing"),
    ],
)
def test_a_verdict_says_why(trial: Trial, why: str) -> None:
    assert judge(LEVELS, trial).why == why


def test_only_what_the_infrastructure_did_is_worth_another_try() -> None:
    assert judge(LEVELS, failed("x")).shaky
    assert not any(judge(LEVELS, trial("x")).shaky for trial in (good, bad, crashed, unbuilt, refused))


def test_where_the_bad_end_crashes_the_same_crash_is_bad_and_another_is_not() -> None:
    judging = criteria((GOOD,), (crashed("b", "BUG at 0xffff8881, CPU 1"),), "", "base")
    assert names(judging) == [LEVEL]
    assert judge(judging, crashed("x", "BUG at 0xffff9992, CPU 0")).answer is Answer.BAD
    assert judge(judging, crashed("x", "no root file system")).answer is Answer.SKIP
    assert judge(judging, bad("x")).answer is Answer.SKIP
    assert judge(judging, good("x")).answer is Answer.GOOD


def test_where_the_bad_end_hangs_a_hang_is_bad_and_a_crash_is_not() -> None:
    judging = criteria((GOOD,), (showing(Status.TIMEOUT, "did not end within 60 s"),), "", "base")
    assert judge(judging, showing(Status.TIMEOUT, "did not end within 90 s")).answer is Answer.BAD
    assert judge(judging, crashed("x")).answer is Answer.SKIP


def test_where_the_bad_end_does_not_build_the_same_error_is_bad_and_another_is_not() -> None:
    judging = criteria((GOOD,), (unbuilt("b"),), "", "base")
    assert names(judging) == [BUILD]
    other = Trial(
        "x", "", 1.0, 0, (CaseResult(BUILD, Status.FAIL, message="kernel 'base' does not build: b.c:1: error"),)
    )
    moved = Trial(
        "x", "", 1.0, 0, (CaseResult(BUILD, Status.FAIL, message="kernel 'base' does not build: a.c:9: error"),)
    )
    assert judge(judging, moved).answer is Answer.BAD
    assert judge(judging, other).answer is Answer.SKIP
    assert judge(judging, bad("x")).answer is Answer.GOOD


def test_signs_are_alike_whatever_the_numbers() -> None:
    result = CaseResult(
        BOOT, Status.CRASH, message="BUG: address: ffffc90000123456 in f+0x12/0x40, PID 7 (log: /a/b-12ab.log)"
    )
    other = CaseResult(
        BOOT, Status.CRASH, message="BUG: address: ffffc90000abcdef in f+0x13/0x50, PID 81 (log: /c.log)"
    )
    assert sign(result) == sign(other)


NULL = "the guest kernel oopsed: BUG: kernel NULL pointer dereference, address: 0000000000000008"
OOPS = """\
[    2.236239] BUG: kernel NULL pointer dereference, address: 0000000000000008
[    2.236644] Oops: Oops: 0002 [#1] SMP
[    2.237426] CPU: 0 UID: 0 PID: 44 Comm: alignment Not tainted 7.3.4 #9a1af18bea2d PREEMPTLAZY
[    2.237673] RIP: 0010:vfio_pci_mmap_huge_fault.isra.0+0xda/0xe0
[    2.240416] RIP: 0033:0x40af22
"""


def test_a_crash_tells_in_which_function_it_was() -> None:
    assert function_in(OOPS.splitlines()) == "vfio_pci_mmap_huge_fault"
    assert function_in(["[    1.0] pc : vfio_pci_mmap_huge_fault+0xda/0xe0"]) == "vfio_pci_mmap_huge_fault"
    assert function_in(["[    1.0] RIP: 0010:0x0", "[    1.1] RIP: 0033:0x40af22"]) == ""
    assert function_in([]) == ""


def test_the_same_kind_of_crash_in_another_function_is_another() -> None:
    def crash(function: str) -> Trial:
        case = CaseResult(LEVEL, Status.CRASH, "PUD", "", NULL, function)
        return Trial("c", "", 1.0, 0, (CaseResult(BUILD, Status.PASS), case))

    judging = criteria((GOOD,), (crash("vfio_pci_late"),), "", "base")
    assert judge(judging, crash("vfio_pci_late")).answer is Answer.BAD
    other = judge(judging, crash("e1000_probe"))
    assert other.answer is Answer.SKIP
    assert other.why == f"CRASH {NULL} in e1000_probe"


def test_another_warning_is_not_what_is_looked_for() -> None:
    def warned(function: str, cpu: int, more: str = "") -> Trial:
        message = (
            f"the guest kernel warned: WARNING: a.c:{7 + cpu} at {function}+0x1/0x2, CPU#{cpu}: kworker/u{cpu}:1/9"
        )
        return showing(Status.FAIL, message + more, name=LOG)

    judging = criteria((showing(Status.PASS, name=LOG),), (warned("late", 0),), "", "base")
    assert names(judging) == [LOG]
    assert judge(judging, warned("late", 1, " (and 2 more)")).answer is Answer.BAD
    assert judge(judging, warned("early", 0)).answer is Answer.SKIP


def test_a_crash_after_the_last_measurement_judges_by_the_boot() -> None:
    def booted(status: Status, message: str = "") -> Trial:
        return replace(GOOD, cases=(*GOOD.cases, CaseResult(BOOT, status, message=message)))

    judging = criteria((booted(Status.PASS),), (booted(Status.CRASH, NULL),), "", "base")
    assert names(judging) == [BOOT]
    assert judge(judging, booted(Status.PASS)).answer is Answer.GOOD
    assert judge(judging, booted(Status.CRASH, NULL)).answer is Answer.BAD
    assert judge(judging, booted(Status.CRASH, "no root file system")).answer is Answer.SKIP


def test_why_a_case_is_missing_comes_from_the_boot_of_its_own_workload() -> None:
    boots = (
        CaseResult("other/testdev/boot", Status.CRASH, message="elsewhere"),
        CaseResult(BOOT, Status.CRASH, message="a panic"),
    )
    verdict = judge(LEVELS, Trial("x", "", 1.0, 0, boots))
    assert (verdict.answer, verdict.why) == (Answer.SKIP, "CRASH a panic")
    verdict = judge(LEVELS, Trial("x", "", 1.0, 0, (boots[0], CaseResult(BOOT, Status.PASS))))
    assert verdict.why == f"the case {LEVEL} is missing"


def test_one_bad_case_is_enough_and_good_needs_all() -> None:
    both = tuple(Criterion(name, Status.PASS, Status.FAIL) for name in ("one", "two"))

    def of(first: Status, second: Status) -> Answer:
        cases = (CaseResult("one", first), CaseResult("two", second))
        return judge(both, Trial("x", "", 1.0, 0, cases)).answer

    assert of(Status.PASS, Status.PASS) is Answer.GOOD
    assert of(Status.PASS, Status.FAIL) is Answer.BAD
    assert of(Status.PASS, Status.ERROR) is Answer.SKIP
    assert of(Status.ERROR, Status.FAIL) is Answer.BAD


def test_answers_that_contradict_each_other_are_none() -> None:
    settled = combine_verdicts([Verdict(Answer.GOOD, "PASS"), Verdict(Answer.BAD, "FAIL")])
    assert settled == Verdict(Answer.SKIP, "flaky: good (PASS), then bad (FAIL)")


def test_what_was_the_infrastructures_fault_is_outvoted() -> None:
    shaky, firm = Verdict(Answer.SKIP, "ERROR", shaky=True), Verdict(Answer.GOOD, "PASS")
    assert combine_verdicts([shaky, firm]) == combine_verdicts([firm, shaky]) == firm
    assert combine_verdicts([shaky]) == shaky
    assert combine_verdicts([]) is None


def state(before: Callable[[str], Trial], after: Callable[[str], Trial], case: str = "") -> State:
    """Return a state with both ends measured."""
    question = Question("s.yaml", "", "toy", "base", "", "/r", "v1", "topic", "a", "b", case, 2, 1)
    return State(question, (before("a"), after("b")))


def test_two_ends_that_are_alike_are_reported() -> None:
    sentence = nothing_differs(state(good, good))
    assert sentence.startswith(
        "no case passes at good and fails at bad, of --good v1 and --bad topic; state in the kernel's"
    )
    assert "'expect' in s.yaml" in sentence


def test_a_number_that_differs_and_is_not_expected_is_offered_as_an_expectation() -> None:
    def silent(trial: Trial) -> Callable[[str], Trial]:
        return lambda commit: replace(trial, commit=commit, cases=trial.cases[:1])

    sentence = nothing_differs(state(silent(GOOD), silent(BAD)))
    assert f"{LEVEL} is PUD at good and PTE at bad, and nothing is expected of it" in sentence
    assert "add 'qemu: {level: PUD}' to 'expect' of kernel 'base' in s.yaml" in sentence


def test_what_was_fixed_is_not_looked_for() -> None:
    assert "fails at the good end and passes at the bad one" in nothing_differs(state(bad, good))


def test_a_good_end_that_does_not_do_it_right_is_named() -> None:
    sentence = nothing_differs(state(crashed, bad))
    assert "is CRASH at --good v1 already (the guest kernel panicked: a panic); go further back" in sentence


def test_a_pattern_that_no_case_has_names_the_nearest() -> None:
    sentence = nothing_differs(state(good, bad, "alignment/testdev/BAR2/qemu/levle"))
    assert sentence.endswith(f"did you mean '{LEVEL}'?")


def test_ends_that_do_not_answer_alike_each_time_are_reported() -> None:
    shaky = state(good, bad).with_trial(good("b"))
    assert f"{LEVEL} does not end the same way each time: PASS at good, FAIL, PASS at bad" in nothing_differs(shaky)
