# SPDX-License-Identifier: GPL-2.0-only
"""Files that a build left: its Makefile can be a stranger's, and can leave a link to any file of this machine."""

from __future__ import annotations

import stat
from pathlib import Path

from orchestrator.errors import KernelBuildError
from orchestrator.fileio import read_regular

_MOST_CONFIG = 4 << 20


def built_file(path: Path) -> Path:
    """`path` itself, if a build left a regular file there, and not a link.  Raises KernelBuildError."""
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        raise KernelBuildError(f"the build left no {path.name}: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise KernelBuildError(f"the build left {path.name} as something else than a file (a link or a device)")
    return path


def built_config(path: Path) -> str:
    """The text of the configuration that a build left at `path`.  Raises KernelBuildError."""
    try:
        return read_regular(built_file(path), _MOST_CONFIG).decode(errors="surrogateescape")
    except (OSError, ValueError) as error:
        raise KernelBuildError(f"the build left a {path.name} that cannot be used: {error}") from error
