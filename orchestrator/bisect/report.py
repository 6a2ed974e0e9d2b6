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
"""Raised when a key of the JSON changes its meaning or goes."""

_COLOURS = {Answer.GOOD: "green", Answer.BAD: "red", Answer.SKIP: "bold"}
_INDENT = " " * 21
_WORD = 8
_NUMBERS = 16
_MESSAGE = 1000
"""So many lines of a commit's message are shown."""
_LINES = 4
"""So many lines say why; the run of the step and state.json have the rest."""


def title(state: State, count: int, width: int) -> list[str]:
    """What is bisected: `count` is the number of commits after good up to bad."""
    question = state.question
    ends = f"good {question.good_ref} ({question.good[:SHORT]}), bad {question.bad_ref} ({question.bad[:SHORT]})"
    about = f"{question.name}: bisecting kernel '{question.kernel}' in {question.repository}, {_counted(count)}; {ends}"
    return wrap(about, width, rest="  ")


def _counted(count: int) -> str:
    return f"{count} commit{'' if count == 1 else 's'}"


def header(width: int) -> str:
    """The heading of the table of steps."""
    return f"{'commit':<{SHORT}} {'verdict':<{_WORD}}{'subject, and why':<{width - SHORT - 1 - _WORD - _NUMBERS}}" + (
        f"{'seconds':>8}{'objects':>8}"
    )


def row(step: Step, width: int, color: bool) -> list[str]:
    """One trial: its commit, verdict, seconds and objects compiled, and below that why."""
    verdict = step.verdict
    word = f"{verdict.answer if verdict else step.role.partition(' ')[0]:<{_WORD}}"
    shown = paint(word, _COLOURS[verdict.answer] if verdict else "", color)
    room = width - SHORT - 1 - _WORD - _NUMBERS
    subject = fit(one_line(step.commit.subject), room - 1)
    numbers = f"{step.trial.seconds:>8.1f}{step.trial.objects:>8}"
    first = f"{step.commit.id[:SHORT]} {shown}{subject:<{room}}{numbers}"
    why = verdict.why if verdict else _summary(step.trial)
    told = f"{step.role}: {why}" if step.role else why
    lines = wrap(told, width, _INDENT, _INDENT)
    return [first, *lines[:_LINES], *([f"{_INDENT}..."] if len(lines) > _LINES else [])]


def _summary(trial: Trial) -> str:
    """How the cases of a trial ended, where nothing judges yet."""
    if trial.refused:
        return trial.refused
    wrong = sorted((case for case in trial.cases if not case.status.expected), key=lambda case: len(case.message))
    passed = len(trial.cases) - len(wrong)
    told = f"{passed} of {len(trial.cases)} cases as expected"
    return f"{told}; {wrong[0].name}: {wrong[0].status} {wrong[0].message}" if wrong else told


def judging(state: State, width: int) -> list[str]:
    """The cases that judge; none where the ends cannot be told apart."""
    found = criteria_of(state)
    if not found:
        return []
    told = ", ".join(f"{one.case} ({one.good} -> {one.bad})" for one in found[:_MOST])
    more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return wrap(f"the judge: {told}{more}", width, rest="  ")


_MOST = 4
"""So many judging cases are named; more are too much to read."""


def ends(state: State, width: int) -> list[str]:
    """Both ends side by side: every case, and all that was measured."""
    good, bad = (most_telling(state.of(end)) for end in (state.question.good, state.question.bad))
    after = dict(bad.numbers)
    stated = {case.name for case in (*good.cases, *bad.cases)}
    names = dict.fromkeys(case.name for case in (*good.cases, *bad.cases))
    rows = [(name, _cell(good.case(name)), _cell(bad.case(name))) for name in names]
    rows += [(name, value, after.get(name, "-")) for name, value in good.numbers if name not in stated]
    sizes = [max(len(one[at]) for one in (*rows, ("", "good", "bad"))) for at in (1, 2)]
    sizes = [min(size, 20) for size in sizes]
    room = width - sum(sizes) - 4
    lines = (("case or measurement", "good", "bad"), *rows)
    return [
        f"{fit(name, room):<{room}}  {fit(one, sizes[0]):<{sizes[0]}}  {fit(other, sizes[1])}"
        for name, one, other in lines
    ]


def _cell(seen: CaseResult | None) -> str:
    if seen is None:
        return "-"
    return f"{seen.status} {seen.measured}".strip()


def report(state: State, directory: Path, width: int = 80, color: bool = False) -> str:
    """The end, with a final newline: the first bad commit with its message and both measurements, or the candidates."""
    outcome = state.outcome
    if outcome is None:
        return ""
    if outcome.first_bad and outcome.before:
        body = _found(state, outcome.first_bad, outcome.before, width, color)
    else:
        body = _candidates(state, outcome.candidates, width)
    told = f"git bisect replay {path_text(directory / LOG_FILE)}"
    return "\n".join([*body, "", told, path_text(directory)]) + "\n"


def _found(state: State, first_bad: Commit, before: Commit, width: int, color: bool) -> list[str]:
    lines = [paint(f"{first_bad.id} is the first bad commit", "bold", color), *_message(first_bad), ""]
    changed, later = _split(state, first_bad)
    for criterion in changed:
        lines += [fit(criterion.case, width)]
        for name, commit in (("good", before), ("bad", first_bad)):
            seen = state.of(commit.id)[-1].case(criterion.case)
            lines += wrap(_measured(seen), width, f"  {name:<5}{commit.id[:SHORT]}  ", " " * 21)
    if later:
        told = ", ".join(one.case for one in later)
        lines += ["", *wrap(f"still good there, so something later breaks: {told}; judge it with --case", width)]
    return lines


def _message(commit: Commit) -> list[str]:
    body = [f"    {clean(cut(line, LONGEST_LINE))}".rstrip() for line in commit.message.split("\n")[:_MESSAGE]]
    return [f"Author: {one_line(commit.author)}", f"Date:   {one_line(commit.date)}", "", *body]


def _split(state: State, first_bad: Commit) -> tuple[list[Criterion], list[Criterion]]:
    """The judging cases that the first bad commit breaks, and those that something later does."""
    trial = state.of(first_bad.id)[-1]
    changed: list[Criterion] = []
    later: list[Criterion] = []
    for criterion in criteria_of(state):
        breaks = judge((criterion,), trial).answer is Answer.BAD
        (changed if breaks else later).append(criterion)
    return changed, later


def _measured(seen: CaseResult | None) -> str:
    if seen is None:
        return "not measured"
    parts = [f"measured {seen.measured}" if seen.measured else "", f"expected {seen.expected}" if seen.expected else ""]
    told = ", ".join(part for part in parts if part)
    wordy = seen.status is not Status.PASS and not (seen.measured and seen.expected)
    return f"{seen.status} {told or seen.message}".strip() if not wordy else f"{seen.status} {seen.message}".strip()


def _candidates(state: State, candidates: Iterable[Commit], width: int) -> list[str]:
    lines = wrap("only skipped commits are left; the first bad commit is one of these:", width)
    for commit in candidates:
        verdict = verdict_of(state, commit.id)
        lines.append(fit(f"{commit.id[:SHORT]} {commit.subject}", width))
        why = f"{verdict.answer}: {verdict.why}" if verdict else "not measured"
        lines += wrap(why, width, " " * 13, " " * 13)
    return lines


def to_json(state: State, directory: Path) -> dict[str, Any]:
    """The whole bisection for programs; `first_bad` is null where there are only candidates."""
    outcome = state.outcome
    first_bad, before = (outcome.first_bad, outcome.before) if outcome else (None, None)
    return {
        "format": FORMAT,
        "directory": str(directory),
        "log": str(directory / LOG_FILE),
        "question": asdict(state.question),
        "judge": [asdict(one) for one in criteria_of(state)],
        "first_bad": _with_measurements(state, first_bad),
        "before": _with_measurements(state, before),
        "candidates": [asdict(commit) for commit in outcome.candidates] if outcome else [],
        "steps": [_step(state, trial) for trial in state.trials],
    }


def _with_measurements(state: State, commit: Commit | None) -> dict[str, Any] | None:
    if commit is None:
        return None
    judged = {one.case for one in criteria_of(state)}
    cases = [asdict(case) for case in state.of(commit.id)[-1].cases if case.name in judged]
    return {**asdict(commit), "cases": cases}


def _step(state: State, trial: Trial) -> dict[str, Any]:
    verdict = judge(criteria_of(state), trial)
    about = {name: getattr(trial, name) for name in ("commit", "run", "seconds", "objects")}
    return {**about, "verdict": verdict.answer, "why": verdict.why}
