# SPDX-License-Identifier: GPL-2.0-only
"""A host whose commands see nothing of the user's environment but what they cannot run without.

Kbuild, Kconfig, gcc and clang take a hundred settings from the environment (KCFLAGS, HOSTCFLAGS, KCONFIG_SEED, CPATH,
GCC_EXEC_PREFIX, CCC_OVERRIDE_OPTIONS, ...), and none is part of a build's key.  A list of what to remove would never
be whole, so this is the list of what stays.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from orchestrator.host.base import Command, Completed, Host, WrappedHost

KEPT = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")
"""Where programs, their libraries and temporary files are, and ccache's or rustup's own settings."""


@dataclass(frozen=True)
class Cleared(WrappedHost):
    """Passes everything on to `host`, which is this machine; the environment of a command is `env` and `KEPT`."""

    host: Host

    def run(self, command: Command) -> Completed:
        """As the host behind."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        settings = [f"{name}={value}" for name, value in {**kept, **command.env}.items()]
        done = self.host.run(replace(command, argv=("env", "-i", *settings, *command.argv), env={}))
        return replace(done, argv=command.argv)
