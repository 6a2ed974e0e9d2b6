# SPDX-License-Identifier: GPL-2.0-only
"""The way of a PCI function to vfio-pci and back (Documentation/ABI/testing/sysfs-bus-pci)."""

from __future__ import annotations

import errno
import os
import signal
from contextlib import suppress
from typing import Any

from orchestrator.agent.leases import Store, parsed, until
from orchestrator.agent.open_files import token_of, users_of_group
from orchestrator.agent.pci import DEVICES, ids, resources
from orchestrator.agent.sysfs import Tree

VFIO = "vfio-pci"
_DRIVERS = "/sys/bus/pci/drivers"
_NEEDED = {"group": str, "driver": str, "override": str, "sizes": dict, "token": str}
"""What a journal must tell for a function to be given back."""
_RELEASE = 20.0
"""Seconds for the processes of a guest to let go of a device."""
_SETTLE = 5.0
"""Seconds for a driver to appear at a device, or to leave it, after it was asked to."""


def there(tree: Tree) -> bool:
    """Whether the kernel has the driver vfio-pci now."""
    return tree.path(_DRIVERS, VFIO).exists()


def take(tree: Tree, entry: dict[str, Any]) -> None:
    """Bring a function, whose journal `entry` is written, to vfio-pci; raises OSError where that fails."""
    address = entry["address"]
    if driver(tree, address) == VFIO and not entry["resize"]:
        return
    _write(tree, VFIO, DEVICES, address, "driver_override")
    _unbind(tree, address)
    for bar, size in _moves(tree, address, entry["resize"]):
        _resize(tree, address, bar, size)
    _write(tree, address, "/sys/bus/pci/drivers_probe")
    if not until(_SETTLE, lambda: driver(tree, address) == VFIO):
        raise OSError(f"{VFIO} does not take it; dmesg may say why")


def restore(tree: Tree, store: Store, address: str) -> tuple[str, dict[str, Any]]:
    """Bring a function back to what its journal says that it was, from whatever it is now, and remove the journal.

    Returns what became of it in a word, and more of that.  Raises OSError where that fails; the journal then stays.
    """
    entry = _whole(store, address)
    now = ids(tree, address)
    told: tuple[str, dict[str, Any]] = ("gone", {})
    if now and now != entry.get("ids", now):  # journals of earlier versions do not tell which device it was
        told = ("replaced", {"ids": now})
    elif now:
        _release(tree, entry)
        _set_back(tree, address, entry)
        told = ("restored", {"driver": driver(tree, address)})
    store.journal(address).unlink()
    return told


def _whole(store: Store, address: str) -> dict[str, Any]:
    """A function's journal.  Raises OSError where it does not tell what it must."""
    path = store.journal(address)
    entry = parsed(path)
    lacking = [key for key, kind in _NEEDED.items() if not isinstance(entry.get(key), kind)]
    if lacking:
        raise OSError(f"{path} does not tell {', '.join(lacking)}; bind its driver by hand, and remove that file")
    return entry


def _set_back(tree: Tree, address: str, entry: dict[str, Any]) -> None:
    """What fails on the way does not keep the rest from being as it was."""
    before, failures = entry["driver"], []
    moves = _moves(tree, address, entry["sizes"])
    if driver(tree, address) == VFIO and (moves or before != VFIO):
        _unbind(tree, address)
    for bar, size in moves:
        try:
            _resize(tree, address, bar, size)
        except OSError as error:
            failures.append(error)
    try:
        if before and driver(tree, address) != before:
            _bind(tree, address, before)
    finally:
        _write(tree, entry["override"] + "\n", DEVICES, address, "driver_override")
    if failures:
        raise failures[0]


def _bind(tree: Tree, address: str, name: str) -> None:
    """Bind a function that has no driver to the driver `name`, whether or not that knows it.

    With an override that names it, a driver takes a function that is in none of its tables (drivers/pci/pci-driver.c,
    pci_match_device), and a virtual function that is not to be probed (pci_device_can_probe); with another, none.
    """
    _write(tree, name, DEVICES, address, "driver_override")
    try:
        _write(tree, address, _DRIVERS, name, "bind")
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):
            raise
        what = f"{error.filename}: {error.strerror}"
        raise OSError(f"{what}; load the module of its driver {name} first") from error
    if not until(_SETTLE, lambda: driver(tree, address) == name):
        raise OSError(f"its driver {name} does not take it back; dmesg may say why")


def driver(tree: Tree, address: str) -> str:
    """The name of a function's driver; "" for none."""
    return tree.target(DEVICES, address, "driver")


def _unbind(tree: Tree, address: str) -> None:
    if driver(tree, address):
        _write(tree, address, DEVICES, address, "driver/unbind")
        if not until(_SETTLE, lambda: not driver(tree, address)):
            raise OSError(f"its driver {driver(tree, address)} does not let go of it")


def _moves(tree: Tree, address: str, sizes: dict[str, int]) -> list[tuple[str, int]]:
    """The BARs that do not have their size of `sizes` yet, and it; those that shrink make room, and come first."""
    now = {bar: _size(tree, address, bar) for bar in sizes}
    moves = [(bar, size) for bar, size in sizes.items() if size != now[bar]]
    return sorted(moves, key=lambda move: (move[1] > now[move[0]], int(move[0])))


def _resize(tree: Tree, address: str, bar: str, size: int) -> None:
    """Set the size of a resizable BAR, in bytes; the function must have no driver.

    The file wants the binary logarithm of the size in MiB.
    """
    _write(tree, str(size.bit_length() - 21), DEVICES, address, f"resource{bar}_resize")


def _size(tree: Tree, address: str, bar: str) -> int:
    """How many bytes a BAR has; 0 for one that is not there."""
    first, last, _ = [*resources(tree, address)[int(bar) :], [0, -1, 0]][0]
    return last - first + 1


def _release(tree: Tree, entry: dict[str, Any]) -> None:
    """See to it that no process has the function's IOMMU group open any more; raises OSError where one stays.

    vfio-pci lets a device go only once its last user has closed it; until then, unbinding it blocks.  A guest that
    outlived its orch is known by its environment, and killed; anybody else is left alone.
    """

    def free() -> bool:
        users = users_of_group(tree, entry["group"])
        for pid in users:
            if entry["token"] and token_of(tree, str(pid)) == entry["token"]:
                with suppress(ProcessLookupError):  # it ended by itself meanwhile
                    os.kill(pid, signal.SIGKILL)
        return not users

    if not until(_RELEASE, free):
        left = ", ".join(str(pid) for pid in users_of_group(tree, entry["group"]))
        raise OSError(f"process {left} still uses it")


def _write(tree: Tree, text: str, *names: str) -> None:
    """Write to a file of sysfs; write(2) fails without saying which, so an OSError gets its name here."""
    path = tree.path(*names)
    try:
        path.write_text(text)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
