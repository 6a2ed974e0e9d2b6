# SPDX-License-Identifier: GPL-2.0-only
"""The hosts of the inventory as values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.host.address import Address


@dataclass(frozen=True)
class Entry:
    """A host of the inventory.

    `directory` is the directory, on the host, that keeps everything sent there between runs.  `cores` and `memory`
    (bytes) are the limits for guests, None for all of the host.  `devices` are the addresses of the PCI functions that
    guests may get, None for any.  `where` is file:line.
    """

    name: str
    address: Address
    directory: Path
    cores: int | None = None
    memory: int | None = None
    devices: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ()
    where: str = ""


@dataclass(frozen=True)
class Hosts:
    """The inventory in one file."""

    path: Path
    entries: tuple[Entry, ...] = ()

    def named(self, name: str) -> Entry | None:
        """Return the host called `name`, or None."""
        return next((entry for entry in self.entries if entry.name == name), None)

    def tagged(self, tag: str) -> tuple[Entry, ...]:
        """Return the hosts with `tag`, in the order of the file."""
        return tuple(entry for entry in self.entries if tag in entry.tags)
