# SPDX-License-Identifier: GPL-2.0-only
"""A full disk, here or on a host: one sentence for the user, whatever command or file had no room."""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import DiskFullError, InfrastructureError, Interrupted, OrchError
from orchestrator.host.base import Command, Host
from orchestrator.host.full import tells_full_disk


def full_disk(directory: Path, what: str, *others: Path) -> InfrastructureError:
    """Return the error for `what`, which failed because a disk was full.

    It names the directory whose disk has the least free space: `directory` (the cache), the directory for temporary
    files, or one of `others`, to which `what` also writes.
    """
    places = (directory, Path(tempfile.gettempdir()), *others)
    place, free = min(((place, _free(place)) for place in places), key=lambda pair: pair[1])
    fix = "make room, or run 'orch cache gc --keep SIZE'" if place is directory else "make room"
    return InfrastructureError(f"{what}: no space was left on the disk of {place} ({free >> 20} MiB free now); {fix}")


def sync_disk(place: Path) -> None:
    """Flush all unwritten data of the disk of `place`.

    Called before `place` gets the name that marks it as complete: after a power cut it must not have that name and lack
    content.  Takes a fraction of a second, because most data was written before.  Raises OSError if the disk fails.
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
    """Return the free bytes on the disk of `place`, which need not exist yet."""
    there = next((path for path in (place, *place.parents) if path.exists()), Path("/"))
    return shutil.disk_usage(there).free


@contextmanager
def removed_on_failure(host: Host, partial: Path) -> Iterator[None]:
    """Remove `partial`, which the context fills, if the context fails.

    Otherwise a full disk would stay full.  If orch is stopped, `partial` stays, for the next attempt or for ``orch
    cache gc``.
    """
    try:
        yield
    except Interrupted:
        raise
    except (OrchError, OSError):
        host.run(Command(("rm", "-rf", str(partial))))
        raise


@contextmanager
def report_full_disk(directory: Path, what: str, *others: Path) -> Iterator[None]:
    """Turn the errors of a full disk during the work on `what` into one InfrastructureError (`full_disk`)."""
    try:
        yield
    except OSError as error:
        if not tells_full_disk(error):
            raise
        raise full_disk(directory, what, *others) from error
    except DiskFullError as error:
        raise full_disk(directory, what, *others) from error


@contextmanager
def report_full_disk_on(host: Host, directory: Path, what: str) -> Iterator[None]:
    """Turn the errors of a full disk into one InfrastructureError that names `host`, `directory` and `what`.

    In the context, commands write to `directory` on the host only.
    """
    try:
        yield
    except DiskFullError as error:
        place = f"{host.name}: no space was left for {what} in {directory} there"
        raise InfrastructureError(f"{place}; make room on that host") from error
