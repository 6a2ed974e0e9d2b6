# SPDX-License-Identifier: GPL-2.0-only
"""A directory on a host for the time of one run.

It is there for as long as this program runs; when the program is told to stop, which its supervisor also does when orch
is gone, it is removed.  Directories whose program was killed go when the next one starts.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path

from orchestrator.onhost.leases import lock

_STOPPING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def main() -> int:
    """The request has `directory`, where such directories are, and `name`, that of the new one."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    request = json.load(sys.stdin)
    runs = Path(request["directory"])
    runs.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = runs / request["name"]
    held = lock(own.with_suffix(".lock"))
    _sweep(runs)
    own.mkdir(mode=0o700)
    print(json.dumps({"said": "ready"}), flush=True)
    signal.sigwait(_STOPPING)
    shutil.rmtree(str(own), ignore_errors=True)
    own.with_suffix(".lock").unlink()
    os.close(held)
    return 0


def _sweep(runs: Path) -> None:
    """Remove what dead runs left."""
    for stale in runs.glob("*.lock"):
        try:
            held = lock(stale)
        except BlockingIOError:
            continue
        shutil.rmtree(str(stale.with_suffix("")), ignore_errors=True)
        stale.unlink()
        os.close(held)


if __name__ == "__main__":
    sys.exit(main())
