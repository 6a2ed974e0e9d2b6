# SPDX-License-Identifier: GPL-2.0-only
"""Search the first bad commit: measure the ends, test what git requests, repeat what decides.

Each end is measured `repeat` times, and so are, at last, the first bad commit and the good one before it.  If a second
answer contradicts the first, the commit is skipped, and git continues with the other answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn, Protocol

from orchestrator.bisect.explain import nothing_differs
from orchestrator.bisect.history import GitBisect, Next
from orchestrator.bisect.judge import BUILD, answers, criteria_of, judge, most_telling, spoilt_by
from orchestrator.bisect.model import Answer, Commit, Outcome, State, Trial, Verdict
from orchestrator.bisect.state import LOG_FILE, save, step_directory, with_outcome
from orchestrator.errors import InfrastructureError, UsageError
from orchestrator.result.store.files import write_atomically

_TRIES = 2
"""How often a commit is tried if only failures of the infrastructure are known of it."""


class Measure(Protocol):
    """A function that builds, boots and measures a commit.

    Only what reports `cases` is run, or all if `cases` is empty.
    """

    def __call__(self, commit: str, cases: tuple[str, ...], results: Path, /) -> Trial:
        """Return the trial, whose run is kept in `results`."""


@dataclass(frozen=True)
class Step:
    """One trial that has ended, for the watcher.

    `verdict` is None as long as no case judges.
    """

    commit: Commit
    trial: Trial
    verdict: Verdict | None
    role: str


@dataclass(frozen=True)
class Watcher:
    """Callbacks for the judging cases, each step, and what is left.

    The last is the number of commits left, as git prints it.
    """

    judging: Callable[[State], None]
    step: Callable[[Step], None]
    left: Callable[[str], None]


class Search:
    """One running bisection; `state` is written to disk after each measurement."""

    def __init__(self, state: State, git: GitBisect, directory: Path, measure: Measure, watcher: Watcher) -> None:
        self.state = state
        self._git = git
        self._history = git.history
        self._directory = directory
        self._measure = measure
        self._watcher = watcher

    def run(self) -> State:
        """Continue until there is an outcome, and return the state with it.

        Raises UsageError if no case differs between the ends, and InfrastructureError.
        """
        save(self._directory, self.state)
        self._measure_ends()
        answer = self._ask()
        while answer.test or not self._is_sure(answer):
            if answer.test:
                self._watcher.left(answer.left)
                self._try(answer.test)
            answer = self._ask()
        self.state = with_outcome(self.state, self._outcome(answer))
        save(self._directory, self.state)
        return self.state

    def _ask(self) -> Next:
        question = self.state.question
        answer = self._git.ask(question.good, question.bad, answers(self.state))
        write_atomically(self._directory / LOG_FILE, self._git.log())
        return answer

    def _measure_ends(self) -> None:
        question = self.state.question
        ends = ((question.good, "good end"), (question.bad, "bad end"))
        if not self._criteria():  # after a failure of the infrastructure last time, a new trial may succeed
            kept = tuple(trial for trial in self.state.trials if not spoilt_by(trial))
            self.state = replace(self.state, trials=kept)
        for commit, role in ends:
            while not self._criteria() and self._is_unknown(commit):
                self._once(commit, role)
            first = most_telling(self.state.of(commit))
            if first.refused:
                raise UsageError(f"the {role} cannot be measured: {first.refused}")
        for commit, role in ends:
            while self._criteria() and self._wants_more(commit):
                self._once(commit, f"{role}, again")
        self._watcher.judging(self.state)
        if not self._criteria():
            self._fail_with_ends(ends)

    def _fail_with_ends(self, ends: tuple[tuple[str, str], ...]) -> NoReturn:
        for commit, role in ends:
            failure = spoilt_by(most_telling(self.state.of(commit)))
            if failure:
                raise InfrastructureError(f"the {role} could not be measured: {failure.message}")
        raise UsageError(nothing_differs(self.state))

    def _criteria(self) -> tuple[str, ...]:
        return tuple(criterion.case for criterion in criteria_of(self.state))

    def _try(self, commit: str) -> None:
        """Measure a commit that git requested, and again if the infrastructure failed."""
        self._once(commit, "")
        while self._is_unknown(commit):
            self._once(commit, "again")

    def _is_unknown(self, commit: str) -> bool:
        """Whether a commit is not yet known and may be tried again.

        It has no trial without a failure of the infrastructure.
        """
        trials = self.state.of(commit)
        return len(trials) < _TRIES and all(map(self._has_failed, trials))

    def _wants_more(self, commit: str) -> bool:
        """Whether a commit that decides was not yet measured `repeat` times."""
        trials = self.state.of(commit)
        wanted = self.state.question.repeat
        firm = [trial for trial in trials if not self._has_failed(trial)]
        return len(firm) < wanted and len(trials) < wanted + _TRIES

    def _has_failed(self, trial: Trial) -> bool:
        """Whether the infrastructure failed in a trial."""
        judging = criteria_of(self.state)
        return judge(judging, trial).shaky if judging else spoilt_by(trial) is not None

    def _is_sure(self, answer: Next) -> bool:
        """Whether the answer is unchanged after the commits that decide it were measured `repeat` times."""
        if not answer.first_bad:
            return True
        before = answers(self.state)
        for commit, role in ((self._before(answer.first_bad), "good, again"), (answer.first_bad, "bad, again")):
            while self._wants_more(commit):
                self._once(commit, role)
        return answers(self.state) == before

    def _before(self, commit: str) -> str:
        """Return the good commit before the first bad one.

        It is a parent that was measured, or else the good end.  If git did not request any of the parents, all of them
        are before the good end.
        """
        parents = self._history.commit(commit).parents
        good = dict(answers(self.state))
        return next((parent for parent in parents if good.get(parent) is Answer.GOOD), self.state.question.good)

    def _once(self, commit: str, role: str) -> Trial:
        judging = self._criteria()
        trial = self._measure(commit, judging, step_directory(self._directory, self.state, commit))
        if judging:
            kept = tuple(case for case in trial.cases if case.name in (*judging, BUILD) or case.name.endswith("/boot"))
            trial = replace(trial, cases=kept, numbers=())
        self.state = self.state.with_trial(trial)
        save(self._directory, self.state)
        verdict = judge(criteria_of(self.state), trial) if judging else None
        self._watcher.step(Step(self._history.commit(commit), trial, verdict, role))
        return trial

    def _outcome(self, answer: Next) -> Outcome:
        if answer.first_bad:
            first_bad, before = answer.first_bad, self._before(answer.first_bad)
            return Outcome(self._history.commit(first_bad), self._history.commit(before))
        return Outcome(candidates=tuple(map(self._history.commit, answer.candidates)))
