# SPDX-License-Identifier: GPL-2.0-only
"""The values of a bisection: the question, what each boot of a commit showed, and what is made of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from orchestrator.result.model import Status

SHORT = 12
"""How many digits of a commit's id people are shown."""


class Answer(StrEnum):
    """What is said of a commit, in git's own words."""

    GOOD = "good"
    BAD = "bad"
    SKIP = "skip"


@dataclass(frozen=True)
class Question:
    """What is looked for: the first commit in `good`..`bad` (ids) of `repository` that breaks what the cases judge.

    `scenario` is the absolute path of its file, `digest` of all that the scenario and its kernel are made of.  `git` is
    the repository that the command line gave, "" for the kernel's own.  `good_ref` and `bad_ref` are as given, `case`
    is the pattern of the judging cases' names, "" for every case that good has and bad has not.  `repeat` is how often
    the commits that decide are measured.  `seed` is for whatever the workloads choose by luck: the same at each commit.
    `host` and `build_host` are the hosts that the command line gave, `hosts` the inventory's file, "" for what holds
    without; `forced` are the functions to pass through although their host uses them.
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
    """A case as one boot showed it; `function` is that of the kernel in which it crashed, "" where it is not known."""

    name: str
    status: Status
    expected: str = ""
    measured: str = ""
    message: str = ""
    function: str = ""


@dataclass(frozen=True)
class Trial:
    """One time that a commit was built, booted and measured.

    `run` is the run's directory, relative to the bisection's, "" where it came to none; `refused` says why then.
    `seconds` is wall-clock time, `objects` what was compiled now.  `numbers` are (name, value) of all that can be
    expected of a kernel, whether or not it is.
    """

    commit: str
    run: str
    seconds: float
    objects: int = 0
    cases: tuple[CaseResult, ...] = ()
    numbers: tuple[tuple[str, str], ...] = ()
    refused: str = ""

    def case(self, name: str) -> CaseResult | None:
        """The case called `name`, or None."""
        return next((case for case in self.cases if case.name == name), None)


@dataclass(frozen=True)
class Criterion:
    """One case that judges: how it ended at the good end and at the bad end.

    `signs` are the ways in which the bad end crashed, warned or did not build; empty for a bad end that did neither.
    """

    case: str
    good: Status
    bad: Status
    signs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What is said of a trial or a commit, and why; `shaky` where another time may well answer otherwise."""

    answer: Answer
    why: str
    shaky: bool = False


@dataclass(frozen=True)
class Commit:
    """A commit for people: `date` is the author's, ISO 8601; `message` is whole."""

    id: str
    subject: str
    author: str
    date: str
    message: str
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """The end: the first bad commit and the good one before it, or the commits that it may be if none can be named."""

    first_bad: Commit | None = None
    before: Commit | None = None
    candidates: tuple[Commit, ...] = ()


@dataclass(frozen=True)
class State:
    """All that is known of a bisection; what follows from it is worked out anew each time.

    `trials` are in the order of time, those of both ends included.
    """

    question: Question
    trials: tuple[Trial, ...] = ()
    outcome: Outcome | None = None

    def of(self, commit: str) -> tuple[Trial, ...]:
        """The trials of `commit`."""
        return tuple(trial for trial in self.trials if trial.commit == commit)

    def measured(self) -> tuple[str, ...]:
        """The commits that were tried, but for the ends, in the order of their first trials."""
        ends = (self.question.good, self.question.bad)
        return tuple(dict.fromkeys(trial.commit for trial in self.trials if trial.commit not in ends))

    def with_trial(self, trial: Trial) -> State:
        """This and one more trial."""
        return replace(self, trials=(*self.trials, trial))
