# SPDX-License-Identifier: GPL-2.0-only
"""Read files that untrusted parties wrote.

These are a guest, a patched Makefile, another host, or the sender of a run.  Such a file can be anything: a link to the
host's own files or to /dev/zero, a FIFO that blocks its reader, a directory, a sparse file of 1 TB.  Every part of a
name below orch's own directory is opened relative to the part before it, and no link is followed.  The type of a file
is checked before it is opened for reading, since opening a device can already have an effect.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.agent.inodes import inode, kind_of, reopened, shown, size_words
from orchestrator.errors import InfrastructureError

_PATH = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CHUNK = 1 << 18


class OddFileError(InfrastructureError):
    """A file is not of the expected type; the message names it and its type."""


def read_untrusted(root: Path, name: str, most: int) -> bytes | None:
    """Return the content of the regular file `name` below `root`; None if there is none.

    `root` is orch's own directory.  `most` is in bytes.  Raises OddFileError if the file is not regular, is reached
    through a link, cannot be read, or is larger than `most`.
    """
    content, whole = _beginning(root, name, most, 0)
    if not whole:
        raise OddFileError(f"{shown(name)} is larger than {size_words(most)}")
    return content


def read_beginning(root: Path, name: str, most: int) -> tuple[bytes | None, bool]:
    """Return the first `most` bytes of a file, and whether that is all of it.

    Otherwise the same as `read_untrusted`.
    """
    return _beginning(root, name, most, most)


def _beginning(root: Path, name: str, most: int, of_larger: int) -> tuple[bytes | None, bool]:
    """Read a file of at most `most` bytes, or the first `of_larger` bytes of a larger one."""
    try:
        with _opened(root, name) as file:
            larger = os.fstat(file).st_size > most
            content = _read(file, of_larger if larger else most + 1)  # it may grow meanwhile
    except FileNotFoundError:
        return None, True
    except OSError as error:
        raise OddFileError(f"{shown(name)} {_why(error)}") from error
    return content[:most], not larger and len(content) <= most


def copy_untrusted(root: Path, name: str, target: Path, most: int) -> bool:
    """Copy the regular file `name` below `root` to the new file `target`.

    Returns False if there is no such file.  Raises the errors of `read_untrusted`, and OSError if `target` cannot be
    written.
    """
    content = read_untrusted(root, name, most)
    if content is not None:
        target.write_bytes(content)
    return content is not None


def replace_untrusted(root: Path, name: str, content: bytes) -> None:
    """Put a new file `name` in place of whatever has that name in `root`, which another party can write to.

    A link or a device of that name is removed and not written to.  Raises OSError, also if the other party puts
    something there at the same time.
    """
    path = root / name
    path.unlink(missing_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    with os.fdopen(file, "wb") as stream:
        stream.write(content)


def text_of(content: bytes) -> str:
    """Return untrusted content as text.

    Bytes that are not UTF-8, and NUL, are replaced.
    """
    return content.decode(errors="replace").replace("\0", "�")


@contextmanager
def _opened(root: Path, name: str) -> Iterator[int]:
    """Open the regular file `name` below `root` for reading.

    Raises OSError and OddFileError.
    """
    path = Path(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise OddFileError(f"{shown(name)} is not a name below its directory")
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    file = -1
    try:
        *directories, last = path.parts
        for part in directories:
            above, here = here, os.open(part, _PATH | os.O_DIRECTORY, dir_fd=here)
            os.close(above)
        above, here = here, inode(here, last)
        os.close(above)
        mode = os.fstat(here).st_mode
        if not stat.S_ISREG(mode):
            raise OddFileError(f"{shown(name)} is {kind_of(mode)}, not a file")
        file = reopened(here, _READ)
        yield file
    finally:
        os.close(here)
        if file >= 0:
            os.close(file)


def _read(file: int, most: int) -> bytes:
    pieces = []
    while most > 0 and (piece := os.read(file, min(most, _CHUNK))):
        pieces.append(piece)
        most -= len(piece)
    return b"".join(pieces)


def _why(error: OSError) -> str:
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return "is below a symbolic link, or below a file"
    return f"cannot be read: {error.strerror}"
