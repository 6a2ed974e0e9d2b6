# SPDX-License-Identifier: GPL-2.0-only
"""A host that remembers: the exact commands of a job, for whoever wants to do the same by hand."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.host.base import Command, Completed, Host, WrappedHost
from orchestrator.host.cleared import KEPT


@dataclass
class Recorder(WrappedHost):
    """Passes everything on to `host` and keeps each command as a line of shell.

    `cleared` is for a host whose commands do not see the user's environment (`host.cleared`): nor do those lines.
    """

    host: Host
    lines: list[str] = field(default_factory=list)
    cleared: bool = False

    def run(self, command: Command) -> Completed:
        """As the host behind; see `Host.run`."""
        self.lines.append(shell_line(command.argv, command.cwd, command.env, cleared=self.cleared))
        return self.host.run(command)

    def script(self) -> str:
        """The commands so far as a shell script."""
        return "#!/bin/sh\nset -e\n" + "".join(f"{line}\n" for line in self.lines)


def shell_line(argv: tuple[str, ...], cwd: Path | None, env: Mapping[str, str] | None, *, cleared: bool = False) -> str:
    """One command as a line of POSIX shell, in a subshell where it has a directory of its own."""
    settings = [f"{name}={shlex.quote(value)}" for name, value in (env or {}).items()]
    if cleared:
        settings = ["env -i", *(f'{name}="${name}"' for name in KEPT), *settings]
    line = " ".join([*settings, shlex.join(argv)])
    return f"(cd {shlex.quote(str(cwd))} && {line})" if cwd else line
