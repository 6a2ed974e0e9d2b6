# SPDX-License-Identifier: GPL-2.0-only
"""The values of a bisection: the question, the trials of commits, and the verdicts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from orchestrator.result.model import Status

SHORT = 12
"""Digits of a commit's id in output for users."""


class Answer(StrEnum):
    """The verdict on a commit, by the names of git bisect."""

    GOOD = "good"
    BAD = "bad"
    SKIP = "skip"


@dataclass(frozen=True)
class Question:
    """The question: which commit is the first that breaks a case?

    It is one of `good`..`bad` (ids) of `repository`.  `scenario` is the absolute path of its file; `digest` is of all
    files of the scenario and its kernel.  `git` is the repository on the command line, "" for the kernel's
    own.  `good_ref` and `bad_ref` are as given.  `case` is the pattern of the names of the judging cases, "" for every
    case that passes at good and fails at bad.  `repeat` is how often the deciding commits are measured.  `seed` is for
    the random choices of the workloads, the same at each commit.  `host` and `build_host` are the hosts on the command
    line, `hosts` is the inventory's file, "" for the default.  `forced` are the functions to pass through although
    their host uses them.
    """

    scenario: str
    digest: str
    name: str
    kernel: str
    git: str
    repository: str
    good_ref: str
    bad_ref: str
    good: str
    bad: str
    case: str
    repeat: int
    seed: int
    host: str = ""
    build_host: str = ""
    hosts: str = ""
    forced: tuple[str, ...] = ()


@dataclass(frozen=True)
class CaseResult:
    """The result of a case in one boot.

    `function` is the kernel function of a crash, "" if it is not known.
    """

    name: str
    status: Status
    expected: str = ""
    measured: str = ""
    message: str = ""
    function: str = ""


@dataclass(frozen=True)
class Trial:
    """One measurement of a commit, which was built and booted.

    `run` is the run's directory, relative to the bisection's, "" if there is none; `refused` is then the reason.
    `seconds` is wall-clock time, `objects` the number of compiled objects.  `numbers` are (name, value) of all that an
    expectation can state, even if none does.
    """

    commit: str
    run: str
    seconds: float
    objects: int = 0
    cases: tuple[CaseResult, ...] = ()
    numbers: tuple[tuple[str, str], ...] = ()
    refused: str = ""

    def case(self, name: str) -> CaseResult | None:
        """Return the case called `name`, or None if there is none."""
        return next((case for case in self.cases if case.name == name), None)


@dataclass(frozen=True)
class Criterion:
    """One case that judges: its status at the good end and at the bad end.

    `signs` identify the crashes, warnings or build errors of the bad end; empty if it has none of these.
    """

    case: str
    good: Status
    bad: Status
    signs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """The verdict on a trial or a commit, and why.

    `shaky` is whether another trial may well give another verdict.
    """

    answer: Answer
    why: str
    shaky: bool = False


@dataclass(frozen=True)
class Commit:
    """A commit for output: `date` is the author's, ISO 8601; `message` is complete."""

    id: str
    subject: str
    author: str
    date: str
    message: str
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """The result: the first bad commit and the good one before it.

    If the first bad commit is not known, `candidates` are the commits that it may be.
    """

    first_bad: Commit | None = None
    before: Commit | None = None
    candidates: tuple[Commit, ...] = ()


@dataclass(frozen=True)
class State:
    """All that is known of a bisection; what follows from it is computed each time.

    `trials` are in the order of time and include those of both ends.
    """

    question: Question
    trials: tuple[Trial, ...] = ()
    outcome: Outcome | None = None

    def of(self, commit: str) -> tuple[Trial, ...]:
        """Return the trials of `commit`."""
        return tuple(trial for trial in self.trials if trial.commit == commit)

    def measured(self) -> tuple[str, ...]:
        """Return the tried commits without the ends, by their first trials."""
        ends = (self.question.good, self.question.bad)
        return tuple(dict.fromkeys(trial.commit for trial in self.trials if trial.commit not in ends))

    def with_trial(self, trial: Trial) -> State:
        """Return this state with one more trial."""
        return replace(self, trials=(*self.trials, trial))
