# SPDX-License-Identifier: GPL-2.0-only
"""A host whose commands give way: a build beside a boot takes only the time that the guest leaves."""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.errors import CommandError
from orchestrator.host.base import Command, Completed, Host, WrappedHost
from orchestrator.host.supervisor import PYTHON

NICENESS = 5
"""A quarter of a core's time where a guest wants all of it (the kernel's sched_prio_to_weight): the guest hardly feels
it, and a build never stands still, on a machine that others use either."""

# Every command has a session of its own, and where sched_autogroup is on, niceness counts within a session only:
# between sessions it is the group's own that counts (sched(7), "The autogroup feature").
# PWD is the user's directory, and Linux puts it unquoted into a line of shell (tools/scripts/Makefile.include).
_GIVE_WAY = f'{{ echo {NICENESS} >/proc/self/autogroup; }} 2>/dev/null; unset PWD OLDPWD; exec nice -n {NICENESS} "$@"'

_NOT_STARTED = (126, 127)
"""The exit statuses of nice itself where it cannot start the command (nice(1))."""


@dataclass(frozen=True)
class Niced(WrappedHost):
    """Passes everything on to `host`, where the commands run with a lower priority."""

    host: Host

    def run(self, command: Command) -> Completed:
        """As the host behind."""
        argv = command.argv
        self.host.refuse_if_stopped(argv[0])
        # Programs of orch's own are over at once, and found by how their command begins.
        own = list(argv[: len(PYTHON)]) == PYTHON
        niced = argv if own else ("sh", "-c", _GIVE_WAY, "sh", *argv)
        done = self.host.run(replace(command, argv=niced))
        if done.status in _NOT_STARTED and done.output.startswith("nice: "):
            why = done.output.strip().rpartition(": ")[2]
            raise CommandError(f"{self.name}: cannot start {argv[0]}: {why}")
        return replace(done, argv=argv)
