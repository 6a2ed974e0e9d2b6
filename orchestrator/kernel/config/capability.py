# SPDX-License-Identifier: GPL-2.0-only
"""How a built kernel can map a BAR, from its version and its final configuration."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from orchestrator.arch import ARCHES
from orchestrator.kernel.config.fragments import parse
from orchestrator.kernel.model import KernelBuild
from orchestrator.scenario.model import Capability, CapabilityOverride, FaultMaps, Level

_HUGE_SINCE = (6, 12)
"""The first Linux whose vfio-pci has a huge_fault; also the first with the options below.

Linux 6.1's vfio_pci_mmap_fault (drivers/vfio/pci/vfio_pci_core.c) populates the whole vma on the first fault.
"""

_RECOVERS_SINCE = (6, 13)
"""The first Linux whose KVM has kvm_mmu_recover_huge_pages (arch/x86/kvm/mmu/mmu.c)."""

_NEEDS = {Level.PMD: "ARCH_SUPPORTS_PMD_PFNMAP", Level.PUD: "ARCH_SUPPORTS_PUD_PFNMAP"}
"""The option that vfio_pci_vmf_insert_pfn needs for each level.

Both depend on other options (mm/Kconfig): the architecture's ARCH_SUPPORTS_HUGE_PFNMAP, which needs
TRANSPARENT_HUGEPAGE, and HAVE_ARCH_TRANSPARENT_HUGEPAGE or HAVE_ARCH_TRANSPARENT_HUGEPAGE_PUD.
"""

_VERSION = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True)
class KernelFacts:
    """What the final configuration of a kernel says of its boots: the file is read once for each boot.

    `arguments` go to the kernel's command line; see `boot_arguments`, `shows_page_tables`.
    """

    capability: Capability = field(default_factory=Capability)
    page_tables: bool = True
    arguments: tuple[str, ...] = ()


def kernel_facts(build: KernelBuild, can: CapabilityOverride) -> KernelFacts:
    """Read the configuration of `build`; what the scenario says it `can` do replaces what follows from it.

    Raises OSError if the build is missing in the cache.
    """
    config = build.config.read_text()
    able = override(capability(config, build.version), can)
    return KernelFacts(able, shows_page_tables(config), boot_arguments(config))


def capability(config: str, version: str) -> Capability:
    """Return the capability of a kernel of this `version`, with this final `config` as text.

    A version that is not a number, as a developer's own tree may have, counts as a new one.  Never raises.
    """
    match = _VERSION.match(version)
    number = (int(match[1]), int(match[2])) if match else _RECOVERS_SINCE
    recovers = number >= _RECOVERS_SINCE
    if number < _HUGE_SINCE:
        return Capability((), FaultMaps.MAPPING, recovers)
    options = parse(config)
    levels = tuple(level for level, option in _NEEDS.items() if options.get(option) == "y")
    return Capability(levels, FaultMaps.ENTRY, recovers)


def shows_page_tables(config: str) -> bool:
    """Return whether a kernel with this final `config` shows the workload a process's page tables."""
    options = parse(config)
    arch = next((arch for arch in ARCHES.values() if options.get(arch.option) == "y"), None)
    needed = ("PTDUMP_DEBUGFS", arch.page_table_option if arch else "PTDUMP_DEBUGFS")
    return all(options.get(name) == "y" for name in needed)


def boot_arguments(config: str) -> tuple[str, ...]:
    """Return the arguments with which a kernel with this final `config` uses the IOMMU.

    There are none if the IOMMU is on by default.  A virtual machine has no integrated graphics, so
    INTEL_IOMMU_DEFAULT_ON_INTGPU_OFF has the same effect as INTEL_IOMMU_DEFAULT_ON.
    """
    options = parse(config)
    on = ("INTEL_IOMMU_DEFAULT_ON", "INTEL_IOMMU_DEFAULT_ON_INTGPU_OFF")
    off = options.get("INTEL_IOMMU") == "y" and not any(options.get(name) == "y" for name in on)
    return ("intel_iommu=on",) if off else ()


def override(deduced: Capability, can: CapabilityOverride) -> Capability:
    """Return `deduced` with the values that a scenario sets instead.

    PTE is a level of every kernel, whether the scenario lists it or not.
    """
    levels = deduced.levels if can.levels is None else tuple(level for level in _NEEDS if level in can.levels)
    return replace(deduced, levels=levels, fault_maps=can.faults or deduced.fault_maps)
