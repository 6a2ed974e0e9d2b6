# SPDX-License-Identifier: GPL-2.0-only
"""Expectation + measurements + the boot's end → cases.  Pure: no file is read or written here.

Where a number is missing, the status says why: the program skipped the placement (SKIP), the program failed
(FAIL), the boot ended early (CRASH, TIMEOUT, ERROR), or the workload broke its promise (ERROR).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrator.machine.model import BootEnd, BootReport
from orchestrator.result.entries import Entries, entries_of
from orchestrator.result.model import Case, CaseId, Status, Told, Verdict, status_of_end
from orchestrator.scenario.model import AlignmentWorkload, Expectation, Kernel, Placement
from orchestrator.scenario.units import format_size
from orchestrator.workload.model import Measurement

OWN_FAULTS = 8
"""Faults that the workload may take of its own (stack, libc, the counters' page) while it counts those of a mapping.

A count passes from the expected number up to this many more; fewer than expected never passes.
"""

_TIMESTAMP = re.compile(r"^\s*\[ *\d+\.\d+\](\[ *[CT]\d+\])? ?")

Values = Mapping[str, Measurement]
"""The measurements of one placement of one BAR, by name."""


def judge(
    kernel: Kernel,
    workload: AlignmentWorkload,
    boot: BootReport,
    told: Told,
) -> tuple[Case, ...]:
    """Turn what one boot left behind into cases, ordered by BAR, placement and check.

    Each BAR × placement has one `run` case (the program's own verdict) and one case per check that the kernel's
    expectation of that placement states.  The BARs are the workload's, or else those that were reported.  A boot that
    did not end OK, or that reported nothing at all, has one `boot` case more, so that an oops after the last
    measurement still fails the run.  Measurements of other kernels, workloads or devices are ignored.  Never raises.
    """
    owner = (kernel.name, workload.name, workload.device)
    mine = [m for m in told.measurements if (m.kernel, m.workload, m.device) == owner]
    bars = workload.bars or tuple(sorted({m.bar for m in mine} | {bar for bar, _ in told.program}))
    cases: list[Case] = []
    if boot.end is not BootEnd.OK or not bars:
        cases.append(_boot_case(kernel, workload, boot, told))
    for bar in bars:
        for placement in workload.placements:
            values = {m.name: m for m in mine if (m.bar, m.placement) == (bar, placement)}
            cases += _Place(kernel, workload, boot, told, bar, placement, values).cases()
    return tuple(cases)


def describe_end(workload: AlignmentWorkload, boot: BootReport) -> str:
    """One sentence on how a boot ended, with the first line that shows it, without printk's timestamp."""
    sentence = {
        BootEnd.OK: "the workload ended without reporting anything",
        BootEnd.PANIC: "the guest kernel panicked",
        BootEnd.OOPS: "the guest kernel oopsed",
        BootEnd.HANG: f"the workload did not end within {workload.timeout:g} s",
        BootEnd.QEMU: "the virtual machine ended before the workload did",
        BootEnd.WORKLOAD: "the workload ended with an error",
    }[boot.end]
    return f"{sentence}: {_TIMESTAMP.sub('', boot.lines[0]).strip()}" if boot.lines else sentence


def _boot_case(kernel: Kernel, workload: AlignmentWorkload, boot: BootReport, told: Told) -> Case:
    return Case(
        CaseId.of_boot(kernel.name, workload.name, workload.device),
        status_of_end(boot.end),
        message=describe_end(workload, boot),
        evidence=boot.evidence or told.evidence,
        lines=boot.lines,
    )


@dataclass(frozen=True)
class _Check:
    """How one check reads an expectation and measurements.

    `expected` is empty where the expectation does not state the check, `measured` where the guest did not report it;
    `met` is asked only when both are known.  `source` names the measurement whose line is the evidence.
    """

    name: str
    source: str
    expected: Callable[[Expectation], str]
    measured: Callable[[Values], str]
    met: Callable[[Expectation, Values], bool]


@dataclass(frozen=True)
class _Place:
    """All that is known of one placement of one BAR in one boot."""

    kernel: Kernel
    workload: AlignmentWorkload
    boot: BootReport
    told: Told
    bar: int
    placement: Placement
    values: Values

    @property
    def verdict(self) -> Verdict | None:
        return self.told.program.get((self.bar, self.placement))

    @property
    def expectation(self) -> Expectation:
        return dict(self.kernel.expect).get(self.placement, Expectation())

    def cases(self) -> list[Case]:
        checks = [check for check in _CHECKS if check.expected(self.expectation)]
        return [self._run_case(), *(self._check_case(check) for check in checks)]

    def _id(self, check: str) -> CaseId:
        return CaseId(self.kernel.name, self.workload.name, self.workload.device, self.bar, self.placement, check)

    def _run_case(self) -> Case:
        verdict = self.verdict
        if verdict is None:
            return self._unreported("run", "verdict")
        message = verdict.reason or ("" if verdict.status is Status.PASS else "the program gave no reason")
        return Case(self._id("run"), verdict.status, message=message, evidence=verdict.evidence or self.told.evidence)

    def _check_case(self, check: _Check) -> Case:
        if self.verdict is not None and self.verdict.status is Status.SKIP:
            return self._as_program_said(check, Status.SKIP, self.verdict.reason or "the program gave no reason")
        if check.measured(self.values):
            return self._measured(check)
        if self.verdict is not None and self.verdict.status is Status.FAIL:
            message = f"not measured, for the program failed: {self.verdict.reason or 'it gave no reason'}"
            return self._as_program_said(check, Status.FAIL, message)
        return self._unreported(check.name, check.name, check.expected(self.expectation))

    def _measured(self, check: _Check) -> Case:
        expected, measured = check.expected(self.expectation), check.measured(self.values)
        met = check.met(self.expectation, self.values)
        status, message = _with_xfail(met, f"{check.name} {measured}, expected {expected}", self.expectation.xfail)
        evidence = self.values[check.source].evidence or self.told.evidence
        return Case(self._id(check.name), status, expected, measured, message, evidence)

    def _as_program_said(self, check: _Check, status: Status, message: str) -> Case:
        evidence = (self.verdict.evidence if self.verdict else "") or self.told.evidence
        if status is Status.FAIL:
            status, message = _with_xfail(False, message, self.expectation.xfail)
        return Case(self._id(check.name), status, check.expected(self.expectation), "", message, evidence)

    def _unreported(self, check: str, what: str, expected: str = "") -> Case:
        status = status_of_end(self.boot.end)
        if self.boot.end is BootEnd.OK:
            message = f"the workload reported no {what}"
            return Case(self._id(check), status, expected, "", message, self.told.evidence)
        message = describe_end(self.workload, self.boot)
        evidence = self.boot.evidence or self.told.evidence
        return Case(self._id(check), status, expected, "", message, evidence, self.boot.lines)


def _with_xfail(met: bool, message: str, xfail: str | None) -> tuple[Status, str]:
    if xfail is None:
        return (Status.PASS, "") if met else (Status.FAIL, message)
    if met:
        return Status.XPASS, f"meets the expectation, but xfail says: {xfail}; remove the xfail"
    return Status.XFAIL, f"{xfail} ({message})"


def _alignment_expected(expectation: Expectation) -> str:
    return "" if expectation.alignment is None else f"at least {format_size(expectation.alignment)}"


def _alignment_measured(values: Values) -> str:
    return format_size(values["alignment"].value) if "alignment" in values else ""


def _alignment_met(expectation: Expectation, values: Values) -> bool:
    return expectation.alignment is not None and values["alignment"].value >= expectation.alignment


def _level_expected(expectation: Expectation) -> str:
    return expectation.level.value if expectation.level else ""


def _level_measured(values: Values) -> str:
    entries = entries_of(values)
    return str(entries) if entries else ""


def _level_met(expectation: Expectation, values: Values) -> bool:
    entries = entries_of(values)
    return entries is not None and entries.pure is expectation.level


def _entries_expected(expectation: Expectation) -> str:
    if expectation.entries is None:
        return ""
    return f"{expectation.entries} (all {expectation.level})" if expectation.level else str(expectation.entries)


def _entries_measured(values: Values) -> str:
    entries = entries_of(values)
    return f"{entries.total} ({_how_mixed(entries)})" if entries else ""


def _how_mixed(entries: Entries) -> str:
    return f"all {entries.pure}" if entries.pure else str(entries)


def _entries_met(expectation: Expectation, values: Values) -> bool:
    entries = entries_of(values)
    return entries is not None and entries.total == expectation.entries


def _faults_check(name: str, stated: Callable[[Expectation], int | None]) -> _Check:
    """The check of a fault count: at least what is expected, at most the program's own faults more."""

    def expected(expectation: Expectation) -> str:
        least = stated(expectation)
        return "" if least is None else f"{least} to {least + OWN_FAULTS}"

    def measured(values: Values) -> str:
        return str(values[name].value) if name in values else ""

    def met(expectation: Expectation, values: Values) -> bool:
        least = stated(expectation)
        return least is not None and least <= values[name].value <= least + OWN_FAULTS

    return _Check(name, name, expected, measured, met)


_CHECKS = (
    _Check("alignment", "alignment", _alignment_expected, _alignment_measured, _alignment_met),
    _Check("level", "entries_pte", _level_expected, _level_measured, _level_met),
    _Check("entries", "entries_pte", _entries_expected, _entries_measured, _entries_met),
    _faults_check("faults", lambda expectation: expectation.faults),
    _faults_check("dma_faults", lambda expectation: expectation.dma_faults),
)
