# SPDX-License-Identifier: GPL-2.0-only
"""b4 in a separate process, without the user's configuration, cache and git, and without network."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from orchestrator.errors import InfrastructureError
from orchestrator.host.base import Command, Host
from orchestrator.host.full import failure
from orchestrator.kernel.patch.choose import Answer, Ask, Mails

_SECONDS = 120.0
_NO_HOME = Path("/nonexistent")


def asker(host: Host) -> Ask:
    """Return a function that lets b4's library, on `host`, choose among versions.

    The function raises InfrastructureError if b4 fails.
    """

    def ask(mails: Mails, version: int | None) -> Answer:
        program = (sys.executable, "-P", str(Path(__file__).with_name("b4_choose.py")))
        question = json.dumps({"mails": mails, "version": version})
        done = host.run(Command(program, cwd=Path("/"), env=environment(_NO_HOME), stdin=question, timeout=_SECONDS))
        lines = done.output.strip().splitlines()
        if not done.ok or not lines:
            reason = f"no answer in {done.seconds:.0f} s" if done.timed_out else (lines or ["no answer"])[-1][:200]
            raise failure(f"b4 cannot choose among {len(mails)} mails: {reason}", done.output, InfrastructureError)
        answer = json.loads(lines[-1])
        return Answer(answer["version"], tuple(answer["patches"]), tuple(answer["older"]))

    return ask


def environment(home: Path) -> dict[str, str]:
    """Return an environment in which b4, git and Python find no files of the user."""
    homes = ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "GNUPGHOME")
    return {name: str(home) for name in homes} | {
        "GIT_DIR": str(home / "git"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_COUNT": "0",
        "GIT_CONFIG_PARAMETERS": "",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "orch",
        "GIT_AUTHOR_EMAIL": "orch@localhost",
        "GIT_COMMITTER_NAME": "orch",
        "GIT_COMMITTER_EMAIL": "orch@localhost",
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
