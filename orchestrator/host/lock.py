# SPDX-License-Identifier: GPL-2.0-only
"""A lock between processes that can be given up when orch is told to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from orchestrator.host.base import Host

_PATIENCE_SECONDS = 0.5


@contextmanager
def locked(host: Host, path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock file `path`, whose directory is made; `on_wait` is called once if somebody else holds it.

    The system frees the lock of a process that dies.  Raises Interrupted if `host` is told to stop meanwhile.
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
