# SPDX-License-Identifier: GPL-2.0-only
"""Expectation + prediction + measurements + the boot's end → cases.  Pure: no file is read or written here.

If a number is missing, the status shows why: the program skipped the test (SKIP), the program failed (FAIL), the boot
ended early (CRASH, TIMEOUT, ERROR), or the workload did not report what it must (ERROR).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from orchestrator.machine.model import BootEnd, BootReport
from orchestrator.machine.printk import strip_timestamp
from orchestrator.result.judge.checks import Check, CheckResult, checks_of
from orchestrator.result.judge.kernel_log import log_cases
from orchestrator.result.judge.levels import Numbers
from orchestrator.result.judge.xfail import boot_with_xfail, cases_with_xfail
from orchestrator.result.model import Case, CaseId, Status, Verdict, WorkloadOutput, share_cases, status_of_end
from orchestrator.scenario.model import Expectation, Kernel, MeasuringWorkload, Workload
from orchestrator.workload.alignment.attributes import hold_attributes
from orchestrator.workload.alignment.entries import entries_of
from orchestrator.workload.alignment.infer import DEDUCED
from orchestrator.workload.alignment.prediction import PredictionCheck, extent_of, hold, predict
from orchestrator.workload.alignment.stage2 import hold_stage2
from orchestrator.workload.alignment.tests import VMM_TEST, placement_of, reads_entries, tests_of
from orchestrator.workload.model import Measurement


def judge(kernel: Kernel, workload: MeasuringWorkload, boot: BootReport, output: WorkloadOutput) -> tuple[Case, ...]:
    """Return the cases of one boot, ordered by BAR, test and check.

    Each BAR × test, planned or reported, has a `run` case, the program's own verdict.  If it measured one mapping, it
    has an `oracle` case, which compares all of its numbers with the predicted ones, and an `attributes` case, which
    compares the attributes of its entries with those that vfio-pci requests.  It has one case for each check that the
    kernel's expectation states.  The BARs are the workload's, or else those that were reported.

    A boot that did not end OK, or that reported nothing at all, has a `boot` case, so that an oops after the last
    measurement fails the run, too.  A boot that ended OK, or whose kernel complained, has a `log` case.  A boot that
    left in the share what it must not has a `share` case.  Measurements of other kernels, workloads or devices are
    ignored.  Never raises.
    """
    owner = (kernel.name, workload.name, workload.device)
    measurements = [m for m in output.measurements if (m.kernel, m.workload, m.device) == owner]
    bars = workload.bars or tuple(sorted({m.bar for m in measurements} | {bar for bar, _ in output.program}))
    cases: list[Case] = []
    if boot.end is not BootEnd.OK or not bars or not tests_of(workload):
        crash = _boot_case(kernel, workload, boot, output)
        cases.append(boot_with_xfail(crash, kernel.xfail, began=bool(measurements or output.program)))
    known_crash = any(case.status is Status.XFAIL for case in cases)
    cases += log_cases(*owner, boot, output.taint, kernel.xfail)
    cases += share_cases(*owner, boot)
    for bar in bars:
        of_bar = [m for m in measurements if m.bar == bar]
        for test in _tests(workload, bar, output, of_bar):
            values = {m.name: m for m in of_bar if m.test == test}
            found = _Test(kernel, workload, boot, output, bar, test, values).cases()
            unreached = known_crash and not values and found[0].status is Status.CRASH
            cases += map(_unreached, found) if unreached else cases_with_xfail(found, kernel.xfail)
    return tuple(cases)


def _unreached(case: Case) -> Case:
    """Return the case of a test that was not started, as a SKIP.

    The guest crashed before, in a known way.
    """
    return replace(case, status=Status.SKIP, message=f"not reached: {case.message}")


def describe_end(workload: Workload, boot: BootReport, what: str = "the workload") -> str:
    """Return one sentence on the end of a boot and its cause.

    `what` is what ran in the guest.  The cause may be the first line that shows it, without its timestamp.
    """
    sentence = {
        BootEnd.OK: f"{what} ended without reporting anything",
        BootEnd.PANIC: "the guest kernel panicked",
        BootEnd.OOPS: "the guest kernel oopsed",
        BootEnd.HANG: f"{what} did not end within {workload.timeout:g} s",
        BootEnd.FLOOD: "the guest wrote to its console without end",
        BootEnd.RESET: f"the machine went down before {what} had ended",
        BootEnd.SHUTDOWN: f"the guest shut itself down before {what} had ended",
        BootEnd.QEMU: f"the virtual machine ended before {what} did",
        BootEnd.WORKLOAD: f"{what} ended with an error",
    }[boot.end]
    why = boot.why or (strip_timestamp(boot.lines[0].strip()).strip() if boot.lines else "")
    return f"{sentence}: {why}" if why else sentence


def _tests(
    workload: MeasuringWorkload, bar: int, output: WorkloadOutput, measurements: list[Measurement]
) -> tuple[str, ...]:
    """Return the planned tests of a BAR, and then the other reported ones."""
    reported = [test for number, test in output.program if number == bar]
    return tuple(dict.fromkeys([*tests_of(workload), *reported, *(m.test for m in measurements)]))


def _boot_case(kernel: Kernel, workload: MeasuringWorkload, boot: BootReport, output: WorkloadOutput) -> Case:
    return Case(
        CaseId.of_boot(kernel.name, workload.name, workload.device),
        status_of_end(boot.end),
        message=describe_end(workload, boot),
        evidence=boot.evidence or output.evidence,
        lines=boot.lines,
    )


@dataclass(frozen=True)
class _Test:
    """The results of one test of one BAR in one boot."""

    kernel: Kernel
    workload: MeasuringWorkload
    boot: BootReport
    output: WorkloadOutput
    bar: int
    test: str
    values: Mapping[str, Measurement]

    @property
    def verdict(self) -> Verdict | None:
        return self.output.program.get((self.bar, self.test))

    @property
    def numbers(self) -> Numbers:
        return {name: measurement.value for name, measurement in self.values.items()}

    @property
    def expectation(self) -> Expectation:
        if self.test == VMM_TEST:
            return dict(self.kernel.expect_vmm).get(self.workload.name, Expectation())
        placement = placement_of(self.test)
        return dict(self.kernel.expect).get(placement, Expectation()) if placement else Expectation()

    def cases(self) -> list[Case]:
        can = self.output.capability
        found = [(check, check.find(self.expectation, self.numbers, can)) for check in checks_of(self.test)]
        checked = [self._check_case(check, result) for check, result in found if result]
        unknown = [] if any(case.id.check == "level" for case in checked) else self._unknown_level()
        return [self._run_case(), *self._oracle_cases(), *self._attributes_cases(), *checked, *unknown]

    def _id(self, check: str) -> CaseId:
        return CaseId(self.kernel.name, self.workload.name, self.workload.device, self.bar, self.test, check)

    def _evidence(self, source: str) -> str:
        return (self.values[source].evidence if source in self.values else "") or self.output.evidence

    def _run_case(self) -> Case:
        verdict = self.verdict
        if verdict is None:
            return self._unreported("run", "verdict")
        message = verdict.reason or ("" if verdict.status is Status.PASS else "the program gave no reason")
        evidence = verdict.evidence or self.output.evidence
        return Case(self._id("run"), verdict.status, message=message, evidence=evidence)

    def _oracle_cases(self) -> list[Case]:
        """Return one case, or none if there is no single mapping to predict.

        Entries that were deduced from the other numbers are left out: they prove no more than those numbers.
        """
        extent = extent_of(self.numbers)
        read = {
            name: value for name, value in self.numbers.items() if not (self._deduced and name.startswith("entries_"))
        }
        can = self.output.capability
        checks = (*hold(read, predict(extent, can)), *hold_stage2(read, can)) if extent else ()
        return [self._oracle_case(checks)] if checks else []

    def _oracle_case(self, checks: tuple[PredictionCheck, ...]) -> Case:
        wrong = [check for check in checks if not check.agrees]
        # Numbers that agree, such as page tables, are not shown, except entries and faults.
        named = ("entries", "faults", "stage2", "stage2_faults")
        shown = [check for check in checks if check in wrong or check.name in named] or list(checks)
        expected, measured = (", ".join(texts) for texts in zip(*(check.described for check in shown), strict=True))
        status, message = (Status.FAIL, "; ".join(map(str, wrong))) if wrong else (Status.PASS, "")
        source = (wrong or shown)[0].name
        evidence = self._evidence(source if source in self.values else f"{source}_pte")
        return Case(self._id("oracle"), status, expected, measured, message, evidence)

    def _attributes_cases(self) -> list[Case]:
        """Return one case if a single mapping was measured.

        It is a SKIP, with the reason, if its entries could not be read.
        """
        if extent_of(self.numbers) is None or not reads_entries(self.test):
            return []
        checks = hold_attributes(self.numbers)
        if checks is None:
            unread = [Case(self._id("attributes"), Status.SKIP, "", "", self.output.unread, self.output.evidence)]
            return unread if self.output.unread else []
        wrong = "; ".join(str(check) for check in checks if not check.agrees)
        expected, measured = (", ".join(texts) for texts in zip(*(check.described for check in checks), strict=True))
        evidence = self._evidence("entries_cached")
        status = Status.FAIL if wrong else Status.PASS
        return [Case(self._id("attributes"), status, expected, measured, wrong, evidence)]

    def _check_case(self, check: Check, result: CheckResult) -> Case:
        if self.verdict is not None and self.verdict.status is Status.SKIP:
            reason = self.verdict.reason or "the program gave no reason"
            return self._unmeasured(check, result, Status.SKIP, reason)
        if result.measured:
            return self._measured(check, result)
        if check.source == "entries_pte" and self._unread:
            return self._unmeasured(check, result, Status.SKIP, self._unread)
        if self.verdict is not None and self.verdict.status is Status.FAIL:
            message = f"not measured, because the program failed: {self.verdict.reason or 'it gave no reason'}"
            return self._unmeasured(check, result, *_with_xfail(False, message, self.expectation.xfail))
        return self._unreported(check.name, check.name, result.expected)

    @property
    def _deduced(self) -> bool:
        return DEDUCED in self.values

    @property
    def _unread(self) -> str:
        """The reason why the entries of a mapping with other measurements are not known.

        It is "" if they are known.
        """
        measured = self.verdict is not None and self.verdict.status is Status.PASS and extent_of(self.numbers)
        if not measured or not self.output.unread or entries_of(self.numbers):
            return ""
        possible = "faults and growth of the page tables leave more than one level possible, or none"
        return f"{self.output.unread}, and {possible}"

    def _unknown_level(self) -> list[Case]:
        """Return the case of a level that is not known, if any.

        It exists even if no expectation states a level.
        """
        unknown = any(check.name == "level" for check in checks_of(self.test)) and self._unread
        return [Case(self._id("level"), Status.SKIP, "", "", self._unread, self.output.evidence)] if unknown else []

    def _measured(self, check: Check, result: CheckResult) -> Case:
        if self._deduced and check.source == "entries_pte":
            result = replace(result, measured=f"{result.measured} (deduced)")
        message = f"{check.name} {result.measured}, expected {result.expected}"
        status, message = _with_xfail(result.met, message, self.expectation.xfail)
        evidence = self._evidence(check.source)
        return Case(self._id(check.name), status, result.expected, result.measured, message, evidence)

    def _unmeasured(self, check: Check, result: CheckResult, status: Status, message: str) -> Case:
        evidence = (self.verdict.evidence if self.verdict else "") or self.output.evidence
        return Case(self._id(check.name), status, result.expected, "", message, evidence)

    def _unreported(self, check: str, what: str, expected: str = "") -> Case:
        status = status_of_end(self.boot.end)
        if self.boot.end is BootEnd.OK:
            message = f"the workload reported no {what}"
            return Case(self._id(check), status, expected, "", message, self.output.evidence)
        message = describe_end(self.workload, self.boot)
        evidence = self.boot.evidence or self.output.evidence
        return Case(self._id(check), status, expected, "", message, evidence, self.boot.lines)


def _with_xfail(met: bool, message: str, xfail: str | None) -> tuple[Status, str]:
    if xfail is None:
        return (Status.PASS, "") if met else (Status.FAIL, message)
    if met:
        return Status.XPASS, f"meets the expectation, but xfail says: {xfail}; remove the xfail"
    return Status.XFAIL, f"{xfail} ({message})"
