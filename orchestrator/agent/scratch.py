# SPDX-License-Identifier: GPL-2.0-only
"""A temporary directory on a host, for one boot or one copy.

It exists for as long as this program runs.  It is removed when the program gets a stop signal, which its supervisor
also sends when orch has ended.  Directories of killed programs are removed when the next one starts, and so are
directories without a lock, which a copy can make again after their removal.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path

from orchestrator.agent.filelock import alone
from orchestrator.agent.leases import lock

_STOPPING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def main() -> int:
    """Make the directory, wait for a stop signal, remove the directory.

    The request has `directory`, the parent of such directories, and `name`, that of the new one.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    request = json.load(sys.stdin)
    place = Path(request["directory"])
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = place / request["name"]
    held = _make(own)
    print(json.dumps({"event": "ready"}), flush=True)
    signal.sigwait(_STOPPING)
    shutil.rmtree(str(own), ignore_errors=True)
    own.with_suffix(".lock").unlink()
    os.close(held)
    return 0


def _make(own: Path) -> int:
    """Make the directory and return its lock.

    One program at a time, since another could remove a directory that is not locked yet.
    """
    with alone(own.parent.with_suffix(".lock")):
        _sweep(own.parent)
        held = lock(own.with_suffix(".lock"))
        own.mkdir(mode=0o700)
    return held


def _sweep(place: Path) -> None:
    """Remove the directories of programs that have ended."""
    for name in {path.stem for path in place.iterdir()}:
        stale = place / f"{name}.lock"
        try:
            held = lock(stale)
        except BlockingIOError:
            continue
        shutil.rmtree(str(place / name), ignore_errors=True)
        stale.unlink(missing_ok=True)  # its program may just have ended
        os.close(held)


if __name__ == "__main__":
    sys.exit(main())
