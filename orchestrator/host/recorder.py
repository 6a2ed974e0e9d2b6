# SPDX-License-Identifier: GPL-2.0-only
"""A host that records the exact commands of a job.

A user can repeat the job by hand with them.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.host.base import Command, Completed, Host, WrappedHost
from orchestrator.host.cleared import KEPT


@dataclass
class Recorder(WrappedHost):
    """Forwards everything to `host`, and records each command as a line of shell.

    `cleared` is for a host whose commands do not see the user's environment (`host.cleared`); the recorded lines then
    do not either.
    """

    host: Host
    lines: list[str] = field(default_factory=list)
    cleared: bool = False

    def run(self, command: Command) -> Completed:
        """Record the command and run it on the wrapped host."""
        self.lines.append(shell_line(command.argv, command.cwd, command.env, cleared=self.cleared))
        return self.host.run(command)

    def script(self) -> str:
        """Return the commands so far as a shell script."""
        return "#!/bin/sh\nset -e\n" + "".join(f"{line}\n" for line in self.lines)


def shell_line(argv: tuple[str, ...], cwd: Path | None, env: Mapping[str, str] | None, *, cleared: bool = False) -> str:
    """Return one command as a line of POSIX shell.

    It runs in a subshell if `cwd` is set.
    """
    settings = [f"{name}={shlex.quote(value)}" for name, value in (env or {}).items()]
    if cleared:
        settings = ["env -i", *(f'{name}="${name}"' for name in KEPT), *settings]
    line = " ".join([*settings, shlex.join(argv)])
    return f"(cd {shlex.quote(str(cwd))} && {line})" if cwd else line
