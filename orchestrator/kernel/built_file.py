# SPDX-License-Identifier: GPL-2.0-only
"""Files that a build wrote.

The Makefile is not trusted: instead of a file it can leave a link to any file of this machine.
"""

from __future__ import annotations

import stat
from pathlib import Path

from orchestrator.errors import KernelBuildError
from orchestrator.fileio import read_regular

_MOST_CONFIG = 4 << 20


def built_file(path: Path) -> Path:
    """Return `path` if it is a regular file, and not a link.  Raises KernelBuildError."""
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        raise KernelBuildError(f"the build left no {path.name}: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise KernelBuildError(f"the build left {path.name} as another kind of file (a link or a device)")
    return path


def built_config(path: Path) -> str:
    """Return the text of the configuration that a build wrote to `path`.  Raises KernelBuildError."""
    try:
        return read_regular(built_file(path), _MOST_CONFIG).decode(errors="surrogateescape")
    except (OSError, ValueError) as error:
        raise KernelBuildError(f"the build left a {path.name} that cannot be used: {error}") from error
