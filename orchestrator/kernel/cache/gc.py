# SPDX-License-Identifier: GPL-2.0-only
"""What may go from the cache, and its removal: first what is of no use, then what was not used for longest.

Call with the cache to oneself (`KernelCache.users`): nothing here asks whether somebody uses an entry.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.kernel.cache.entries import Entry, EntryKind
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.cache.verify import Broken, broken_parts, recipe_problem

_NEVER = (EntryKind.OTHER, EntryKind.RECIPES)
"""Not ours, or without a size worth speaking of; a recipe goes with the build that it comes to."""


@dataclass(frozen=True)
class Removal:
    """What a collection removes: `useless` and `old` entries; `before` and `left` are the bytes of all entries."""

    useless: tuple[Entry, ...]
    old: tuple[Entry, ...]
    before: int
    left: int

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All that goes, in its order."""
        return (*self.useless, *self.old)

    @property
    def freed(self) -> int:
        """The bytes that are freed."""
        return self.before - self.left


def choose(entries: Iterable[Entry], broken: Iterable[Broken], keep: int | None) -> Removal:
    """What has to go so that at most `keep` bytes are left; None removes only what is of no use to anybody.

    That is: what killed builds and downloads left behind, and what is `broken`.  Of the rest, what was not used for
    longest goes first, a tree before the source that it shares its files with.
    """
    every = tuple(entries)
    bad = {one.place for one in broken}
    useless = tuple(one for one in every if one.kind is EntryKind.LEFT or one.place in bad)
    before = sum(one.size for one in every)
    left = before - sum(one.size for one in useless)
    old = []
    others = [one for one in every if one not in useless and one.kind not in _NEVER]
    for one in sorted(others, key=lambda one: (one.used, one.kind is EntryKind.SOURCE)):
        if keep is None or left <= keep:
            break
        old.append(one)
        left -= one.size
    return Removal(useless, tuple(old), before, left)


def collect(cache: KernelCache, removal: Removal, broken: Iterable[Broken]) -> None:
    """Remove what was chosen.  Each entry goes in one step, so that one which is half gone is never found."""
    for one in removal.entries:
        for place in (one.place, *one.beside):
            cache.discard(place)
    remove_broken(cache, broken)
    _forget(cache)
    cache.sweep()


def remove_broken(cache: KernelCache, broken: Iterable[Broken]) -> None:
    """Remove broken entries, and the recipes that come to nothing then."""
    for one in broken:
        for place in broken_parts(one):
            cache.discard(place)
    _forget(cache)
    cache.sweep()


def _forget(cache: KernelCache) -> None:
    """Remove every recipe whose build is gone, and every one that somebody was killed in writing."""
    for pointer in (cache.root / "recipes").glob("*"):
        if pointer.name.startswith(".") or recipe_problem(cache, pointer):
            pointer.unlink()
