# SPDX-License-Identifier: GPL-2.0-only
"""The host's uses of its PCI functions: networks, displays, disks, mediated devices.

A device below a function is removed from the host together with it, so every function on the path to a device counts as
used.
"""

from __future__ import annotations

import errno
import os
from typing import Any

from orchestrator.agent.pci import DEVICES
from orchestrator.agent.sysfs import Tree, number

_NET, _DRM, _CONSOLES = "/sys/class/net", "/sys/class/drm", "/sys/class/vtconsole"
_FRAME_BUFFERS, _BLOCK = "/sys/class/graphics", "/sys/class/block"
_MEDIATED = "/sys/bus/mdev/devices"
_SUBSYSTEMS = "/sys/devices/virtual/nvme-subsystem"
_DEEPEST = 8
"""The most layers of block devices on block devices that are followed."""


def interfaces(tree: Tree) -> list[dict[str, Any]]:
    """Return the network interfaces of PCI functions, with their flags.

    Those of other network namespaces are not visible.
    """
    rows = ((name, tree.owners(_NET, name)) for name in tree.names(_NET))
    return [
        {"name": name, "owner": found[-1], "owners": found, "flags": number(tree.read(_NET, name, "flags"))}
        for name, found in rows
        if found
    ]


def displays(tree: Tree) -> list[dict[str, Any]]:
    """Return the connectors with an active picture, and the frame buffers of a text console."""
    cards = [(name, tree.owners(_DRM, name)) for name in tree.names(_DRM) if _shines(tree, name)]
    buffers = [(name, tree.owners(_FRAME_BUFFERS, name)) for name in tree.names(_FRAME_BUFFERS) if _console(tree)]
    return [{"name": name, "owner": found[-1], "owners": found} for name, found in cards + buffers if found]


def other_uses(tree: Tree) -> list[dict[str, Any]]:
    """Return the other uses of functions, as text."""
    found = [([address], "it is the boot display, which a text console is on") for address in _boot_displays(tree)]
    found += [([address], "its network interface is in another network namespace") for address in _elsewhere(tree)]
    for name in tree.names(_MEDIATED):
        found.append((tree.owners(_MEDIATED, name), f"it has the mediated device {name}"))
    return [{"owners": owners_of, "use": use} for owners_of, use in found]


def _boot_displays(tree: Tree) -> list[str]:
    """Return the firmware's boot displays, if a text console is on a real display.

    The console of VGA text has no frame buffer; a dummy console (drivers/video/console/dummycon.c) shows nothing.
    """
    consoles = [name for name in tree.names(_CONSOLES) if tree.read(_CONSOLES, name, "bind") == "1"]
    if all("dummy" in tree.read(_CONSOLES, name, "name") for name in consoles):
        return []
    return [address for address in tree.names(DEVICES) if tree.read(DEVICES, address, "boot_vga") == "1"]


def _elsewhere(tree: Tree) -> list[str]:
    """Return the functions with network interfaces in other network namespaces only.

    Their directory of network interfaces, their own or that of a virtio device, is empty.  It exists for as long as an
    interface does (drivers/base/core.c, cleanup_glue_dir), but shows only those of this network namespace.
    """
    found = []
    for address in tree.names(DEVICES):
        below = [name for name in tree.names(DEVICES, address) if name.startswith("virtio")]
        nets = [(DEVICES, address, "net"), *((DEVICES, address, name, "net") for name in below)]
        if any(tree.path(*net).is_dir() and not tree.names(*net) for net in nets):
            found.append(address)
    return found


def _shines(tree: Tree, connector: str) -> bool:
    return tree.read(_DRM, connector, "enabled") == "enabled"


def _console(tree: Tree) -> bool:
    """Return whether a text console is on a frame buffer."""
    consoles = [name for name in tree.names(_CONSOLES) if tree.read(_CONSOLES, name, "bind") == "1"]
    return any("frame buffer" in tree.read(_CONSOLES, name, "name") for name in consoles)


def disks(tree: Tree) -> list[dict[str, Any]]:
    """Return the block devices of PCI functions, and their uses as text."""
    mounts, swaps = _mounted(tree), _swapped(tree)
    found = []
    for name in tree.names(_BLOCK):
        behind = owners(tree, _BLOCK, name)
        if behind:
            uses = _uses(tree, name, mounts, swaps, 0) or _held(tree, name)
            found.append({"name": name, "owners": behind, "uses": uses})
    return found


def owners(tree: Tree, *names: str) -> list[str]:
    """Return the functions behind a device.

    A device of an NVMe subsystem is behind each controller of the subsystem.
    """
    found = tree.owners(*names)
    if found:
        return found
    steps = tree.real(*names).parts
    subsystem = next((step for step in steps if step.startswith("nvme-subsys") and step[-1].isdigit()), "")
    controllers = tree.names(_SUBSYSTEMS, subsystem) if subsystem else []
    return sorted({owner for entry in controllers for owner in tree.owners(_SUBSYSTEMS, subsystem, entry)})


def _mounted(tree: Tree) -> dict[str, str]:
    """Return the mount point of each block device, by "major:minor" and by name.

    Source: proc(5), mountinfo.
    """
    found: dict[str, str] = {}
    for line in tree.read("/proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        fields, source = before.split(), [*after.split(), "", ""][1]
        if len(fields) > 4:
            found.setdefault(fields[2], fields[4])
            if source.startswith("/dev/"):
                found.setdefault(tree.real(source).name, fields[4])
    return found


def _swapped(tree: Tree) -> set[str]:
    """Return the names of the block devices that are swap space (proc(5), swaps)."""
    lines = [line.split() for line in tree.read("/proc/swaps").splitlines()[1:]]
    return {tree.real(fields[0]).name for fields in lines if fields and fields[0].startswith("/")}


def _uses(tree: Tree, name: str, mounts: dict[str, str], swaps: set[str], depth: int) -> list[str]:
    """Return the uses of a block device, directly or through LVM, RAID or encryption."""
    where = mounts.get(tree.read(_BLOCK, name, "dev")) or mounts.get(name)
    uses = [f"{name} is mounted on {where}"] if where else []
    if name in swaps:
        uses.append(f"{name} is swap space")
    for holder in tree.names(_BLOCK, name, "holders") if depth < _DEEPEST else []:
        uses += _uses(tree, holder, mounts, swaps, depth + 1) or [f"{name} is a part of {holder}"]
    return uses


def _held(tree: Tree, name: str) -> list[str]:
    """Return the use of a block device that another owner has opened exclusively.

    An example is a file system of another mount namespace.  Only an exclusive open detects that; it is closed at once
    (open(2), O_EXCL on block devices), and does not wait for a medium.  An optical drive is skipped, since an open
    could close its tray (drivers/cdrom/cdrom.c, autoclose).
    """
    if name.startswith("sr"):
        return []
    try:
        os.close(os.open(str(tree.path("/dev", name)), os.O_RDONLY | os.O_EXCL | os.O_NONBLOCK))
    except OSError as error:
        return [f"something holds {name}"] if error.errno == errno.EBUSY else []
    return []
