# SPDX-License-Identifier: GPL-2.0-only
"""A host whose commands see only the necessary variables of the user's environment.

Kbuild, Kconfig, gcc and clang read a hundred settings from the environment (KCFLAGS, HOSTCFLAGS, KCONFIG_SEED, CPATH,
GCC_EXEC_PREFIX, CCC_OVERRIDE_OPTIONS, ...), and none is part of a build's key.  A list of variables to remove would
never be complete, so this is the list of those to keep.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from orchestrator.host.base import Command, Completed, Host, WrappedHost

KEPT = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")
"""The places of programs, their libraries and temporary files, and the places of ccache's or rustup's settings."""


@dataclass(frozen=True)
class Cleared(WrappedHost):
    """Forwards everything to `host`, which is this machine.

    The environment of a command is `env` and `KEPT`.
    """

    host: Host

    def run(self, command: Command) -> Completed:
        """Run the command on the wrapped host, with the reduced environment."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        settings = [f"{name}={value}" for name, value in {**kept, **command.env}.items()]
        done = self.host.run(replace(command, argv=("env", "-i", *settings, *command.argv), env={}))
        return replace(done, argv=command.argv)
