# SPDX-License-Identifier: GPL-2.0-only
"""Sources that are mostly alike share their files, wherever each was taken from."""

from __future__ import annotations

from pathlib import Path

from orchestrator.kernel.clone import share
from orchestrator.kernel.version import series


def share_with_kin(cache: Path, tree: Path) -> None:
    """Link the files of a source that was just laid out to equal ones of another source of its Linux version.

    That takes one comparison, some ten seconds, and spares it every build that starts from a built tree of the other.
    """
    wanted = series(tree)
    others = [one for one in (cache / "sources").iterdir() if one != tree and one.is_dir() and "." not in one.name]
    kin = [one for one in others if wanted and series(one) == wanted]
    if kin:
        share(max(kin, key=lambda one: one.stat().st_mtime), tree)
