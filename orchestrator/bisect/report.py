# SPDX-License-Identifier: GPL-2.0-only
"""A bisection as text for a terminal, and as JSON.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.bisect.judge import criteria_of, judge, most_telling, verdict_of
from orchestrator.bisect.model import SHORT, Answer, CaseResult, Commit, Criterion, State, Trial
from orchestrator.bisect.search import Step
from orchestrator.bisect.state import LOG_FILE
from orchestrator.report.text import clean, fit, one_line, paint, path_text, wrap
from orchestrator.result.model import Status
from orchestrator.result.store.bounds import LONGEST_LINE, cut

FORMAT = 1
"""The version of the JSON: increased if a key is removed or changes its meaning."""

_COLOURS = {Answer.GOOD: "green", Answer.BAD: "red", Answer.SKIP: "bold"}
_INDENT = " " * 21
_VERDICT = 8
_NUMBERS = 16
_MESSAGE = 1000
"""Lines of a commit's message that are shown at most."""
_LINES = 4
"""Lines of a reason that are shown at most; the run of the step and state.json have the rest."""


def title(state: State, count: int, width: int) -> list[str]:
    """Return the title: what is bisected.

    `count` is the number of commits after good up to bad.
    """
    question = state.question
    ends = f"good {question.good_ref} ({question.good[:SHORT]}), bad {question.bad_ref} ({question.bad[:SHORT]})"
    about = f"{question.name}: bisecting kernel '{question.kernel}' in {question.repository}, {_counted(count)}; {ends}"
    return wrap(about, width, rest="  ")


def _counted(count: int) -> str:
    return f"{count} commit{'' if count == 1 else 's'}"


def header(width: int) -> str:
    """Return the heading of the table of steps."""
    room = width - SHORT - 1 - _VERDICT - _NUMBERS
    subject = f"{'subject, and why':<{room}}"
    return f"{'commit':<{SHORT}} {'verdict':<{_VERDICT}}{subject}{'seconds':>8}{'objects':>8}"


def row(step: Step, width: int, color: bool) -> list[str]:
    """Return the lines of one trial.

    They have its commit, verdict, seconds and compiled objects, and below that the reason.
    """
    verdict = step.verdict
    label = f"{verdict.answer if verdict else step.role.partition(' ')[0]:<{_VERDICT}}"
    shown = paint(label, _COLOURS[verdict.answer] if verdict else "", color)
    room = width - SHORT - 1 - _VERDICT - _NUMBERS
    subject = fit(one_line(step.commit.subject), room - 1)
    numbers = f"{step.trial.seconds:>8.1f}{step.trial.objects:>8}"
    first = f"{step.commit.id[:SHORT]} {shown}{subject:<{room}}{numbers}"
    why = verdict.why if verdict else _summary(step.trial)
    lines = wrap(f"{step.role}: {why}" if step.role else why, width, _INDENT, _INDENT)
    return [first, *lines[:_LINES], *([f"{_INDENT}..."] if len(lines) > _LINES else [])]


def _summary(trial: Trial) -> str:
    """Return a text on the cases of a trial without a verdict."""
    if trial.refused:
        return trial.refused
    wrong = sorted((case for case in trial.cases if not case.status.expected), key=lambda case: len(case.message))
    passed = len(trial.cases) - len(wrong)
    counts = f"{passed} of {len(trial.cases)} cases as expected"
    return f"{counts}; {wrong[0].name}: {wrong[0].status} {wrong[0].message}" if wrong else counts


def judging(state: State, width: int) -> list[str]:
    """Return the lines on the cases that judge.

    There are none if no case differs between the ends.
    """
    found = criteria_of(state)
    if not found:
        return []
    listed = ", ".join(f"{criterion.case} ({criterion.good} -> {criterion.bad})" for criterion in found[:_MOST])
    more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return wrap(f"the judge: {listed}{more}", width, rest="  ")


_MOST = 4
"""Judging cases that are named at most."""


def ends(state: State, width: int) -> list[str]:
    """Return the lines that compare both ends: every case, and all that was measured."""
    good, bad = (most_telling(state.of(end)) for end in (state.question.good, state.question.bad))
    after = dict(bad.numbers)
    stated = {case.name for case in (*good.cases, *bad.cases)}
    names = dict.fromkeys(case.name for case in (*good.cases, *bad.cases))
    rows = [(name, _cell(good.case(name)), _cell(bad.case(name))) for name in names]
    rows += [(name, value, after.get(name, "-")) for name, value in good.numbers if name not in stated]
    sizes = [max(len(row[at]) for row in (*rows, ("", "good", "bad"))) for at in (1, 2)]
    sizes = [min(size, 20) for size in sizes]
    room = width - sum(sizes) - 4
    lines = (("case or measurement", "good", "bad"), *rows)
    return [
        f"{fit(name, room):<{room}}  {fit(at_good, sizes[0]):<{sizes[0]}}  {fit(at_bad, sizes[1])}"
        for name, at_good, at_bad in lines
    ]


def _cell(case: CaseResult | None) -> str:
    if case is None:
        return "-"
    return f"{case.status} {case.measured}".strip()


def report(state: State, directory: Path, width: int = 80, color: bool = False) -> str:
    """Return the result, with a final newline.

    It is the first bad commit with its message and both measurements, or the candidates; "" before the end.
    """
    outcome = state.outcome
    if outcome is None:
        return ""
    if outcome.first_bad and outcome.before:
        body = _found(state, outcome.first_bad, outcome.before, width, color)
    else:
        body = _candidates(state, outcome.candidates, width)
    command = f"git bisect replay {path_text(directory / LOG_FILE)}"
    return "\n".join([*body, "", command, path_text(directory)]) + "\n"


def _found(state: State, first_bad: Commit, before: Commit, width: int, color: bool) -> list[str]:
    lines = [paint(f"{first_bad.id} is the first bad commit", "bold", color), *_message(first_bad), ""]
    changed, later = _split(state, first_bad)
    for criterion in changed:
        lines += [fit(criterion.case, width)]
        for name, commit in (("good", before), ("bad", first_bad)):
            case = state.of(commit.id)[-1].case(criterion.case)
            lines += wrap(_measured(case), width, f"  {name:<5}{commit.id[:SHORT]}  ", " " * 21)
    if later:
        names = ", ".join(criterion.case for criterion in later)
        lines += ["", *wrap(f"still good there, so something later breaks: {names}; judge it with --case", width)]
    return lines


def _message(commit: Commit) -> list[str]:
    body = [f"    {clean(cut(line, LONGEST_LINE))}".rstrip() for line in commit.message.split("\n")[:_MESSAGE]]
    return [f"Author: {one_line(commit.author)}", f"Date:   {one_line(commit.date)}", "", *body]


def _split(state: State, first_bad: Commit) -> tuple[list[Criterion], list[Criterion]]:
    """Return the judging cases that the first bad commit breaks, and the others.

    The others are broken by a later commit.
    """
    trial = state.of(first_bad.id)[-1]
    changed: list[Criterion] = []
    later: list[Criterion] = []
    for criterion in criteria_of(state):
        breaks = judge((criterion,), trial).answer is Answer.BAD
        (changed if breaks else later).append(criterion)
    return changed, later


def _measured(case: CaseResult | None) -> str:
    if case is None:
        return "not measured"
    parts = [f"measured {case.measured}" if case.measured else "", f"expected {case.expected}" if case.expected else ""]
    values = ", ".join(part for part in parts if part)
    has_message = case.status is not Status.PASS and not (case.measured and case.expected)
    return f"{case.status} {case.message if has_message else values or case.message}".strip()


def _candidates(state: State, candidates: Iterable[Commit], width: int) -> list[str]:
    lines = wrap("only skipped commits are left; the first bad commit is one of these:", width)
    for commit in candidates:
        verdict = verdict_of(state, commit.id)
        lines.append(fit(f"{commit.id[:SHORT]} {commit.subject}", width))
        why = f"{verdict.answer}: {verdict.why}" if verdict else "not measured"
        lines += wrap(why, width, " " * 13, " " * 13)
    return lines


def to_json(state: State, directory: Path) -> dict[str, Any]:
    """Return the whole bisection for programs; `first_bad` is null if there are only candidates."""
    outcome = state.outcome
    first_bad, before = (outcome.first_bad, outcome.before) if outcome else (None, None)
    return {
        "format": FORMAT,
        "directory": str(directory),
        "log": str(directory / LOG_FILE),
        "question": asdict(state.question),
        "judge": [asdict(criterion) for criterion in criteria_of(state)],
        "first_bad": _with_measurements(state, first_bad),
        "before": _with_measurements(state, before),
        "candidates": [asdict(commit) for commit in outcome.candidates] if outcome else [],
        "steps": [_step(state, trial) for trial in state.trials],
    }


def _with_measurements(state: State, commit: Commit | None) -> dict[str, Any] | None:
    if commit is None:
        return None
    judged = {criterion.case for criterion in criteria_of(state)}
    cases = [asdict(case) for case in state.of(commit.id)[-1].cases if case.name in judged]
    return {**asdict(commit), "cases": cases}


def _step(state: State, trial: Trial) -> dict[str, Any]:
    verdict = judge(criteria_of(state), trial)
    about = {name: getattr(trial, name) for name in ("commit", "run", "seconds", "objects")}
    return {**about, "verdict": verdict.answer, "why": verdict.why}
