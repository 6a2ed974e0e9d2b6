# SPDX-License-Identifier: GPL-2.0-only
"""A directory with a kernel source as it is now → a tree object in orch's own repository.

Git does the work: its index, kept between runs, knows which files changed since the last time.  Of a git checkout all
that is tracked belongs to it, and all else that is not ignored.  Of any other directory every file does: its .gitignore
may be one for packagers, which ignores everything (Debian's is).  Nothing is written to the directory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.host.base import Completed, Host, check
from orchestrator.host.lock import locked
from orchestrator.kernel.git import ask, borrow, git, git_directory, git_run, open_bare, store_of

_NOT_OURS = ":(exclude,top)build"
"""Where orch itself builds; no kernel source has such a directory."""


@dataclass(frozen=True)
class Snapshot:
    """The state of a directory: `tree` is its tree object in `store`, `commit` the checked out commit, if there is
    one, and `changed` whether the directory differs from that."""

    store: Path
    tree: str
    commit: str | None
    changed: bool


def snapshot(host: Host, cache: Path, directory: Path, where: str) -> Snapshot:
    """What is in `directory` now.

    Raises UsageError, with `where`, where that is no kernel source, or one that somebody has built in.
    """
    if not (directory / "Kbuild").exists() or not (directory / "Makefile").exists():
        raise UsageError(f"{where}: {directory} holds no Linux source tree (no Makefile and Kbuild at its top)")
    store = store_of(cache, str(directory))
    with locked(host, store.with_suffix(".lock")):
        open_bare(host, store, str(directory))
        checkout = _git_directory_of(host, directory)
        if checkout is None and (directory / ".config").exists():
            raise UsageError(f"{where}: {directory} was built in; run 'make mrproper' there, or make it a git checkout")
        commit = _head(host, directory) if checkout else None
        if checkout:
            borrow(store, git_directory(host, directory, where) / "objects")
        index = _Index(host, store, directory, checkout)
        index.begin_at(commit)
        tree = index.take(where)
        of_commit = git(host, store, "rev-parse", f"{commit}^{{tree}}").output.strip() if commit else ""
    return Snapshot(store, tree, commit, tree != of_commit)


def _git_directory_of(host: Host, directory: Path) -> Path | None:
    """The git directory of the checkout at `directory`; None where that is no checkout, or a part of one."""
    done = ask(host, directory, "rev-parse", "--path-format=absolute", "--show-toplevel", "--git-dir")
    lines = done.output.splitlines()
    return Path(lines[1]) if done.ok and len(lines) == 2 and Path(lines[0]) == directory.resolve() else None


def _head(host: Host, directory: Path) -> str | None:
    done = ask(host, directory, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    return done.output.strip() if done.ok else None


_UNREAD = re.compile(r'(?:open\(".*"\)|unable to read|cannot read|unable to index file).*')

# The threshold lets all files of the first time go into one pack instead of a hundred thousand objects.
_EVERY_FILE = """
git ls-files -z -o -m -d -x /build \
    | git -c core.bigFileThreshold=1 -c core.compression=1 update-index --add --remove -z --stdin
"""


class _Index:
    """Orch's own index of a directory; it survives runs, so that only what changed is read."""

    def __init__(self, host: Host, store: Path, directory: Path, checkout: Path | None) -> None:
        self._host, self._store, self._checkout = host, store, checkout is not None
        self._file = store / "orch.index"
        excludes = checkout / "info/exclude" if checkout else None
        self._options = ("-c", f"core.excludesFile={excludes}") if excludes and excludes.exists() else ()
        self._environment = {"GIT_WORK_TREE": str(directory.resolve()), "GIT_INDEX_FILE": str(self._file)}

    def begin_at(self, commit: str | None) -> None:
        """Know what is tracked: files that .gitignore names can be tracked all the same."""
        if commit:
            check(self._git("read-tree", "--reset", commit), "reading a commit")

    def take(self, where: str) -> str:
        """Add all that is there; the id of the tree object."""
        added = self._git("add", "-A", "--", ":/", _NOT_OURS) if self._checkout else self._add_every_file()
        unread = _UNREAD.search(added.output)
        if not added.ok and unread:
            raise UsageError(f"{where}: {unread[0]}")
        check(added, "taking a snapshot of the source tree")
        return check(self._git("write-tree"), "taking a snapshot of the source tree").output.split()[-1]

    def _add_every_file(self) -> Completed:
        argv = ("bash", "-o", "pipefail", "-c", _EVERY_FILE)
        return git_run(self._host, self._store, argv, env=self._environment)

    def _git(self, *args: str) -> Completed:
        return git(self._host, self._store, *self._options, *args, env=self._environment)
