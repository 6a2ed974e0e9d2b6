# SPDX-License-Identifier: GPL-2.0-only
"""Locks between processes, which the system releases when a process ends in any way."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from orchestrator.errors import InfrastructureError
from orchestrator.host.base import Host
from orchestrator.host.full import failure

_PATIENCE_SECONDS = 0.5
_LOCKS = Path("/proc/locks")


@contextmanager
def locked(host: Host, path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock file `path`; its directory is made.

    `on_wait` is called once if another process holds the lock.  The system releases the lock of a process that ends.
    Raises Interrupted if `host` is stopped meanwhile.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    waited = False
    while not lock.is_locked:
        try:
            lock.acquire(timeout=_PATIENCE_SECONDS)
        except Timeout:
            host.refuse_if_stopped(f"waiting for {path}")
            if not waited:
                on_wait()
            waited = True
    try:
        yield
    finally:
        lock.release()


@contextmanager
def briefly_locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` for short work that need not be interruptible."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield


@contextmanager
def shared(host: Host, path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Be one of many users of the resource that `path` guards.

    Waits while a process is `alone` with it; `on_wait` is called once if one is.  Raises InfrastructureError if the
    lock file cannot be made, Interrupted if `host` is stopped meanwhile.
    """
    with _flock(host, path, fcntl.LOCK_SH, on_wait):
        yield


@contextmanager
def alone(host: Host, path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Have exclusive use of the resource that `path` guards.

    `on_wait`, which may raise, is called once if there are users (`shared`).  Raises the errors of `shared`.
    """
    with _flock(host, path, fcntl.LOCK_EX, on_wait):
        yield


@contextmanager
def _flock(host: Host, path: Path, kind: int, on_wait: Callable[[], None]) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise failure(f"{path}: the lock cannot be made: {error.strerror}", error, InfrastructureError) from error
    try:
        waited = False
        while not _granted(descriptor, kind):
            host.refuse_if_stopped(f"waiting for {path}")
            if not waited:
                on_wait()
            waited = True
            time.sleep(_PATIENCE_SECONDS / 5)
        yield
    finally:
        os.close(descriptor)


def _granted(descriptor: int, kind: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        return True
    return False


def holders(path: Path) -> tuple[int, ...]:
    """Return the processes that hold a lock on `path`.

    Source: /proc/locks (proc(5)); empty if it gives no answer.
    """
    with suppress(OSError):
        return _holders(_LOCKS.read_text(), path.stat().st_ino)
    return ()


def _holders(locks: str, inode: int) -> tuple[int, ...]:
    rows = (line.split() for line in locks.splitlines())
    return tuple(
        sorted({int(row[4]) for row in rows if len(row) > 5 and row[1] == "FLOCK" and row[5].endswith(f":{inode}")})
    )
