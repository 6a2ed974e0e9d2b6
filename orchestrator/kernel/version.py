# SPDX-License-Identifier: GPL-2.0-only
"""What version of Linux a source tree is."""

from __future__ import annotations

import re
from pathlib import Path


def kernel_version(tree: Path) -> str:
    """The version that the tree's Makefile states, such as 7.3.4."""
    text = (tree / "Makefile").read_text()
    fields: dict[str, str] = dict(
        re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *= *(\S*)$", text, re.MULTILINE)
    )
    numbers = ".".join(fields.get(name, "0") for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))
    return numbers + fields.get("EXTRAVERSION", "")


def series(tree: Path) -> str:
    """The first two numbers of the version, such as 7.3: sources of one series are mostly alike; "" for no source."""
    if not (tree / "Makefile").exists():
        return ""
    return ".".join(kernel_version(tree).split(".")[:2])
