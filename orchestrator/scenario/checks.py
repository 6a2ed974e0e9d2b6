# SPDX-License-Identifier: GPL-2.0-only
"""What a schema cannot see: names that lead nowhere, ranges beyond a BAR, kernels without a source.

Each check yields the place of a mistake and the sentence about it.  They go by the names in the document rather than
by the entries that could be read, so that one mistake is not reported as two.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.scenario.fields import SCENARIO_NAME_WORDS, is_scenario_name
from orchestrator.scenario.inherit import lineage
from orchestrator.scenario.model import Placement
from orchestrator.scenario.nodes import Finding, Loc
from orchestrator.scenario.parts import Parts
from orchestrator.scenario.schema import WorkloadEntry
from orchestrator.scenario.units import format_size
from orchestrator.scenario.words import hint, quoted

Complaint = tuple[Loc, str]

_SIZED_BAR = 2
"""The BAR of pci-testdev that has the size a scenario gives."""


def check(parts: Parts) -> list[Finding]:
    """Every mistake of these kinds."""
    checks = (_name, _base, _extends, _cycles, _sources, _devices, _ranges, _expectations)
    return [Finding(parts.document.line(loc), what) for each in checks for loc, what in each(parts)]


def _name(parts: Parts) -> Iterator[Complaint]:
    stem = parts.document.path.stem
    if parts.document.get(("name",)) is None and not is_scenario_name(stem):
        yield (), f"the file's name {quoted(stem)} is no scenario name; add 'name', made of {SCENARIO_NAME_WORDS}"


def _base(parts: Parts) -> Iterator[Complaint]:
    base, kernels = parts.document.value.get("base"), parts.document.names("kernels")
    if isinstance(base, str) and kernels and base not in kernels:
        yield ("base",), f"no kernel {quoted(base)} for 'base'{hint(base, kernels, 'kernels')}"


def _extends(parts: Parts) -> Iterator[Complaint]:
    kernels = parts.document.names("kernels")
    for name, kernel in parts.kernels.items():
        if kernel.extends is not None and kernel.extends not in kernels:
            others = [other for other in kernels if other != name]
            mend = hint(kernel.extends, others, "other kernels")
            yield ("kernels", name, "extends"), f"no kernel {quoted(kernel.extends)} for {quoted(name)} to extend{mend}"


def _cycles(parts: Parts) -> Iterator[Complaint]:
    reported: set[str] = set()
    for name in parts.kernels:
        line = lineage(name, parts.kernels)
        if name not in reported and parts.kernels[line[-1]].extends == name:
            reported.update(line)
            way = " extends ".join(quoted(step) for step in [*line, name])
            yield ("kernels", name, "extends"), f"{way}: a kernel cannot extend itself; remove one 'extends'"


def _sources(parts: Parts) -> Iterator[Complaint]:
    """Only kernels that extend none can lack a source: the others have that of the first of their line."""
    for name in parts.kernels:
        given = [parts.document.get(("kernels", name, key)) for key in ("source", "extends")]
        if given == [None, None]:
            yield ("kernels", name), f"kernel {quoted(name)} has no 'source'; add one, or 'extends' a kernel that has"


def _devices(parts: Parts) -> Iterator[Complaint]:
    devices = parts.document.names("devices")
    for name in parts.document.names("workloads"):
        loc = ("workloads", name, "device")
        device = parts.document.get(loc)
        if devices and isinstance(device, str) and device not in devices:
            yield loc, f"no device {quoted(device)} for workload {quoted(name)}{hint(device, devices, 'devices')}"


def _ranges(parts: Parts) -> Iterator[Complaint]:
    for name, workload in parts.workloads.items():
        device = parts.devices.get(workload.device)
        if device is None or (workload.bars and _SIZED_BAR not in workload.bars):
            continue
        what = _beyond(workload, device.bar)
        if what:
            key = "offset" if workload.length is None else "length"
            yield ("workloads", name, key), f"{what}, which has {format_size(device.bar)}; make it shorter"


def _beyond(workload: WorkloadEntry, bar: int) -> str:
    """What reaches beyond a BAR of `bar` bytes, empty where nothing does."""
    whose = f"the BAR of device {quoted(workload.device)}"
    if workload.length is None:
        return f"'offset' {format_size(workload.offset)} is beyond {whose}" if workload.offset >= bar else ""
    if workload.offset + workload.length <= bar:
        return ""
    begin = f"'offset' {format_size(workload.offset)} + " if workload.offset else ""
    return f"{begin}'length' {format_size(workload.length)} is beyond {whose}"


def _expectations(parts: Parts) -> Iterator[Complaint]:
    if len(parts.workloads) < len(parts.document.names("workloads")) or not parts.workloads:
        return  # the workload that cannot be read may use any placement
    used = {placement for workload in parts.workloads.values() for placement in workload.placements}
    for name, kernel in parts.kernels.items():
        for placement in kernel.expect:
            if placement not in used:
                yield (
                    ("kernels", name, "expect", placement.value),
                    f"no workload has the placement '{placement}' that kernel {quoted(name)} has an expectation of"
                    f"; the placements are {', '.join(p for p in Placement if p in used)}",
                )
