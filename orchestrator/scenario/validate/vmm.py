# SPDX-License-Identifier: GPL-2.0-only
"""Checks of workloads with a VMM, and of what is expected of them, that a schema cannot express."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.scenario.schema.parts import Parts
from orchestrator.yamlfile.messages import hint, quoted
from orchestrator.yamlfile.nodes import Loc

Complaint = tuple[Loc, str]


def vmm_complaints(parts: Parts) -> Iterator[Complaint]:
    """Yield the location of every such mistake and a sentence about it."""
    yield from _machine(parts)
    yield from _expectations(parts)


def _machine(parts: Parts) -> Iterator[Complaint]:
    """Check that the machine can run a VMM that passes a device through."""
    name = next((name for name, workload in parts.workloads.items() if workload.vmm), None)
    if name is None:
        return
    loc, what = ("workloads", name, "vmm"), f"the VMM of workload {quoted(name)}"
    if not parts.machine.virtualization:
        yield loc, f"{what} runs virtual machines in the guest; add 'virtualization: true' to 'machine'"
    if parts.machine.iommu == "none":
        yield loc, f"{what} needs an IOMMU to pass the device through; remove 'iommu: none'"


def _expectations(parts: Parts) -> Iterator[Complaint]:
    """Check that each expectation is of a workload with a VMM."""
    if len(parts.workloads) < len(parts.document.names("workloads")):
        return  # a workload that cannot be read may be the one
    names = [name for name, workload in parts.workloads.items() if workload.vmm]
    for kernel, entry in parts.kernels.items():
        for name in entry.expect_vmm:
            if name not in names:
                loc = ("kernels", kernel, "expect-vmm", name)
                yield loc, f"no workload {quoted(name)} has a VMM{hint(name, names, 'workloads with a VMM')}"
