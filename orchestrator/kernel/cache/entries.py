# SPDX-License-Identifier: GPL-2.0-only
"""What is in the cache: every entry, what a person calls it, how much of the disk it takes, when it was last used."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from stat import S_ISDIR
from typing import Any

from orchestrator.kernel.cache.files import FROM_GIT, MANIFEST, PROVENANCE, is_git_store, manifest_of, source_name
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.version import kernel_version


class EntryKind(StrEnum):
    """The kinds of entries; the value names the directory of the cache in which they are, where there is only one."""

    SOURCE = "sources"
    TREE = "trees"
    BUILD = "builds"
    RECIPES = "recipes"
    SELFTESTS = "selftests"
    WORKLOAD = "workloads"
    ROOT = "guest-root"
    PROGRAMS = "guest-programs"
    IMAGE = "images"
    PATCHES = "patches"
    GIT = "git"
    APT = "apt"
    CCACHE = "ccache"
    LOG = "failed"
    LEFT = "left behind"
    OTHER = "other"


@dataclass(frozen=True)
class Entry:
    """One thing in the cache: `place` is its main directory or file, `what` says it in words.

    `size` is in bytes on disk; what is shared by hard links counts for the first of the entries only, sources before
    trees.  `used` is when it was last used, in seconds since 1970.  `beside` is what belongs to it and goes with it.
    """

    kind: EntryKind
    place: Path
    what: str
    size: int = 0
    used: float = 0.0
    beside: tuple[Path, ...] = ()


_WHOLE = (EntryKind.RECIPES, EntryKind.PATCHES, EntryKind.CCACHE)
"""Kinds whose directory is one entry."""
_BUSY = (EntryKind.GIT, EntryKind.APT)
"""Kinds that are written to when they are used, by programs that do not ask us."""
_UNDER_WAY = ("work", "trash", "bisect")
"""Directories with what is of use only while its orch runs: a bisection that goes on begins with a new repository."""
_UNFINISHED = (".partial", ".download", ".index")


def entries(cache: KernelCache) -> tuple[Entry, ...]:
    """Every entry of `cache`, by kind and then the last used first.  Reads only; 3 seconds for a million files."""
    found = [*_found(cache)]
    order = list(EntryKind)
    found.sort(key=lambda entry: (order.index(entry.kind), entry.place))
    seen: set[int] = set()
    apart = {str(one.place) for one in found}
    sized = [replace(one, size=sum(_size(path, seen, apart) for path in (one.place, *one.beside))) for one in found]
    return tuple(sorted(_as_used_as_their_trees(sized), key=lambda one: (order.index(one.kind), -one.used)))


def _found(cache: KernelCache) -> Iterator[Entry]:
    kinds = {kind.value: kind for kind in EntryKind}
    names = _Names(cache)
    for top in _inside(cache.root):
        kind = kinds.get(top.name)
        if top.name in _UNDER_WAY:
            yield from (Entry(EntryKind.LEFT, one, f"{top.name}: {one.name}", 0, _used(one)) for one in _inside(top))
        elif kind is None or not top.is_dir():
            yield Entry(EntryKind.OTHER, top, top.name, 0, _used(top))
        elif kind in _WHOLE:
            yield Entry(kind, top, names.of(kind, top), 0, _used_within(top))
        else:
            yield from (_entry(kind, one, names) for one in _inside(top) if not _beside(one))
            yield from _downloads(top) if kind is EntryKind.APT else ()


def _downloads(apt: Path) -> Iterator[Entry]:
    """Packages that were downloaded and not unpacked yet."""
    for one in (place for place in apt.glob("*/archives/*") if place.is_dir() and place.name != "partial"):
        if one.suffix in _UNFINISHED:
            yield Entry(EntryKind.LEFT, one, f"an unfinished download for {one.parents[1].name}", 0, _used(one))
        else:
            files = ", ".join(file.name for file in _inside(one))
            yield Entry(EntryKind.APT, one, f"{files} of {one.parents[1].name}", 0, _used(one))


def _entry(kind: EntryKind, place: Path, names: _Names) -> Entry:
    if place.name.startswith(".") or place.suffix in _UNFINISHED or place.name.endswith(MANIFEST):
        return Entry(EntryKind.LEFT, place, f"unfinished in {kind.value}: {place.name}", 0, _used(place))
    if kind is EntryKind.GIT and not is_git_store(place):
        return Entry(EntryKind.LEFT, place, f"unfinished in git: {place.name}", 0, _used(place))
    used = _used_within(place) if kind in _BUSY else _used(place)
    beside = tuple(path for path in (manifest_of(place), place.with_name(f"{place.name}.lock")) if path.exists())
    return Entry(kind, place, names.of(kind, place), 0, used, beside)


def _beside(place: Path) -> bool:
    """Whether `place` is no entry but belongs to one; a manifest whose source is gone is on its own."""
    if place.name.endswith(".lock"):
        return True
    return place.name.endswith(MANIFEST) and place.with_name(place.name.removesuffix(MANIFEST)).exists()


def _inside(directory: Path) -> list[Path]:
    with suppress(FileNotFoundError, NotADirectoryError):
        return sorted(directory.iterdir())
    return []


def _used(place: Path) -> float:
    with suppress(FileNotFoundError):
        return place.lstat().st_mtime
    return 0.0


def _used_within(place: Path) -> float:
    return max(_used(one) for one in (place, *_inside(place)))


def _as_used_as_their_trees(found: list[Entry]) -> Iterator[Entry]:
    """A source is used whenever one of its trees is; it also has the files of them, and would free little before."""
    latest: dict[str, float] = {}
    for one in found:
        if one.kind is EntryKind.TREE:
            source = str(_read_json(one.place / "tree.json").get("source"))
            latest[source] = max(one.used, latest.get(source, 0.0))
    for one in found:
        own = [used for source, used in latest.items() if source.startswith(one.place.name)]
        yield replace(one, used=max(one.used, *own)) if own and one.kind is EntryKind.SOURCE else one


def _size(place: Path, seen: set[int], apart: set[str]) -> int:
    """The bytes on disk below `place` that were not `seen` (by inode) yet, without the directories `apart` in it.

    Most files of a built tree are links to those of its source: their inode is known from the directory alone, and
    asking for their status, which takes three times as long as all the rest, can be spared.
    """
    try:
        status = place.lstat()
    except FileNotFoundError:
        return 0
    blocks, pending = status.st_blocks, [str(place)] if place.is_dir() and not place.is_symlink() else []
    while pending:
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError), os.scandir(pending.pop()) as inside:
            for entry in inside:
                inode = entry.inode()
                if inode in seen:
                    continue
                status = entry.stat(follow_symlinks=False)
                if S_ISDIR(status.st_mode):
                    if entry.path in apart:
                        continue
                    pending.append(entry.path)
                elif status.st_nlink > 1:
                    seen.add(inode)
                blocks += status.st_blocks
    return blocks * 512


class _Names:
    """What a person calls an entry, from what was recorded with it."""

    def __init__(self, cache: KernelCache) -> None:
        trees = _inside(cache.root / "trees")
        self.facts = {place.name: _read_json(place / PROVENANCE) for place in _inside(cache.builds)}
        self.kernels = {place.name: _read_json(place / "tree.json").get("name") for place in trees}
        self.origins = {tree: _git(store) for store in _inside(cache.root / "git") for tree in _laid_out(store)}

    def of(self, kind: EntryKind, place: Path) -> str:
        """The words for the entry at `place`."""
        words: dict[EntryKind, Callable[[Path], str]] = {
            EntryKind.SOURCE: self._source,
            EntryKind.TREE: self._kernel,
            EntryKind.BUILD: self._kernel,
            EntryKind.RECIPES: lambda place: f"{len(_inside(place))} recipes, and the build that each comes to",
            EntryKind.SELFTESTS: _selftests,
            EntryKind.WORKLOAD: lambda _: "the alignment program",
            EntryKind.ROOT: _root,
            EntryKind.PROGRAMS: lambda place: f"programs of {place.name} for guests",
            EntryKind.IMAGE: lambda _: "a kernel that is still to be unpacked",
            EntryKind.PATCHES: lambda place: f"{len(_inside(place))} patches as they were read",
            EntryKind.GIT: _git,
            EntryKind.APT: lambda place: f"package lists of {place.name}",
            EntryKind.CCACHE: lambda _: "the compiler's cache",
        }
        return words[kind](place) if kind in words else place.name

    def _source(self, place: Path) -> str:
        for facts in self.facts.values():
            source = facts.get("source")
            if isinstance(source, dict) and str(source.get("sha256")).startswith(place.name):
                return str(source.get("name"))
        of = self.origins.get(place.name.removeprefix(FROM_GIT))
        return source_name(place) or f"Linux {_version(place)}" + (f" of {of}" if of else "")

    def _kernel(self, place: Path) -> str:
        facts = self.facts.get(place.name, {})
        name = facts.get("kernel") or self.kernels.get(place.name)
        version = facts.get("version") or _version(place / "tree")
        patches = [_short(str(patch.get("name"))) for patch in facts.get("patches") or ()]
        told = f"Linux {version}" + (f" + {', '.join(patches)}" if patches else "")
        return f"{name}: {told}" if name else told


def _read_json(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        content = json.loads(path.read_text())
        return content if isinstance(content, dict) else {}
    return {}


def _version(tree: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return kernel_version(tree)
    return "of an unknown version"


def _selftests(place: Path) -> str:
    with suppress(OSError):
        listed = (place / "install/kselftest-list.txt").read_text().split()
        targets = dict.fromkeys(line.partition(":")[0] for line in listed)
        return f"selftests {', '.join(targets)}: {len(listed)} programs"
    return "selftests"


def _root(place: Path) -> str:
    return "guest root, with the host's programs" if (place / "mnt/host").exists() else "guest root"


def _git(place: Path) -> str:
    with suppress(OSError):
        return (place / "orch.origin").read_text(errors="replace").strip()
    return place.name


def _laid_out(store: Path) -> list[str]:
    """The ids of the trees that were laid out as sources from a git store."""
    with suppress(OSError):
        return (store / "orch.sources").read_text().split()
    return []


def _short(patch: str) -> str:
    """A patch's name without the number and the suffix that git gives it."""
    return re.sub(r"^\d{4}-|\.(patch|diff)$", "", patch)
