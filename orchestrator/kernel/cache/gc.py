# SPDX-License-Identifier: GPL-2.0-only
"""Removal of cache entries: first those that cannot be used, then the least recently used.

Call with the lock `KernelCache.users` held exclusively: nothing here checks whether an entry is in use.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.kernel.cache.entries import Entry, EntryKind
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.cache.verify import Broken, broken_parts, recipe_problem

_NEVER = (EntryKind.OTHER, EntryKind.RECIPES)
"""Kinds that are not ours, or tiny; a recipe is removed together with its build."""


@dataclass(frozen=True)
class Removal:
    """The entries to remove, `useless` and `old`.

    `before` and `left` are the bytes of all entries before and after the removal.
    """

    useless: tuple[Entry, ...]
    old: tuple[Entry, ...]
    before: int
    left: int

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries to remove, in order."""
        return (*self.useless, *self.old)

    @property
    def freed(self) -> int:
        """The bytes that are freed."""
        return self.before - self.left


def choose(entries: Iterable[Entry], broken: Iterable[Broken], keep: int | None) -> Removal:
    """Choose the entries to remove so that at most `keep` bytes are left.

    Useless entries are removed in any case: what killed builds and downloads left, and what is `broken`.  If `keep` is
    None, only these are removed.  Of the others the least recently used are removed first, a tree before the source
    that it shares its files with.
    """
    every = tuple(entries)
    bad = {entry.place for entry in broken}
    useless = tuple(entry for entry in every if entry.kind is EntryKind.LEFT or entry.place in bad)
    before = sum(entry.size for entry in every)
    left = before - sum(entry.size for entry in useless)
    old = []
    others = [entry for entry in every if entry not in useless and entry.kind not in _NEVER]
    for entry in sorted(others, key=lambda entry: (entry.used, entry.kind is EntryKind.SOURCE)):
        if keep is None or left <= keep:
            break
        old.append(entry)
        left -= entry.size
    return Removal(useless, tuple(old), before, left)


def collect(cache: KernelCache, removal: Removal, broken: Iterable[Broken]) -> None:
    """Remove the chosen entries.

    Each is removed atomically, so that no partly removed entry is ever found.
    """
    for entry in removal.entries:
        for place in (entry.place, *entry.beside):
            cache.discard(place)
    remove_broken(cache, broken)
    _forget(cache)
    cache.sweep()


def remove_broken(cache: KernelCache, broken: Iterable[Broken]) -> None:
    """Remove broken entries, and the recipes whose builds are removed with them."""
    for entry in broken:
        for place in broken_parts(entry):
            cache.discard(place)
    _forget(cache)
    cache.sweep()


def _forget(cache: KernelCache) -> None:
    """Remove every recipe whose build is missing, and every partly written recipe."""
    for pointer in (cache.root / "recipes").glob("*"):
        if pointer.name.startswith(".") or recipe_problem(cache, pointer):
            pointer.unlink()
