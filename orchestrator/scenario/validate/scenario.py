# SPDX-License-Identifier: GPL-2.0-only
"""Checks that a schema cannot express: unknown names, ranges beyond a BAR, kernels without a source.

Each check yields the location of a mistake and a sentence about it.  The checks use the names in the document, not
those of the entries that could be read, so that one mistake is not reported twice.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.scenario.devices import SIZED_BAR
from orchestrator.scenario.expand.inherit import lineage
from orchestrator.scenario.model import Placement, TestGroup
from orchestrator.scenario.schema.fields import SCENARIO_NAME_WORDS, is_scenario_name
from orchestrator.scenario.schema.parts import Parts
from orchestrator.scenario.schema.scenario import ExpectEntry
from orchestrator.scenario.schema.workload import WorkloadEntry
from orchestrator.scenario.validate.device import device_complaints
from orchestrator.scenario.validate.machine import arch_complaints
from orchestrator.scenario.validate.source import source_complaints
from orchestrator.scenario.validate.vmm import vmm_complaints
from orchestrator.scenario.validate.workload import workload_complaints
from orchestrator.yamlfile.messages import hint, quoted
from orchestrator.yamlfile.nodes import Loc, SourceProblem
from orchestrator.yamlfile.units import format_size

Complaint = tuple[Loc, str]


def check(parts: Parts) -> list[SourceProblem]:
    """Return every such mistake in `parts`."""
    checks = (_name, _base, _extends, _cycles, _sources, _devices, _ranges, _holes, _no_tests, _expectations, _stage2)
    elsewhere = (device_complaints, source_complaints, arch_complaints, workload_complaints, vmm_complaints)
    complaints = (complaint for each in (*checks, *elsewhere) for complaint in each(parts))
    return [SourceProblem(parts.document.line(loc), what) for loc, what in complaints]


def _name(parts: Parts) -> Iterator[Complaint]:
    stem = parts.document.path.stem
    if parts.document.get(("name",)) is None and not is_scenario_name(stem):
        yield (), f"the file's name {quoted(stem)} is no scenario name; add 'name', made of {SCENARIO_NAME_WORDS}"


def _base(parts: Parts) -> Iterator[Complaint]:
    base, kernels = parts.document.value.get("base"), parts.document.names("kernels")
    if isinstance(base, str) and kernels and base not in kernels and not parts.document.unexpanded:
        yield ("base",), f"no kernel {quoted(base)} for 'base'{hint(base, kernels, 'kernels')}"


def _extends(parts: Parts) -> Iterator[Complaint]:
    kernels = parts.document.names("kernels")
    for name, kernel in parts.kernels.items():
        if kernel.extends is not None and kernel.extends not in kernels and not parts.document.unexpanded:
            others = [other for other in kernels if other != name]
            fix = hint(kernel.extends, others, "other kernels")
            yield ("kernels", name, "extends"), f"no kernel {quoted(kernel.extends)} for {quoted(name)} to extend{fix}"


def _cycles(parts: Parts) -> Iterator[Complaint]:
    reported: set[str] = set()
    for name in parts.kernels:
        line = lineage(name, parts.kernels)
        if name not in reported and parts.kernels[line[-1]].extends == name:
            reported.update(line)
            chain = " extends ".join(quoted(step) for step in [*line, name])
            yield ("kernels", name, "extends"), f"{chain}: a kernel cannot extend itself; remove one 'extends'"


def _sources(parts: Parts) -> Iterator[Complaint]:
    """Check that kernels that extend no other kernel have a source; the others inherit one."""
    reported = False
    for name in parts.kernels:
        given = [parts.document.get(("kernels", name, key)) for key in ("source", "extends")]
        if given == [None, None] and not (reported and name in parts.document.generated):
            reported = name in parts.document.generated  # the other kernels of the matrix probably lack the same one
            yield ("kernels", name), f"kernel {quoted(name)} has no 'source'; add one, or 'extends' a kernel that has"


def _devices(parts: Parts) -> Iterator[Complaint]:
    devices = parts.document.names("devices")
    if not isinstance(parts.document.value.get("devices", {}), dict):
        return  # the schema check reports this
    for name in parts.document.names("workloads"):
        loc = ("workloads", name, "device")
        device = parts.document.get(loc)
        if isinstance(device, str) and device not in devices:
            yield loc, f"no device {quoted(device)} for workload {quoted(name)}{hint(device, devices, 'devices')}"


def _no_tests(parts: Parts) -> Iterator[Complaint]:
    """Check for workloads without a test: the group `ranges` does not test the negative control."""
    for name, workload in parts.workloads.items():
        if workload.run and workload.tests == (TestGroup.RANGES,) and workload.placements == (Placement.MISALIGNED,):
            yield ("workloads", name, "tests"), "'ranges' has no test of 'misaligned'; add another placement or group"


def _holes(parts: Parts) -> Iterator[Complaint]:
    for name, workload in parts.workloads.items():
        device = parts.devices.get(workload.device or "")
        if workload.hole is None:
            continue
        if TestGroup.RANGES not in workload.tests:
            yield ("workloads", name, "hole"), "'hole' is for the tests 'ranges', which are not among 'tests'; add them"
        elif device is not None and device.bar is not None and workload.hole >= device.bar:
            what = f"'hole' {format_size(workload.hole)} is beyond the BAR of device {quoted(workload.device)}"
            yield ("workloads", name, "hole"), f"{what}, which has {format_size(device.bar)}; make it smaller"


def _ranges(parts: Parts) -> Iterator[Complaint]:
    for name, workload in parts.workloads.items():
        device = parts.devices.get(workload.device or "")
        if device is None or device.bar is None:
            continue
        if workload.bars and SIZED_BAR.get(device.emulated or "") not in workload.bars:
            continue
        what = _beyond(workload, device.bar)
        if what:
            key = "offset" if workload.length is None else "length"
            yield ("workloads", name, key), f"{what}, which has {format_size(device.bar)}; make it shorter"


def _beyond(workload: WorkloadEntry, bar: int) -> str:
    """Return a description of what extends beyond a BAR of `bar` bytes.

    Returns "" if nothing does.
    """
    whose = f"the BAR of device {quoted(workload.device)}"
    if workload.length is None:
        return f"'offset' {format_size(workload.offset)} is beyond {whose}" if workload.offset >= bar else ""
    if workload.offset + workload.length <= bar:
        return ""
    begin = f"'offset' {format_size(workload.offset)} + " if workload.offset else ""
    return f"{begin}'length' {format_size(workload.length)} is beyond {whose}"


def _expectations(parts: Parts) -> Iterator[Complaint]:
    if len(parts.workloads) < len(parts.document.names("workloads")) or not parts.workloads:
        return  # a workload that cannot be read may use any placement
    mapping = [name for name in parts.workloads if parts.document.get(("workloads", name, "run")) is not None]
    used = {placement for name in mapping for placement in parts.workloads[name].placements}
    for name, kernel in parts.kernels.items():
        for placement in kernel.expect:
            if placement not in used:
                yield (
                    ("kernels", name, "expect", placement.value),
                    f"no workload has the placement '{placement}' that kernel {quoted(name)} has an expectation of"
                    f"; the placements are {', '.join(p for p in Placement if p in used) or 'none'}",
                )
            elif not any(_judges(parts.workloads[name], placement, kernel.expect[placement]) for name in mapping):
                yield (
                    ("kernels", name, "expect", placement.value),
                    f"no tests of any workload judge this expectation of '{placement}'; add 'map' to 'tests'",
                )


def _stage2(parts: Parts) -> Iterator[Complaint]:
    """Check that what concerns stage 2 can be tested: the machine can run virtual machines, and a test judges it."""
    testing = {name: w for name, w in parts.workloads.items() if w.run and TestGroup.STAGE2 in w.tests}
    if testing and not parts.machine.virtualization:
        name = next(iter(testing))
        what = "'stage2' starts virtual machines in the guest"
        yield ("workloads", name, "tests"), f"{what}; add 'virtualization: true' to 'machine'"
    if len(parts.workloads) < len(parts.document.names("workloads")):
        return  # a workload that cannot be read may have these tests
    judged = {placement for workload in testing.values() for placement in workload.placements}
    for name, kernel in parts.kernels.items():
        for placement, expected in kernel.expect.items():
            if expected.stage2 is not None and placement not in judged:
                loc = ("kernels", name, "expect", placement.value, "stage2")
                yield loc, f"no workload has the tests 'stage2' with the placement '{placement}'; add them to 'tests'"


def _judges(workload: WorkloadEntry, placement: Placement, expected: ExpectEntry) -> bool:
    """Return whether any test of `workload` judges a value in `expected` for `placement`, as result/judge/checks.py."""
    if TestGroup.MAP in workload.tests and placement in workload.placements:
        return True
    if TestGroup.STAGE2 in workload.tests and placement in workload.placements and expected.stage2 is not None:
        return True
    around = TestGroup.RANGES in workload.tests and placement in workload.placements
    many = {TestGroup.REPEAT, TestGroup.RANDOM} & set(workload.tests)
    of_level = (around and placement is not Placement.MISALIGNED) or (many and placement is Placement.KERNEL)
    return bool(of_level) and expected.level is not None
