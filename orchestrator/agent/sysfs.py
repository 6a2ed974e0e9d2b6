# SPDX-License-Identifier: GPL-2.0-only
"""Access to sysfs, /proc and /dev of a host, below one directory."""

from __future__ import annotations

import os
import re
from pathlib import Path

_ADDRESS = re.compile(r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")


class Tree:
    """The directory that has sys, proc, dev and run.

    Paths are given as they are below it.
    """

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")

    def path(self, *names: str) -> Path:
        """Return the path of `names`; the first begins with a slash."""
        return Path(self.root + "/".join(names))

    def read(self, *names: str) -> str:
        """Return the text of a file, stripped; "" if it cannot be read."""
        try:
            return self.path(*names).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""

    def names(self, *names: str) -> list[str]:
        """Return the sorted names in a directory; none if it cannot be read."""
        try:
            return sorted(entry.name for entry in self.path(*names).iterdir())
        except OSError:
            return []

    def target(self, *names: str) -> str:
        """Return the last name in a symbolic link's target; "" if there is none."""
        try:
            return os.readlink(str(self.path(*names))).rpartition("/")[2]  # noqa: PTH115 -- Path has none in Python 3.8
        except OSError:
            return ""

    def real(self, *names: str) -> Path:
        """Return a path with all symbolic links resolved."""
        return Path(os.path.realpath(str(self.path(*names))))

    def owners(self, *names: str) -> list[str]:
        """Return the addresses of all PCI functions on the path of a sysfs device.

        The last one is the function that the device belongs to.  Those before it are bridges, or functions with a PCI
        domain of their own (drivers/pci/controller/vmd.c); with them the device is removed from the host, too.
        """
        return [step for step in self.real(*names).parts if _ADDRESS.fullmatch(step)]

    def owner(self, *names: str) -> str:
        """Return the address of a sysfs device's PCI function; "" if there is none."""
        return [*self.owners(*names)[-1:], ""][0]


def number(text: str, otherwise: int = 0) -> int:
    """Return a number in sysfs's notation, decimal or after 0x."""
    try:
        return int(text, 0)
    except ValueError:
        return otherwise
