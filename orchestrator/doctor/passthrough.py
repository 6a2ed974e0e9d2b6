# SPDX-License-Identifier: GPL-2.0-only
"""What only passed-through devices need: an IOMMU that is on, VFIO, locked memory.  Pure; nothing here is `missing`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestrator.doctor.hardware import GUEST_BYTES, gib
from orchestrator.doctor.mend import as_root, install, raise_limit
from orchestrator.doctor.model import Facts, HostFinding, State
from orchestrator.doctor.requirements import UPDATE_GRUB
from orchestrator.passthrough.check import host_obstacles, obstacles, restoring

_GRUB = "/etc/default/grub.d/orch.cfg"
_SMALL_KERNEL = re.compile(r"-cloud-(amd64|arm64)$")
"""Debian's kernels for virtual machines, which leave drivers out that its other kernels have."""
_ONLY = "needed only to pass devices through"


def passthrough(facts: Facts) -> Iterator[HostFinding]:
    """A finding for each."""
    yield _iommu(facts)
    yield _driver(facts)
    yield _locked_memory(facts)
    yield _devices(facts)


def _iommu(facts: Facts) -> HostFinding:
    vfio = facts.inventory.vfio
    if vfio.groups:
        units = f"{len(vfio.iommus)} unit{'' if len(vfio.iommus) == 1 else 's'}, " if vfio.iommus else ""
        return HostFinding("IOMMU", State.OK, f"on: {units}{vfio.groups} groups")
    (why,) = host_obstacles(vfio)
    return HostFinding("IOMMU", State.WARNING, f"{why}; {_ONLY}", _kernel_option(facts))


def _kernel_option(facts: Facts) -> str:
    """The command that boots the host with its IOMMU on from the next time; "" where no option of the kernel does."""
    if facts.cpu != "GenuineIntel" or UPDATE_GRUB not in facts.files:  # AMD's is on unless the firmware has it off
        return ""
    line = 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX intel_iommu=on"'
    return as_root(facts, f"echo '{line}' > {_GRUB} && update-grub")


def _driver(facts: Facts) -> HostFinding:
    if facts.inventory.vfio.driver:
        return HostFinding("vfio-pci", State.OK, "there")
    if facts.vfio_pci:
        return HostFinding("vfio-pci", State.OK, "loaded when it is needed")
    detail = f"kernel {facts.kernel} has no such driver (CONFIG_VFIO_PCI), and another has to be booted; {_ONLY}"
    small = _SMALL_KERNEL.search(facts.kernel)
    # Not among the packages that are installed in one go: another kernel is another decision.
    mend = install(facts, (f"linux-image-{small[1]}",)) if small else ""
    return HostFinding("vfio-pci", State.WARNING, detail, mend)


def _locked_memory(facts: Facts) -> HostFinding:
    limit = facts.inventory.vfio.memlock
    if limit is None or limit >= GUEST_BYTES:
        return HostFinding("locked memory", State.OK, "no limit" if limit is None else f"up to {gib(limit)}")
    detail = f"up to {limit >> 10} KiB, and a guest with a device has all its memory locked; {_ONLY}"
    return HostFinding("locked memory", State.WARNING, detail, raise_limit(facts, "memlock", "unlimited"))


def _devices(facts: Facts) -> HostFinding:
    inventory = facts.inventory
    left = [one.address for one in inventory.functions if one.left_behind and not one.lease]
    if left:
        detail = f"{', '.join(left)} taken by a run that died, and not given back"
        return HostFinding("PCI functions", State.WARNING, detail, restoring(inventory.host))
    able = sum(not obstacles(inventory, function) for function in inventory.functions)
    told = f"{len(inventory.functions)}, of which {able} can be passed through now"
    why = host_obstacles(inventory.vfio) if inventory.vfio.groups else ()
    if why:
        return HostFinding("PCI functions", State.WARNING, f"{told}: {why[0]}; {_ONLY}")
    return HostFinding("PCI functions", State.OK, told)
