# SPDX-License-Identifier: GPL-2.0-only
"""What a suite that others wrote told + the boot's end → cases.  Pure: no file is read or written here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.machine.model import BootEnd, BootReport
from orchestrator.result.judge.alignment import describe_end
from orchestrator.result.judge.kernel_log import log_cases
from orchestrator.result.judge.taint import ORDINARY
from orchestrator.result.judge.xfail import with_xfail, without_case
from orchestrator.result.model import NO_BAR, Case, CaseId, Status, share_cases, status_of_end
from orchestrator.scenario.model import CommandWorkload, Outcome, SuiteWorkload
from orchestrator.workload.ktap.model import Tap
from orchestrator.workload.ktap.parse import parse_ktap
from orchestrator.workload.suite.cases import SuiteCase, SuiteStatus, suite_cases

_KSFT_SKIP = 4
"""The exit status with which a kselftest says that it was skipped (tools/testing/selftests/kselftest.h)."""
_LINES = 12
"""Lines of a program's output that a case of its own keeps."""

_QUOTED = 200
"""Characters of a line of its output that a sentence quotes."""

_SIGNALS = {
    **{1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE"},
    **{9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM"},
}
"""Linux's numbers, whatever system orch itself runs on (man 7 signal)."""

_STATUS = {
    SuiteStatus.PASS: Status.PASS,
    SuiteStatus.FAIL: Status.FAIL,
    SuiteStatus.SKIP: Status.SKIP,
    SuiteStatus.XFAIL: Status.XFAIL,
    SuiteStatus.XPASS: Status.XPASS,
    SuiteStatus.TIMEOUT: Status.TIMEOUT,
    SuiteStatus.ERROR: Status.ERROR,
}


_TORN = (Status.CRASH, Status.TIMEOUT, Status.ERROR)
"""Where a case has one of these, others may be missing."""


@dataclass(frozen=True)
class SuiteTold:
    """What a suite left in the share before its boot ended.

    `output` is all that it wrote.  `status` is its exit status, None where it did not end.  `problem` says in one
    sentence why it could not even be started.  `planned` are the names of its tests, where they are known.
    `evidence` is the path of the output relative to the run directory.  `taint` has the bits of the guest kernel's
    taint that are no fault.
    """

    output: str = ""
    status: int | None = None
    problem: str = ""
    planned: tuple[str, ...] = ()
    evidence: str = ""
    taint: int = ORDINARY


def judge_suite(kernel: str, workload: SuiteWorkload, boot: BootReport, told: SuiteTold) -> tuple[Case, ...]:
    """The cases of one boot: how it ended and what the guest kernel made of it, then those of the suite.

    A suite that ran nothing is an ERROR.  What was planned and never reported is a CRASH, or a TIMEOUT where the
    boot's time was over.  Entries of `xfail` that name no case of a suite that ran to its end are one FAIL, the case
    ``xfail``: a test that has another name now is not known to fail any more.  Never raises.
    """
    bench = _Boot(kernel, workload, boot, told)
    by_status = isinstance(workload, CommandWorkload) and workload.outcome is Outcome.EXIT_STATUS
    own = tuple(bench.by_status() if by_status else bench.by_ktap())
    return (*bench.ends(), *(with_xfail(case, workload.xfail) for case in (*own, *bench.unknown(own))))


def failed_to_build(kernel: str, workload: SuiteWorkload, message: str) -> Case:
    """The case of a suite that does not compile, which is the kernel's fault: it holds the suite's source."""
    return Case(CaseId(kernel, workload.name, workload.device, check="build"), Status.FAIL, message=message)


@dataclass(frozen=True)
class _Boot:
    kernel: str
    workload: SuiteWorkload
    boot: BootReport
    told: SuiteTold

    def _id(self, test: str, check: str) -> CaseId:
        return CaseId(self.kernel, self.workload.name, self.workload.device, NO_BAR, test, check)

    def ends(self) -> Iterator[Case]:
        """What was odd in the share, what the guest kernel said of itself, and how the boot ended, if not well."""
        owner = (self.kernel, self.workload.name, self.workload.device)
        yield from share_cases(*owner, self.boot)
        yield from log_cases(*owner, self.boot, self.told.taint, self.workload.xfail)
        if self.boot.end is BootEnd.OK:
            return
        case_id = CaseId.of_boot(self.kernel, self.workload.name, self.workload.device)
        message, evidence = self._why(), self.boot.evidence or self.told.evidence
        yield Case(case_id, status_of_end(self.boot.end), message=message, evidence=evidence, lines=self.boot.lines)

    def _why(self) -> str:
        last = self._wrote_last()
        # Where the kernel says itself what is wrong, `why` is empty.
        if self.boot.end is BootEnd.HANG and last and (self.boot.why or not self.boot.lines):
            return f"the workload did not end within {self.workload.timeout:g} s{last}"
        return self.told.problem or describe_end(self.workload, self.boot)

    def _wrote_last(self) -> str:
        """The last line of the suite's output, for the end of a sentence; "" where there is none."""
        return "".join(f"; it wrote last: {line[:_QUOTED]}" for line in _last(self.told.output)[-1:])

    def by_status(self) -> Iterator[Case]:
        """The one case of a command that answers with its exit status."""
        status, message = self._of_status()
        lines = () if status in (Status.PASS, Status.SKIP) else _last(self.told.output)
        yield Case(self._id("", "run"), status, message=message, evidence=self._where(), lines=lines)

    def _of_status(self) -> tuple[Status, str]:
        match self.told.status:
            case None:
                return self._unreported(), self._why() if self.boot.end is not BootEnd.OK else "it left no exit status"
            case 0:
                return Status.PASS, ""
            case status if status == _KSFT_SKIP:
                return Status.SKIP, next(reversed(_last(self.told.output)), "it gave no reason")
            case status:
                return Status.FAIL, f"{spell_status(status)}{self._wrote_last()}"

    def _where(self) -> str:
        return f"{self.told.evidence}:{max(1, len(self.told.output.splitlines()))}"

    def _unreported(self) -> Status:
        """The status of what a suite planned and did not report: a crash, unless the boot itself says otherwise.

        Where a guest left something odd, the answer may have been in that place.
        """
        missing = Status.ERROR if self.boot.odd else Status.CRASH
        return missing if self.boot.end is BootEnd.OK else status_of_end(self.boot.end)

    def by_ktap(self) -> Iterator[Case]:
        """A case for each test in the output, and one for the whole where it says what no test does."""
        tap = parse_ktap(self.told.output, self.told.evidence)
        silent = not tap.tests and self.boot.end is BootEnd.OK
        cases = [self._case(one) for one in suite_cases(tap, () if silent else self.told.planned)]
        yield from cases
        yield from self._whole(tap, cases)

    def _case(self, one: SuiteCase) -> Case:
        missing = one.came is SuiteStatus.MISSING
        status = self._unreported() if missing else _STATUS[one.came]
        message = (one.message or self._never()) if missing else one.message
        evidence = f"{self.told.evidence}:{one.line}" if one.line else self.told.evidence
        if missing and self.boot.end is not BootEnd.OK:
            return Case(self._id(one.name, "run"), status, message=message, evidence=self.boot.evidence or evidence)
        return Case(self._id(one.name, "run"), status, message=message, evidence=evidence, lines=one.lines)

    def _never(self) -> str:
        if self.boot.end is not BootEnd.OK:
            return f"never reported: {self._why()}"
        ended = "did not end" if self.told.status is None else spell_status(self.told.status)
        return f"planned, but never reported; the program {ended}"

    def _whole(self, tap: Tap, cases: list[Case]) -> Iterator[Case]:
        """The case of the whole suite: it ran nothing, gave up, did not end, or failed although no test did."""
        status, message = Status.PASS, ""
        if not cases:
            status, message = self._nothing(tap)
        elif tap.bail_out is not None:
            status, message = Status.FAIL, f"it bailed out: {tap.bail_out or 'no reason given'}"
        elif self.told.status is None and self.boot.end is BootEnd.OK:
            status, message = self._unreported(), "it left no exit status"
        elif self.told.status not in (None, 0) and all(case.status.expected for case in cases):
            status, message = Status.FAIL, f"none of its tests failed, but it {spell_status(self.told.status or 0)}"
        if message:
            lines = () if status is Status.SKIP else _last(self.told.output)
            yield Case(self._id("", "suite"), status, message=message, evidence=self._where(), lines=lines)

    def unknown(self, own: tuple[Case, ...]) -> Iterator[Case]:
        """The case of what `xfail` names and the suite does not have; none where the suite did not run to its end."""
        torn = any(case.status in _TORN or case.id.check == "suite" or case.id.test == "plan" for case in own)
        if torn or self.boot.end is not BootEnd.OK or self.boot.odd or self.told.status is None:
            return
        if without := without_case(own, self.workload.xfail):
            named = ", ".join(f"'{pattern}'" for pattern in without)
            message = f"xfail names {named}, but no case has such a name; correct or remove it"
            yield Case(self._id("", "xfail"), Status.FAIL, message=message, evidence=self._where())

    def _nothing(self, tap: Tap) -> tuple[Status, str]:
        if self.boot.end is not BootEnd.OK:
            return status_of_end(self.boot.end), self._why()
        if tap.plan == 0 and (tap.skip_all or self.told.status == _KSFT_SKIP):
            return Status.SKIP, tap.skip_all or "it gave no reason"
        said = next(reversed(_last(self.told.output)), "it said nothing")
        return Status.ERROR, f"the suite ran nothing: {said}"


def spell_status(status: int) -> str:
    """An exit status in words, for the end of a sentence; a shell adds 128 to the number of a signal."""
    if status - 128 in _SIGNALS:
        return f"was killed by {_SIGNALS[status - 128]} (exit status {status})"
    return f"ended with exit status {status}"


def _last(output: str) -> tuple[str, ...]:
    return tuple(line.rstrip() for line in output.splitlines() if line.strip())[-_LINES:]
