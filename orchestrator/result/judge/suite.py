# SPDX-License-Identifier: GPL-2.0-only
"""Output of selftests or a command + the boot's end → cases.  Pure: no file is read or written here."""

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
"""The exit status of a kselftest that was skipped (tools/testing/selftests/kselftest.h)."""
_LINES = 12
"""Last lines of a program's output that its case keeps."""

_QUOTED = 200
"""Characters of a line of output that a sentence quotes at most."""

_SIGNALS = {
    **{1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE"},
    **{9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM"},
}
"""The numbers of Linux, even if orch itself runs on another system (man 7 signal)."""

_STATUS = {
    SuiteStatus.PASS: Status.PASS,
    SuiteStatus.FAIL: Status.FAIL,
    SuiteStatus.SKIP: Status.SKIP,
    SuiteStatus.XFAIL: Status.XFAIL,
    SuiteStatus.XPASS: Status.XPASS,
    SuiteStatus.TIMEOUT: Status.TIMEOUT,
    SuiteStatus.ERROR: Status.ERROR,
}


_STOPPED = (Status.CRASH, Status.TIMEOUT, Status.ERROR)
"""If a case has one of these, other cases may be missing."""


@dataclass(frozen=True)
class SuiteOutput:
    """What a suite left in the share before its boot ended.

    `output` is all that it wrote.  `status` is its exit status, None if it did not end.  `problem` is one sentence on
    why it could not be started, else "".  `planned` are the names of its tests, if they are known.  `evidence` is the
    path of the output relative to the run directory.  `taint` has the bits of the guest kernel's taint that are not a
    fault.
    """

    output: str = ""
    status: int | None = None
    problem: str = ""
    planned: tuple[str, ...] = ()
    evidence: str = ""
    taint: int = ORDINARY


def judge_suite(kernel: str, workload: SuiteWorkload, boot: BootReport, suite: SuiteOutput) -> tuple[Case, ...]:
    """Return the cases of one boot: share, kernel log, boot's end, suite.

    A suite that ran nothing is an ERROR.  A test that was planned and not reported is a CRASH, or a TIMEOUT if the
    boot's time was over.  If the suite ran to its end, entries of `xfail` that match none of its cases are one FAIL,
    the case ``xfail``, since a test with a new name is no longer known to fail.  Never raises.
    """
    judged = _Boot(kernel, workload, boot, suite)
    by_status = isinstance(workload, CommandWorkload) and workload.outcome is Outcome.EXIT_STATUS
    own = tuple(judged.by_status() if by_status else judged.by_ktap())
    return (*judged.ends(), *(with_xfail(case, workload.xfail) for case in (*own, *judged.unknown(own))))


def failed_to_build(kernel: str, workload: SuiteWorkload, message: str) -> Case:
    """Return the case of a suite that does not compile.

    It is a FAIL of the kernel, whose tree has the suite's source.
    """
    return Case(CaseId(kernel, workload.name, workload.device, check="build"), Status.FAIL, message=message)


@dataclass(frozen=True)
class _Boot:
    kernel: str
    workload: SuiteWorkload
    boot: BootReport
    suite: SuiteOutput

    def _id(self, test: str, check: str) -> CaseId:
        return CaseId(self.kernel, self.workload.name, self.workload.device, NO_BAR, test, check)

    def ends(self) -> Iterator[Case]:
        """Yield the cases of the share, the kernel log, and the boot's end.

        The last one exists only if the boot did not end OK.
        """
        owner = (self.kernel, self.workload.name, self.workload.device)
        yield from share_cases(*owner, self.boot)
        yield from log_cases(*owner, self.boot, self.suite.taint, self.workload.xfail)
        if self.boot.end is BootEnd.OK:
            return
        case_id = CaseId.of_boot(self.kernel, self.workload.name, self.workload.device)
        message, evidence = self._why(), self.boot.evidence or self.suite.evidence
        yield Case(case_id, status_of_end(self.boot.end), message=message, evidence=evidence, lines=self.boot.lines)

    def _why(self) -> str:
        last = self._wrote_last()
        # If a line of the kernel shows the cause, `why` is empty.
        if self.boot.end is BootEnd.HANG and last and (self.boot.why or not self.boot.lines):
            return f"the workload did not end within {self.workload.timeout:g} s{last}"
        return self.suite.problem or describe_end(self.workload, self.boot)

    def _wrote_last(self) -> str:
        """Return the last line of the suite's output, for the end of a sentence.

        Returns "" if there is none.
        """
        return "".join(f"; it wrote last: {line[:_QUOTED]}" for line in _last(self.suite.output)[-1:])

    def by_status(self) -> Iterator[Case]:
        """Yield the one case of a command whose result is its exit status."""
        status, message = self._of_status()
        lines = () if status in (Status.PASS, Status.SKIP) else _last(self.suite.output)
        yield Case(self._id("", "run"), status, message=message, evidence=self._where(), lines=lines)

    def _of_status(self) -> tuple[Status, str]:
        match self.suite.status:
            case None:
                return self._unreported(), self._why() if self.boot.end is not BootEnd.OK else "it left no exit status"
            case 0:
                return Status.PASS, ""
            case status if status == _KSFT_SKIP:
                return Status.SKIP, next(reversed(_last(self.suite.output)), "it gave no reason")
            case status:
                return Status.FAIL, f"{spell_status(status)}{self._wrote_last()}"

    def _where(self) -> str:
        return f"{self.suite.evidence}:{max(1, len(self.suite.output.splitlines()))}"

    def _unreported(self) -> Status:
        """Return the status of what a suite planned and did not report.

        It is CRASH, or that of the boot's end if this is not OK.  If something is wrong in the share, the missing
        report may have been there: ERROR.
        """
        missing = Status.ERROR if self.boot.odd else Status.CRASH
        return missing if self.boot.end is BootEnd.OK else status_of_end(self.boot.end)

    def by_ktap(self) -> Iterator[Case]:
        """Yield a case for each test in the output, and one for the suite.

        The last one exists only if no test shows what is wrong.
        """
        tap = parse_ktap(self.suite.output, self.suite.evidence)
        silent = not tap.tests and self.boot.end is BootEnd.OK
        cases = [self._case(reported) for reported in suite_cases(tap, () if silent else self.suite.planned)]
        yield from cases
        yield from self._whole(tap, cases)

    def _case(self, reported: SuiteCase) -> Case:
        missing = reported.status is SuiteStatus.MISSING
        status = self._unreported() if missing else _STATUS[reported.status]
        message = (reported.message or self._why_missing()) if missing else reported.message
        evidence = f"{self.suite.evidence}:{reported.line}" if reported.line else self.suite.evidence
        case_id = self._id(reported.name, "run")
        if missing and self.boot.end is not BootEnd.OK:
            return Case(case_id, status, message=message, evidence=self.boot.evidence or evidence)
        return Case(case_id, status, message=message, evidence=evidence, lines=reported.lines)

    def _why_missing(self) -> str:
        if self.boot.end is not BootEnd.OK:
            return f"never reported: {self._why()}"
        ended = "did not end" if self.suite.status is None else spell_status(self.suite.status)
        return f"planned, but never reported; the program {ended}"

    def _whole(self, tap: Tap, cases: list[Case]) -> Iterator[Case]:
        """Yield the case of the whole suite, if it has one.

        It ran nothing, gave up, did not end, or failed although no test did.
        """
        status, message = Status.PASS, ""
        if not cases:
            status, message = self._nothing(tap)
        elif tap.bail_out is not None:
            status, message = Status.FAIL, f"it bailed out: {tap.bail_out or 'no reason given'}"
        elif self.suite.status is None and self.boot.end is BootEnd.OK:
            status, message = self._unreported(), "it left no exit status"
        elif self.suite.status not in (None, 0) and all(case.status.expected for case in cases):
            status, message = Status.FAIL, f"none of its tests failed, but it {spell_status(self.suite.status or 0)}"
        if message:
            lines = () if status is Status.SKIP else _last(self.suite.output)
            yield Case(self._id("", "suite"), status, message=message, evidence=self._where(), lines=lines)

    def unknown(self, own: tuple[Case, ...]) -> Iterator[Case]:
        """Yield the case of entries of `xfail` that match no case.

        There is none if the suite did not run to its end.
        """
        stopped = any(case.status in _STOPPED or case.id.check == "suite" or case.id.test == "plan" for case in own)
        if stopped or self.boot.end is not BootEnd.OK or self.boot.odd or self.suite.status is None:
            return
        if without := without_case(own, self.workload.xfail):
            named = ", ".join(f"'{pattern}'" for pattern in without)
            message = f"xfail names {named}, but no case has such a name; correct or remove it"
            yield Case(self._id("", "xfail"), Status.FAIL, message=message, evidence=self._where())

    def _nothing(self, tap: Tap) -> tuple[Status, str]:
        if self.boot.end is not BootEnd.OK:
            return status_of_end(self.boot.end), self._why()
        if tap.plan == 0 and (tap.skip_all or self.suite.status == _KSFT_SKIP):
            return Status.SKIP, tap.skip_all or "it gave no reason"
        last = next(reversed(_last(self.suite.output)), "it printed nothing")
        return Status.ERROR, f"the suite ran nothing: {last}"


def spell_status(status: int) -> str:
    """Return an exit status in words, for the end of a sentence.

    A shell adds 128 to the number of a signal.
    """
    if status - 128 in _SIGNALS:
        return f"was killed by {_SIGNALS[status - 128]} (exit status {status})"
    return f"ended with exit status {status}"


def _last(output: str) -> tuple[str, ...]:
    return tuple(line.rstrip() for line in output.splitlines() if line.strip())[-_LINES:]
