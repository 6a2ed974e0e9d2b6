# SPDX-License-Identifier: GPL-2.0-only
"""The PCI functions of a host, as sysfs shows each (Documentation/ABI/testing/sysfs-bus-pci)."""

from __future__ import annotations

import re
from typing import Any

from orchestrator.agent.sysfs import Tree, number

DEVICES = "/sys/bus/pci/devices"
_BARS = 6
"""Lines of the file `resource` before those of the expansion ROM and of bridges' windows."""
_HEADER_TYPE = 0x0E
"""Where configuration space says of which type its header is (PCI Local Bus Specification 3.0, 6.1)."""


def functions(tree: Tree) -> list[dict[str, Any]]:
    """Every PCI function, by address."""
    return [function(tree, address) for address in tree.names(DEVICES)]


def function(tree: Tree, address: str) -> dict[str, Any]:
    """One function: numbers as numbers, and "" for a driver or a group that is not there."""
    sizes = {name[8:-7]: tree.read(DEVICES, address, name) for name in _resizable(tree, address)}
    return {
        "address": address,
        "vendor": number(tree.read(DEVICES, address, "vendor")),
        "device": number(tree.read(DEVICES, address, "device")),
        "class": number(tree.read(DEVICES, address, "class")),
        "header": _header(tree, address),
        "driver": tree.target(DEVICES, address, "driver"),
        "override": tree.read(DEVICES, address, "driver_override").replace("(null)", ""),
        "group": tree.target(DEVICES, address, "iommu_group"),
        "numa": number(tree.read(DEVICES, address, "numa_node"), -1),
        "boot_vga": tree.read(DEVICES, address, "boot_vga") == "1",
        "physical": tree.target(DEVICES, address, "physfn"),
        "virtual": number(tree.read(DEVICES, address, "sriov_numvfs")),
        "resources": resources(tree, address),
        "sizes": {bar: int(mask or "0", 16) for bar, mask in sizes.items()},
    }


def ids(tree: Tree, address: str) -> str:
    """Vendor and device of a function as lspci(8) writes them; "" where there is none."""
    if not tree.path(DEVICES, address).exists():
        return ""
    vendor, device = (number(tree.read(DEVICES, address, name)) for name in ("vendor", "device"))
    return f"{vendor:04x}:{device:04x}"


def _resizable(tree: Tree, address: str) -> list[str]:
    return [name for name in tree.names(DEVICES, address) if re.fullmatch(r"resource\d_resize", name)]


def _header(tree: Tree, address: str) -> int:
    """The type of the configuration header: 0 for a device, 1 for a bridge, 2 for CardBus."""
    try:
        with tree.path(DEVICES, address, "config").open("rb") as file:
            return file.read(_HEADER_TYPE + 1)[_HEADER_TYPE] & 0x7F
    except (OSError, IndexError):
        return 0


def resources(tree: Tree, address: str) -> list[list[int]]:
    """First byte, last byte and flags (include/linux/ioport.h) of each BAR."""
    rows = [[number(word) for word in line.split()] for line in tree.read(DEVICES, address, "resource").splitlines()]
    return [row for row in rows if len(row) == 3][:_BARS]
