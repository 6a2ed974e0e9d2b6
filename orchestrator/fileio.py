# SPDX-License-Identifier: GPL-2.0-only
"""Read a file that the user named, without blocking and in bounded memory."""

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
    """Return the content of the regular file `path`, at most `most` bytes; links are followed.

    Raises OSError.  Raises ValueError, whose text is the end of a sentence, if the file is not regular or is larger:
    reading a FIFO would block, and /dev/zero has no end.
    """
    kind = stat.S_IFMT(path.stat().st_mode)
    if kind != stat.S_IFREG:
        raise ValueError(f"it is {_KINDS.get(kind, 'no file')}, not a file")
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC), "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it is larger than {most >> 10} KiB")
    return content
