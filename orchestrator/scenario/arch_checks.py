# SPDX-License-Identifier: GPL-2.0-only
"""What a schema cannot see of architectures: a machine that a kernel cannot run on."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.scenario.inherit import lineage
from orchestrator.scenario.model import ARCHES
from orchestrator.scenario.nodes import Loc
from orchestrator.scenario.parts import Parts
from orchestrator.scenario.words import quoted

_IOMMU_ARCH = {"intel": "x86_64", "smmuv3": "arm64"}


def arch_complaints(parts: Parts) -> Iterator[tuple[Loc, str]]:
    """The place of every mistake of these kinds, and the sentence about it; one for all kernels of an architecture."""
    iommu = parts.document.get(("machine", "iommu"))
    accelerator = parts.document.get(("machine", "accelerator"))
    for arch, name in _first(parts).items():
        kernel = f"kernel {quoted(name)} is for {arch}"
        if isinstance(iommu, str) and _IOMMU_ARCH.get(iommu, arch) != arch:
            what = f"the IOMMU {quoted(iommu)} is for {_IOMMU_ARCH[iommu]}, and {kernel}"
            yield ("machine", "iommu"), f"{what}; remove it, and each has its own"
        if accelerator == "kvm" and arch != "x86_64":
            yield ("machine", "accelerator"), f"'kvm' runs x86_64 only, and {kernel}; take 'auto', which emulates it"


def _first(parts: Parts) -> dict[str, str]:
    """The first kernel of each architecture."""
    first: dict[str, str] = {}
    for name in parts.kernels:
        stated = (parts.kernels[step].arch for step in lineage(name, parts.kernels))
        first.setdefault(next((arch for arch in stated if arch), ARCHES[0]), name)
    return first
