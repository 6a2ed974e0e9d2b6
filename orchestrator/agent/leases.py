# SPDX-License-Identifier: GPL-2.0-only
"""Leases of PCI functions, and journals of their original state, below /run/orch.

/run does not survive a reboot, and need not: a reboot binds all drivers again.  A lease is a lock on a file, which the
system releases when its holder ends in any way.  The file names the holder.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.agent.sysfs import Tree

_RUN = "/run/orch"


class Store:
    """The directories of leases and journals."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._run = tree.path(_RUN)

    def make(self) -> None:
        """Make the directories.

        Raises OSError.
        """
        for name in ("leases", "journals"):
            (self._run / name).mkdir(mode=0o755, parents=True, exist_ok=True)

    def lease(self, address: str) -> Path:
        """Return the file whose lock is the lease of a function."""
        return self._run / "leases" / address

    def journal(self, address: str) -> Path:
        """Return the file with the original state of a function."""
        return self._run / "journals" / f"{address}.json"

    @property
    def actions(self) -> Path:
        """The file whose lock is held while a function is changed."""
        return self._run / "actions"

    def journals(self) -> list[str]:
        """Return the addresses of the functions that have a journal."""
        return sorted(path.name[: -len(".json")] for path in (self._run / "journals").glob("*.json"))

    def write_journal(self, entry: dict[str, Any]) -> None:
        """Write a function's journal completely to the disk, before the function is changed."""
        path = self.journal(entry["address"])
        new = path.with_suffix(".new")
        with new.open("w", encoding="utf-8") as file:
            json.dump(entry, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)

    def is_held(self, address: str) -> bool:
        """Return whether the lease of a function is held.

        A free lease is held for a moment during the check.
        """
        try:
            os.close(lock(self.lease(address)))
        except BlockingIOError:
            return True
        return False

    def holders(self) -> dict[str, dict[str, Any]]:
        """Return the holder of each lease that is held, without locking any.

        {} is a holder that is not known.
        """
        locked = self._locked()
        files = sorted((self._run / "leases").glob("*"))
        return {path.name: parsed(path) for path in files if _identity(path) in locked}

    def locker(self, path: Path) -> str:
        """Return a short description of the process that has locked a file."""
        pid = self._locked().get(_identity(path), "")
        return f"process {pid} ({self._tree.read('/proc', pid, 'comm')})" if pid else "another process"

    def _locked(self) -> dict[str, str]:
        """Return the flock(2) locks: process ids, by device and inode (proc(5), locks)."""
        rows = [line.split() for line in self._tree.read("/proc/locks").splitlines()]
        return {row[5]: row[4] for row in rows if len(row) > 5 and row[1] == "FLOCK"}


def _identity(path: Path) -> str:
    """Return a file's name in /proc/locks (fs/locks.c, lock_get_status).

    The device is a part of it, since an inode's number is unique on its device only.
    """
    status = path.stat()
    return f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"


def lock(path: Path) -> int:
    """Lock a file and return its descriptor.

    Raises BlockingIOError if another process holds the lock.
    """
    descriptor = os.open(str(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def parsed(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Returns {} if there is none, for example in a file that is being written.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def until(seconds: float, true: Callable[[], bool]) -> bool:
    """Wait for a condition, at most `seconds`; return whether it is met."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
