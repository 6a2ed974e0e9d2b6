# SPDX-License-Identifier: GPL-2.0-only
"""The choice of the built tree that a build starts from, to compile little."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.kernel.model import Recipe
from orchestrator.kernel.version import series


@dataclass(frozen=True)
class Tree:
    """A built tree to clone.

    `built_at` is the path at which it was built, `patches` are the digests of the patches applied to it.
    """

    name: str
    path: Path
    built_at: str
    source: str
    toolchain: dict[str, str]
    patches: tuple[str, ...]
    request: str
    origin: str = ""
    published: bool = False
    """Whether its source is published and without patches, so that its objects can be trusted.

    No other code has run in its build.
    """

    def begins(self, recipe: Recipe) -> bool:
        """Return whether the source and the first patches of `recipe` are those of this tree."""
        digests = tuple(patch.digest for patch in recipe.patches)
        return self.source == recipe.source.id and digests[: len(self.patches)] == self.patches


def best_of(trees: Iterable[Tree], recipe: Recipe) -> Tree | None:
    """Return the tree from which `recipe` needs the least work, or None.

    It is None if no tree is similar enough.  Only trees of the same toolchain count.

    Best is a tree with the source and the first patches of `recipe`.  Of several, the one with the nearest
    configuration request is chosen, because another configuration may change every object, and then the one with the
    most patches.  Without such a tree it is one of the same source, of the same origin, or of the same Linux version,
    in this order: make then compiles what differs.

    A patch can change a Makefile, which can then write any object.  So a tree with patches is used only for kernels
    that begin with them.  For the same reason a tree is used for another origin only if its source is a published one.
    """
    alike = [tree for tree in trees if tree.toolchain == asdict(recipe.toolchain)]
    best = [tree for tree in alike if tree.begins(recipe)]
    if best:
        return max(best, key=lambda tree: (-_distance(tree.request, recipe.request), len(tree.patches)))
    near = [tree for tree in alike if not tree.patches and _nearness(tree, recipe)]
    return max(near, key=lambda tree: (_nearness(tree, recipe), tree.path.parent.stat().st_mtime), default=None)


def _distance(request: str, other: str) -> int:
    """Return the number of lines in which two configuration requests differ."""
    return len(set(request.splitlines()) ^ set(other.splitlines()))


def _nearness(tree: Tree, recipe: Recipe) -> tuple[int, ...]:
    """Return a sort key for the similarity of `tree` to `recipe`; () if too little.

    For a tree for which `begins` is false.
    """
    source = recipe.source
    same_source, same_origin = tree.source == source.id, bool(source.origin) and tree.origin == source.origin
    if not (same_source or same_origin or (tree.published and "" != series(tree.path) == series(source.path))):
        return ()
    return (same_source, same_origin, -_distance(tree.request, recipe.request))
