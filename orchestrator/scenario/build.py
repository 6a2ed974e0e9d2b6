# SPDX-License-Identifier: GPL-2.0-only
"""The entries of a file in which nothing is wrong → the values that the rooms downstream work with."""

from __future__ import annotations

from orchestrator.scenario.document import Document
from orchestrator.scenario.inherit import lineage
from orchestrator.scenario.model import (
    AlignmentWorkload,
    DebianSource,
    EmulatedDevice,
    Expectation,
    Kernel,
    Machine,
    Placement,
    Scenario,
)
from orchestrator.scenario.recipes import Recipes
from orchestrator.scenario.schema import KernelEntry, MachineEntry, ScenarioFile, SourceEntry, WorkloadEntry


def build(file: ScenarioFile, document: Document, recipes: Recipes) -> Scenario:
    """The scenario of a `file` that every check has passed; the base is its first kernel."""
    base = file.base or next(iter(file.kernels))
    names = [base, *(name for name in file.kernels if name != base)]
    devices = file.devices.items()
    workloads = file.workloads.items()
    return Scenario(
        name=file.name or document.path.stem,
        path=document.path,
        description=file.description,
        base=base,
        kernels=tuple(_kernel(name, file.kernels, recipes, document) for name in names),
        devices=tuple(EmulatedDevice(n, d.emulated, d.bar, document.where(("devices", n))) for n, d in devices),
        workloads=tuple(_workload(name, workload, document) for name, workload in workloads),
        machine=_machine(file.machine),
    )


def _kernel(name: str, kernels: dict[str, KernelEntry], recipes: Recipes, document: Document) -> Kernel:
    line = lineage(name, kernels)[::-1]
    options: dict[str, str] = {}
    expect: dict[Placement, Expectation] = {}
    for step in line:
        options |= kernels[step].options
        expect |= {placement: Expectation(**dict(entry)) for placement, entry in kernels[step].expect.items()}
    return Kernel(
        name=name,
        source=_source([kernels[step].source for step in line]),
        patches=tuple(path for step in line for path in recipes.patches[step].values()),
        config=tuple(path for step in line for path in recipes.config[step].values()),
        options=tuple(options.items()),
        expect=tuple(expect.items()),
        where=document.where(("kernels", name)),
    )


def _source(line: list[SourceEntry | None]) -> DebianSource:
    """The source that is nearest to the end of a line of kernels."""
    source = next(source for source in reversed(line) if source is not None)
    return DebianSource(source.debian, source.suite, source.version)


def _workload(name: str, entry: WorkloadEntry, document: Document) -> AlignmentWorkload:
    return AlignmentWorkload(
        name=name,
        device=entry.device,
        bars=entry.bars,
        offset=entry.offset,
        length=entry.length,
        placements=entry.placements,
        timeout=entry.timeout,
        where=document.where(("workloads", name)),
    )


def _machine(entry: MachineEntry | None) -> Machine:
    if entry is None:
        return Machine()
    return Machine(entry.cpus, entry.memory, entry.iommu, entry.accelerator)
