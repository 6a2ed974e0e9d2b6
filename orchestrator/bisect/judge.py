# SPDX-License-Identifier: GPL-2.0-only
"""Which cases judge, and what they say of a commit.  Pure.

Good is a case that ended as expected, bad one that ended as it does at the bad end: a failure where that fails, the
same crash where that crashes, the same error of the compiler where that does not build.  All else is skipped, for it
says nothing about what is looked for.  A crash is the same in the same function, a warning with the same words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from orchestrator.bisect.model import Answer, CaseResult, Criterion, State, Trial, Verdict
from orchestrator.result.model import CaseId, Status

BUILD = CaseId.of_build("").name
"""The case of the build."""

_NUMBERS = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-f]{8,16}\b|\d+|\(log: .*\)")
_BY_CHANCE = re.compile(r", CPU#\d+: \S+| \(and \d+ more\)$")
"""Where a warning came from, and how many came after it."""
_FUNCTION = re.compile(r"(?:RIP: 0010:|\bpc : )([A-Za-z_]\w*)")
_FAILED = (Status.FAIL, Status.XPASS)


def criteria(good: tuple[Trial, ...], bad: tuple[Trial, ...], pattern: str, kernel: str) -> tuple[Criterion, ...]:
    """The cases that tell the good end from the bad one on every trial of both, narrowed by `pattern` unless that is
    empty; none before both ends were tried."""
    if not good or not bad:
        return ()
    names = dict.fromkeys(case.name for trial in good for case in trial.cases)
    found = (_criterion(name, good, bad) for name in names if not pattern or matches(name, pattern, kernel))
    return tuple(one for one in found if one)


def matches(name: str, pattern: str, kernel: str) -> bool:
    """Whether `pattern` is that of the case `name`, with or without the kernel's name as reports put it before."""
    return fnmatchcase(name, pattern) or fnmatchcase(f"{kernel}: {name}", pattern)


def _criterion(name: str, good: tuple[Trial, ...], bad: tuple[Trial, ...]) -> Criterion | None:
    before, after = (
        [seen for trial in trials if (seen := trial.case(name)) is None or seen.status is not Status.ERROR]
        for trials in (good, bad)
    )
    if not before or not all(seen and _is_good(seen) for seen in before):
        return None
    kinds = {_kind(seen) for seen in after}
    if len(kinds) != 1 or kinds & {None, Status.PASS}:
        return None
    first, last = before[0], after[0]
    if first is None or last is None:
        return None
    signs = {sign(seen) for seen in after if seen and _has_sign(seen)}
    return Criterion(name, first.status, last.status, tuple(sorted(signs)))


def _unbuilt(trial: Trial) -> CaseResult | None:
    """The build that failed, and with it every other case."""
    build = trial.case(BUILD)
    return build if build and build.status is not Status.PASS else None


def _is_good(seen: CaseResult) -> bool:
    """Whether the kernel did what was expected of it; what was skipped tells nothing."""
    return seen.status.expected and seen.status is not Status.SKIP


def _kind(seen: CaseResult | None) -> Status | None:
    """How a case ended, as far as it matters; None where it tells nothing about the kernel."""
    if seen is None or seen.status in (Status.SKIP, Status.ERROR):
        return None
    return Status.PASS if _is_good(seen) else Status.FAIL if seen.status in _FAILED else seen.status


def _has_sign(seen: CaseResult) -> bool:
    return seen.status is Status.CRASH or seen.name == BUILD or seen.name.endswith(("/log", "/build"))


def sign(seen: CaseResult) -> str:
    """What is the same each time that a kernel crashes, warns, or does not build, for the same reason."""
    return _NUMBERS.sub("#", _BY_CHANCE.sub("", _with_function(seen)))


def function_in(lines: Iterable[str]) -> str:
    """The kernel function in which a crash happened that the console told in `lines`, without what the compiler adds
    to a name (``.isra.0``); "" where they do not tell."""
    return next((found[1] for found in map(_FUNCTION.search, lines) if found), "")


def _with_function(seen: CaseResult) -> str:
    return f"{seen.message} in {seen.function}" if seen.function else seen.message


def judge(judging: Iterable[Criterion], trial: Trial) -> Verdict:
    """What one trial says of its commit: bad if any case is, good if all are; `judging` has one case at least."""
    if trial.refused:
        return Verdict(Answer.SKIP, trial.refused)
    verdicts = [_judged(criterion, trial) for criterion in judging]
    for answer in (Answer.BAD, Answer.SKIP):
        of_it = [verdict for verdict in verdicts if verdict.answer is answer]
        if of_it:
            return _with_count(of_it)
    return _with_count(verdicts)


def _with_count(verdicts: list[Verdict]) -> Verdict:
    """The verdict with the fewest words stands for all that agree."""
    first = min(verdicts, key=lambda verdict: len(verdict.why))
    more = len({verdict.why for verdict in verdicts}) - 1
    return Verdict(first.answer, f"{first.why}; and {more} more" if more else first.why, first.shaky)


def _judged(criterion: Criterion, trial: Trial) -> Verdict:
    seen = trial.case(criterion.case)
    if seen is None or _unbuilt(trial):
        seen = _unbuilt(trial) or _boot_of(criterion.case, trial)
    if seen is None:
        return Verdict(Answer.SKIP, f"the case {criterion.case} is missing")
    if seen.name == criterion.case and _is_good(seen):
        return Verdict(Answer.GOOD, _told(seen))
    if _looks_bad(criterion, seen):
        return Verdict(Answer.BAD, _told(seen))
    return Verdict(Answer.SKIP, _told(seen), shaky=seen.status is Status.ERROR)


def _boot_of(name: str, trial: Trial) -> CaseResult | None:
    """How the boot ended that has not reported the case `name`, where it did not end as it should."""
    workload = name.partition("/")[0]
    boots = (case for case in trial.cases if case.name.startswith(f"{workload}/") and case.name.endswith("/boot"))
    return next((case for case in boots if not _is_good(case)), None)


def _looks_bad(criterion: Criterion, seen: CaseResult) -> bool:
    if seen.name != criterion.case or _kind(seen) is not _kind(CaseResult(criterion.case, criterion.bad)):
        return False
    return not criterion.signs or sign(seen) in criterion.signs


def _told(seen: CaseResult) -> str:
    """One case in a few words: what was measured says more than that it passed."""
    if _is_good(seen):
        what = f"{seen.name.rpartition('/')[2]} {seen.measured}" if seen.measured else seen.name
        return f"{seen.status} {what}"
    return f"{seen.status} {_with_function(seen) or seen.name}"


def spoilt_by(trial: Trial) -> CaseResult | None:
    """The case that shows that the infrastructure failed in a trial: another time may tell more."""
    return next((case for case in trial.cases if case.status is Status.ERROR), None)


def most_telling(trials: tuple[Trial, ...]) -> Trial:
    """The first of `trials` that the infrastructure has not spoilt, or else the first."""
    return next((trial for trial in trials if not spoilt_by(trial)), trials[0])


def combine_verdicts(verdicts: Iterable[Verdict]) -> Verdict | None:
    """What several trials of one commit come to: those that say the same outvote what was the infrastructure's fault,
    and those that contradict each other tell nothing.  None for no trial."""
    given = list(verdicts)
    firm = [verdict for verdict in given if not verdict.shaky] or given
    answers = dict.fromkeys(verdict.answer for verdict in firm)
    if len(answers) > 1:
        told = ", then ".join(f"{verdict.answer} ({verdict.why})" for verdict in firm)
        return Verdict(Answer.SKIP, f"flaky: {told}")
    return firm[0] if firm else None


def criteria_of(state: State) -> tuple[Criterion, ...]:
    """The cases that judge in a bisection."""
    question = state.question
    return criteria(state.of(question.good), state.of(question.bad), question.case, question.kernel)


def verdict_of(state: State, commit: str) -> Verdict | None:
    """What the trials of `commit` say of it; None where there is none, or nothing judges yet."""
    judging = criteria_of(state)
    return combine_verdicts(judge(judging, trial) for trial in state.of(commit)) if judging else None


def answers(state: State) -> tuple[tuple[str, Answer], ...]:
    """What git is to be told, in the order in which it asked: (commit, answer)."""
    found = ((commit, verdict_of(state, commit)) for commit in state.measured())
    return tuple((commit, verdict.answer) for commit, verdict in found if verdict)
