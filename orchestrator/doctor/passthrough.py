# SPDX-License-Identifier: GPL-2.0-only
"""Check the needs of passed-through devices: an active IOMMU, VFIO, locked memory.

Pure; no finding here is `missing`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestrator.doctor.fixes import as_root, install, raise_limit
from orchestrator.doctor.hardware import GUEST_BYTES, gib
from orchestrator.doctor.model import Facts, HostFinding, State
from orchestrator.doctor.requirements import UPDATE_GRUB
from orchestrator.passthrough.check import host_obstacles, obstacles, restoring

_GRUB = "/etc/default/grub.d/orch.cfg"
_SMALL_KERNEL = re.compile(r"-cloud-(amd64|arm64)$")
"""Debian's kernels for virtual machines, which lack drivers of its other kernels."""
_ONLY = "needed only to pass devices through"


def passthrough(facts: Facts) -> Iterator[HostFinding]:
    """Yield a finding for each item."""
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
    """Return the command that turns the IOMMU on from the next boot.

    "" if no kernel option does.
    """
    if facts.cpu != "GenuineIntel" or UPDATE_GRUB not in facts.files:  # AMD's is on unless the firmware disables it
        return ""
    line = 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX intel_iommu=on"'
    return as_root(facts, f"echo '{line}' > {_GRUB} && update-grub")


def _driver(facts: Facts) -> HostFinding:
    if facts.inventory.vfio.driver:
        return HostFinding("vfio-pci", State.OK, "there")
    if facts.vfio_pci:
        return HostFinding("vfio-pci", State.OK, "loaded when it is needed")
    detail = f"kernel {facts.kernel} has no such driver (CONFIG_VFIO_PCI), and another kernel must be booted; {_ONLY}"
    small = _SMALL_KERNEL.search(facts.kernel)
    # Not among the packages of the common command: another kernel is a separate decision.
    fix = install(facts, (f"linux-image-{small[1]}",)) if small else ""
    return HostFinding("vfio-pci", State.WARNING, detail, fix)


def _locked_memory(facts: Facts) -> HostFinding:
    limit = facts.inventory.vfio.memlock
    if limit is None or limit >= GUEST_BYTES:
        return HostFinding("locked memory", State.OK, "no limit" if limit is None else f"up to {gib(limit)}")
    detail = f"up to {limit >> 10} KiB, and a guest with a device has all its memory locked; {_ONLY}"
    return HostFinding("locked memory", State.WARNING, detail, raise_limit(facts, "memlock", "unlimited"))


def _devices(facts: Facts) -> HostFinding:
    inventory = facts.inventory
    left = [function.address for function in inventory.functions if function.left_behind and not function.lease]
    if left:
        detail = f"{', '.join(left)} taken by a run that has ended, and not given back"
        return HostFinding("PCI functions", State.WARNING, detail, restoring(inventory.host))
    able = sum(not obstacles(inventory, function) for function in inventory.functions)
    text = f"{len(inventory.functions)}, of which {able} can be passed through now"
    why = host_obstacles(inventory.vfio) if inventory.vfio.groups else ()
    if why:
        return HostFinding("PCI functions", State.WARNING, f"{text}: {why[0]}; {_ONLY}")
    return HostFinding("PCI functions", State.OK, text)
