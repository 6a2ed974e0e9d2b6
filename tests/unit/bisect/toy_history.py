# SPDX-License-Identifier: GPL-2.0-only
"""A small git history for bisections, with a table of answers.

The answers replace builds and boots.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.bisect.history import GitBisect, git_bisect, open_history
from orchestrator.bisect.judge import BUILD
from orchestrator.bisect.model import CaseResult, Question, State, Trial
from orchestrator.bisect.search import Search, Step, Watcher
from orchestrator.host.local import LocalHost
from orchestrator.result.model import Status

LEVEL = "alignment/testdev/BAR2/qemu/level"
BOOT = "alignment/testdev/boot"
_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    **{f"GIT_{who}_{what}": "toy@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    **{f"GIT_{who}_DATE": "1793534400 +0000" for who in ("AUTHOR", "COMMITTER")},
}


def git(repository: Path, *argv: str, text: str = "") -> str:
    """Return the output of git in the repository of a user."""
    environment = os.environ | _ENVIRONMENT
    done = subprocess.run(
        ["git", *argv], cwd=repository, env=environment, input=text, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def make_history(place: Path, count: int) -> list[str]:
    """Make a checkout at `place` with one commit and `count` more.

    Returns their ids, in a line.
    """
    place.mkdir(parents=True)
    git(place, "init", "-q", "-b", "master")
    who = "toy@example.org <toy@example.org> 1793534400 +0000"
    lines = []
    for number in range(count + 1):
        message = f"change {number}\n\nThe body of change {number}.\n"
        lines += ["commit refs/heads/master", f"author {who}", f"committer {who}", f"data {len(message)}", message]
        lines += ["M 100644 inline file", f"data {len(str(number)) + 1}", f"{number}\n"]
    git(place, "fast-import", "--quiet", text="\n".join(lines))
    git(place, "reset", "-q", "--hard")
    return git(place, "rev-list", "--reverse", "HEAD").split()


def good(commit: str) -> Trial:
    """Return the trial of a commit with PUD entries."""
    level = CaseResult(LEVEL, Status.PASS, "PUD", "PUD")
    return Trial(commit, "", 1.0, 3, (CaseResult(BUILD, Status.PASS), level), ((LEVEL, "PUD"),))


def bad(commit: str) -> Trial:
    """Return the trial of a commit with PTEs."""
    level = CaseResult(LEVEL, Status.FAIL, "PUD", "PTE", "level PTE, expected PUD")
    return Trial(commit, "", 1.0, 3, (CaseResult(BUILD, Status.PASS), level), ((LEVEL, "PTE"),))


def unbuilt(commit: str) -> Trial:
    """Return the trial of a commit that does not compile."""
    return Trial(
        commit, "", 1.0, 1, (CaseResult(BUILD, Status.FAIL, message="kernel 'base' does not build: a.c:7: error"),)
    )


def crashed(commit: str, why: str = "a panic") -> Trial:
    """Return the trial of a commit that does not boot."""
    message = f"the guest kernel panicked: {why}"
    cases = (CaseResult(BOOT, Status.CRASH, message=message), CaseResult(LEVEL, Status.CRASH, "PUD", "", message))
    return Trial(commit, "", 1.0, 3, (CaseResult(BUILD, Status.PASS), *cases))


def failed(commit: str) -> Trial:
    """Return the trial of a commit for which the infrastructure failed."""
    message = "the virtual machine ended before the workload did"
    return Trial(
        commit, "", 1.0, 0, (CaseResult(BUILD, Status.PASS), CaseResult(LEVEL, Status.ERROR, "PUD", "", message))
    )


def refused(commit: str) -> Trial:
    """Return the trial of a commit to which the recipe's patch does not apply."""
    return Trial(commit, "", 1.0, refused="kernel 'base': patch a.patch does not apply")


Tell = Callable[[str], Trial]


@dataclass
class Toy:
    """One bisection of a toy history.

    `table` has the answers by the commit's number, a list if they differ from trial to trial.
    """

    home: Path
    ids: list[str]
    table: dict[int, Tell | list[Tell]]
    culprit: int
    case: str = ""
    repeat: int = 2
    stop_at: int = 0
    measured: list[int] = field(default_factory=list)
    asked: list[tuple[str, ...]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def directory(self) -> Path:
        """The directory of the bisection."""
        return self.home / "results/bisect-toy"

    def question(self) -> Question:
        """Return the question from the first commit to the last."""
        first, last = self.ids[0], self.ids[-1]
        repository = str(self.home / "user")
        options = {"case": self.case, "repeat": self.repeat, "seed": 1}
        return Question("toy.yaml", "", "toy", "base", "", repository, "v1", "topic", first, last, **options)  # type: ignore[arg-type]

    def bisect(self) -> GitBisect:
        """Return git bisect for it."""
        history = open_history(LocalHost(), self.home / "cache", str(self.home / "user"), where="toy")
        return git_bisect(history, self.directory)

    def measure(self, commit: str, cases: tuple[str, ...], _results: Path) -> Trial:
        """Return the trial from the table.

        Ctrl-C is pressed at the measurement number `stop_at`.
        """
        number = self.ids.index(commit)
        if self.stop_at and len(self.measured) + 1 == self.stop_at:
            raise KeyboardInterrupt
        self.asked.append(cases)
        self.measured.append(number)
        answer = self.table.get(number, good if number < self.culprit else bad)
        if isinstance(answer, list):
            answer = answer[min(self.measured.count(number), len(answer)) - 1]
        return answer(commit)

    def run(self, state: State | None = None) -> State:
        """Bisect to the end."""
        self.directory.mkdir(parents=True, exist_ok=True)
        watcher = Watcher(lambda _state: None, self.steps.append, self.left.append)
        return Search(state or State(self.question()), self.bisect(), self.directory, self.measure, watcher).run()

    def found(self, state: State) -> int:
        """Return the number of the first bad commit."""
        assert state.outcome
        assert state.outcome.first_bad
        return self.ids.index(state.outcome.first_bad.id)


def toy(home: Path, culprit: int, table: dict[int, Tell | list[Tell]] | None = None, count: int = 18) -> Toy:
    """Return a bisection of `count` commits in a line.

    The one with the number `culprit` is the first bad one.
    """
    return Toy(home, make_history(home / "user", count), table or {}, culprit)
