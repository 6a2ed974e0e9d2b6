# SPDX-License-Identifier: GPL-2.0-only
"""The objects that a host keeps: directories named after a hash of their content.

    look  report whether the object `place` is complete, and mark it as used, so that its age is known
    keep  rename the directory `arrived` to `place`, unless a complete object has that name; then remove objects that
          were not used for long

An object can lose files: a power cut loses those that were not on disk yet, and systemd-tmpfiles removes files from
/var/tmp that were not read for 30 days (tmpfiles.d/tmp.conf).  So each object has a record of its original files.
Additional files are harmless, such as those that Python and virtme-ng write beside their files, or a certificate that a
host adds.
"""

from __future__ import annotations

import ctypes
import json
import os
import stat
import sys
import time
from pathlib import Path
from typing import Any

from orchestrator.agent.filelock import alone

_RECORD = ".orch-record"
UNUSED_SECONDS = 30 * 24 * 3600.0
"""The time after which an unused object is removed; every run marks the objects that it uses."""


def whole(place: Path) -> bool:
    """Return whether every original file of an object is there, and no shorter than before.

    Takes a second for the source of a kernel.
    """
    try:
        record = json.loads((place / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    there = _sizes(place)
    return isinstance(record, dict) and all(name in there and there[name] >= size for name, size in record.items())


def _sizes(place: Path) -> dict[str, int]:
    """Return the size of each file below a directory, -1 for other entries."""
    found = {}
    for top, directories, files in os.walk(str(place)):
        for name in (*directories, *files):
            path = Path(top, name)
            try:
                status = path.lstat()
            except FileNotFoundError:  # a file that was added later may be removed at any time
                continue
            found[str(path.relative_to(place))] = status.st_size if stat.S_ISREG(status.st_mode) else -1
    return found


def look(request: dict[str, Any]) -> dict[str, Any]:
    """See the module's description."""
    place = Path(request["place"])
    if not whole(place):
        return {"whole": False}
    os.utime(str(place))
    return {"whole": True}


def keep(request: dict[str, Any]) -> dict[str, Any]:
    """See the module's description.

    An incomplete object with the same name is moved beside `arrived`, to be removed with it.
    """
    arrived, place = Path(request["arrived"]), Path(request["place"])
    (arrived / _RECORD).write_text(json.dumps(_sizes(arrived)), encoding="utf-8")
    _sync_disk(arrived)
    place.parent.mkdir(parents=True, exist_ok=True)
    with alone(place.parent.with_suffix(".lock")):
        if not whole(place):
            if place.exists():
                place.rename(arrived.with_name("broken"))
            arrived.rename(place)
        _forget_unused(place.parent, arrived.parent)
    return {"whole": True}


def _forget_unused(objects: Path, rubbish: Path) -> None:
    """Move objects that were not used for long to a directory that will be removed."""
    for entry in objects.iterdir():
        if entry.stat().st_mtime < time.time() - UNUSED_SECONDS:
            entry.rename(rubbish / ("unused-" + entry.name))


def _sync_disk(place: Path) -> None:
    """Flush the disk of `place`, before `place` gets the name that marks it as complete."""
    descriptor = os.open(str(place), os.O_RDONLY)
    # syncfs(2): Python has only sync(), which waits for every disk.
    if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(place))
    os.close(descriptor)


if __name__ == "__main__":
    print(json.dumps({"look": look, "keep": keep}[sys.argv[1]](json.load(sys.stdin))))
