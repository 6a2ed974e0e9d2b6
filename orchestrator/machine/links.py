# SPDX-License-Identifier: GPL-2.0-only
"""Make links with simple names for paths of a boot that virtme-ng cannot handle (see `paths`).

The results of a run can be in any directory.  virtme-ng passes its name through a shell, where a blank ends the
argument and ``$(…)`` is executed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.machine.model import Boot
from orchestrator.paths import odd_character


@contextmanager
def plain_paths(boot: Boot, place: Path) -> Iterator[Boot]:
    """Yield `boot` without special characters in its paths; the paths are valid during the context.

    Each path with such a character is replaced by a symbolic link in a new directory below `place`, whose own path
    must have none.  For the share, the link is to its parent directory, because QEMU also has files beside the share.
    """
    paths = (boot.image, boot.root, boot.share.parent, boot.program, boot.modules, *(own for _, own in boot.exports))
    odd = [path for path in dict.fromkeys(paths) if path and odd_character(path)]
    if not odd:
        yield boot
        return
    place.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="boot-", dir=place, ignore_cleanup_errors=True) as directory:
        links = {path: Path(directory, f"path-{number}") for number, path in enumerate(odd)}
        for path, link in links.items():
            link.symlink_to(path.absolute())
        yield _renamed(boot, links)


def _renamed(boot: Boot, links: dict[Path, Path]) -> Boot:
    """Return `boot` with each path in `links` replaced by its link."""
    return replace(
        boot,
        image=links.get(boot.image, boot.image),
        root=links.get(boot.root, boot.root),
        share=links.get(boot.share.parent, boot.share.parent) / boot.share.name,
        program=links.get(boot.program, boot.program),
        modules=boot.modules and links.get(boot.modules, boot.modules),
        exports=tuple((guest, links.get(own, own)) for guest, own in boot.exports),
        links=tuple((link, path.absolute()) for path, link in links.items()),
    )
