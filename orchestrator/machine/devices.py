# SPDX-License-Identifier: GPL-2.0-only
"""Convert the devices of a scenario to QEMU's arguments, and compute their addresses in the guest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from orchestrator.scenario.devices import Device, EmulatedDevice, PassthroughDevice

_FIRST_SLOT = 0x10
"""Lower slots are for virtme-ng's own devices, which QEMU places from 1 on.  Slot 0x1f belongs to q35 itself."""
_LAST_SLOT = 0x1E


def guest_address(position: int) -> str:
    """Return the PCI address in the guest of the device at `position` (from 0).

    The address is spelled as in sysfs.  Raises ValueError if `position` is after the last free slot of the root bus.
    """
    slot = _FIRST_SLOT + position
    if slot > _LAST_SLOT:
        raise ValueError(f"device {position} does not fit on the root bus")
    return f"0000:00:{slot:02x}.0"


def guest_addresses(devices: Iterable[Device]) -> dict[str, str]:
    """Return the guest address of each device, by device name."""
    return {device.name: guest_address(position) for position, device in enumerate(devices)}


def qemu_devices(devices: Iterable[Device], scratch: Path) -> Iterator[str]:
    """Yield QEMU's arguments that place every device at its guest address.

    The RAM of a BAR is a sparse file in the directory `scratch`.
    """
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
    """Return whether this device needs an NVMe subsystem: QEMU supports virtual functions only in one."""
    names = dict(device.properties)
    return device.model == "nvme" and "sriov_max_vfs" in names and "subsys" not in names


def memory_file(device: Device, scratch: Path) -> Path:
    """Return the path of the sparse file for the BAR of an ivshmem device.

    QEMU creates it, and does not remove it.
    """
    return scratch / f"{device.name}.memory"


def _properties(device: EmulatedDevice) -> Iterator[str]:
    """Yield the properties of a device in QEMU's syntax, in which a comma is written twice."""
    if device.model == "pci-testdev":
        # Its BAR 2 is 64-bit and prefetchable (QEMU hw/misc/pci-testdev.c).
        yield f"membar={device.bar_size}"
    if device.model == "ivshmem-plain":
        yield f"memdev=orch-{device.name}"
    if _in_subsystem(device):
        yield f"subsys={device.name}-subsys"
    yield from (f"{name}={value.replace(',', ',,')}" for name, value in device.properties)
