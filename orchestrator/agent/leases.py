# SPDX-License-Identifier: GPL-2.0-only
"""Leases of PCI functions, and the journals that say how they were: all below /run/orch.

/run does not survive a reboot; nor does what is kept there, since all drivers are bound anew then.  A lease is a lock
on a file, which the system frees when its holder dies, however it dies; the file says who that is.
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
        """Make the directories.  Raises OSError."""
        for name in ("leases", "journals"):
            (self._run / name).mkdir(mode=0o755, parents=True, exist_ok=True)

    def lease(self, address: str) -> Path:
        """The file whose lock is the lease of a function."""
        return self._run / "leases" / address

    def journal(self, address: str) -> Path:
        """The file that says how a function was before it was taken."""
        return self._run / "journals" / f"{address}.json"

    @property
    def actions(self) -> Path:
        """The file whose lock is held while anything is done to a function."""
        return self._run / "actions"

    def journals(self) -> list[str]:
        """The functions that have a journal."""
        return sorted(path.name[: -len(".json")] for path in (self._run / "journals").glob("*.json"))

    def write_journal(self, entry: dict[str, Any]) -> None:
        """Write a function's journal, whole, and on disk before anything of the function is changed."""
        path = self.journal(entry["address"])
        new = path.with_suffix(".new")
        with new.open("w", encoding="utf-8") as file:
            json.dump(entry, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)

    def is_held(self, address: str) -> bool:
        """Whether somebody holds the lease of a function; one that is free is held for a moment."""
        try:
            os.close(lock(self.lease(address)))
        except BlockingIOError:
            return True
        return False

    def holders(self) -> dict[str, dict[str, Any]]:
        """Who holds each lease that is held, without a moment's hold on any; {} for one who does not say."""
        locked = self._locked()
        files = sorted((self._run / "leases").glob("*"))
        return {path.name: parsed(path) for path in files if _identity(path) in locked}

    def locker(self, path: Path) -> str:
        """Which process has locked a file, in a few words."""
        pid = self._locked().get(_identity(path), "")
        return f"process {pid} ({self._tree.read('/proc', pid, 'comm')})" if pid else "somebody"

    def _locked(self) -> dict[str, str]:
        """Who has locked what with flock(2): process ids, by device and inode (proc(5), locks)."""
        rows = [line.split() for line in self._tree.read("/proc/locks").splitlines()]
        return {row[5]: row[4] for row in rows if len(row) > 5 and row[1] == "FLOCK"}


def _identity(path: Path) -> str:
    """A file as /proc/locks calls it (fs/locks.c, lock_get_status): an inode's number is unique on its device only."""
    status = path.stat()
    return f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"


def lock(path: Path) -> int:
    """The descriptor of a lock file that is now held.  Raises BlockingIOError where somebody else has it."""
    descriptor = os.open(str(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def parsed(path: Path) -> dict[str, Any]:
    """The object of JSON in a file; an empty one where there is none, as in a file that is just being written."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def until(seconds: float, true: Callable[[], bool]) -> bool:
    """Wait until something is so, at most `seconds`; return whether it is."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
