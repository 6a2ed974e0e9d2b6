# SPDX-License-Identifier: GPL-2.0-only
"""The version of orch that runs, as results and ``orch --version`` report it."""

from __future__ import annotations

from functools import cache
from importlib import metadata
from pathlib import Path

import orchestrator
from orchestrator.host.base import Command
from orchestrator.host.local import LocalHost


@cache
def orch_version() -> str:
    """Return what ``git describe`` says of a checkout, or the version that an installed package has.

    An editable installation keeps the version of the day on which it was made; the checkout has moved on since.
    """
    checkout = Path(orchestrator.__file__).parents[1]
    return (_describe(checkout) if (checkout / ".git").exists() else "") or metadata.version("orch")


def _describe(checkout: Path) -> str:
    """Return the version of `checkout`; "" if git is missing or refuses the directory (git-config, safe.directory)."""
    argv = ("git", "-C", str(checkout), "describe", "--tags", "--match", "v[0-9]*", "--always", "--dirty")
    done = LocalHost().run(Command(argv, env={"LC_ALL": "C"}, timeout=60))
    return done.output.strip() if done.ok else ""
