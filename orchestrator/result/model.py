# SPDX-License-Identifier: GPL-2.0-only
"""The vocabulary of results: statuses, measurements, cases, and how a boot ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from orchestrator.machine.model import BootEnd, BootReport
from orchestrator.result.judge.taint import ORDINARY
from orchestrator.scenario.model import Capability
from orchestrator.workload.model import Measurement

NO_BAR = -1
"""The `bar` of a case that is not about one BAR: a build, or a whole boot."""


class Status(StrEnum):
    """How a test case ended.  ERROR is the infrastructure's fault, never the kernel's."""

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
        """Whether a run in which every case ended so is a success."""
        return self in (Status.PASS, Status.SKIP, Status.XFAIL)


@dataclass(frozen=True, order=True)
class CaseId:
    """What a case is about.

    `check` is one of alignment, level, entries, faults, dma_faults; the program's own verdict (`run`); whether all
    numbers are what they must be (`oracle`); whether all entries have the attributes that vfio-pci asks for
    (`attributes`); how the whole boot ended (`boot`), what the guest kernel made of it (`log`), what the guest left in
    its share that it must not (`share`), and entries of a suite's `xfail` that name no case of it (`xfail`).
    """

    kernel: str
    workload: str
    device: str = ""
    bar: int = NO_BAR
    test: str = ""
    check: str = ""

    @classmethod
    def of_build(cls, kernel: str) -> CaseId:
        """The case of building `kernel`, called ``build``: it exists only where the build failed."""
        return cls(kernel, workload="build")

    @classmethod
    def of_boot(cls, kernel: str, workload: str, device: str) -> CaseId:
        """The case of a whole boot: it exists only where the boot did not end as it should."""
        return cls(kernel, workload, device, check="boot")

    @classmethod
    def of_log(cls, kernel: str, workload: str, device: str) -> CaseId:
        """The case of a guest kernel's log and taint: that of a boot that ended badly exists only where it fails."""
        return cls(kernel, workload, device, check="log")

    @classmethod
    def of_share(cls, kernel: str, workload: str, device: str) -> CaseId:
        """The case of what a guest left: it exists only where something of it was odd."""
        return cls(kernel, workload, device, check="share")

    @property
    def name(self) -> str:
        """The case's name inside its kernel's suite: stable across runs, unique in the suite."""
        bar = "" if self.bar == NO_BAR else f"BAR{self.bar}"
        return "/".join(part for part in (self.workload, self.device, bar, self.test, self.check) if part)


@dataclass(frozen=True)
class Verdict:
    """What the program itself said of one test of one BAR in its KTAP line: PASS, FAIL or SKIP.

    `reason` is what follows ``# SKIP``, or the diagnostic line of a ``not ok``.  `evidence` is where the line stands.
    """

    status: Status
    reason: str = ""
    evidence: str = ""


@dataclass(frozen=True)
class WorkloadOutput:
    """What the workload told before its boot ended.

    `program` has the verdicts by BAR and test.  `evidence` (a path relative to the run directory) stands in
    where a measurement or a verdict names no line of its own.  `capability` is what the kernel can do, which the
    measurements are held against.  `unread` is why the page tables could not be read, "" where they could.
    `taint` has the bits of the guest kernel's taint that are no fault.
    """

    measurements: tuple[Measurement, ...] = ()
    program: Mapping[tuple[int, str], Verdict] = field(default_factory=dict)
    evidence: str = ""
    capability: Capability = field(default_factory=Capability)
    unread: str = ""
    taint: int = ORDINARY


@dataclass(frozen=True)
class Case:
    """One verdict: what was expected, what was measured (both ready to print), and where the evidence lies.

    `evidence` is a path relative to the run directory, with `:line` where a line shows it.  `message` is one sentence,
    empty for PASS.  `lines` are what the console said, where the boot's end decided the status.  `bad_input` says that
    an ERROR is the user's own, such as a patch that does not apply.
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
    """The case of what a guest must not leave or do, such as a link in the place of a file; none where all was well.

    It is an ERROR, whatever the workload itself came to: what orch read there may not be all, or not be true.
    """
    if not boot.odd:
        return ()
    where = boot.evidence.rpartition("/")[0]
    case_id, message = CaseId.of_share(kernel, workload, device), "; ".join(boot.odd)
    return (Case(case_id, Status.ERROR, message=message, evidence=f"{where}/guest" if where else ""),)


def status_of_end(end: BootEnd) -> Status:
    """The status of a case that a boot with this end left unreported."""
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
