# SPDX-License-Identifier: GPL-2.0-only
"""Make an untrusted directory harmless to read, copy or remove.

Afterwards it holds directories and regular files only.  They belong to orch's user, who can read and remove them.  None
has set-user-ID, set-group-ID or sticky bits, file capabilities or an access control list, or can be written by other
users.  A symbolic link, a device, a FIFO or a socket is replaced by a text file of the same name that describes it.
Directories that are too deep are removed.  If the content exceeds the quota, everything but the requested files is
removed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orchestrator.agent.inodes import inode, kind_of, reopened, shown
from orchestrator.agent.quota import DEEPEST, LONGEST_PATH, TOO_DEEP, Quota, excess

_SET_ID = stat.S_ISUID | stat.S_ISGID
_MOST = 0o755
_ATTRIBUTES = ("security.capability", "system.posix_acl_access", "system.posix_acl_default")
_CAPABILITY = "security.capability"
_LISTED = 3
"""The number of problems that are named; the others are counted."""


def make_harmless(root: Path, quota: Quota, kept: Collection[str]) -> tuple[str, ...]:
    """Make the directory `root` harmless, and return its problems as a few short sentences.

    `kept` are names of regular files at its top that stay even if the content exceeds `quota`; together they get a
    quarter of it.  No process may write to `root` any longer.  Raises OSError if the disk or a permission refuses.
    """
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(top, stat.S_IMODE(os.fstat(top).st_mode) & _MOST | 0o700)
        reason = excess(root, quota)
        odd: list[str] = []
        if reason == TOO_DEEP:  # this is fixed here; before, the total size is unknown
            odd = list(_tidied(top, top, os.fsencode(root.name), DEEPEST))
            reason = excess(root, quota)
        if reason:
            _empty(top, kept, quota.size // (4 * (len(kept) or 1)))
            return (f"{root.name} held {reason}, and all but orch's own files is removed",)
        return _summed(odd or list(_tidied(top, top, os.fsencode(root.name), DEEPEST)))
    finally:
        os.close(top)


def _summed(odd: list[str]) -> tuple[str, ...]:
    more = len(odd) - _LISTED
    return (*odd[:_LISTED], *((f"and so on, {more} more",) if more > 0 else ()))


def _tidied(top: int, here: int, path: bytes, levels: int) -> Iterator[str]:
    """Clean the directory `here`, whose name is `path`; yield its problems.

    It is `top` or below it.
    """
    for name in _names(here):
        below = path + b"/" + name
        with _inode(here, name) as found:
            status = os.fstat(found)
            if stat.S_ISREG(status.st_mode):
                yield from _tidied_file(found, status, below)
            elif not stat.S_ISDIR(status.st_mode):
                yield _replaced(here, name, status, below)
            elif levels == 0 or len(below) > LONGEST_PATH:
                remove(top, here, name)
                yield f"{shown(below)} is too deep, and is removed"
            else:
                _own(found, status, 0o700)
                with _open(found) as inner:
                    yield from _tidied(top, inner, below, levels - 1)


def remove(top: int, here: int, name: bytes) -> None:
    """Remove `name` from the directory `here`, with all below it, at any depth.

    Directories below it are first moved to the directory `top`.  So no path gets long, and few descriptors are open.
    """
    waiting = [(here, name)]
    while waiting:
        directory, each = waiting.pop()
        if _unlinked(directory, each):
            continue
        with _inode(directory, each) as found:
            _own(found, os.fstat(found), 0o700)
            with _open(found) as inner:
                waiting += [(top, _moved(inner, below, top)) for below in _names(inner) if not _unlinked(inner, below)]
        os.rmdir(each, dir_fd=directory)


def _unlinked(directory: int, name: bytes) -> bool:
    """Remove `name` unless it is a directory; return False for a directory."""
    try:
        os.unlink(name, dir_fd=directory)
    except (IsADirectoryError, PermissionError):  # unlink(2): it depends on the file system which of them is raised
        return False
    return True


def _moved(directory: int, name: bytes, top: int) -> bytes:
    """Move a directory to `top`, and return its new name there."""
    with _inode(directory, name) as found:
        _own(found, os.fstat(found), 0o700)
    free = b".orch-" + os.urandom(8).hex().encode()
    os.rename(name, free, src_dir_fd=directory, dst_dir_fd=top)
    return free


def _empty(top: int, kept: Collection[str], most: int) -> None:
    """Remove everything but the regular files `kept`; each of them is cut to `most` bytes."""
    own = {os.fsencode(name) for name in kept}
    for name in _names(top):
        with _inode(top, name) as found:
            status = os.fstat(found)
            stays = name in own and stat.S_ISREG(status.st_mode)
            if stays:
                _own(found, status, 0o600)
            if stays and status.st_size > most:
                os.truncate(f"/proc/self/fd/{found}", most)
        if not stays:
            remove(top, top, name)


def _tidied_file(found: int, status: os.stat_result, path: bytes) -> Iterator[str]:
    if status.st_mode & _SET_ID:
        yield f"{shown(path)} had the mode {stat.S_IMODE(status.st_mode):04o}"
    elif _without_attributes(found):
        yield f"{shown(path)} had file capabilities"
    _own(found, status, 0o600)


def _replaced(here: int, name: bytes, status: os.stat_result, path: bytes) -> str:
    """Replace an entry that is neither a file nor a directory by a text file."""
    what = kind_of(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        what += f" to '{shown(os.readlink(name, dir_fd=here))}'"
    os.unlink(name, dir_fd=here)
    note = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=here)
    try:
        os.write(note, f"orch: the guest left {what} here\n".encode())
    finally:
        os.close(note)
    return f"{shown(path)} was {what}"


def _own(found: int, status: os.stat_result, least: int) -> None:
    """Give an inode to orch's user, with a mode between `least` and 0755."""
    place = f"/proc/self/fd/{found}"
    if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
        os.chown(place, os.geteuid(), os.getegid())
    mode = stat.S_IMODE(status.st_mode)
    harmless = mode & _MOST | least
    if mode != harmless:
        Path(place).chmod(harmless)
    _without_attributes(found)


def _without_attributes(found: int) -> bool:
    """Remove capabilities and access control lists; return whether there were capabilities."""
    had = False
    for name in _ATTRIBUTES:
        with suppress(OSError):  # there is none, or the file system has no such thing
            os.removexattr(f"/proc/self/fd/{found}", name)
            had = had or name == _CAPABILITY
    return had


def _names(directory: int) -> list[bytes]:
    """Return the names in an open directory as bytes."""
    return [os.fsencode(name) for name in os.listdir(directory)]


@contextmanager
def _inode(directory: int, name: bytes) -> Iterator[int]:
    found = inode(directory, name)
    try:
        yield found
    finally:
        os.close(found)


@contextmanager
def _open(found: int) -> Iterator[int]:
    directory = reopened(found, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield directory
    finally:
        os.close(directory)
