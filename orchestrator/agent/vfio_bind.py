# SPDX-License-Identifier: GPL-2.0-only
"""Bind PCI functions to vfio-pci and back (Documentation/ABI/testing/sysfs-bus-pci)."""

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
"""The keys of a journal, and their types, that are needed to restore a function."""
_RELEASE = 20.0
"""Seconds for the processes of a guest to release a device."""
_SETTLE = 5.0
"""Seconds for a driver to bind to a device, or to unbind, after the request."""


def there(tree: Tree) -> bool:
    """Return whether the kernel has the driver vfio-pci now."""
    return tree.path(_DRIVERS, VFIO).exists()


def take(tree: Tree, entry: dict[str, Any]) -> None:
    """Bind a function, whose journal `entry` is written, to vfio-pci.

    Raises OSError if that fails.
    """
    address = entry["address"]
    if driver(tree, address) == VFIO and not entry["resize"]:
        return
    _write(tree, VFIO, DEVICES, address, "driver_override")
    _unbind(tree, address)
    for bar, size in _moves(tree, address, entry["resize"]):
        _resize(tree, address, bar, size)
    _write(tree, address, "/sys/bus/pci/drivers_probe")
    if not until(_SETTLE, lambda: driver(tree, address) == VFIO):
        raise OSError(f"{VFIO} does not take it; dmesg may show why")


def restore(tree: Tree, store: Store, address: str) -> tuple[str, dict[str, Any]]:
    """Restore a function to the state in its journal, and remove the journal.

    The current state may be any.  Returns the outcome as an event name and further fields.  Raises OSError if it fails;
    the journal then stays.
    """
    entry = _whole(store, address)
    now = ids(tree, address)
    outcome: tuple[str, dict[str, Any]] = ("removed", {})
    if now and now != entry.get("ids", now):  # journals of earlier versions have no ids
        outcome = ("replaced", {"ids": now})
    elif now:
        _release(tree, entry)
        _set_back(tree, address, entry)
        outcome = ("restored", {"driver": driver(tree, address)})
    store.journal(address).unlink()
    return outcome


def _whole(store: Store, address: str) -> dict[str, Any]:
    """Return a function's journal.

    Raises OSError if required keys are missing.
    """
    path = store.journal(address)
    entry = parsed(path)
    lacking = [key for key, kind in _NEEDED.items() if not isinstance(entry.get(key), kind)]
    if lacking:
        raise OSError(f"{path} does not contain {', '.join(lacking)}; bind its driver by hand, and remove that file")
    return entry


def _set_back(tree: Tree, address: str, entry: dict[str, Any]) -> None:
    """Restore BAR sizes, driver and override; continue after a failure, then raise it."""
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
    """Bind a function without a driver to the driver `name`.

    The driver need not know the function: with an override that names it, a driver accepts a function that is in none
    of its tables (drivers/pci/pci-driver.c, pci_match_device), and a virtual function that is not to be probed
    (pci_device_can_probe).  With another override, it accepts no function.
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
        raise OSError(f"its driver {name} does not take it back; dmesg may show why")


def driver(tree: Tree, address: str) -> str:
    """Return the name of a function's driver; "" for none."""
    return tree.target(DEVICES, address, "driver")


def _unbind(tree: Tree, address: str) -> None:
    if driver(tree, address):
        _write(tree, address, DEVICES, address, "driver/unbind")
        if not until(_SETTLE, lambda: not driver(tree, address)):
            raise OSError(f"its driver {driver(tree, address)} does not release it")


def _moves(tree: Tree, address: str, sizes: dict[str, int]) -> list[tuple[str, int]]:
    """Return the BARs whose size differs from that in `sizes`, with their new size.

    BARs that shrink come first, since they free address space.
    """
    now = {bar: _size(tree, address, bar) for bar in sizes}
    moves = [(bar, size) for bar, size in sizes.items() if size != now[bar]]
    return sorted(moves, key=lambda move: (move[1] > now[move[0]], int(move[0])))


def _resize(tree: Tree, address: str, bar: str, size: int) -> None:
    """Set the size of a resizable BAR, in bytes; the function must have no driver.

    The file takes the binary logarithm of the size in MiB.
    """
    _write(tree, str(size.bit_length() - 21), DEVICES, address, f"resource{bar}_resize")


def _size(tree: Tree, address: str, bar: str) -> int:
    """Return the size of a BAR in bytes; 0 if it is missing."""
    first, last, _ = [*resources(tree, address)[int(bar) :], [0, -1, 0]][0]
    return last - first + 1


def _release(tree: Tree, entry: dict[str, Any]) -> None:
    """Wait until no process has the function's IOMMU group open.

    vfio-pci releases a device only after its last user has closed it; until then, unbinding it blocks.  A guest that
    outlived its orch is identified by its environment, and killed; other processes are left alone.  Raises OSError if a
    process remains.
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
    """Write to a file of sysfs.

    write(2) fails without a file name, so an OSError gets it here.
    """
    path = tree.path(*names)
    try:
        path.write_text(text)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
