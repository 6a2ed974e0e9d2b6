# SPDX-License-Identifier: GPL-2.0-only
"""Snapshots of kernel source directories, as tree objects in a repository of orch.

Git does the work.  Its index, kept between runs, shows which files changed since the last snapshot.  Of a git checkout,
the snapshot has all files that are tracked, and all others that are not ignored.  Of any other directory it has every
file: a .gitignore there can be one for packagers, which ignores everything (Debian's does).  Nothing is written to the
directory.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.host.base import Completed, Host, check
from orchestrator.host.lock import locked
from orchestrator.kernel.git import (
    ALTERNATES,
    DESCRIBE,
    Repository,
    ask,
    borrow,
    borrowed_by,
    described,
    git,
    open_bare,
    refusal,
    require_utf8,
    store_of,
)

_EXCLUDE_BUILD = ":(exclude,top)build"
"""The directory in which orch itself builds; no kernel source has such a directory."""


@dataclass(frozen=True)
class Snapshot:
    """The state of a directory.

    `tree` is its tree object in `store`, `commit` the checked out commit, if there is one, and `changed` whether the
    directory differs from that commit.
    """

    store: Path
    tree: str
    commit: str | None
    changed: bool


_INDEX = "orch.index"


def repositories_inside(paths: Sequence[str]) -> str:
    """Return a message about repositories in a source, whose files git would leave out."""
    some = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    what = f"{some} in this source is a git repository of its own, and git leaves its files out"
    return f"{what}; remove it, or its .git to have its files taken"


def taken_before(cache: Path, directory: Path) -> bool:
    """Return whether there was a snapshot of `directory`: then the next one reads only changes."""
    return (store_of(cache, str(directory)) / _INDEX).exists()


def snapshot(host: Host, cache: Path, directory: Path, where: str) -> Snapshot:
    """Take a snapshot of `directory`.

    Raises UsageError, with `where`, if it is no kernel source, or if it is not a git checkout and a kernel was built
    in it.
    """
    if not (directory / "Kbuild").exists() or not (directory / "Makefile").exists():
        raise UsageError(f"{where}: {directory} holds no Linux source tree (no Makefile and Kbuild at its top)")
    require_utf8(directory, where)
    store = store_of(cache, str(directory))
    with locked(host, store.with_suffix(".lock")):
        checkout = _checkout(host, directory, where)
        open_bare(host, store, str(directory), checkout.form if checkout else "sha1")
        if not checkout and (directory / ".config").exists():
            raise UsageError(f"{where}: {directory} was built in; run 'make mrproper' there, or make it a git checkout")
        commit = _head(host, directory) if checkout else None
        if checkout:
            borrow(store, checkout.directory / "objects")
        else:
            _forget_lost(store)
        index = _Index(host, store, directory, checkout.directory if checkout else None)
        index.begin_at(commit)
        tree = index.take(commit, where)
        of_commit = git(host, store, "rev-parse", f"{commit}^{{tree}}").output.strip() if commit else ""
    return Snapshot(store, tree, commit, tree != of_commit)


def _checkout(host: Host, directory: Path, where: str) -> Repository | None:
    """Return the repository of which `directory` is a checkout; None if it is not the top of one.

    Raises UsageError, with `where`, for a checkout that git refuses: without git it would be another source.
    """
    done = ask(host, directory, *DESCRIBE[:1], "--is-inside-work-tree", "--show-cdup", *DESCRIBE[1:])
    inside, up, rest = [*done.output.split("\n", 2), "", ""][:3]
    if (directory / ".git").exists() and not (done.ok and inside == "true"):
        raise UsageError(f"{where}: {refusal(directory, done)}")
    return described(rest) if done.ok and inside == "true" and not up else None


def _forget_lost(store: Path) -> None:
    """Reset `store` if it borrowed from a repository that was removed.

    Its index then names objects that no longer exist.
    """
    borrowed = borrowed_by(store)
    if borrowed and not borrowed.is_dir():
        for stale in (store / ALTERNATES, store / "shallow", store / _INDEX):
            stale.unlink(missing_ok=True)


def _head(host: Host, directory: Path) -> str | None:
    done = ask(host, directory, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    return done.output.strip() if done.ok else None


_UNREAD = re.compile(
    r"""(?:open\(".*"\)|unable to read|cannot read|unable to index file|'.*' does not have a commit checked out).*"""
)

# With this threshold all files of the first snapshot go into one pack, instead of a hundred thousand objects.
_ONE_PACK = ("-c", "core.bigFileThreshold=1", "-c", "core.compression=1")


class _Index:
    """Orch's own index of a directory, kept between runs, so that only changes are read.

    `shared` is the git directory of a checkout (of the main worktree if there are several), else None.
    """

    def __init__(self, host: Host, store: Path, directory: Path, shared: Path | None) -> None:
        self._host, self._store, self._directory, self._checkout = host, store, directory, shared is not None
        self._file = store / _INDEX
        # The caller holds orch's lock of this store, so a lock of git is left from a git that was killed.
        (store / f"{_INDEX}.lock").unlink(missing_ok=True)
        excludes = shared / "info/exclude" if shared else None
        self._options = ("-c", f"core.excludesFile={excludes}") if excludes and excludes.exists() else ()
        self._environment = {"GIT_WORK_TREE": str(directory.resolve()), "GIT_INDEX_FILE": str(self._file)}

    def begin_at(self, commit: str | None) -> None:
        """Read the files of `commit` into the index.

        A tracked file can match .gitignore, and would not be added otherwise.
        """
        if commit:
            check(self._git("read-tree", "--reset", commit), "reading a commit")

    def take(self, commit: str | None, where: str) -> str:
        """Add all files, with `commit` checked out, and return the id of the tree object."""
        added = self._add_what_git_knows(commit) if self._checkout else self._add_every_file(where)
        unread = _UNREAD.search(added.output)
        if not added.ok and unread:
            remedy = "; commit there, or move it away" if "does not have a commit" in unread[0] else ""
            raise UsageError(f"{where}: {unread[0]}{remedy}")
        check(added, "taking a snapshot of the source tree")
        return check(self._git("write-tree"), "taking a snapshot of the source tree").output.split()[-1]

    def _add_what_git_knows(self, commit: str | None) -> Completed:
        added = self._git("add", "-A", "--", ":/", _EXCLUDE_BUILD)
        # Ignored files that were added with --force are only in the user's index yet.
        argv = ("diff-index", "--cached", "--no-renames", "--diff-filter=A", "--name-only", "-z", commit or "")
        new = ask(self._host, self._directory, *(argv if commit else ("ls-files", "-z")))
        if not added.ok or not check(new, "reading what is tracked").output:
            return added
        return self._git("update-index", "--add", "--remove", "-z", "--stdin", stdin=new.output)

    def _add_every_file(self, where: str) -> Completed:
        listed = self._git("ls-files", "-z", "-o", "-m", "-d", "-x", "/build")
        # Git lists a repository inside as a directory, and adds none of its files.
        inside = [name.rstrip("/") for name in listed.output.split("\0") if name.endswith("/")]
        if inside:
            raise UsageError(f"{where}: {repositories_inside(inside)}")
        check(listed, "listing the files of a source tree")
        return self._git(*_ONE_PACK, "update-index", "--add", "--remove", "-z", "--stdin", stdin=listed.output)

    def _git(self, *args: str, stdin: str = "") -> Completed:
        return git(self._host, self._store, *self._options, *args, env=self._environment, stdin=stdin)
