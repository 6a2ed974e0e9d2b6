# SPDX-License-Identifier: GPL-2.0-only
"""Which of the built trees a build starts from: the one from which the least has to be made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.kernel.model import Recipe
from orchestrator.kernel.version import series


@dataclass(frozen=True)
class Tree:
    """A built tree to clone: `built_at` is the path that its build recorded, `patches` the digests applied to it."""

    name: str
    path: Path
    built_at: str
    source: str
    toolchain: dict[str, str]
    patches: tuple[str, ...]
    request: str
    origin: str = ""
    published: bool = False
    """Whether its source is a published one and has no patches: nobody else's code has run where its objects are."""

    def begins(self, recipe: Recipe) -> bool:
        """Whether the source and the patches of `recipe` begin with all that is in this tree."""
        digests = tuple(patch.digest for patch in recipe.patches)
        return self.source == recipe.source.id and digests[: len(self.patches)] == self.patches


def best_of(trees: Iterable[Tree], recipe: Recipe) -> Tree | None:
    """The one of `trees` from which the least has to be made, if any of the same toolchain is near enough.

    Best is one whose source and patches `recipe` begins with: with the nearest configuration request, for another
    one may change every object, and then the most patches.  Else one of the same source, of the same origin, or of
    the same Linux version, in this order: make then compiles what differs.

    A patch can have its Makefile write any object, so a tree with patches serves only kernels that begin with them.  In
    the same way a tree serves another origin only if its source is a published one.
    """
    alike = [tree for tree in trees if tree.toolchain == asdict(recipe.toolchain)]
    best = [tree for tree in alike if tree.begins(recipe)]
    if best:
        return max(best, key=lambda tree: (-_distance(tree.request, recipe.request), len(tree.patches)))
    near = [tree for tree in alike if not tree.patches and _nearness(tree, recipe)]
    return max(near, key=lambda tree: (_nearness(tree, recipe), tree.path.parent.stat().st_mtime), default=None)


def _distance(one: str, other: str) -> int:
    """In how many lines two configuration requests differ."""
    return len(set(one.splitlines()) ^ set(other.splitlines()))


def _nearness(tree: Tree, recipe: Recipe) -> tuple[int, ...]:
    """How much the built `tree` has in common with a kernel that it is no beginning of; empty for too little."""
    source = recipe.source
    same, kin = tree.source == source.id, bool(source.origin) and tree.origin == source.origin
    if not (same or kin or (tree.published and "" != series(tree.path) == series(source.path))):
        return ()
    return (same, kin, -_distance(tree.request, recipe.request))
