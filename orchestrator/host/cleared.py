# SPDX-License-Identifier: GPL-2.0-only
"""A host whose commands see nothing of the user's environment but what they cannot run without.

Kbuild, Kconfig, gcc and clang take a hundred settings from the environment (KCFLAGS, HOSTCFLAGS, KCONFIG_SEED, CPATH,
GCC_EXEC_PREFIX, CCC_OVERRIDE_OPTIONS, ...), and none is part of a build's key.  A list of what to remove would never
be whole, so this is the list of what stays.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from orchestrator.host.base import Completed, Host, LineSink, WrappedHost

KEPT = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")
"""Where programs, their libraries and temporary files are, and ccache's or rustup's own settings."""


@dataclass(frozen=True)
class Cleared(WrappedHost):
    """Passes everything on to `host`, which is this machine; the environment of a command is `env` and `KEPT`."""

    host: Host

    def run(
        self,
        argv: tuple[str, ...],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout: float | None = None,
        on_line: LineSink | None = None,
        log: Path | None = None,
        until: Event | None = None,
        grace: float | None = None,
    ) -> Completed:
        """As the host behind."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        settings = [f"{name}={value}" for name, value in (kept | dict(env or {})).items()]
        done = self.host.run(
            ("env", "-i", *settings, *argv),
            cwd=cwd,
            stdin=stdin,
            timeout=timeout,
            on_line=on_line,
            log=log,
            until=until,
            grace=grace,
        )
        return replace(done, argv=argv)
