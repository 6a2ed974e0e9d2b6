# SPDX-License-Identifier: GPL-2.0-only
"""The Linux version of a source tree."""

from __future__ import annotations

import re
from pathlib import Path


def kernel_version(tree: Path) -> str:
    """Return the version in the tree's Makefile, such as 7.3.4."""
    text = (tree / "Makefile").read_text()
    fields: dict[str, str] = dict(
        re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *= *(\S*)$", text, re.MULTILINE)
    )
    numbers = ".".join(fields.get(name, "0") for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))
    return numbers + fields.get("EXTRAVERSION", "")


def series(tree: Path) -> str:
    """Return the first two numbers of the version, such as 7.3.

    Returns "" if `tree` has no Makefile.  Sources of one series have most files in common.
    """
    if not (tree / "Makefile").exists():
        return ""
    return ".".join(kernel_version(tree).split(".")[:2])
