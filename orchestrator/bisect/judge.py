# SPDX-License-Identifier: GPL-2.0-only
"""Choose the cases that judge, and judge commits by them.  Pure.

A case is good if it ended as expected, and bad if it ended as at the bad end: a failure if that fails, the same crash
if that crashes, the same compiler error if that does not build.  All other results are skipped, since they say nothing
about the question.  A crash is the same if it is in the same function, a warning if it has the same text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from orchestrator.bisect.model import Answer, CaseResult, Criterion, State, Trial, Verdict
from orchestrator.result.model import CaseId, Status

BUILD = CaseId.of_build("").name
"""The name of the case of the build."""

_NUMBERS = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-f]{8,16}\b|\d+|\(log: .*\)")
_BY_CHANCE = re.compile(r", CPU#\d+: \S+| \(and \d+ more\)$")
"""The place of a warning, and the number of later ones, which vary from boot to boot."""
_FUNCTION = re.compile(r"(?:RIP: 0010:|\bpc : )([A-Za-z_]\w*)")
_FAILED = (Status.FAIL, Status.XPASS)


def criteria(good: tuple[Trial, ...], bad: tuple[Trial, ...], pattern: str, kernel: str) -> tuple[Criterion, ...]:
    """Return the cases that differ between the good and the bad end.

    They differ in every trial of both.  If `pattern` is not empty, only cases that match it are returned.  There are
    none before both ends were tried.
    """
    if not good or not bad:
        return ()
    names = dict.fromkeys(case.name for trial in good for case in trial.cases)
    found = (_criterion(name, good, bad) for name in names if not pattern or matches(name, pattern, kernel))
    return tuple(criterion for criterion in found if criterion)


def matches(name: str, pattern: str, kernel: str) -> bool:
    """Whether `pattern` matches the case `name`.

    The kernel's name may be before it, as in reports.
    """
    return fnmatchcase(name, pattern) or fnmatchcase(f"{kernel}: {name}", pattern)


def _criterion(name: str, good: tuple[Trial, ...], bad: tuple[Trial, ...]) -> Criterion | None:
    before, after = (
        [case for trial in trials if (case := trial.case(name)) is None or case.status is not Status.ERROR]
        for trials in (good, bad)
    )
    if not before or not all(case and _is_good(case) for case in before):
        return None
    kinds = {_kind(case) for case in after}
    if len(kinds) != 1 or kinds & {None, Status.PASS}:
        return None
    first, last = before[0], after[0]
    if first is None or last is None:
        return None
    signs = {sign(case) for case in after if case and _has_sign(case)}
    return Criterion(name, first.status, last.status, tuple(sorted(signs)))


def _unbuilt(trial: Trial) -> CaseResult | None:
    """Return the failed build of a trial, or None.

    It decides all other cases, too.
    """
    build = trial.case(BUILD)
    return build if build and build.status is not Status.PASS else None


def _is_good(case: CaseResult) -> bool:
    """Whether the kernel did what was expected; a skipped case says nothing."""
    return case.status.expected and case.status is not Status.SKIP


def _kind(case: CaseResult | None) -> Status | None:
    """Return how a case ended: PASS, FAIL or its own status.

    Returns None if it says nothing about the kernel.
    """
    if case is None or case.status in (Status.SKIP, Status.ERROR):
        return None
    return Status.PASS if _is_good(case) else Status.FAIL if case.status in _FAILED else case.status


def _has_sign(case: CaseResult) -> bool:
    return case.status is Status.CRASH or case.name == BUILD or case.name.endswith(("/log", "/build"))


def sign(case: CaseResult) -> str:
    """Return the part of a message that identifies its cause.

    It is the same for each crash, warning or build error of that cause.
    """
    return _NUMBERS.sub("#", _BY_CHANCE.sub("", _with_function(case)))


def function_in(lines: Iterable[str]) -> str:
    """Return the kernel function of the crash in `lines` of a console.

    It is "" if they do not show it.  It is without the suffix of the compiler (``.isra.0``).
    """
    return next((found[1] for found in map(_FUNCTION.search, lines) if found), "")


def _with_function(case: CaseResult) -> str:
    return f"{case.message} in {case.function}" if case.function else case.message


def judge(judging: Iterable[Criterion], trial: Trial) -> Verdict:
    """Return the verdict of one trial.

    It is bad if any case is bad, and good if all are good.  `judging` has at least one case.
    """
    if trial.refused:
        return Verdict(Answer.SKIP, trial.refused)
    verdicts = [_judged(criterion, trial) for criterion in judging]
    for answer in (Answer.BAD, Answer.SKIP):
        agreeing = [verdict for verdict in verdicts if verdict.answer is answer]
        if agreeing:
            return _with_count(agreeing)
    return _with_count(verdicts)


def _with_count(verdicts: list[Verdict]) -> Verdict:
    """Return the shortest of verdicts that agree, with the number of the others."""
    first = min(verdicts, key=lambda verdict: len(verdict.why))
    more = len({verdict.why for verdict in verdicts}) - 1
    return Verdict(first.answer, f"{first.why}; and {more} more" if more else first.why, first.shaky)


def _judged(criterion: Criterion, trial: Trial) -> Verdict:
    case = trial.case(criterion.case)
    if case is None or _unbuilt(trial):
        case = _unbuilt(trial) or _boot_of(criterion.case, trial)
    if case is None:
        return Verdict(Answer.SKIP, f"the case {criterion.case} is missing")
    if case.name == criterion.case and _is_good(case):
        return Verdict(Answer.GOOD, _summary(case))
    if _looks_bad(criterion, case):
        return Verdict(Answer.BAD, _summary(case))
    return Verdict(Answer.SKIP, _summary(case), shaky=case.status is Status.ERROR)


def _boot_of(name: str, trial: Trial) -> CaseResult | None:
    """Return the case of the boot that did not report `name`.

    Returns None if that boot ended as it should.
    """
    workload = name.partition("/")[0]
    boots = (case for case in trial.cases if case.name.startswith(f"{workload}/") and case.name.endswith("/boot"))
    return next((case for case in boots if not _is_good(case)), None)


def _looks_bad(criterion: Criterion, case: CaseResult) -> bool:
    if case.name != criterion.case or _kind(case) is not _kind(CaseResult(criterion.case, criterion.bad)):
        return False
    return not criterion.signs or sign(case) in criterion.signs


def _summary(case: CaseResult) -> str:
    """Return a short text on one case.

    For a good one, it has the measured value, if there is one.
    """
    if _is_good(case):
        what = f"{case.name.rpartition('/')[2]} {case.measured}" if case.measured else case.name
        return f"{case.status} {what}"
    return f"{case.status} {_with_function(case) or case.name}"


def spoilt_by(trial: Trial) -> CaseResult | None:
    """Return the case of an infrastructure failure in a trial, or None.

    Another trial may succeed.
    """
    return next((case for case in trial.cases if case.status is Status.ERROR), None)


def most_telling(trials: tuple[Trial, ...]) -> Trial:
    """Return the first of `trials` without a failure of the infrastructure, or else the first."""
    return next((trial for trial in trials if not spoilt_by(trial)), trials[0])


def combine_verdicts(verdicts: Iterable[Verdict]) -> Verdict | None:
    """Return the verdict of several trials of one commit, or None if there are none.

    Failures of the infrastructure do not count if there are other verdicts.  Verdicts that contradict each other give
    SKIP.
    """
    given = list(verdicts)
    firm = [verdict for verdict in given if not verdict.shaky] or given
    answers = dict.fromkeys(verdict.answer for verdict in firm)
    if len(answers) > 1:
        listed = ", then ".join(f"{verdict.answer} ({verdict.why})" for verdict in firm)
        return Verdict(Answer.SKIP, f"flaky: {listed}")
    return firm[0] if firm else None


def criteria_of(state: State) -> tuple[Criterion, ...]:
    """Return the cases that judge in a bisection."""
    question = state.question
    return criteria(state.of(question.good), state.of(question.bad), question.case, question.kernel)


def verdict_of(state: State, commit: str) -> Verdict | None:
    """Return the verdict of the trials of `commit`.

    Returns None if there are none, or if no case judges yet.
    """
    judging = criteria_of(state)
    return combine_verdicts(judge(judging, trial) for trial in state.of(commit)) if judging else None


def answers(state: State) -> tuple[tuple[str, Answer], ...]:
    """Return the answers for git, in the order in which it asked: (commit, answer)."""
    found = ((commit, verdict_of(state, commit)) for commit in state.measured())
    return tuple((commit, verdict.answer) for commit, verdict in found if verdict)
