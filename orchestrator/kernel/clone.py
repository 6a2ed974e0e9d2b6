# SPDX-License-Identifier: GPL-2.0-only
"""Copies of source trees and of built trees that cost little: hard links, and what a build needs to trust them.

Make goes by times: what is not newer than the objects is not compiled again.  So a file that a new tree shares with a
built one has to be that very file, time and all, and a file that differs has to be newer than every object.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from filecmp import cmp
from pathlib import Path

from orchestrator.host.base import Command, Host, check

_BUILD = "build"
"""The directory, in a tree, in which it is built."""

_RELOCATE = r"""
grep -rlZF --include='*.cmd' --include='*.d' -e "$1" "$2/build" | xargs -0r sed -i "s|$1|$2|g"
"""


def clone(host: Host, origin: Path, tree: Path, built_at: str = "", *, linked: bool = True) -> None:
    """Make `tree` a clone of `origin` with time stamps kept: source files hard-linked, the build directory copied.

    `built_at` is as in `clone_build`; "" leaves the build directory out.  Without `linked` the source files are copied,
    too: that takes longer, and is for a tree whose build cannot be kept from writing to its sources.
    """
    tree.mkdir(parents=True)
    find = ("find", str(origin), "-mindepth", "1", "-maxdepth", "1", "!", "-name", _BUILD)
    how = "-al" if linked else "-a"
    check(
        host.run(Command((*find, "-exec", "cp", how, "--reflink=auto", "-t", str(tree), "{}", "+"))),
        "cloning the source tree",
    )
    if built_at:
        clone_build(host, origin, tree, built_at)


def clone_build(host: Host, origin: Path, tree: Path, built_at: str) -> None:
    """Give `tree` the build directory of `origin`, as a copy: Kbuild rewrites files there in place.

    `built_at` is the path at which `origin` was built: the host tools (tools/objtool) record absolute paths and would
    all be made again, and after them every object, where the records named another directory.
    """
    copy = ("cp", "-a", "--reflink=auto", str(origin / _BUILD), str(tree))
    check(host.run(Command(copy)), "cloning the build tree")
    check(host.run(Command(("sh", "-c", _RELOCATE, "relocate", built_at, str(tree)))), "relocating the build tree")


def reconcile(built: Path, tree: Path, *, linked: bool = True) -> tuple[str, ...]:
    """Make the source files in `tree` such that make trusts the objects of the tree `built`; the names that differ.

    Equal files become links to those of `built` (without `linked`, copies), others get a time of their own, which is
    now.  No file that another tree has as well is written to.
    """
    differing = []
    for path, old, new in _differing(str(built), str(tree), ""):
        if _equal(old, new):
            (_link if linked else _take_time)(old, new)
            continue
        if old and new and not _is_directory(old) and not _is_directory(new):
            _renew(Path(new.path))
        differing.append(path)
    return tuple(sorted(differing))


def share(other: Path, tree: Path) -> None:
    """Make equal files of the source trees `tree` and `other` the same files, as links from `tree`: one such comparison
    spares every later one, and the room of a copy."""
    for _, old, new in _differing(str(other), str(tree), ""):
        if _equal(old, new):
            _link(old, new)


_Entry = os.DirEntry[str]


def _differing(built: str, tree: str, below: str) -> Iterator[tuple[str, _Entry | None, _Entry | None]]:
    """Each name that does not mean the very same file in both trees, with what it means in the one and the other."""
    old = _entries(built, below)
    for name, new in _entries(tree, below).items():
        other = old.pop(name, None)
        if other and _is_directory(other) and _is_directory(new):
            yield from _differing(built, tree, f"{below}{name}/")
        elif other is None or _is_directory(new) or other.inode() != new.inode():
            yield f"{below}{name}", other, new
    yield from ((f"{below}{name}", gone, None) for name, gone in old.items())


def _is_directory(entry: _Entry) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _link(old: _Entry | None, new: _Entry | None) -> None:
    if old and new:
        Path(new.path).unlink()
        os.link(old.path, new.path, follow_symlinks=False)


def _take_time(old: _Entry | None, new: _Entry | None) -> None:
    """Give `new`, which no other tree has, the time of the equal file `old`."""
    if old and new:
        status = old.stat(follow_symlinks=False)
        os.utime(new.path, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


def _entries(top: str, below: str) -> dict[str, _Entry]:
    with os.scandir(os.path.join(top, below)) as entries:  # noqa: PTH118 -- a hundred thousand times
        return {entry.name: entry for entry in entries if below or entry.name != _BUILD}


def _equal(one: _Entry | None, other: _Entry | None) -> bool:
    if one is None or other is None or _is_directory(one) or _is_directory(other):
        return False
    if one.is_symlink() or other.is_symlink():
        return one.is_symlink() and other.is_symlink() and Path(one.path).readlink() == Path(other.path).readlink()
    mine, its = one.stat(follow_symlinks=False), other.stat(follow_symlinks=False)
    # Of a mode only what git keeps: who may write depends on the umask of whoever packed the source.
    same_mode = (mine.st_mode ^ its.st_mode) & stat.S_IXUSR == 0
    return mine.st_size == its.st_size and same_mode and cmp(one.path, other.path, shallow=False)


def _renew(file: Path) -> None:
    """Give `file` a time of its own, without a write to what others have linked."""
    if file.is_symlink():
        return
    fresh = file.with_name(f".{file.name}.orch")
    shutil.copyfile(file, fresh)
    shutil.copymode(file, fresh)
    fresh.replace(file)
