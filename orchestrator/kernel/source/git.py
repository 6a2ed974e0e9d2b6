# SPDX-License-Identifier: GPL-2.0-only
"""Sources in git: a commit of a repository, or the current state of a directory.

sources/git-<id>/    the files of the tree object <id>, checked out once; files that two trees share are hard links
"""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.events import Emit, phase
from orchestrator.host.base import Command, Completed, Host, check
from orchestrator.host.disk import removed_on_failure
from orchestrator.host.lock import locked
from orchestrator.kernel.cache.store import write_whole
from orchestrator.kernel.git import ask, git_run, open_store, resolve, store_of, tree_id
from orchestrator.kernel.model import GitOrigin, SourceTree
from orchestrator.kernel.source.sharing import share_equal_files
from orchestrator.kernel.source.snapshot import Snapshot, repositories_inside, snapshot, taken_before
from orchestrator.scenario.resolve.files import is_address
from orchestrator.scenario.sources import GitSource, TreeSource

_LAID_OUT = "orch.sources"
"""The file in a store that lists the trees checked out from it, newest last."""

_SHORT = 12


def fetch_git(host: Host, cache: Path, source: GitSource, *, where: str, emit: Emit) -> SourceTree:
    """Return the tree of the commit that `source` names now.

    From an address, only new objects are fetched.  Raises UsageError, with `where`, for a repository or ref that does
    not exist, and for a tree that is no Linux source.
    """
    address = is_address(source.repository)
    name = name_of(source.repository)
    with phase(emit, name, "git", source.ref):
        store = open_store(host, cache, source.repository, address=address, where=where)
        commit = resolve(host, store, source.repository, source.ref, address=address, where=where)
        tree = tree_id(host, store, commit)
        path = lay_out(host, cache, store, tree, where)
    return _of_commit(source, GitOrigin(store, source.repository, tree, commit), path)


def _of_commit(source: GitSource, origin: GitOrigin, path: Path) -> SourceTree:
    commit = origin.commit or ""
    shown = "" if commit.startswith(source.ref) else f"@{source.ref}"
    version = f"{name_of(source.repository)}{shown} ({commit[:_SHORT]})"
    return SourceTree(f"git-{origin.tree}", version, path, origin, str(origin.store), source)


def fetch_tree(host: Host, cache: Path, source: TreeSource, *, where: str, emit: Emit) -> SourceTree:
    """Return the tree of the directory of `source` in its current state.

    Raises UsageError, with `where`, if it is no kernel source.
    """
    name = source.path.name or "tree"
    with phase(emit, name, "snapshot", str(source.path)):
        taken = snapshot(host, cache, source.path, where)
        path = lay_out(host, cache, taken.store, taken.tree, where)
    return _of_directory(source, taken, path)


def _of_directory(source: TreeSource, taken: Snapshot, path: Path) -> SourceTree:
    commit = f"{taken.commit[:_SHORT]}{' with changes' if taken.changed else ''}, " if taken.commit else ""
    version = f"{source.path.name or 'tree'} ({commit}tree {taken.tree[:_SHORT]})"
    committed = None if taken.changed else taken.commit
    origin = GitOrigin(taken.store, str(source.path), taken.tree, committed, taken.commit)
    return SourceTree(f"git-{taken.tree}", version, path, origin, str(taken.store), source)


def peek_git(host: Host, cache: Path, source: GitSource) -> SourceTree | None:
    """Return the tree of `source` if it is checked out already.

    Returns None otherwise, and for an address, because that would have to be contacted.
    """
    store = store_of(cache, source.repository)
    if is_address(source.repository) or not store.exists():
        return None
    refs = (f"{source.ref}^{{commit}}", f"{source.ref}^{{tree}}")
    found = [ask(host, Path(source.repository), "rev-parse", "--verify", "--quiet", ref) for ref in refs]
    commit, tree = (answer.output.strip() for answer in found)
    path = cache / "sources" / f"git-{tree}"
    if not all(answer.ok for answer in found) or not path.exists():
        return None
    return _of_commit(source, GitOrigin(store, source.repository, tree, commit), path)


def peek_tree(host: Host, cache: Path, source: TreeSource) -> SourceTree | None:
    """Return the tree of the directory of `source`, if this state is checked out already.

    Returns None otherwise, and if there was no snapshot of it yet, because the first one takes long.
    """
    if not taken_before(cache, source.path):
        return None
    try:
        taken = snapshot(host, cache, source.path, "")
    except UsageError:
        return None
    path = cache / "sources" / f"git-{taken.tree}"
    return _of_directory(source, taken, path) if path.exists() else None


def name_of(repository: str) -> str:
    """Return the short name of a repository: the last part of its path or address."""
    return repository.rstrip("/").removesuffix("/.git").removesuffix(".git").replace(":", "/").rsplit("/", 1)[-1]


def lay_out(host: Host, cache: Path, store: Path, tree: str, where: str) -> Path:
    """Check out the tree object `tree`, and return its directory.

    It starts from the tree that was checked out last from `store`, if there is one.
    Raises UsageError, with `where`, for a tree that is no Linux source, or is incomplete.
    """
    _refuse_repositories_inside(host, store, tree, where)
    place = cache / "sources" / f"git-{tree}"
    with locked(host, place.with_suffix(".lock")):
        if not place.exists():
            partial = place.with_suffix(".partial")
            check(host.run(Command(("rm", "-rf", str(partial)))), "removing an unfinished source")
            with removed_on_failure(host, partial):
                shared = _checkout(host, store, tree, partial, _nearest(cache, store), where)
                if not (partial / "Kbuild").exists():
                    raise UsageError(f"{where}: there is no Linux source tree (no Kbuild at the top)")
                if not shared:
                    share_equal_files(cache, partial)
            partial.rename(place)
    _remember(store, tree)
    return place


def _refuse_repositories_inside(host: Host, store: Path, tree: str, where: str) -> None:
    """Raise UsageError if the source `tree` contains a repository: a clone or a submodule.

    In git that is a link to a commit (mode 160000, "gitlink"), and git would leave its files out without a message.
    """
    listed = check(git_run(host, store, ("git", "ls-tree", "-r", "-z", tree)), "looking for repositories in a source")
    links = [line.partition("\t")[2] for line in listed.output.split("\0") if line.startswith("160000 ")]
    if links:
        raise UsageError(f"{where}: {repositories_inside(links)}")


def _nearest(cache: Path, store: Path) -> str | None:
    """Return the last tree object checked out from `store` that is still on disk."""
    listed = store / _LAID_OUT
    known = listed.read_text().split() if listed.exists() else []
    return next((tree for tree in reversed(known) if (cache / "sources" / f"git-{tree}").exists()), None)


def _remember(store: Path, tree: str) -> None:
    listed = store / _LAID_OUT
    known = listed.read_text().split() if listed.exists() else []
    write_whole(listed, "\n".join([*(old for old in known if old != tree), tree, ""]))


# Files that differ are removed and written anew, so that no hard link is written through.  Equal files keep their
# times, as Kbuild needs it.
_FROM_NEAREST = r"""set -eu
cp -al "$1" "$2"
git diff-tree -r -z --name-only --no-renames "$3" "$4" | (cd "$2" && xargs -0r rm -rf --)
git read-tree "$4"
git diff-tree -r -z --name-only --no-renames --diff-filter=d "$3" "$4" \
    | git checkout-index -q --prefix="$2/" -z --stdin
"""
_FROM_NOTHING = r"""set -eu
mkdir -p "$2"
git read-tree "$4"
git checkout-index -q -a --prefix="$2/"
"""


_LACKING = re.compile(r"(?:unable to read|[Nn]ot a valid object|bad object|missing blob|invalid object).*")
"""git's messages about missing objects."""


def _checkout(host: Host, store: Path, tree: str, partial: Path, nearest: str | None, where: str) -> bool:
    """Check out `tree` at `partial`, and return whether it shares files with the tree `nearest`.

    The parent directory of `partial` is made.  Raises UsageError, with `where`, if the repository lacks objects of it.
    """
    if nearest:
        if _laid_out(host, store, tree, partial, nearest).ok:
            return True
        # After a rewrite of the branch and a prune, the objects of `nearest` are missing.
        check(host.run(Command(("rm", "-rf", str(partial)))), "removing an unfinished source")
    done = _laid_out(host, store, tree, partial, None)
    lacking = _LACKING.search(done.output)
    if not done.ok and lacking:
        remedy = "if this is a partial clone, name its address, or take the checkout as a 'tree'"
        raise UsageError(f"{where}: the git repository lacks a part of this source: {lacking[0]}; {remedy}")
    check(done, "laying out a source tree")
    return False


def _laid_out(host: Host, store: Path, tree: str, partial: Path, nearest: str | None) -> Completed:
    """Try to check out `tree`, with an index of its own."""
    partial.parent.mkdir(parents=True, exist_ok=True)
    origin = partial.with_name(f"git-{nearest}") if nearest else Path()
    argv = ("bash", "-o", "pipefail", "-c", _FROM_NEAREST if nearest else _FROM_NOTHING, "lay-out")
    index = partial.with_suffix(".index")
    index.unlink(missing_ok=True)
    done = git_run(
        host,
        store,
        (*argv, str(origin), str(partial), nearest or "", tree),
        # checkout-index requires a work tree, although it writes to another directory (--prefix).
        env={"GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(partial.parent)},
    )
    index.unlink(missing_ok=True)
    return done
