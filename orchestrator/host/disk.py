# SPDX-License-Identifier: GPL-2.0-only
"""A full disk, however it shows: an error of our own, or a line among hundreds of make's."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import InfrastructureError, Interrupted, OrchError
from orchestrator.host.base import Command, Host

_NUMBERS = {errno.ENOSPC, errno.EDQUOT}
# Not in the lines of source that the compiler shows behind a bar.
# "Out of diskspace" is what git says of a pack (csum-file.c).
_WORDS = re.compile(r"^(?!\s*\d* \|).*(?:No space left on device|Disk quota exceeded|Out of diskspace)", re.MULTILINE)


def tells_full_disk(output: str) -> bool:
    """Whether the `output` of a command says that it could not write for want of room."""
    return bool(_WORDS.search(output))


def full_disk(directory: Path, what: str, *others: Path) -> InfrastructureError:
    """The one sentence for `what`, which had no room in `directory`, the cache, where temporary files go, or in one of
    `others` that it writes to: whichever has the least."""
    places = (directory, Path(tempfile.gettempdir()), *others)
    place, free = min(((place, _free(place)) for place in places), key=lambda one: one[1])
    mend = "make room, or run 'orch cache gc --keep SIZE'" if place is directory else "make room"
    return InfrastructureError(f"{what}: no space was left on the disk of {place} ({free >> 20} MiB free now); {mend}")


def sync_disk(place: Path) -> None:
    """Have the disk hold all that was written to it: `place` is about to get the name by which it counts as whole, and
    after a power cut it must not have that name and lack what is in it.

    A fraction of a second, for most of it was written long ago.  Raises OSError for what the disk does not take.
    """
    descriptor = os.open(place, os.O_RDONLY)
    try:
        # syncfs(2): Python has only sync(), which waits for every disk.
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(place))
    finally:
        os.close(descriptor)


def _free(place: Path) -> int:
    """The bytes that can be written to the disk of `place`, which need not exist yet."""
    there = next((one for one in (place, *place.parents) if one.exists()), Path("/"))
    return shutil.disk_usage(there).free


@contextmanager
def removed_on_failure(host: Host, partial: Path) -> Iterator[None]:
    """Remove `partial`, which is being filled, where that fails: a full disk must not be left full of it.

    Where orch is told to stop, it stays for the next who fills it, or for ``orch cache gc``.
    """
    try:
        yield
    except Interrupted:
        raise
    except (OrchError, OSError):
        host.run(Command(("rm", "-rf", str(partial))))
        raise


@contextmanager
def needs_room(directory: Path, what: str, *others: Path) -> Iterator[None]:
    """Turn whatever a full disk does to the work on `what` into one InfrastructureError (`full_disk`)."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NUMBERS:
            raise
        raise full_disk(directory, what, *others) from error
    except OrchError as error:
        if not tells_full_disk(str(error)):
            raise
        raise full_disk(directory, what, *others) from error
