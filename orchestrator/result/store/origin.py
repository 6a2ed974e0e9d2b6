# SPDX-License-Identifier: GPL-2.0-only
"""What a run keeps of the origin of its kernels, for those who want more than the facts in its result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from orchestrator.agent.inodes import MIB
from orchestrator.host.untrusted import OddFileError, read_untrusted, text_of

_MOST = 64 * MIB
"""Bytes of a patch that are read at most."""


def read_provenance(run: Path, kernel: str) -> dict[str, object]:
    """Return the provenance of a kernel (provenance.json), {} if there is none that can be read."""
    try:
        found = json.loads(text_of(read_untrusted(run, f"kernels/{kernel}/provenance.json", MIB) or b"{}"))
    except (OddFileError, OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def read_patches(run: Path, kernel: str) -> tuple[bytes, ...] | None:
    """Return the patches of a kernel in their order, None if they are not all there."""
    listed = read_provenance(run, kernel).get("patches")
    if not isinstance(listed, list):
        return None
    names = [patch.get("name") if isinstance(patch, Mapping) else None for patch in listed]
    files = (f"kernels/{kernel}/patches/{number:04}-{name}" for number, name in enumerate(names, 1))
    try:
        found = [read_untrusted(run, file, _MOST) for file in files]
    except (OddFileError, OSError, ValueError):
        return None
    there = tuple(patch for patch in found if patch is not None)
    return there if len(there) == len(names) else None
