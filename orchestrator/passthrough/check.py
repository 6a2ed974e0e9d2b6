# SPDX-License-Identifier: GPL-2.0-only
"""Decide which functions can be passed through now, and give the reasons against the others."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from orchestrator.arch import ARCHES
from orchestrator.host.local import LOCAL
from orchestrator.passthrough.model import BRIDGE_CLASS, Function, Inventory, Lease, Vfio

VFIO_DRIVER = "vfio-pci"
_KERNEL_OWN = ("", "pcieport", "pci-stub", VFIO_DRIVER)
"""Drivers that a member of a group may keep under VFIO (include/linux/device/driver.h, driver_managed_dma)."""


def restoring(host: str) -> str:
    """Return the command that restores functions left by ended runs on `host`."""
    return f"orch devices{'' if host == LOCAL else f' --host {host}'} restore"


def obstacles(inventory: Inventory, function: Function, forced: Collection[str] = ()) -> tuple[str, ...]:
    """Return the reasons why `function` cannot be passed through now; empty if it can.

    Each is a sentence.  `forced` are addresses whose use by the host is ignored.  A lease of another run is no
    obstacle: the run waits for it.
    """
    return (*own_obstacles(inventory, function, forced), *host_obstacles(inventory.vfio, inventory.locked))


def own_obstacles(inventory: Inventory, function: Function, forced: Collection[str] = ()) -> tuple[str, ...]:
    """Return the obstacles of `function` itself and of its group."""
    of_host = (*_of_inventory(inventory, function), *_of_group(inventory, function))
    of_now = (*_of_state(inventory, function), *_of_use(inventory, function, forced))
    return tuple(dict.fromkeys((*_of_kind(function), *of_host, *of_now)))


def host_obstacles(vfio: Vfio, locked: int = 0) -> tuple[str, ...]:
    """Return the obstacles of every function of a host.

    `locked` is the memory of the guest in bytes.
    """
    if not vfio.groups:
        return (_no_iommu(vfio),)
    if not vfio.root:
        return ("only root can give it to vfio-pci; run orch as root",)
    if not vfio.usable:
        return ("this user may not open /dev/vfio/vfio; run orch as root",)
    if vfio.memlock is not None and vfio.memlock < locked:
        able = f"the limit is {vfio.memlock >> 10} KiB; raise it (memlock in limits.conf(5), ulimit -l)"
        return (f"all {locked >> 20} MiB of the guest's memory would be locked, and {able}",)
    return ()


def _of_kind(function: Function) -> Iterator[str]:
    if function.is_bridge or function.class_code >> 16 == BRIDGE_CLASS:
        yield "it is a bridge, which other devices are reached through"
    elif not function.largest and not function.unassigned:
        yield "it has no memory BAR that could be mapped"
    for number in function.unassigned:
        yield f"the firmware gave BAR{number} no address; turn on Above 4G decoding"


def _of_inventory(inventory: Inventory, function: Function) -> Iterator[str]:
    if inventory.given is not None and function.address not in inventory.given:
        yield f"it is not among the 'devices' that {inventory.host} gives to guests (inventory of hosts)"


def _of_group(inventory: Inventory, function: Function) -> Iterator[str]:
    if inventory.vfio.groups and not function.group:
        yield "it is in no IOMMU group, so no IOMMU protects the host's memory from it"


def _no_iommu(vfio: Vfio) -> str:
    if vfio.iommus:
        return "the host has an IOMMU, but no IOMMU groups; boot it with intel_iommu=on, and without iommu=off"
    option = next((arch.iommu_hint for arch in ARCHES.values() if arch.machine == vfio.cpu), "its IOMMU on")
    return f"the host has no IOMMU that is on; turn it on in the firmware (VT-d, AMD-Vi, SMMU) and boot with {option}"


def _of_state(inventory: Inventory, function: Function) -> Iterator[str]:
    """Yield the obstacles of its state, which can be fixed first and cannot be forced.

    Examples are things that taking it would destroy.
    """
    yield from _unforced(function, inventory.host)
    for other in taken_along(inventory, function)[1:]:
        yield from (
            f"{other.address} is in its IOMMU group {function.group}, and {reason}"
            for reason in _unforced(other, inventory.host)
        )


def _unforced(function: Function, host: str) -> Iterator[str]:
    if function.left_behind and not function.lease:
        yield f"a run that has ended did not give it back; run: {restoring(host)}"
    if function.virtual:  # unbinding the driver removes them (Documentation/PCI/pci-iov-howto.rst)
        file = f"/sys/bus/pci/devices/{function.address}/sriov_numvfs"
        yield f"it has {function.virtual} virtual functions; remove them first: echo 0 > {file}"


def _of_use(inventory: Inventory, function: Function, forced: Collection[str]) -> Iterator[str]:
    if function.address not in forced:
        yield from function.uses
    for other in inventory.others(function):
        if other.uses and other.address not in forced:
            yield f"{other.address} is in its IOMMU group {function.group}, and {other.uses[0]}"


def taken_along(inventory: Inventory, function: Function) -> tuple[Function, ...]:
    """Return the functions that must leave their driver for `function` to be passed through.

    These are itself and others of its group.
    """
    others = (other for other in inventory.others(function) if other.driver not in _KERNEL_OWN)
    return (function, *others)


def holder_words(lease: Lease) -> str:
    """Return a short description of a lease's holder."""
    holder = f"process {lease.pid}" if lease.pid else "a process that has just ended"
    holder += f" of {lease.user} on {lease.machine}" if lease.user else ""
    return holder + (f" since {lease.since}" if lease.since else "")
