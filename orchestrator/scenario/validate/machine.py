# SPDX-License-Identifier: GPL-2.0-only
"""Checks of the machine that a schema cannot express.

They find kernels that cannot run on the machine, and impossible expectations.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.arch import ARCHES, X86_64
from orchestrator.scenario.expand.inherit import lineage
from orchestrator.scenario.schema.parts import Parts
from orchestrator.yamlfile.messages import quoted
from orchestrator.yamlfile.nodes import Loc

_WITH_KVM = " and ".join(name for name, arch in ARCHES.items() if arch.virtualization)
_IOMMU_ARCH = {arch.iommu: name for name, arch in ARCHES.items() if arch.iommu}


def arch_complaints(parts: Parts) -> Iterator[tuple[Loc, str]]:
    """Yield the location of every such mistake and a sentence about it.

    A mistake is reported once for all kernels of an architecture.
    """
    iommu = parts.document.get(("machine", "iommu"))
    accelerator = parts.document.get(("machine", "accelerator"))
    for arch, name in _first(parts).items():
        kernel = f"kernel {quoted(name)} is for {arch}"
        if isinstance(iommu, str) and _IOMMU_ARCH.get(iommu, arch) != arch:
            what = f"the IOMMU {quoted(iommu)} is for {_IOMMU_ARCH[iommu]}, and {kernel}"
            yield ("machine", "iommu"), f"{what}; remove it; each has its own"
        if parts.machine.virtualization and not ARCHES[arch].virtualization:
            yield ("machine", "virtualization"), f"'virtualization' is for {_WITH_KVM} only, and {kernel}; remove it"
        if accelerator == "kvm" and arch != X86_64.name:
            yield ("machine", "accelerator"), f"'kvm' runs x86_64 only, and {kernel}; take 'auto', which emulates it"
    if iommu == "none":
        yield from _never_mapped(parts)


def _never_mapped(parts: Parts) -> Iterator[tuple[Loc, str]]:
    """Report expectations of DMA faults, which no boot without an IOMMU could judge."""
    for name, kernel in parts.kernels.items():
        for placement, expected in kernel.expect.items():
            if expected.dma_faults is not None:
                loc = ("kernels", name, "expect", placement.value, "dma-faults")
                what = f"kernel {quoted(name)} has an expectation of 'dma-faults', but with 'iommu: none'"
                yield loc, f"{what} nothing is mapped for DMA; remove it"


def _first(parts: Parts) -> dict[str, str]:
    """Return the first kernel of each architecture."""
    first: dict[str, str] = {}
    for name in parts.kernels:
        stated = (parts.kernels[step].arch for step in lineage(name, parts.kernels))
        first.setdefault(next((arch for arch in stated if arch), X86_64.name), name)
    return first
