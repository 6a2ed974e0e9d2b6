# SPDX-License-Identifier: GPL-2.0-only
"""Three-way merge: a patch for another version, applied with the source's history.

Git finds the files that a patch is based on by the blob ids in its index lines, if the store has these blobs.  The
merge uses a separate index and object directory, so that the store does not change.  Nor does the user's repository,
except for the times of objects: git updates the time of an object that it would have to write again.
"""

from __future__ import annotations

from pathlib import Path

from orchestrator.host.base import Completed, Host
from orchestrator.host.full import failure
from orchestrator.kernel.git import borrowed_by, git, quoted, same_format
from orchestrator.kernel.model import GitOrigin, Patch
from orchestrator.kernel.patch.store import contents, make_patch


class Conflict(Exception):  # noqa: N818 -- it is a result
    """`patch` neither applies nor merges: `direct` and `merged` are the results from git."""

    def __init__(self, patch: Patch, direct: Completed, merged: Completed) -> None:
        super().__init__(patch.path.name)
        self.patch, self.direct, self.merged = patch, direct, merged


class AlreadyThere(Exception):  # noqa: N818 -- it is a result
    """`patch` changes nothing: the source already has it."""

    def __init__(self, patch: Patch) -> None:
        super().__init__(patch.path.name)
        self.patch = patch


def merge(host: Host, origin: GitOrigin, series: tuple[Patch, ...], work: Path) -> tuple[Patch, ...]:
    """Return `series` with patches that apply: the given ones, or the results of three-way merges.

    `work` is an empty directory on the store's file system.  Raises Conflict, AlreadyThere.
    """
    index = _Index(host, origin, work)
    return tuple(index.add(patch) for patch in series)


def _whole(store: Path) -> bool:
    """Return whether `store` is a repository, and the one it borrows from still exists."""
    borrowed = borrowed_by(store)
    return (store / "objects").is_dir() and (borrowed is None or borrowed.is_dir())


class _Index:
    """The state of the source after the patches that were added so far."""

    def __init__(self, host: Host, origin: GitOrigin, work: Path) -> None:
        self._host, self._store, self._work = host, origin.store, work
        # A range may be from another repository than the source, so all stores are readable.
        others = (
            store for store in origin.store.parent.glob("*") if _whole(store) and same_format(store, origin.store)
        )
        self._reachable = [origin.store, *others]
        self._objects = work / "objects"
        self._objects.mkdir()
        self._must("read-tree", origin.tree)
        self._tree = origin.tree

    def add(self, patch: Patch) -> Patch:
        """Apply `patch`, and return it, or the merged patch if a merge was needed."""
        before = self._tree
        direct = self._apply(patch)
        if direct.ok:
            self._tree = self._written()
            return patch
        merged = self._apply(patch, "--3way")
        if not merged.ok:
            raise Conflict(patch, direct, merged)
        self._tree = self._written()
        if self._tree == before:
            raise AlreadyThere(patch)
        return self._rebased(patch, before)

    def _rebased(self, patch: Patch, before: str) -> Patch:
        file = self._work / "rebased"
        form = ("-p", "--full-index", "--no-renames", "--no-color", "--no-ext-diff", "--no-textconv", "--binary")
        self._must("diff-tree", *form, f"--output={file}", before, self._tree)
        message = patch.text[: len(patch.text) - len(patch.diff)].encode(errors="surrogateescape")
        return make_patch(patch.path, message + contents(file), f"{patch.path.name}, merged three-way")

    def _apply(self, patch: Patch, *how: str) -> Completed:
        return self._git("apply", "-p1", "--cached", "--whitespace=nowarn", *how, str(patch.path.resolve()))

    def _written(self) -> str:
        return self._must("write-tree").output.split()[-1]

    def _must(self, *args: str) -> Completed:
        done = self._git(*args)
        if not done.ok:
            raise failure(f"git {args[0]} failed in {self._store}: {done.output.strip()[-300:]}", done.output)
        return done

    def _git(self, *args: str) -> Completed:
        own = {
            "GIT_INDEX_FILE": str(self._work / "index"),
            "GIT_OBJECT_DIRECTORY": str(self._objects),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": ":".join(quoted(store / "objects") for store in self._reachable),
        }
        return git(self._host, self._store, *args, env=own)
