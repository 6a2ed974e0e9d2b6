# SPDX-License-Identifier: GPL-2.0-only
"""Limits for an untrusted directory, and a watch that reports if they are exceeded.

The watch checks a few times a second.  Between two checks the directory can grow beyond its limit; with the space that
is kept free on the disk, that does not endanger other results.
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
"""The deepest allowed nesting of directories: deeper paths cannot be opened by many programs."""
LONGEST_PATH = 1024
"""The longest allowed path below the directory, in bytes, for the same reason."""

TOO_DEEP = f"directories more than {DEEPEST} levels deep"

_PERIOD = 0.25
_RARELY = 8
"""One check in this number also counts files without a name, which needs a search of all processes."""
_SHARE_OF_TIME = 20
"""After a slow check, the pause is this many times as long as the check."""


@dataclass(frozen=True)
class Quota:
    """The limits of a directory: bytes, and names (files, directories and all other entries).

    Holes in files count as bytes, since copying a file may fill them with zeros.
    """

    size: int
    names: int

    def on(self, place: Path) -> Quota:
        """Return the quota, limited by the free space on the disk of `place`.

        The limits are half of the free bytes, and half of the free inodes.
        """
        free = os.statvfs(place)
        # Some file systems do not count inodes, and report 0 of 0.
        inodes = free.f_favail // 2 if free.f_files else self.names
        return Quota(min(self.size, free.f_bavail * free.f_frsize // 2), min(self.names, inodes))


def excess(root: Path, quota: Quota) -> str:
    """Return how the directory `root` exceeds `quota`, for the end of a sentence, or "".

    The directory may change at any time.  `quota.names` bounds the duration.
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
    """Check `root` repeatedly; call `over` once, from another thread, with the result of `excess`."""
    ended = Event()

    def check() -> None:
        pause, checks = _PERIOD, 0
        while not ended.wait(pause):
            start, checks = monotonic(), checks + 1
            reason = excess(root, quota)
            if not reason and checks % _RARELY == 0 and nameless(root) > quota.size:
                reason = f"more than {size_words(quota.size)} in files without a name"
            if reason:
                over(reason)
                return
            pause = max(_PERIOD, _SHARE_OF_TIME * (monotonic() - start))

    thread = Thread(target=check, name="quota", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def nameless(root: Path) -> int:
    """Return the bytes of removed files below `root` that QEMU still has open.

    These are bytes on the disk.
    """
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
    """Yield the bytes of each entry below a directory; -1 if too deep.

    The size of a file with several names is divided among them.  Entries that disappear, or cannot be read, are
    skipped.
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
