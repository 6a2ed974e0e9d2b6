# SPDX-License-Identifier: GPL-2.0-only
"""Watch the directory that a guest writes to, and make it harmless afterwards.

The request has `directory` and its quota, `size` and `names`.  ``watch`` runs until a stop signal, and prints
``{"over": [reason]}`` if the quota is exceeded.  ``tidy`` also gets `kept`, and prints ``{"odd": [...]}``.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from orchestrator.agent.harmless import make_harmless
from orchestrator.agent.quota import Quota, watched

_STOPPING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def main() -> int:
    """Run the command in the first argument."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    request = json.load(sys.stdin)
    directory, quota = Path(request["directory"]), Quota(request["size"], request["names"])
    if sys.argv[1:] == ["watch"]:
        with watched(directory, quota.on(directory), lambda reason: print(json.dumps({"over": [reason]}), flush=True)):
            signal.sigwait(_STOPPING)
    else:
        print(json.dumps({"odd": make_harmless(directory, quota, request["kept"])}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
