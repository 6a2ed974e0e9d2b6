# SPDX-License-Identifier: GPL-2.0-only
"""Expectation + prediction + measurements + the boot's end → cases.  Pure: no file is read or written here.

Where a number is missing, the status says why: the program skipped the test (SKIP), the program failed (FAIL), the
boot ended early (CRASH, TIMEOUT, ERROR), or the workload broke its promise (ERROR).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from orchestrator.machine.model import BootEnd, BootReport
from orchestrator.result.judge.checks import Check, CheckResult, checks_of
from orchestrator.result.judge.kernel_log import TIMESTAMP, log_cases
from orchestrator.result.judge.levels import Numbers
from orchestrator.result.judge.xfail import boot_with_xfail, cases_with_xfail
from orchestrator.result.model import Case, CaseId, Status, Verdict, WorkloadOutput, share_cases, status_of_end
from orchestrator.scenario.model import AlignmentWorkload, Expectation, Kernel, Workload
from orchestrator.workload.alignment.attributes import hold_attributes
from orchestrator.workload.alignment.entries import entries_of
from orchestrator.workload.alignment.infer import DEDUCED
from orchestrator.workload.alignment.prediction import PredictionCheck, extent_of, hold, predict
from orchestrator.workload.alignment.tests import placement_of, reads_entries, tests_of
from orchestrator.workload.model import Measurement


def judge(kernel: Kernel, workload: AlignmentWorkload, boot: BootReport, told: WorkloadOutput) -> tuple[Case, ...]:
    """Turn what one boot left behind into cases, ordered by BAR, test and check.

    Each BAR × test, planned or reported, has one `run` case (the program's own verdict); where it measured one mapping
    an `oracle` case, which holds all of its numbers against what they must be, and an `attributes` case, which holds
    the attributes of its entries against what vfio-pci asks for; and one case per check that the
    kernel's expectation states.  The BARs are the workload's, or else those that were reported.  A boot that did not
    end OK, or that reported nothing at all, has one `boot` case more, so that an oops after the last measurement still
    fails the run; one that ended OK, or whose kernel complained, has a `log` case; one that left in the share what it
    must not has a `share` case.  Measurements of other kernels, workloads or devices are ignored.  Never raises.
    """
    owner = (kernel.name, workload.name, workload.device)
    mine = [m for m in told.measurements if (m.kernel, m.workload, m.device) == owner]
    bars = workload.bars or tuple(sorted({m.bar for m in mine} | {bar for bar, _ in told.program}))
    cases: list[Case] = []
    if boot.end is not BootEnd.OK or not bars or not tests_of(workload):
        crash = _boot_case(kernel, workload, boot, told)
        cases.append(boot_with_xfail(crash, kernel.xfail, began=bool(mine or told.program)))
    known_crash = any(case.status is Status.XFAIL for case in cases)
    cases += log_cases(*owner, boot, told.taint, kernel.xfail)
    cases += share_cases(*owner, boot)
    for bar in bars:
        measured = [one for one in mine if one.bar == bar]
        for test in _tests(workload, bar, told, measured):
            values = {one.name: one for one in measured if one.test == test}
            found = _Test(kernel, workload, boot, told, bar, test, values).cases()
            unreached = known_crash and not values and found[0].status is Status.CRASH
            cases += map(_unreached, found) if unreached else cases_with_xfail(found, kernel.xfail)
    return tuple(cases)


def _unreached(case: Case) -> Case:
    """A case of a test that never began, since the guest had crashed as it is known to: nothing is known of it."""
    return replace(case, status=Status.SKIP, message=f"not reached: {case.message}")


def describe_end(workload: Workload, boot: BootReport) -> str:
    """One sentence on how a boot ended, and why: with the first line that shows it, without printk's timestamp."""
    sentence = {
        BootEnd.OK: "the workload ended without reporting anything",
        BootEnd.PANIC: "the guest kernel panicked",
        BootEnd.OOPS: "the guest kernel oopsed",
        BootEnd.HANG: f"the workload did not end within {workload.timeout:g} s",
        BootEnd.FLOOD: "the guest wrote to its console without end",
        BootEnd.RESET: "the machine went down before the workload had ended",
        BootEnd.SHUTDOWN: "the guest shut itself down before the workload had ended",
        BootEnd.QEMU: "the virtual machine ended before the workload did",
        BootEnd.WORKLOAD: "the workload ended with an error",
    }[boot.end]
    why = boot.why or (TIMESTAMP.sub("", boot.lines[0]).strip() if boot.lines else "")
    return f"{sentence}: {why}" if why else sentence


def _tests(workload: AlignmentWorkload, bar: int, told: WorkloadOutput, measured: list[Measurement]) -> tuple[str, ...]:
    """The tests that were planned for a BAR, and then those that the program told of beyond them."""
    reported = [test for number, test in told.program if number == bar]
    return tuple(dict.fromkeys([*tests_of(workload), *reported, *(one.test for one in measured)]))


def _boot_case(kernel: Kernel, workload: AlignmentWorkload, boot: BootReport, told: WorkloadOutput) -> Case:
    return Case(
        CaseId.of_boot(kernel.name, workload.name, workload.device),
        status_of_end(boot.end),
        message=describe_end(workload, boot),
        evidence=boot.evidence or told.evidence,
        lines=boot.lines,
    )


@dataclass(frozen=True)
class _Test:
    """All that is known of one test of one BAR in one boot."""

    kernel: Kernel
    workload: AlignmentWorkload
    boot: BootReport
    told: WorkloadOutput
    bar: int
    test: str
    values: Mapping[str, Measurement]

    @property
    def verdict(self) -> Verdict | None:
        return self.told.program.get((self.bar, self.test))

    @property
    def numbers(self) -> Numbers:
        return {name: one.value for name, one in self.values.items()}

    @property
    def expectation(self) -> Expectation:
        placement = placement_of(self.test)
        return dict(self.kernel.expect).get(placement, Expectation()) if placement else Expectation()

    def cases(self) -> list[Case]:
        found = [
            (check, check.find(self.expectation, self.numbers, self.told.capability)) for check in checks_of(self.test)
        ]
        checked = [self._check_case(check, finding) for check, finding in found if finding]
        unknown = [] if any(case.id.check == "level" for case in checked) else self._unknown_level()
        return [self._run_case(), *self._oracle_cases(), *self._attributes_cases(), *checked, *unknown]

    def _id(self, check: str) -> CaseId:
        return CaseId(self.kernel.name, self.workload.name, self.workload.device, self.bar, self.test, check)

    def _evidence(self, source: str) -> str:
        return (self.values[source].evidence if source in self.values else "") or self.told.evidence

    def _run_case(self) -> Case:
        verdict = self.verdict
        if verdict is None:
            return self._unreported("run", "verdict")
        message = verdict.reason or ("" if verdict.status is Status.PASS else "the program gave no reason")
        evidence = verdict.evidence or self.told.evidence
        return Case(self._id("run"), verdict.status, message=message, evidence=evidence)

    def _oracle_cases(self) -> list[Case]:
        """One case, or none where there is no single mapping to predict anything of.

        Entries that were deduced from the other numbers prove no more than these.
        """
        extent = extent_of(self.numbers)
        read = {name: one for name, one in self.numbers.items() if not (self._deduced and name.startswith("entries_"))}
        held = hold(read, predict(extent, self.told.capability)) if extent else ()
        return [self._oracle_case(held)] if held else []

    def _oracle_case(self, held: tuple[PredictionCheck, ...]) -> Case:
        wrong = [one for one in held if not one.agrees]
        # Agreeing page tables and the like are not worth the room: entries and faults say it all.
        told = [one for one in held if one in wrong or one.name in ("entries", "faults")] or list(held)
        expected, measured = (", ".join(texts) for texts in zip(*(one.told for one in told), strict=True))
        status, message = (Status.FAIL, "; ".join(map(str, wrong))) if wrong else (Status.PASS, "")
        source = (wrong or told)[0].name
        evidence = self._evidence("entries_pte" if source == "entries" else source)
        return Case(self._id("oracle"), status, expected, measured, message, evidence)

    def _attributes_cases(self) -> list[Case]:
        """One case where a single mapping was measured; SKIP, with the reason, where its entries could not be read."""
        if extent_of(self.numbers) is None or not reads_entries(self.test):
            return []
        held = hold_attributes(self.numbers)
        if held is None:
            unread = [Case(self._id("attributes"), Status.SKIP, "", "", self.told.unread, self.told.evidence)]
            return unread if self.told.unread else []
        wrong = "; ".join(str(one) for one in held if not one.agrees)
        expected, measured = (", ".join(texts) for texts in zip(*(one.told for one in held), strict=True))
        evidence = self._evidence("entries_cached")
        status = Status.FAIL if wrong else Status.PASS
        return [Case(self._id("attributes"), status, expected, measured, wrong, evidence)]

    def _check_case(self, check: Check, finding: CheckResult) -> Case:
        if self.verdict is not None and self.verdict.status is Status.SKIP:
            reason = self.verdict.reason or "the program gave no reason"
            return self._as_program_said(check, finding, Status.SKIP, reason)
        if finding.measured:
            return self._measured(check, finding)
        if check.source == "entries_pte" and self._unread:
            return self._as_program_said(check, finding, Status.SKIP, self._unread)
        if self.verdict is not None and self.verdict.status is Status.FAIL:
            message = f"not measured, for the program failed: {self.verdict.reason or 'it gave no reason'}"
            return self._as_program_said(check, finding, *_with_xfail(False, message, self.expectation.xfail))
        return self._unreported(check.name, check.name, finding.expected)

    @property
    def _deduced(self) -> bool:
        return DEDUCED in self.values

    @property
    def _unread(self) -> str:
        """Why nobody knows the entries of a mapping that was measured otherwise; empty where they are known."""
        measured = self.verdict is not None and self.verdict.status is Status.PASS and extent_of(self.numbers)
        if not measured or not self.told.unread or entries_of(self.numbers):
            return ""
        return (
            f"{self.told.unread}, and faults and growth of the page tables leave more than one level possible, or none"
        )

    def _unknown_level(self) -> list[Case]:
        """That the level is not known must be told, expected or not: the mapping's case says so."""
        asked = any(check.name == "level" for check in checks_of(self.test)) and self._unread
        return [Case(self._id("level"), Status.SKIP, "", "", self._unread, self.told.evidence)] if asked else []

    def _measured(self, check: Check, finding: CheckResult) -> Case:
        if self._deduced and check.source == "entries_pte":
            finding = replace(finding, measured=f"{finding.measured} (deduced)")
        message = f"{check.name} {finding.measured}, expected {finding.expected}"
        status, message = _with_xfail(finding.met, message, self.expectation.xfail)
        evidence = self._evidence(check.source)
        return Case(self._id(check.name), status, finding.expected, finding.measured, message, evidence)

    def _as_program_said(self, check: Check, finding: CheckResult, status: Status, message: str) -> Case:
        evidence = (self.verdict.evidence if self.verdict else "") or self.told.evidence
        return Case(self._id(check.name), status, finding.expected, "", message, evidence)

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
