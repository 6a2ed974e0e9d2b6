# SPDX-License-Identifier: GPL-2.0-only
"""What a host keeps of what it was sent: objects, each a directory whose name says what is in it.

    look  say whether the object `place` is whole, and mark it as used, so that its age can be told
    keep  give what has arrived in the directory `arrived` the name `place`, unless a whole object has it already; what
          was not used for long goes then

An object can lose files: a host without power those that were not on its disk yet, and systemd-tmpfiles removes what
nobody has read for 30 days from /var/tmp (tmpfiles.d/tmp.conf).  Hence a record in each of what it was made of.  What
came later does no harm, such as what Python and virtme-ng write beside their files, or a certificate that a host adds.
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
"""How long an object is kept that nobody uses; every run looks at what it uses."""


def whole(place: Path) -> bool:
    """Whether nothing is lost of what an object was made of: each file is there, and no shorter than it was.

    That takes a second for the source of a kernel.
    """
    try:
        record = json.loads((place / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    there = _sizes(place)
    return isinstance(record, dict) and all(name in there and there[name] >= size for name, size in record.items())


def _sizes(place: Path) -> dict[str, int]:
    """The size of each file below a directory, -1 for what is none."""
    found = {}
    for top, directories, files in os.walk(str(place)):
        for name in (*directories, *files):
            path = Path(top, name)
            try:
                status = path.lstat()
            except FileNotFoundError:  # what came later may go any time
                continue
            found[str(path.relative_to(place))] = status.st_size if stat.S_ISREG(status.st_mode) else -1
    return found


def look(request: dict[str, Any]) -> dict[str, Any]:
    """See the head of this file."""
    place = Path(request["place"])
    if not whole(place):
        return {"whole": False}
    os.utime(str(place))
    return {"whole": True}


def keep(request: dict[str, Any]) -> dict[str, Any]:
    """See the head of this file; what had the name and is not whole goes where `arrived` was, to be removed with it."""
    arrived, place = Path(request["arrived"]), Path(request["place"])
    (arrived / _RECORD).write_text(json.dumps(_sizes(arrived)), encoding="utf-8")
    _settle(arrived)
    place.parent.mkdir(parents=True, exist_ok=True)
    with alone(place.parent.with_suffix(".lock")):
        if not whole(place):
            if place.exists():
                place.rename(arrived.with_name("broken"))
            arrived.rename(place)
        _forget_unused(place.parent, arrived.parent)
    return {"whole": True}


def _forget_unused(objects: Path, rubbish: Path) -> None:
    """Move what no run has looked at for long to a directory that is about to go."""
    for entry in objects.iterdir():
        if entry.stat().st_mtime < time.time() - UNUSED_SECONDS:
            entry.rename(rubbish / ("unused-" + entry.name))


def _settle(place: Path) -> None:
    """Have the disk hold all that was written to it, before `place` gets a name by which it counts as whole."""
    descriptor = os.open(str(place), os.O_RDONLY)
    # syncfs(2): Python has only sync(), which waits for every disk.
    if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(place))
    os.close(descriptor)


if __name__ == "__main__":
    print(json.dumps({"look": look, "keep": keep}[sys.argv[1]](json.load(sys.stdin))))
