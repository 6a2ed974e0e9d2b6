# SPDX-License-Identifier: GPL-2.0-only
"""What a built kernel can do with the mapping of a BAR: from its version and its final configuration."""

from __future__ import annotations

import re
from dataclasses import replace

from orchestrator.arch import ARCHES
from orchestrator.kernel.config.fragments import parse
from orchestrator.kernel.model import KernelBuild
from orchestrator.scenario.model import Capability, CapabilityOverride, FaultMaps, Level

_HUGE_SINCE = (6, 12)
"""The first Linux whose vfio-pci has a huge_fault, and the first that has the options below.

Linux 6.1's vfio_pci_mmap_fault (drivers/vfio/pci/vfio_pci_core.c) populates the whole vma on the first fault.
"""

_NEEDS = {Level.PMD: "ARCH_SUPPORTS_PMD_PFNMAP", Level.PUD: "ARCH_SUPPORTS_PUD_PFNMAP"}
"""What vfio_pci_vmf_insert_pfn asks for, level by level.

Both follow from others (mm/Kconfig): the architecture's ARCH_SUPPORTS_HUGE_PFNMAP, which needs TRANSPARENT_HUGEPAGE,
and HAVE_ARCH_TRANSPARENT_HUGEPAGE or HAVE_ARCH_TRANSPARENT_HUGEPAGE_PUD.
"""

_VERSION = re.compile(r"(\d+)\.(\d+)")


def capability_of(build: KernelBuild, can: CapabilityOverride) -> Capability:
    """What `build` can do; what the scenario says it `can` do outranks what follows from version and configuration.

    Raises OSError where the build is gone from the cache.
    """
    return override(capability(build.config.read_text(), build.version), can)


def capability(config: str, version: str) -> Capability:
    """What a kernel of this `version`, with this final `config` as text, can do.

    A version that is none, as a developer's own tree may have, is taken for a new one.  Never raises.
    """
    match = _VERSION.match(version)
    if match and (int(match[1]), int(match[2])) < _HUGE_SINCE:
        return Capability((), FaultMaps.MAPPING)
    options = parse(config)
    return Capability(tuple(level for level, option in _NEEDS.items() if options.get(option) == "y"))


def shows_page_tables(config: str) -> bool:
    """Return whether a kernel with this final `config` shows the workload a process's page tables."""
    options = parse(config)
    arch = next((arch for arch in ARCHES.values() if options.get(arch.option) == "y"), None)
    needed = ("PTDUMP_DEBUGFS", arch.page_table_option if arch else "PTDUMP_DEBUGFS")
    return all(options.get(name) == "y" for name in needed)


def boot_arguments(config: str) -> tuple[str, ...]:
    """What a kernel with this final `config` must be told on its command line: to use the IOMMU, where it would not.

    A virtual machine has no integrated graphics, hence INTEL_IOMMU_DEFAULT_ON_INTGPU_OFF is as good as on.
    """
    options = parse(config)
    on = ("INTEL_IOMMU_DEFAULT_ON", "INTEL_IOMMU_DEFAULT_ON_INTGPU_OFF")
    off = options.get("INTEL_IOMMU") == "y" and not any(options.get(name) == "y" for name in on)
    return ("intel_iommu=on",) if off else ()


def override(deduced: Capability, can: CapabilityOverride) -> Capability:
    """`deduced` with what a scenario says instead; PTE is among the levels of every kernel, said or not."""
    levels = deduced.levels if can.levels is None else tuple(level for level in _NEEDS if level in can.levels)
    return replace(deduced, levels=levels, fault_maps=can.faults or deduced.fault_maps)
