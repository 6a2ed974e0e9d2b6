# SPDX-License-Identifier: GPL-2.0-only
"""Hard links between similar sources, independent of where each was fetched from."""

from __future__ import annotations

from pathlib import Path

from orchestrator.kernel.clone import share
from orchestrator.kernel.version import series


def share_equal_files(cache: Path, tree: Path) -> None:
    """Link files of a new source to equal files of another source of its series.

    This one comparison takes some ten seconds.  Every build that starts from a built tree of the other source then
    needs none.
    """
    version = series(tree)
    places = (cache / "sources").iterdir()
    others = [place for place in places if place != tree and place.is_dir() and "." not in place.name]
    similar = [place for place in others if version and series(place) == version]
    if similar:
        share(max(similar, key=lambda place: place.stat().st_mtime), tree)
