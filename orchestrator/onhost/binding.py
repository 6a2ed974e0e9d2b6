# SPDX-License-Identifier: GPL-2.0-only
"""The way of a PCI function to vfio-pci and back (Documentation/ABI/testing/sysfs-bus-pci)."""

from __future__ import annotations

import os
import signal
from typing import Any

from orchestrator.onhost.functions import DEVICES, resources
from orchestrator.onhost.leases import Store, parsed, until
from orchestrator.onhost.openers import token_of, users_of_group
from orchestrator.onhost.tree import Tree

VFIO = "vfio-pci"
_RELEASE = 20.0
"""Seconds for the processes of a guest to let go of a device."""
_SETTLE = 5.0
"""Seconds for a driver to appear at a device, or to leave it, after it was asked to."""


def take(tree: Tree, entry: dict[str, Any]) -> None:
    """Bring a function, whose journal `entry` is written, to vfio-pci; raises OSError where that fails."""
    address = entry["address"]
    if driver(tree, address) == VFIO and not entry["resize"]:
        return
    _write(tree, VFIO, DEVICES, address, "driver_override")
    _unbind(tree, address)
    for bar, size in entry["resize"].items():
        _resize(tree, address, bar, size)
    _write(tree, address, "/sys/bus/pci/drivers_probe")
    if not until(_SETTLE, lambda: driver(tree, address) == VFIO):
        raise OSError(f"{VFIO} does not take it; dmesg may say why")


def restore(tree: Tree, store: Store, address: str) -> None:
    """Bring a function back to what its journal says that it was, from whatever it is now, and remove the journal.

    Raises OSError where that fails; the journal then stays.
    """
    entry = parsed(store.journal(address))
    if not entry:
        raise OSError(f"{store.journal(address)} cannot be read; bind its driver by hand, and remove that file")
    if tree.path(DEVICES, address).exists():
        _release(tree, entry)
        _set_back(tree, entry)
    store.journal(address).unlink()


def _set_back(tree: Tree, entry: dict[str, Any]) -> None:
    address, before = entry["address"], entry["driver"]
    moved = {bar: size for bar, size in entry["sizes"].items() if _size(tree, address, bar) != size}
    if driver(tree, address) == VFIO and (moved or before != VFIO):
        _unbind(tree, address)
    for bar, size in moved.items():
        _resize(tree, address, bar, size)
    _write(tree, entry["override"] + "\n", DEVICES, address, "driver_override")
    if before and driver(tree, address) != before:
        _write(tree, address, "/sys/bus/pci/drivers", before, "bind")
        if not until(_SETTLE, lambda: driver(tree, address) == before):
            raise OSError(f"its driver {before} does not take it back; dmesg may say why")


def driver(tree: Tree, address: str) -> str:
    """The name of a function's driver; "" for none."""
    return tree.target(DEVICES, address, "driver")


def _unbind(tree: Tree, address: str) -> None:
    if driver(tree, address):
        _write(tree, address, DEVICES, address, "driver/unbind")
        if not until(_SETTLE, lambda: not driver(tree, address)):
            raise OSError(f"its driver {driver(tree, address)} does not let go of it")


def _resize(tree: Tree, address: str, bar: str, size: int) -> None:
    """Set the size of a resizable BAR, in bytes; the function must have no driver.

    The file wants the binary logarithm of the size in MiB.
    """
    _write(tree, str(size.bit_length() - 21), DEVICES, address, f"resource{bar}_resize")


def _size(tree: Tree, address: str, bar: str) -> int:
    first, last, _ = resources(tree, address)[int(bar)]
    return last - first + 1


def _release(tree: Tree, entry: dict[str, Any]) -> None:
    """See to it that no process has the function's IOMMU group open any more; raises OSError where one stays.

    vfio-pci lets a device go only once its last user has closed it; until then, unbinding it blocks.  A guest that
    outlived its orch is known by its environment, and killed; anybody else is left alone.
    """

    def free() -> bool:
        users = users_of_group(tree, entry["group"])
        for pid in users:
            if token_of(tree, str(pid)) == entry["token"]:
                os.kill(pid, signal.SIGKILL)
        return not users

    if not until(_RELEASE, free):
        left = ", ".join(str(pid) for pid in users_of_group(tree, entry["group"]))
        raise OSError(f"process {left} still uses it")


def _write(tree: Tree, text: str, *names: str) -> None:
    tree.path(*names).write_text(text)
