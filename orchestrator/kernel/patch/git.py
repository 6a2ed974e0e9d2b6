# SPDX-License-Identifier: GPL-2.0-only
"""Commits as patches, from orch's own git store: a range, or a revert."""

from __future__ import annotations

from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.host.base import Host, check
from orchestrator.kernel.git import ensure, git, open_store, resolve, subject
from orchestrator.kernel.model import GitOrigin, Patch, SourceTree
from orchestrator.kernel.patch.diff import printable
from orchestrator.kernel.patch.mbox import slug
from orchestrator.kernel.patch.store import contents, make_patch
from orchestrator.scenario.resolve.files import is_address
from orchestrator.scenario.sources import GitRange, Revert

MOST_COMMITS = 2000
"""The largest number of commits in a range; a longer one should be a source."""

# With full blob ids, a three-way merge finds the blobs that a patch is based on.  A signature would have git's version.
_FORM = ("--full-index", "--no-signature", "--no-color", "--no-ext-diff", "--no-textconv", "--binary")


def of_range(host: Host, cache: Path, wanted: GitRange, tree: SourceTree, work: Path, where: str) -> tuple[Patch, ...]:
    """Return the commits of `wanted.range` as patches, oldest first; `work` is an empty directory.

    Raises UsageError, with `where`, if the source has no git history, a ref is missing, or the range is empty, too long
    or has a merge; PatchError for a commit that cannot be a patch.
    """
    old, dots, new = wanted.range.partition("..")
    if not dots or not old or not new or new.startswith(".") or ".." in new:
        raise UsageError(f"{where}: '{wanted.range}' is no range of commits; write it as OLDER..NEWER")
    store, ids = _commits(host, cache, wanted, tree, (old, new), where)
    limits = f"{ids[0]}..{ids[1]}"
    count = int(_output(host, store, "rev-list", "--count", limits))
    if count == 0:
        raise UsageError(f"{where}: no commits in '{wanted.range}'; is it the wrong way round?")
    if count > MOST_COMMITS:
        raise UsageError(f"{where}: {count} commits in '{wanted.range}'; make '{new}' the ref of a git source instead")
    merge = _output(host, store, "rev-list", "--merges", "--max-count=1", limits)
    if merge:
        raise UsageError(
            f"{where}: '{wanted.range}' has the merge {_named(host, store, merge)}, which is no patch; "
            f"make '{new}' the ref of a git source instead"
        )
    return _formatted(host, store, limits, work, f"{where}: '{wanted.range}'")


def _commits(
    host: Host, cache: Path, wanted: GitRange, tree: SourceTree, refs: tuple[str, str], where: str
) -> tuple[Path, list[str]]:
    """Return the store with the commits `refs`, and their ids."""
    if wanted.repository is not None:
        origin, address = wanted.repository, is_address(wanted.repository)
        store = open_store(host, cache, origin, address=address, where=where)
        return store, [resolve(host, store, origin, ref, address=address, where=where) for ref in refs]
    origin_of_source = _history(tree)
    if origin_of_source is None:
        raise UsageError(f"{where}: this kernel's source has no git history for '{wanted.range}'; say which with 'git'")
    return origin_of_source.store, [ensure(host, origin_of_source, ref, where=where) for ref in refs]


def _history(tree: SourceTree) -> GitOrigin | None:
    """Return where the source's git history is; None for a directory without one."""
    return tree.git if tree.git and (tree.git.commit or tree.git.base) else None


def _formatted(host: Host, store: Path, limits: str, work: Path, label: str) -> tuple[Patch, ...]:
    argv = ("format-patch", "-q", "-o", str(work), "--no-numbered", "--no-thread", "--no-stat", *_FORM, limits)
    check(git(host, store, *argv), "making patches of commits")
    files = sorted(work.iterdir(), key=lambda path: int(path.name.split("-")[0]))
    if not files:
        raise UsageError(f"{label}: its commits change nothing")
    return tuple(make_patch(file, contents(file), f"{label}: {file.name}") for file in files)


def of_revert(host: Host, wanted: Revert, tree: SourceTree, work: Path, where: str) -> tuple[Patch, ...]:
    """Return the revert of `wanted.commit` as a patch; `work` is an empty directory.

    Raises the same errors as `of_range`.
    """
    history = _history(tree)
    if history is None:
        raise UsageError(f"{where}: 'revert: {wanted.commit}' needs a git history, and the kernel's source has none")
    store = history.store
    commit = ensure(host, history, wanted.commit, where=where)
    line = _output(host, store, "rev-list", "--parents", "--max-count=1", commit).split()
    named = _named(host, store, commit)
    if len(line) > 2:
        raise UsageError(f"{where}: {named} is a merge, which has no reverse; revert the commits that it brought")
    if len(line) < 2:
        raise UsageError(f"{where}: {named} is the first commit of its history; it cannot be reverted")
    file = work / f"revert-{slug(subject(host, store, commit))}.patch"
    diff = work / "diff"
    done = git(host, store, "diff", f"--output={diff}", "--no-renames", *_FORM[0:1], *_FORM[2:], commit, line[1])
    check(done, "reading a commit")
    head = f'Subject: [PATCH] Revert "{subject(host, store, commit)}"\n\nThis reverts commit {commit}.\n---\n'
    return (make_patch(file, head.encode() + contents(diff), f"{where}: the reverse of {named}"),)


def _output(host: Host, store: Path, *args: str) -> str:
    return check(git(host, store, *args), f"git {args[0]}").output.strip()


def _named(host: Host, store: Path, commit: str) -> str:
    return f"{commit[:12]} ('{printable(subject(host, store, commit))}')"
