# SPDX-License-Identifier: GPL-2.0-only
"""Inodes that others made: looked at without being opened, and named in messages without their escape sequences."""

from __future__ import annotations

import os
import stat

MIB = 1 << 20
_LONGEST_NAME = 120
"""Characters of a name that a message shows."""

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFREG: "a file",
}


def kind_of(mode: int) -> str:
    """What an inode with this `st_mode` is, in words."""
    return _KINDS.get(stat.S_IFMT(mode), "of an unknown kind")


def shown(name: str | bytes) -> str:
    """A name that others chose as printable ASCII of bounded length: it can hold newlines and escape sequences."""
    text = ascii(os.fsdecode(name))[1:-1]
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}..."


def size_words(size: int) -> str:
    """A limit in bytes in words, in whole MiB, or in whole KiB below one."""
    return f"{size // MIB:,} MiB" if size >= MIB else f"{size // 1024} KiB"


def inode(directory: int, name: str | bytes) -> int:
    """A descriptor (O_PATH) of `name` in a directory that is open: it opens nothing, and follows no link.

    Raises OSError.  The caller closes it.
    """
    return os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)


def reopened(descriptor: int, flags: int) -> int:
    """The inode behind a descriptor from `inode`, opened with `flags`.  Raises OSError."""
    return os.open(f"/proc/self/fd/{descriptor}", flags | os.O_CLOEXEC)
