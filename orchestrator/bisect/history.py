# SPDX-License-Identifier: GPL-2.0-only
"""Run git bisect in a bare repository, without a checkout.

bisect/<id>/    one bare repository per bisection, which borrows the objects of the store of its origin

The input of git is written again each time, as a log for ``git bisect replay``.  So nothing is lost if the repository
is removed.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.bisect.model import SHORT, Answer, Commit
from orchestrator.errors import InfrastructureError, UsageError
from orchestrator.host.base import Completed, Host, check
from orchestrator.host.full import failure
from orchestrator.kernel.git import borrow, form_of, git, open_bare, open_store, resolve
from orchestrator.scenario.resolve.files import is_address

_FIRST_BAD = re.compile(r"^([0-9a-f]{40,64}) is the first bad commit$", re.MULTILINE)
_ONLY_SKIPPED = re.compile(r"^The first bad commit could be any of:\n((?:[0-9a-f]{40,64}\n)+)", re.MULTILINE)
_STEPS = re.compile(r"^Bisecting: (\d+ revisions? left to test after this \(roughly \d+ steps?\))$", re.MULTILINE)
_FORMAT = "%H%x00%s%x00%an <%ae>%x00%aI%x00%P%x00%B"


@dataclass(frozen=True)
class Next:
    """The answer of git: the next commit to test, or the result.

    `left` is how many commits are left.
    """

    test: str = ""
    left: str = ""
    first_bad: str = ""
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True)
class History:
    """The commits of the repository `origin`, a path or an address.

    They are read from orch's own `store` of it.
    """

    host: Host
    cache: Path
    origin: str
    store: Path

    def resolve(self, ref: str, where: str) -> str:
        """Return the id of the commit that `ref` names now.  Raises UsageError, with `where`, if there is none."""
        address = is_address(self.origin)
        return resolve(self.host, self.store, self.origin, ref, address=address, where=where)

    def commit(self, commit: str) -> Commit:
        """Return the data of a commit."""
        shown = check(git(self.host, self.store, "show", "-s", f"--format={_FORMAT}", commit), "reading a commit")
        commit_id, subject, author, date, parents, message = shown.output.split("\0")
        return Commit(commit_id, subject, author, date, message.strip("\n"), tuple(parents.split()))

    def count(self, good: str, bad: str) -> int:
        """Return the number of commits after `good` up to `bad`."""
        counted = git(self.host, self.store, "rev-list", "--count", f"{good}..{bad}")
        return int(check(counted, "counting commits").output)

    def require_order(self, good: str, bad: str, good_ref: str, bad_ref: str) -> None:
        """Raise UsageError unless `good` is an ancestor of `bad`.

        The refs are the names in the message.
        """
        if good == bad:
            raise UsageError(f"--good {good_ref} and --bad {bad_ref} are one commit; there is nothing between them")
        if self._is_ancestor(good, bad):
            return
        if self._is_ancestor(bad, good):
            problem = f"--good {good_ref} comes after --bad {bad_ref} in {self.origin}"
            raise UsageError(f"{problem}; exchange them: good is the older one")
        problem = f"--good {good_ref} is no ancestor of --bad {bad_ref} in {self.origin}"
        base = git(self.host, self.store, "merge-base", good, bad)
        if not base.ok:
            raise UsageError(f"{problem}; they have no common ancestor")
        raise UsageError(f"{problem}; their common ancestor is {base.output[:SHORT]}, which can be the good one")

    def _is_ancestor(self, ancestor: str, commit: str) -> bool:
        done = git(self.host, self.store, "merge-base", "--is-ancestor", ancestor, commit)
        if done.status not in (0, 1):
            check(done, "looking for an ancestor")
        return done.ok


@dataclass(frozen=True)
class GitBisect:
    """git bisect on a history, in the bare repository `place`."""

    history: History
    place: Path

    def ask(self, good: str, bad: str, answers: Iterable[tuple[str, Answer]]) -> Next:
        """Return the answer of git bisect after `answers`, in their order.

        Raises InfrastructureError if git refuses to go on.
        """
        self._renew(bad)
        log = self.place / "orch.replay"
        lines = (f"git bisect {answer} {commit}\n" for commit, answer in answers)
        log.write_text(f"git bisect start '{bad}' '{good}'\n" + "".join(lines))
        return self._next(self._git("bisect", "replay", str(log)))

    def log(self) -> str:
        """Return the input for ``git bisect replay``, as git writes it; only after `ask`.

        ``git bisect log`` copies this file (builtin/bisect.c, bisect_log).
        """
        file = self.place / "BISECT_LOG"
        try:
            return file.read_text()
        except OSError as error:
            raise failure(f"{file}: cannot be read: {error.strerror}", error, InfrastructureError) from error

    def forget(self) -> None:
        """Remove the repository."""
        shutil.rmtree(self.place, ignore_errors=True)

    def _git(self, *args: str) -> Completed:
        return git(self.history.host, self.place, *args)

    def _next(self, done: Completed) -> Next:
        if found := _FIRST_BAD.search(done.output):
            return Next(first_bad=found[1])
        if listed := _ONLY_SKIPPED.search(done.output):
            return Next(candidates=tuple(listed[1].split()))
        check(done, "git bisect")
        head = check(self._git("rev-parse", "--verify", "BISECT_HEAD"), "git bisect")
        left = _STEPS.findall(done.output)
        return Next(test=head.output.strip(), left=left[-1] if left else "")

    def _renew(self, head: str) -> None:
        """Make an empty repository, without what an interrupted git left there."""
        self.forget()
        try:
            self.place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InfrastructureError(f"{self.place}: cannot be created: {error.strerror}") from error
        # The format is the store's: to ask the origin at each step would need a network for an address.
        open_bare(self.history.host, self.place, self.history.origin, form_of(self.history.store))
        borrow(self.place, self.history.store / "objects")
        check(self._git("update-ref", "--no-deref", "HEAD", head), "preparing git bisect")


def open_history(host: Host, cache: Path, origin: str, *, where: str) -> History:
    """Return the history of the repository `origin`.  Raises UsageError, with `where`, if there is none."""
    return History(host, cache, origin, open_store(host, cache, origin, address=is_address(origin), where=where))


def git_bisect(history: History, directory: Path) -> GitBisect:
    """Return git bisect for the bisection in `directory`."""
    name = hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:16]
    return GitBisect(history, history.cache / "bisect" / name)
