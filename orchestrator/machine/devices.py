# SPDX-License-Identifier: GPL-2.0-only
"""Devices of a scenario as QEMU's arguments, and where the guest finds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from orchestrator.scenario.model import Device

_FIRST_SLOT = 0x10
"""Slots below are left to virtme-ng's own devices, which QEMU places from 1 on; q35 itself owns 0x1f."""
_LAST_SLOT = 0x1E


def guest_address(position: int) -> str:
    """The PCI address in the guest of the scenario's device at `position` (from 0), as in sysfs.

    Raises ValueError past the last free slot of the root bus.
    """
    slot = _FIRST_SLOT + position
    if slot > _LAST_SLOT:
        raise ValueError(f"device {position} does not fit on the root bus")
    return f"0000:00:{slot:02x}.0"


def guest_addresses(devices: Iterable[Device]) -> dict[str, str]:
    """The guest address of each device by its name."""
    return {device.name: guest_address(position) for position, device in enumerate(devices)}


def qemu_devices(devices: Iterable[Device]) -> Iterator[str]:
    """QEMU's arguments that put every device at its guest address."""
    for position, device in enumerate(devices):
        slot = guest_address(position).split(":")[2].split(".")[0]
        # pci-testdev's `membar` is its BAR 2, 64-bit and prefetchable (QEMU hw/misc/pci-testdev.c).
        yield from ("-device", f"{device.model},membar={device.bar_size},bus=pcie.0,addr=0x{slot}")
