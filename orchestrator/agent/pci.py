# SPDX-License-Identifier: GPL-2.0-only
"""The PCI functions of a host, from sysfs (Documentation/ABI/testing/sysfs-bus-pci)."""

from __future__ import annotations

import re
from typing import Any

from orchestrator.agent.sysfs import Tree, number

DEVICES = "/sys/bus/pci/devices"
_BARS = 6
"""Lines of the file `resource` before those of the expansion ROM and of the windows of bridges."""
_HEADER_TYPE = 0x0E
"""The offset of the header type in configuration space (PCI Local Bus Specification 3.0, 6.1)."""


def functions(tree: Tree) -> list[dict[str, Any]]:
    """Return every PCI function, sorted by address."""
    return [function(tree, address) for address in tree.names(DEVICES)]


def function(tree: Tree, address: str) -> dict[str, Any]:
    """Return one function.

    Numbers are integers; a missing driver or group is "".
    """
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
    """Return vendor and device as lspci(8) writes them; "" for a missing function."""
    if not tree.path(DEVICES, address).exists():
        return ""
    vendor, device = (number(tree.read(DEVICES, address, name)) for name in ("vendor", "device"))
    return f"{vendor:04x}:{device:04x}"


def _resizable(tree: Tree, address: str) -> list[str]:
    return [name for name in tree.names(DEVICES, address) if re.fullmatch(r"resource\d_resize", name)]


def _header(tree: Tree, address: str) -> int:
    """Return the type of the configuration header: 0 device, 1 bridge, 2 CardBus."""
    try:
        with tree.path(DEVICES, address, "config").open("rb") as file:
            return file.read(_HEADER_TYPE + 1)[_HEADER_TYPE] & 0x7F
    except (OSError, IndexError):
        return 0


def resources(tree: Tree, address: str) -> list[list[int]]:
    """Return first byte, last byte and flags (include/linux/ioport.h) of each BAR."""
    rows = [[number(field) for field in line.split()] for line in tree.read(DEVICES, address, "resource").splitlines()]
    return [row for row in rows if len(row) == 3][:_BARS]
