# SPDX-License-Identifier: GPL-2.0-only
"""Convert the entries of a valid scenario file to the values in `scenario.model`."""

from __future__ import annotations

import math
from typing import TypeVar

from orchestrator.scenario.devices import Device, EmulatedDevice, PassthroughDevice, Selector
from orchestrator.scenario.expand.inherit import lineage
from orchestrator.scenario.model import (
    AlignmentWorkload,
    CapabilityOverride,
    CommandWorkload,
    DebianVmm,
    Expectation,
    HostSelector,
    Kernel,
    Machine,
    Placement,
    ProgramVmm,
    Scenario,
    SelftestsWorkload,
    VmmWorkload,
    Workload,
)
from orchestrator.scenario.resolve.recipes import Recipes
from orchestrator.scenario.resolve.source import source
from orchestrator.scenario.schema.device import DeviceEntry, SelectorEntry
from orchestrator.scenario.schema.scenario import CanEntry, HostEntry, KernelEntry, MachineEntry, ScenarioFile
from orchestrator.scenario.schema.source import PREBUILT, SOURCES, kind_of
from orchestrator.scenario.schema.workload import VmmEntry, WorkloadEntry
from orchestrator.scenario.validate.workload import absolute
from orchestrator.scenario.vmm import QEMU_COMMAND
from orchestrator.yamlfile.document import Document

_T = TypeVar("_T")


def build(file: ScenarioFile, document: Document, recipes: Recipes) -> Scenario:
    """Return the scenario of `file`, which must have passed every check.

    The base is its first kernel.
    """
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
        devices=tuple(_device(name, device, document) for name, device in devices),
        workloads=tuple(_workload(name, workload, document) for name, workload in workloads),
        machine=_machine(file.machine),
        host=_host(file.host),
        build_host=_host(file.build_host),
        repeat=file.repeat,
    )


def _host(entry: HostEntry | None) -> HostSelector:
    return HostSelector(entry.name or "", entry.tag or "") if entry else HostSelector()


def _kernel(name: str, kernels: dict[str, KernelEntry], recipes: Recipes, document: Document) -> Kernel:
    line = lineage(name, kernels)[::-1]
    steps = [kernels[step] for step in line]
    origin = next(step.source for step in reversed(steps) if step.source is not None)
    built = [] if kind_of(origin.model_dump(by_alias=True), SOURCES) in PREBUILT else line
    options: dict[str, str] = {}
    expect: dict[Placement, Expectation] = {}
    expect_vmm: dict[str, Expectation] = {}
    for step in line:
        options |= kernels[step].options if step in built else {}
        expect |= {placement: Expectation(**dict(entry)) for placement, entry in kernels[step].expect.items()}
        expect_vmm |= {workload: Expectation(**dict(entry)) for workload, entry in kernels[step].expect_vmm.items()}
    return Kernel(
        name=name,
        source=source(origin, document.path.parent),
        patches=tuple(patch for step in built for patch in recipes.patches[step].values()),
        config=tuple(path for step in built for path in recipes.config[step].values()),
        options=tuple(options.items()),
        expect=tuple(expect.items()),
        expect_vmm=tuple(expect_vmm.items()),
        where=document.where(("kernels", name)),
        can=_can([kernels[step].can for step in line]),
        xfail=_xfail([kernels[step].xfail for step in line]),
        arch=_last([step.arch for step in steps], "x86_64"),
        compiler=_last([step.compiler for step in steps], "gcc"),
        modules=_last([step.modules for step in steps], False),
    )


def _last(line: list[_T | None], default: _T) -> _T:
    """Return the last value of `line` that is not None, or `default`."""
    return next((value for value in reversed(line) if value is not None), default)


def _xfail(line: list[dict[str, str] | None]) -> tuple[tuple[str, str], ...]:
    """Return the known failures of the last kernel in `line` that has any."""
    named = [step for step in line if step is not None]
    return tuple(named[-1].items()) if named else ()


def _can(line: list[CanEntry | None]) -> CapabilityOverride:
    """Return the last value of each key in `line`."""
    entries = [entry for entry in reversed(line) if entry is not None]
    levels = next((entry.levels for entry in entries if entry.levels is not None), None)
    faults = next((entry.faults for entry in entries if entry.faults is not None), None)
    return CapabilityOverride(levels, faults)


def _device(name: str, entry: DeviceEntry, document: Document) -> Device:
    where = document.where(("devices", name))
    if entry.passthrough is None:
        return EmulatedDevice(name, entry.emulated or "", entry.bar, where, tuple(entry.properties.items()))
    fallback = None
    if (instead := entry.fallback) is not None:
        fallback = EmulatedDevice(name, instead.emulated, instead.bar, where, tuple(instead.properties.items()))
    return PassthroughDevice(name, _selector(entry.passthrough), fallback, tuple(entry.resize.items()), where)


def _selector(entry: SelectorEntry) -> Selector:
    vendor, device = entry.device or (None, None)
    return Selector(entry.address or "", vendor, device, entry.of_class or "", entry.min_bar or 0, entry.host or "")


def _workload(name: str, entry: WorkloadEntry, document: Document) -> Workload:
    if entry.selftests:
        return _selftests(name, entry, document)
    if entry.vmm:
        return _vmm(name, entry, entry.vmm, document)
    return _command(name, entry, document) if entry.command else _alignment(name, entry, document)


def _vmm(name: str, entry: WorkloadEntry, vmm: VmmEntry, document: Document) -> VmmWorkload:
    own = ProgramVmm(absolute((vmm.path,), document.path.parent)[0]) if vmm.path else None
    return VmmWorkload(
        name=name,
        device=entry.device or "",
        vmm=own or DebianVmm(vmm.debian or "", vmm.suite or ""),
        command_line=vmm.command or QEMU_COMMAND,
        bars=entry.bars,
        timeout=entry.timeout,
        where=document.where(("workloads", name)),
    )


def _selftests(name: str, entry: WorkloadEntry, document: Document) -> SelftestsWorkload:
    return SelftestsWorkload(
        name=name,
        targets=entry.selftests,
        device=entry.device or "",
        only=entry.only,
        test_timeout=math.ceil(entry.test_timeout) if entry.test_timeout else None,
        environment=tuple(entry.environment.items()),
        setup=entry.setup,
        xfail=tuple(entry.xfail.items()),
        timeout=entry.timeout,
        where=document.where(("workloads", name)),
    )


def _command(name: str, entry: WorkloadEntry, document: Document) -> CommandWorkload:
    return CommandWorkload(
        name=name,
        command=entry.command or "",
        files=absolute(entry.files, document.path.parent),
        outcome=entry.outcome,
        device=entry.device or "",
        environment=tuple(entry.environment.items()),
        setup=entry.setup,
        xfail=tuple(entry.xfail.items()),
        timeout=entry.timeout,
        where=document.where(("workloads", name)),
    )


def _alignment(name: str, entry: WorkloadEntry, document: Document) -> AlignmentWorkload:
    return AlignmentWorkload(
        name=name,
        device=entry.device or "",
        bars=entry.bars,
        offset=entry.offset,
        length=entry.length,
        placements=entry.placements,
        timeout=entry.timeout,
        tests=entry.tests,
        repeats=entry.repeats,
        ranges=entry.ranges,
        seed=entry.seed,
        hole=entry.hole,
        where=document.where(("workloads", name)),
    )


def _machine(entry: MachineEntry | None) -> Machine:
    if entry is None:
        return Machine()
    return Machine(entry.cpus, entry.memory, entry.iommu, entry.accelerator, entry.virtualization)
