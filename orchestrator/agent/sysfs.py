# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel shows of the host below one directory: sysfs, /proc and /dev."""

from __future__ import annotations

import os
import re
from pathlib import Path

_ADDRESS = re.compile(r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")


class Tree:
    """The directory that has sys, proc, dev and run.  Paths are given as they are called below it."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")

    def path(self, *names: str) -> Path:
        """Where `names` are, of which the first begins with a slash."""
        return Path(self.root + "/".join(names))

    def read(self, *names: str) -> str:
        """The text of a file without space around it; "" where it cannot be read."""
        try:
            return self.path(*names).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""

    def names(self, *names: str) -> list[str]:
        """The sorted names in a directory; none where it cannot be read."""
        try:
            return sorted(entry.name for entry in self.path(*names).iterdir())
        except OSError:
            return []

    def target(self, *names: str) -> str:
        """The last name of where a symbolic link leads; "" where there is none."""
        try:
            return os.readlink(str(self.path(*names))).rpartition("/")[2]  # noqa: PTH115 -- Path has none in Python 3.8
        except OSError:
            return ""

    def real(self, *names: str) -> Path:
        """Where a path leads once all symbolic links in it are followed."""
        return Path(os.path.realpath(str(self.path(*names))))

    def owners(self, *names: str) -> list[str]:
        """The addresses of all PCI functions on the way to a device of sysfs, the one that it belongs to last.

        Those before are bridges, or functions with a domain of their own behind them (drivers/pci/controller/vmd.c),
        which the device would go with.
        """
        return [step for step in self.real(*names).parts if _ADDRESS.fullmatch(step)]

    def owner(self, *names: str) -> str:
        """The address of the PCI function that a device of sysfs belongs to; "" where it belongs to none."""
        return [*self.owners(*names)[-1:], ""][0]


def number(text: str, otherwise: int = 0) -> int:
    """A number as sysfs writes it, decimal or after 0x."""
    try:
        return int(text, 0)
    except ValueError:
        return otherwise
