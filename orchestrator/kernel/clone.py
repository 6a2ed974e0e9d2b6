# SPDX-License-Identifier: GPL-2.0-only
"""Cheap copies of source trees and built trees, by hard links, for incremental builds.

Make compares times: a source that is not newer than its object is not compiled again.  So a file that is equal in a
new tree and in a built one must have the same time in both (as a hard link it has), and a file that differs must be
newer than every object.
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
"""The build directory in a tree."""

_RELOCATE = r"""
grep -rlZF --include='*.cmd' --include='*.d' -e "$1" "$2/build" | xargs -0r sed -i "s|$1|$2|g"
"""


def clone(host: Host, origin: Path, tree: Path, built_at: str = "", *, linked: bool = True) -> None:
    """Make `tree` a clone of `origin`: source files hard-linked, build directory copied, times kept.

    `built_at` is as in `clone_build`; if it is "", the build directory is left out.  Without `linked` the source files
    are copied too.  That takes longer, and is for a tree whose build may write to its sources.
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
    """Copy the build directory of `origin` to `tree`.

    It is copied because Kbuild rewrites files there in place.  `built_at` is the path at which `origin` was built.  The
    host tools (tools/objtool) record this path.  It is replaced by that of `tree`: otherwise all these tools would be
    built again, and after them every object.
    """
    copy = ("cp", "-a", "--reflink=auto", str(origin / _BUILD), str(tree))
    check(host.run(Command(copy)), "cloning the build tree")
    check(host.run(Command(("sh", "-c", _RELOCATE, "relocate", built_at, str(tree)))), "relocating the build tree")


def reconcile(built: Path, tree: Path, *, linked: bool = True) -> tuple[str, ...]:
    """Prepare the source files of `tree` for the objects of `built`; return the differing names.

    After that, make can rely on the times of the files and compiles only what differs.  A file equal to that in `built`
    becomes a link to it; without `linked` it only gets its time.  A file that differs gets the current time.  No file
    that is shared with another tree is written to.
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
    """Replace files in `tree` that are equal in `other` by hard links to those.

    This one comparison makes all later ones fast, and saves the disk space of a copy.
    """
    for _, old, new in _differing(str(other), str(tree), ""):
        if _equal(old, new):
            _link(old, new)


_Entry = os.DirEntry[str]


def _differing(built: str, tree: str, below: str) -> Iterator[tuple[str, _Entry | None, _Entry | None]]:
    """Yield each name that is not the same inode in both trees, with both entries.

    The entries are that in `built` and that in `tree`: None in a tree that does not have the name.
    """
    old = _entries(built, below)
    for name, new in _entries(tree, below).items():
        other = old.pop(name, None)
        if other and _is_directory(other) and _is_directory(new):
            yield from _differing(built, tree, f"{below}{name}/")
        elif other is None or _is_directory(new) or other.inode() != new.inode():
            yield f"{below}{name}", other, new
    yield from ((f"{below}{name}", removed, None) for name, removed in old.items())


def _is_directory(entry: _Entry) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _link(old: _Entry | None, new: _Entry | None) -> None:
    if old and new:
        Path(new.path).unlink()
        os.link(old.path, new.path, follow_symlinks=False)


def _take_time(old: _Entry | None, new: _Entry | None) -> None:
    """Give `new`, which no other tree shares, the times of the equal file `old`."""
    if old and new:
        status = old.stat(follow_symlinks=False)
        os.utime(new.path, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


def _entries(top: str, below: str) -> dict[str, _Entry]:
    with os.scandir(os.path.join(top, below)) as entries:  # noqa: PTH118 -- a hundred thousand times
        return {entry.name: entry for entry in entries if below or entry.name != _BUILD}


def _equal(old: _Entry | None, new: _Entry | None) -> bool:
    if old is None or new is None or _is_directory(old) or _is_directory(new):
        return False
    if old.is_symlink() or new.is_symlink():
        return old.is_symlink() and new.is_symlink() and Path(old.path).readlink() == Path(new.path).readlink()
    status, other = old.stat(follow_symlinks=False), new.stat(follow_symlinks=False)
    # Only the mode bit that git records: the write bits depend on the umask under which the source was packed.
    same_mode = (status.st_mode ^ other.st_mode) & stat.S_IXUSR == 0
    return status.st_size == other.st_size and same_mode and cmp(old.path, new.path, shallow=False)


def _renew(file: Path) -> None:
    """Replace `file` by a copy with the current time; hard links to it stay."""
    if file.is_symlink():
        return
    copy = file.with_name(f".{file.name}.orch")
    shutil.copyfile(file, copy)
    shutil.copymode(file, copy)
    copy.replace(file)
