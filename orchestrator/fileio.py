# SPDX-License-Identifier: GPL-2.0-only
"""Read a file that a user named: whatever is there, it is answered at once and in bounded memory."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_regular(path: Path, most: int) -> bytes:
    """The content of the regular file `path`, through links, at most `most` bytes.

    Raises OSError, and ValueError with the end of a sentence for what is no regular file, or a larger one: a FIFO would
    be waited for, and /dev/zero has no end.
    """
    kind = stat.S_IFMT(path.stat().st_mode)
    if kind != stat.S_IFREG:
        raise ValueError(f"it is {_KINDS.get(kind, 'no file')}, not a file")
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC), "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it is larger than {most >> 10} KiB")
    return content
