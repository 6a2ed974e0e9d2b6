# SPDX-License-Identifier: GPL-2.0-only
"""The bisection itself: measure the ends, test what git asks for, measure again what decides.

Each end is measured `repeat` times, and at the end so are the first bad commit and the good one before it.  Where a
second answer contradicts the first the commit is skipped, and git goes on with what is still known.
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
"""How often a commit is tried of which only the infrastructure has said anything."""


class Measure(Protocol):
    """Builds, boots and measures a commit; only what reports `cases` is run, empty for all."""

    def __call__(self, commit: str, cases: tuple[str, ...], results: Path, /) -> Trial:
        """The trial, whose run is kept in `results`."""


@dataclass(frozen=True)
class Step:
    """One trial that has ended, for whoever watches: what it says is None as long as nothing judges."""

    commit: Commit
    trial: Trial
    verdict: Verdict | None
    role: str


@dataclass(frozen=True)
class Watcher:
    """Who is told: of the cases that judge, of every step, and of what git says is left."""

    judging: Callable[[State], None]
    step: Callable[[Step], None]
    left: Callable[[str], None]


class Search:
    """One bisection under way; `state` is on disk whenever something was measured."""

    def __init__(self, state: State, git: GitBisect, directory: Path, measure: Measure, watcher: Watcher) -> None:
        self.state = state
        self._git = git
        self._history = git.history
        self._directory = directory
        self._measure = measure
        self._watcher = watcher

    def run(self) -> State:
        """Go on until there is an outcome; the state that has it.

        Raises UsageError where the ends cannot be told apart, InfrastructureError.
        """
        save(self._directory, self.state)
        self._measure_ends()
        wanted = self._ask()
        while wanted.test or not self._is_sure(wanted):
            if wanted.test:
                self._watcher.left(wanted.left)
                self._try(wanted.test)
            wanted = self._ask()
        self.state = with_outcome(self.state, self._outcome(wanted))
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
        if not self._criteria():  # what the infrastructure spoilt last time may be well by now
            self.state = replace(self.state, trials=tuple(one for one in self.state.trials if not spoilt_by(one)))
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
            spoilt = spoilt_by(most_telling(self.state.of(commit)))
            if spoilt:
                raise InfrastructureError(f"the {role} could not be measured: {spoilt.message}")
        raise UsageError(nothing_differs(self.state))

    def _criteria(self) -> tuple[str, ...]:
        return tuple(one.case for one in criteria_of(self.state))

    def _try(self, commit: str) -> None:
        """Measure a commit that git asked for; again where it was the infrastructure that failed."""
        self._once(commit, "")
        while self._is_unknown(commit):
            self._once(commit, "again")

    def _is_unknown(self, commit: str) -> bool:
        """Whether nothing is known of a commit, or only that the infrastructure failed, and it is worth a try."""
        trials = self.state.of(commit)
        return len(trials) < _TRIES and all(map(self._is_spoilt, trials))

    def _wants_more(self, commit: str) -> bool:
        """Whether a commit that decides was not measured as often as asked."""
        trials = self.state.of(commit)
        wanted = self.state.question.repeat
        firm = [trial for trial in trials if not self._is_spoilt(trial)]
        return len(firm) < wanted and len(trials) < wanted + _TRIES

    def _is_spoilt(self, trial: Trial) -> bool:
        judging = criteria_of(self.state)
        return judge(judging, trial).shaky if judging else spoilt_by(trial) is not None

    def _is_sure(self, wanted: Next) -> bool:
        """Whether the answer stands after what decides it was measured once more."""
        if not wanted.first_bad:
            return True
        before = answers(self.state)
        for commit, role in ((self._before(wanted.first_bad), "good, again"), (wanted.first_bad, "bad, again")):
            while self._wants_more(commit):
                self._once(commit, role)
        return answers(self.state) == before

    def _before(self, commit: str) -> str:
        """The good commit before the first bad one: a parent that was measured.

        Where git knew better than to ask for one, all of the parents come before the good end.
        """
        parents = self._history.commit(commit).parents
        good = dict(answers(self.state))
        return next((one for one in parents if good.get(one) is Answer.GOOD), self.state.question.good)

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

    def _outcome(self, wanted: Next) -> Outcome:
        if wanted.first_bad:
            first_bad, before = wanted.first_bad, self._before(wanted.first_bad)
            return Outcome(self._history.commit(first_bad), self._history.commit(before))
        return Outcome(candidates=tuple(map(self._history.commit, wanted.candidates)))
