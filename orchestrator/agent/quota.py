# SPDX-License-Identifier: GPL-2.0-only
"""How much others may leave in a directory, and a watch that reports while they write when it is too much.

The watch looks a few times a second.  What is written between two looks is the most that a directory can grow beyond
its limit; with the space that is kept free on the disk, that is little enough for the results of others.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from time import monotonic

from orchestrator.agent.inodes import size_words

DEEPEST = 64
"""Directories below each other that may be left: what lies deeper has paths that many programs cannot open."""
LONGEST_PATH = 1024
"""Bytes of a path below the directory, for the same reason."""

TOO_DEEP = f"directories more than {DEEPEST} levels deep"

_PERIOD = 0.25
_RARELY = 8
"""One look in so many is also for files without a name, for which all processes are looked at."""
_SHARE_OF_TIME = 20
"""A look that takes long is followed by this many times as long without one."""


@dataclass(frozen=True)
class Quota:
    """The most that may be left: bytes, and names (files, directories and all else).

    Holes in files count as bytes, since who copies the files may write zeros for them.
    """

    size: int
    names: int

    def on(self, place: Path) -> Quota:
        """The same, but at most half of what is free now on the disk of `place`, of bytes and of inodes."""
        free = os.statvfs(place)
        # Some file systems do not count inodes, and say 0 of 0.
        inodes = free.f_favail // 2 if free.f_files else self.names
        return Quota(min(self.size, free.f_bavail * free.f_frsize // 2), min(self.names, inodes))


def excess(root: Path, quota: Quota) -> str:
    """In what the directory `root` is beyond `quota`, for the end of a sentence; "" if it is not.

    It may change meanwhile, in any way.  The time that this takes is bounded by `quota.names`.
    """
    size = names = 0
    with _directory(root) as top:
        for used in _sizes(top, DEEPEST):
            size, names = size + used, names + 1
            if used < 0:
                return TOO_DEEP
            if size > quota.size:
                return f"more than {size_words(quota.size)}"
            if names > quota.names:
                return f"more than {quota.names:,} files"
    return ""


@contextmanager
def watched(root: Path, quota: Quota, over: Callable[[str], None]) -> Iterator[None]:
    """Look at `root` again and again; call `over` once, from another thread, with what `excess` says."""
    ended = Event()

    def look() -> None:
        pause, looks = _PERIOD, 0
        while not ended.wait(pause):
            begun, looks = monotonic(), looks + 1
            reason = excess(root, quota)
            if not reason and looks % _RARELY == 0 and nameless(root) > quota.size:
                reason = f"more than {size_words(quota.size)} in files without a name"
            if reason:
                over(reason)
                return
            pause = max(_PERIOD, _SHARE_OF_TIME * (monotonic() - begun))

    thread = Thread(target=look, name="quota", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def nameless(root: Path) -> int:
    """The bytes on the disk of files that were removed from below `root` while a QEMU still has them open."""
    size, below = 0, f"{os.path.realpath(root)}/"
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if not (process / "comm").read_bytes().startswith(b"qemu-system"):
                continue
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    target = os.readlink(str(descriptor))  # noqa: PTH115 - Path.readlink() is newer than Python 3.8
                    if target.startswith(below) and target.endswith(" (deleted)"):
                        size += descriptor.stat().st_blocks * 512
    return size


@contextmanager
def _directory(path: Path | str, above: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _sizes(directory: int, levels: int) -> Iterator[int]:
    """The bytes of everything below a directory, one by one; -1 for what is too deep.

    A file with several names counts in parts.  What goes away meanwhile, or may not be read, counts nothing.
    """
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                is_directory = stat.S_ISDIR(status.st_mode)
                size = max(status.st_size, status.st_blocks * 512)
                yield size // (1 if is_directory else max(1, status.st_nlink))
                if is_directory and levels == 0:
                    yield -1
                elif is_directory:
                    with suppress(OSError), _directory(entry.name, directory) as below:
                        yield from _sizes(below, levels - 1)
