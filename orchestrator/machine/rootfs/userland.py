# SPDX-License-Identifier: GPL-2.0-only
"""The host's programs in the guest.

This module finds the host directories that are exported read-only, and their mount points.  Suites that are not orch's
own need bash, perl, a C library.  The guest boots from the static busybox; after that, the host's directories are bound
over those of the guest.  If they were there from the start, virtme's init would find systemd's tools in them and start
udev.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GUEST_HOST = "/mnt/host"
"""Mount point of the host's directories in the guest, until they are bound to their final paths."""

_TOP = ("usr", "lib", "lib32", "lib64", "libx32", "sbin", "bin")
"""Directories of programs and libraries.

On a host with a merged /usr, all except the first are links into it.  The guest binds them in this order: /bin is last,
because it has the busybox that binds them.
"""
_ALTERNATIVES = "etc/alternatives"
"""Debian's links from the name of a program to the file of an alternative.  Without them /usr/bin/awk is broken."""


@dataclass(frozen=True)
class Userland:
    """The directories that one host exports to a guest.

    `exports` are (mount point in the guest, path on the host) pairs, `binds` are (mount point in the guest, final path
    in the guest) pairs.  `links` are symbolic links in the guest's root: (path without the leading slash, target).
    """

    exports: tuple[tuple[str, Path], ...] = ()
    binds: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()

    @property
    def directories(self) -> tuple[str, ...]:
        """The directories that the guest's root must have for this userland, without the leading slash."""
        return tuple(path.lstrip("/") for path in (*dict(self.exports), *dict(self.binds).values()))


def find_userland(top: Path = Path("/")) -> Userland:
    """Return the userland of the host whose root directory is `top`."""
    own = tuple(name for name in _TOP if (top / name).is_dir() and not (top / name).is_symlink())
    exports = tuple((f"{GUEST_HOST}/{name}", top / name) for name in own)
    return Userland(exports, tuple(_binds(top, own)), tuple(_links(top)))


def _binds(top: Path, own: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the bind of each directory: the directory itself, or the target that it links to."""
    for name in _TOP:
        if name in own:
            yield f"{GUEST_HOST}/{name}", f"/{name}"
        elif (top / name).is_symlink() and (top / name).is_dir():
            inside = os.path.normpath(os.readlink(top / name)).lstrip("/")  # noqa: PTH115 -- as it is written
            if inside.split("/", maxsplit=1)[0] in own:
                yield f"{GUEST_HOST}/{inside}", f"/{name}"


def _links(top: Path) -> Iterator[tuple[str, str]]:
    folder = top / _ALTERNATIVES
    for link in sorted(folder.iterdir()) if folder.is_dir() else ():
        target = os.readlink(link) if link.is_symlink() else ""  # noqa: PTH115 -- as it is written
        if target.startswith("/usr/"):
            yield f"{_ALTERNATIVES}/{link.name}", target
