# SPDX-License-Identifier: GPL-2.0-only
"""Untrusted inodes: examine them without opening them, and name them safely in messages."""

from __future__ import annotations

import os
import stat

MIB = 1 << 20
_LONGEST_NAME = 120
"""The most characters of a name that a message shows."""

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
    """Return a description of an inode with this `st_mode`."""
    return _KINDS.get(stat.S_IFMT(mode), "of an unknown kind")


def shown(name: str | bytes) -> str:
    """Return an untrusted name as printable ASCII of bounded length.

    Such a name can contain newlines and escape sequences.
    """
    text = ascii(os.fsdecode(name))[1:-1]
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}..."


def size_words(size: int) -> str:
    """Return a limit in bytes as text, in whole MiB or KiB."""
    return f"{size // MIB:,} MiB" if size >= MIB else f"{size // 1024} KiB"


def inode(directory: int, name: str | bytes) -> int:
    """Return a descriptor (O_PATH) of `name` in an open directory.

    It opens nothing and follows no link.  The caller closes it.  Raises OSError.
    """
    return os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)


def reopened(descriptor: int, flags: int) -> int:
    """Open the inode of a descriptor from `inode` with `flags`.

    Raises OSError.
    """
    return os.open(f"/proc/self/fd/{descriptor}", flags | os.O_CLOEXEC)
