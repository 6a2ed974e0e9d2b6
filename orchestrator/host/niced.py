# SPDX-License-Identifier: GPL-2.0-only
"""A host whose commands run with low priority.

A build beside a boot then takes only the CPU time that the guest leaves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.errors import CommandError
from orchestrator.host.base import Command, Completed, Host, WrappedHost
from orchestrator.host.supervisor import PYTHON

NICENESS = 5
"""A quarter of a core's time if a guest wants all of it (the kernel's sched_prio_to_weight).  The guest is hardly
slower, and a build never stops, even on a machine with other users."""

# Every command has a session of its own.  With sched_autogroup, niceness counts within a session only; between sessions
# the niceness of the autogroup counts (sched(7), "The autogroup feature").
# PWD is the user's directory, and Linux puts it unquoted into a shell command (tools/scripts/Makefile.include).
_GIVE_WAY = f'{{ echo {NICENESS} >/proc/self/autogroup; }} 2>/dev/null; unset PWD OLDPWD; exec nice -n {NICENESS} "$@"'

_NOT_STARTED = (126, 127)
"""The exit statuses of nice itself if it cannot start the command (nice(1))."""


@dataclass(frozen=True)
class Niced(WrappedHost):
    """Forwards everything to `host`, where the commands run with a lower priority."""

    host: Host

    def run(self, command: Command) -> Completed:
        """Run the command on the wrapped host with low priority."""
        argv = command.argv
        self.host.refuse_if_stopped(argv[0])
        # orch's own programs are short and keep their command, by whose first arguments the supervisor detects them.
        own = list(argv[: len(PYTHON)]) == PYTHON
        niced = argv if own else ("sh", "-c", _GIVE_WAY, "sh", *argv)
        done = self.host.run(replace(command, argv=niced))
        if done.status in _NOT_STARTED and done.output.startswith("nice: "):
            why = done.output.strip().rpartition(": ")[2]
            raise CommandError(f"{self.name}: cannot start {argv[0]}: {why}")
        return replace(done, argv=argv)
