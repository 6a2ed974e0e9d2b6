# SPDX-License-Identifier: GPL-2.0-only
"""Three-way merge: a patch made for another version, put onto this one with the help of the source's history.

Git knows the files that a patch was made from by the names in its index lines, where the store has them.  All of it
happens in an index and an object directory of its own, so that the store stays as it is, and the user's repository (but
for the times of objects there, which git renews where it would have written the same).
"""

from __future__ import annotations

from pathlib import Path

from orchestrator.errors import CommandError
from orchestrator.host.base import Completed, Host
from orchestrator.kernel.git import git, same_format
from orchestrator.kernel.model import GitOrigin, Patch
from orchestrator.kernel.patch.store import contents, make_patch


class Conflict(Exception):  # noqa: N818 -- it is an answer
    """`patch` neither applies nor merges: `direct` is what git said to the first, `merged` to the second."""

    def __init__(self, patch: Patch, direct: Completed, merged: Completed) -> None:
        super().__init__(patch.path.name)
        self.patch, self.direct, self.merged = patch, direct, merged


class AlreadyThere(Exception):  # noqa: N818 -- it is an answer
    """`patch` changes nothing: the source has it."""

    def __init__(self, patch: Patch) -> None:
        super().__init__(patch.path.name)
        self.patch = patch


def merge(host: Host, origin: GitOrigin, series: tuple[Patch, ...], work: Path) -> tuple[Patch, ...]:
    """`series`, each patch as it is if it applies, else as what a three-way merge makes of it: a patch that applies.

    `work` is an empty directory on the store's file system.  Raises Conflict, AlreadyThere.
    """
    index = _Index(host, origin, work)
    return tuple(index.add(patch) for patch in series)


def _whole(store: Path) -> bool:
    """Whether `store` is a repository, and what it borrows from is still there."""
    try:
        borrowed = (store / "objects/info/alternates").read_text().splitlines()
    except OSError:
        borrowed = []
    return (store / "objects").is_dir() and all(Path(place).is_dir() for place in borrowed)


class _Index:
    """The state of the source after the patches so far."""

    def __init__(self, host: Host, origin: GitOrigin, work: Path) -> None:
        self._host, self._store, self._work = host, origin.store, work
        # A range may be from another repository than the source.
        others = (
            store for store in origin.store.parent.glob("*") if _whole(store) and same_format(store, origin.store)
        )
        self._reachable = [origin.store, *others]
        self._objects = work / "objects"
        self._objects.mkdir()
        self._must("read-tree", origin.tree)
        self._tree = origin.tree

    def add(self, patch: Patch) -> Patch:
        """Apply `patch`; the one to apply instead of it where a merge was needed."""
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
            raise CommandError(f"git {args[0]} failed in {self._store}: {done.output.strip()[-300:]}")
        return done

    def _git(self, *args: str) -> Completed:
        own = {
            "GIT_INDEX_FILE": str(self._work / "index"),
            "GIT_OBJECT_DIRECTORY": str(self._objects),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": ":".join(f'"{store / "objects"}"' for store in self._reachable),
        }
        return git(self._host, self._store, *args, env=own)
