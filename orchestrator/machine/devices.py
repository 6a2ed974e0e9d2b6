# SPDX-License-Identifier: GPL-2.0-only
"""Devices of a scenario as QEMU's arguments, and where the guest finds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from orchestrator.scenario.devices import Device, EmulatedDevice, PassthroughDevice

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


def qemu_devices(devices: Iterable[Device], scratch: Path) -> Iterator[str]:
    """QEMU's arguments that put every device at its guest address; RAM behind a BAR is a sparse file in `scratch`."""
    for position, device in enumerate(devices):
        slot = guest_address(position).split(":")[2].split(".")[0]
        place = f"bus=pcie.0,addr=0x{slot}"
        if isinstance(device, PassthroughDevice):
            yield from ("-device", f"vfio-pci,host={device.address},{place}")
            continue
        if device.model == "ivshmem-plain":
            path = str(memory_file(device, scratch)).replace(",", ",,")
            memory = f"memory-backend-file,id=orch-{device.name},share=on,mem-path={path}"
            yield from ("-object", f"{memory},size={device.bar_size}")
        if _in_subsystem(device):
            yield from ("-device", f"nvme-subsys,id={device.name}-subsys")
        yield from ("-device", ",".join((device.model, *_properties(device), place)))


def _in_subsystem(device: EmulatedDevice) -> bool:
    """Whether QEMU must be given an NVMe subsystem for this device: it takes virtual functions in one only."""
    names = dict(device.properties)
    return device.model == "nvme" and "sriov_max_vfs" in names and "subsys" not in names


def memory_file(device: Device, scratch: Path) -> Path:
    """The sparse file behind the BAR of an ivshmem device; QEMU makes it, and leaves it."""
    return scratch / f"{device.name}.memory"


def _properties(device: EmulatedDevice) -> Iterator[str]:
    """The properties of a device in QEMU's syntax, in which a comma is written twice."""
    if device.model == "pci-testdev":
        # Its BAR 2 is 64-bit and prefetchable (QEMU hw/misc/pci-testdev.c).
        yield f"membar={device.bar_size}"
    if device.model == "ivshmem-plain":
        yield f"memdev=orch-{device.name}"
    if _in_subsystem(device):
        yield f"subsys={device.name}-subsys"
    yield from (f"{name}={value.replace(',', ',,')}" for name, value in device.properties)
