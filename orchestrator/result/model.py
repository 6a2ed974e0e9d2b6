# SPDX-License-Identifier: GPL-2.0-only
"""Types of results: statuses, case ids, cases, and what a workload reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from orchestrator.machine.model import BootEnd, BootReport
from orchestrator.result.judge.taint import ORDINARY
from orchestrator.scenario.model import Capability
from orchestrator.workload.model import Measurement

REPEATABLE = "repeatable"
"""The check of a case that exists only if numbers that must be equal in every boot of a kernel are not."""

NO_BAR = -1
"""The `bar` of a case that is not about one BAR: a build, or a whole boot."""


class Status(StrEnum):
    """The result of a test case.  ERROR is a failure of the infrastructure, never of the kernel."""

    PASS = "PASS"
    FAIL = "FAIL"
    SKIP = "SKIP"
    XFAIL = "XFAIL"
    XPASS = "XPASS"
    TIMEOUT = "TIMEOUT"
    CRASH = "CRASH"
    ERROR = "ERROR"

    @property
    def expected(self) -> bool:
        """Whether a run is a success if all of its cases have this status."""
        return self in (Status.PASS, Status.SKIP, Status.XFAIL)


@dataclass(frozen=True, order=True)
class CaseId:
    """The identity of a case.

    `check` is one of alignment, level, entries, faults, dma_faults; the program's own verdict (`run`); whether all
    numbers are as predicted (`oracle`); whether all entries have the attributes that vfio-pci requests (`attributes`);
    how the whole boot ended (`boot`); the guest kernel's log and taint (`log`); files that the guest must not leave in
    its share (`share`); numbers that must be equal in every boot (`repeatable`); and entries of a suite's
    `xfail` that match none of its cases (`xfail`).
    """

    kernel: str
    workload: str
    device: str = ""
    bar: int = NO_BAR
    test: str = ""
    check: str = ""

    @classmethod
    def of_build(cls, kernel: str) -> CaseId:
        """Return the id of building `kernel`, called ``build``.

        Such a case exists only if the build failed.
        """
        return cls(kernel, workload="build")

    @classmethod
    def of_boot(cls, kernel: str, workload: str, device: str) -> CaseId:
        """Return the id of a whole boot.

        Such a case exists only if the boot did not end as it should.
        """
        return cls(kernel, workload, device, check="boot")

    @classmethod
    def of_log(cls, kernel: str, workload: str, device: str) -> CaseId:
        """Return the id of a guest kernel's log and taint.

        If the boot did not end as it should, such a case exists only if it fails.
        """
        return cls(kernel, workload, device, check="log")

    @classmethod
    def of_share(cls, kernel: str, workload: str, device: str) -> CaseId:
        """Return the id of what a guest left in its share.

        Such a case exists only if something is wrong there.
        """
        return cls(kernel, workload, device, check="share")

    @property
    def name(self) -> str:
        """The case's name: the same in every run, unique in its kernel's suite."""
        bar = "" if self.bar == NO_BAR else f"BAR{self.bar}"
        return "/".join(part for part in (self.workload, self.device, bar, self.test, self.check) if part)


@dataclass(frozen=True)
class Verdict:
    """The program's own result of one test of one BAR.

    `status` is PASS, FAIL or SKIP, from the KTAP line.  `reason` is the text after ``# SKIP``, or the diagnostic line
    of a ``not ok``.  `evidence` is the place of the line.
    """

    status: Status
    reason: str = ""
    evidence: str = ""


@dataclass(frozen=True)
class WorkloadOutput:
    """What the workload reported before its boot ended.

    `program` has the verdicts by BAR and test.  `evidence` (a path relative to the run directory) is used if a
    measurement or a verdict names no line of its own.  `capability` is what the kernel can do; the measurements are
    compared with predictions for it.  `unread` is why the page tables could not be read, "" if they could.
    `taint` has the bits of the guest kernel's taint that are not a fault.
    """

    measurements: tuple[Measurement, ...] = ()
    program: Mapping[tuple[int, str], Verdict] = field(default_factory=dict)
    evidence: str = ""
    capability: Capability = field(default_factory=Capability)
    unread: str = ""
    taint: int = ORDINARY


@dataclass(frozen=True)
class Case:
    """One verdict, with its values and its evidence.

    `expected` and `measured` are ready to print.  `evidence` is a path relative to the run directory, with `:line` if
    one line shows it.  `message` is one sentence, empty for PASS.  `lines` are lines of the console, if the boot's end
    decided the status.  `bad_input` is whether an ERROR was caused by the user's input, such as a patch that does not
    apply.
    """

    id: CaseId
    status: Status
    expected: str = ""
    measured: str = ""
    message: str = ""
    evidence: str = ""
    lines: tuple[str, ...] = ()
    bad_input: bool = False


def share_cases(kernel: str, workload: str, device: str, boot: BootReport) -> tuple[Case, ...]:
    """Return the case of what a guest must not leave or do.

    An example is a link instead of a file.  There is none if all is well.  It is an ERROR, whatever the result of the
    workload: what orch read there may be incomplete or false.
    """
    if not boot.odd:
        return ()
    where = boot.evidence.rpartition("/")[0]
    case_id, message = CaseId.of_share(kernel, workload, device), "; ".join(boot.odd)
    return (Case(case_id, Status.ERROR, message=message, evidence=f"{where}/guest" if where else ""),)


def status_of_end(end: BootEnd) -> Status:
    """Return the status of a case that was not reported because the boot ended so."""
    return _STATUS_OF_END[end]


_STATUS_OF_END = {
    BootEnd.OK: Status.ERROR,
    BootEnd.PANIC: Status.CRASH,
    BootEnd.OOPS: Status.CRASH,
    BootEnd.HANG: Status.TIMEOUT,
    BootEnd.FLOOD: Status.TIMEOUT,
    BootEnd.RESET: Status.CRASH,
    BootEnd.SHUTDOWN: Status.FAIL,
    BootEnd.QEMU: Status.ERROR,
    BootEnd.WORKLOAD: Status.ERROR,
}
