# SPDX-License-Identifier: GPL-2.0-only
"""The entries of the cache: their descriptions, disk usage and times of last use."""

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
    """The kinds of entries; the value is their directory in the cache, if any."""

    SOURCE = "sources"
    TREE = "trees"
    BUILD = "builds"
    RECIPES = "recipes"
    SELFTESTS = "selftests"
    WORKLOAD = "workloads"
    ROOT = "guest-root"
    PROGRAMS = "guest-programs"
    PACKAGES = "package-roots"
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
    """One entry of the cache: `place` is its main directory or file, `what` its description.

    `size` is in bytes on disk; a file shared by hard links counts only for the first of the entries, sources before
    trees.  `used` is the time of the last use, in seconds since 1970.  `beside` are further files that belong to the
    entry and are removed with it.
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
"""Kinds that git and apt write to: the files in them show the last use."""
_UNDER_WAY = ("work", "trash", "bisect")
"""Directories whose content is needed only while its orch runs.

A bisection that is continued begins with a new repository.
"""
_UNFINISHED = (".partial", ".download", ".index")


def entries(cache: KernelCache) -> tuple[Entry, ...]:
    """Return every entry of `cache`, by kind and then the last used first.

    It only reads.  A million files take 3 seconds.
    """
    found = [*_found(cache)]
    order = list(EntryKind)
    found.sort(key=lambda entry: (order.index(entry.kind), entry.place))
    seen: set[int] = set()
    apart = {str(entry.place) for entry in found}
    sized = [
        replace(entry, size=sum(_size(path, seen, apart) for path in (entry.place, *entry.beside))) for entry in found
    ]
    return tuple(sorted(_as_used_as_their_trees(sized), key=lambda entry: (order.index(entry.kind), -entry.used)))


def _found(cache: KernelCache) -> Iterator[Entry]:
    kinds = {kind.value: kind for kind in EntryKind}
    names = _Names(cache)
    for top in _inside(cache.root):
        kind = kinds.get(top.name)
        if top.name in _UNDER_WAY:
            yield from (
                Entry(EntryKind.LEFT, path, f"{top.name}: {path.name}", 0, _used(path)) for path in _inside(top)
            )
        elif kind is None or not top.is_dir():
            yield Entry(EntryKind.OTHER, top, top.name, 0, _used(top))
        elif kind in _WHOLE:
            yield Entry(kind, top, names.of(kind, top), 0, _used_within(top))
        else:
            yield from (_entry(kind, place, names) for place in _inside(top) if not _beside(place))
            yield from _downloads(top) if kind is EntryKind.APT else ()


def _downloads(apt: Path) -> Iterator[Entry]:
    """Yield the packages that are downloaded and not unpacked yet."""
    for place in (path for path in apt.glob("*/archives/*") if path.is_dir() and path.name != "partial"):
        if place.suffix in _UNFINISHED:
            yield Entry(EntryKind.LEFT, place, f"an unfinished download for {place.parents[1].name}", 0, _used(place))
        else:
            files = ", ".join(file.name for file in _inside(place))
            yield Entry(EntryKind.APT, place, f"{files} of {place.parents[1].name}", 0, _used(place))


def _entry(kind: EntryKind, place: Path, names: _Names) -> Entry:
    if place.name.startswith(".") or place.suffix in _UNFINISHED or place.name.endswith(MANIFEST):
        return Entry(EntryKind.LEFT, place, f"unfinished in {kind.value}: {place.name}", 0, _used(place))
    if kind is EntryKind.GIT and not is_git_store(place):
        return Entry(EntryKind.LEFT, place, f"unfinished in git: {place.name}", 0, _used(place))
    used = _used_within(place) if kind in _BUSY else _used(place)
    beside = tuple(path for path in (manifest_of(place), place.with_name(f"{place.name}.lock")) if path.exists())
    return Entry(kind, place, names.of(kind, place), 0, used, beside)


def _beside(place: Path) -> bool:
    """Return whether `place` belongs to an entry; a manifest of a removed source does not."""
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
    return max(_used(path) for path in (place, *_inside(place)))


def _as_used_as_their_trees(found: list[Entry]) -> Iterator[Entry]:
    """Yield the entries, with sources at least as recently used as their trees.

    A source shares its files with its trees, so that removing it before them would free little.
    """
    latest: dict[str, float] = {}
    for entry in found:
        if entry.kind is EntryKind.TREE:
            source = str(_read_json(entry.place / "tree.json").get("source"))
            latest[source] = max(entry.used, latest.get(source, 0.0))
    for entry in found:
        own = [used for source, used in latest.items() if source.startswith(entry.place.name)]
        yield replace(entry, used=max(entry.used, *own)) if own and entry.kind is EntryKind.SOURCE else entry


def _size(place: Path, seen: set[int], apart: set[str]) -> int:
    """Return the bytes on disk in `place`, without inodes `seen` before and directories `apart`.

    Most files of a built tree are links to those of its source.  The directory entry has their inode, so that stat(2),
    which takes three times as long as all the rest, is not needed.
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
    """The descriptions of entries, from what was recorded with them."""

    def __init__(self, cache: KernelCache) -> None:
        trees = _inside(cache.root / "trees")
        self.facts = {place.name: _read_json(place / PROVENANCE) for place in _inside(cache.builds)}
        self.kernels = {place.name: _read_json(place / "tree.json").get("name") for place in trees}
        self.origins = {tree: _git(store) for store in _inside(cache.root / "git") for tree in _laid_out(store)}

    def of(self, kind: EntryKind, place: Path) -> str:
        """Return the description of the entry at `place`."""
        describe: dict[EntryKind, Callable[[Path], str]] = {
            EntryKind.SOURCE: self._source,
            EntryKind.TREE: self._kernel,
            EntryKind.BUILD: self._kernel,
            EntryKind.RECIPES: lambda place: f"{len(_inside(place))} recipes, and the build that each resolves to",
            EntryKind.SELFTESTS: _selftests,
            EntryKind.WORKLOAD: lambda _: "the alignment program",
            EntryKind.ROOT: _root,
            EntryKind.PROGRAMS: lambda place: f"programs of {place.name} for guests",
            EntryKind.PACKAGES: _packages,
            EntryKind.IMAGE: lambda _: "a kernel that is still to be unpacked",
            EntryKind.PATCHES: lambda place: f"{len(_inside(place))} patches as they were read",
            EntryKind.GIT: _git,
            EntryKind.APT: lambda place: f"package lists of {place.name}",
            EntryKind.CCACHE: lambda _: "the compiler's cache",
        }
        return describe[kind](place) if kind in describe else place.name

    def _source(self, place: Path) -> str:
        for facts in self.facts.values():
            source = facts.get("source")
            if isinstance(source, dict) and str(source.get("sha256")).startswith(place.name):
                return str(source.get("name"))
        origin = self.origins.get(place.name.removeprefix(FROM_GIT))
        return source_name(place) or f"Linux {_version(place)}" + (f" of {origin}" if origin else "")

    def _kernel(self, place: Path) -> str:
        facts = self.facts.get(place.name, {})
        name = facts.get("kernel") or self.kernels.get(place.name)
        version = facts.get("version") or _version(place / "tree")
        patches = [_short(str(patch.get("name"))) for patch in facts.get("patches") or ()]
        linux = f"Linux {version}" + (f" + {', '.join(patches)}" if patches else "")
        return f"{name}: {linux}" if name else linux


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


def _packages(place: Path) -> str:
    """Return the description of unpacked packages; the first that is listed is not the main one."""
    with suppress(OSError):
        return f"{len((place / 'orch.packages').read_text().splitlines())} unpacked Debian packages"
    return "unpacked Debian packages"


def _git(place: Path) -> str:
    with suppress(OSError):
        return (place / "orch.origin").read_text(errors="replace").strip()
    return place.name


def _laid_out(store: Path) -> list[str]:
    """Return the ids of the trees that were checked out from a git store."""
    with suppress(OSError):
        return (store / "orch.sources").read_text().split()
    return []


def _short(patch: str) -> str:
    """Return a patch's name without the number and the suffix from git."""
    return re.sub(r"^\d{4}-|\.(patch|diff)$", "", patch)
