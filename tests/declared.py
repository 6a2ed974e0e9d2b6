# SPDX-License-Identifier: GPL-2.0-only
"""A PATH with the declared programs only.

A fresh machine has no others after the set-up.  Declared is what `orchestrator.doctor.requirements` lists; what Debian
marks as essential is on every machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from orchestrator.arch import arch_name
from orchestrator.doctor.requirements import setup_needs

_PLACES = ("/bin", "/sbin", "/usr/bin", "/usr/sbin")


def declared_path(directory: Path) -> str:
    """Fill the empty `directory` with links to the declared programs.

    Returns the PATH that has it, and the programs of this interpreter's virtual environment before it.
    """
    for program in (*_programs(_packages()), "/usr/bin/python3"):
        link = directory / Path(program).name
        if not link.is_symlink():
            link.symlink_to(program)
    return f"{Path(sys.executable).parent}:{directory}"


def _packages() -> list[str]:
    """Every installed package whose programs may be used: the essential and the declared ones."""
    shown = _dpkg("dpkg-query", "--show", "--showformat=${Essential} ${Package}\\n")
    pairs = [line.split() for line in shown]
    essential = [package for mark, package in pairs if mark == "yes"]
    declared = {need.package for need in setup_needs(arch_name(os.uname().machine), everything=True)}
    return [*essential, *sorted(declared & {package for _, package in pairs})]


def _programs(packages: Iterable[str]) -> Iterator[str]:
    files = _dpkg("dpkg-query", "--listfiles", *packages)
    yield from (file for file in files if str(Path(file).parent) in _PLACES and os.access(file, os.X_OK))
    # What is chosen among packages by update-alternatives is in none of them.
    yield from (f"/usr/bin/{name}" for name in ("awk", "which") if Path(f"/usr/bin/{name}").exists())


def _dpkg(*argv: str) -> list[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
