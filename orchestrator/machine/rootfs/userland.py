# SPDX-License-Identifier: GPL-2.0-only
"""The host's programs in the guest: what of the host is shown to it, read-only, and where the guest puts it.

A suite that others wrote wants bash, perl, a C library.  The guest still boots from the static busybox; only then are
the host's own directories bound over those of the guest.  Were they there from the beginning, virtme's init would
find systemd's tools in them and start udev.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GUEST_HOST = "/mnt/host"
"""Where the guest sees the host's directories, until they are bound to where they belong."""

_TOP = ("usr", "lib", "lib32", "lib64", "libx32", "sbin", "bin")
"""Where programs and libraries are; on a host with a merged /usr all but the first are links into it.

The guest binds them in this order: /bin with the busybox that does it comes last.
"""
_ALTERNATIVES = "etc/alternatives"
"""Debian's links from one program's name to another one's file: without them /usr/bin/awk leads nowhere."""


@dataclass(frozen=True)
class Userland:
    """What one host shows of itself.

    `exports` are directories (where the guest sees it, where it is on the host).  `binds` are (where the guest sees
    it, where it belongs in the guest).  `links` are symbolic links of the guest's root (path without the leading
    slash, target).
    """

    exports: tuple[tuple[str, Path], ...] = ()
    binds: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()

    @property
    def directories(self) -> tuple[str, ...]:
        """The directories that the guest's root must have for it, without the leading slash."""
        return tuple(path.lstrip("/") for path in (*dict(self.exports), *dict(self.binds).values()))


def find_userland(top: Path = Path("/")) -> Userland:
    """The userland of the host whose root directory is `top`."""
    own = tuple(name for name in _TOP if (top / name).is_dir() and not (top / name).is_symlink())
    exports = tuple((f"{GUEST_HOST}/{name}", top / name) for name in own)
    return Userland(exports, tuple(_binds(top, own)), tuple(_links(top)))


def _binds(top: Path, own: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Each of the directories as it is, or from where it links to."""
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
