# SPDX-License-Identifier: GPL-2.0-only
"""What one kernel did at one place: its numbers, or why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from orchestrator.machine.model import BootEnd
from orchestrator.result.judge.kernel_log import complaints
from orchestrator.result.model import NO_BAR, REPEATABLE, Case, CaseId, Status, status_of_end
from orchestrator.result.run import BootResult, JobKind, JobStatus, Run
from orchestrator.workload.alignment.entries import Entries, entries_of
from orchestrator.workload.model import Measurement


@dataclass(frozen=True, order=True)
class CompareKey:
    """The place at which kernels are compared.

    It is one test of one BAR of one device, under one workload.  `bar` is NO_BAR and `test` empty if no boot reported
    anything of the workload.
    """

    workload: str
    device: str
    bar: int = NO_BAR
    test: str = ""

    def case(self, kernel: str, check: str) -> CaseId:
        """Return the id of a case of `kernel` at this place."""
        return CaseId(kernel, self.workload, self.device, self.bar, self.test, check)


@dataclass(frozen=True)
class KernelReading:
    """One kernel at one place.

    `cases` are those of the place, and those of the guest kernel's log and of the share, which are about every place of
    a boot.  `end` is the status of the boot's end, PASS for a good end, None if there was no boot.  `note` is one
    sentence on what went wrong, with `evidence`; it is empty if nothing did.  `complaints` are those of the guest
    kernel, each with its place.
    """

    kernel: str
    place: CompareKey
    values: Mapping[str, Measurement]
    cases: tuple[Case, ...]
    end: Status | None
    note: str = ""
    evidence: str = ""
    complaints: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The values without their units, by name."""
        return {name: measurement.value for name, measurement in self.values.items()}

    @cached_property
    def entries(self) -> Entries | None:
        """The page-table entries of the mapping, None if they were not measured."""
        return entries_of(self.numbers)

    def case(self, check: str) -> Case | None:
        """Return the case of `check`, or None if there is none."""
        return self._by_check.get(check)

    @cached_property
    def _by_check(self) -> dict[str, Case]:
        return {case.id.check: case for case in reversed(self.cases)}

    @cached_property
    def gap(self) -> Status | None:
        """The status that explains a missing number.

        It is that of the program's own verdict, or else that of the boot's end.
        """
        run = self.case("run")
        return run.status if run and run.status is not Status.PASS else self.end


def places(run: Run) -> tuple[CompareKey, ...]:
    """Return all places of a run, in the order of its workloads, BARs and tests.

    A workload of which no kernel reported anything is a place without a BAR, so that every report shows it.
    """
    found = {_place(case.id): None for case in run.cases if case.id.bar != NO_BAR}
    found |= {_place(measurement): None for boot in run.boots for measurement in boot.measurements}
    reported = {place.workload for place in found}
    silent = [
        CompareKey(name, _device(run, name))
        for name in _workloads(run)
        if name not in reported and name not in run.suites
    ]
    order = {name: at for at, name in enumerate(_workloads(run))}
    ranked = sorted(found, key=lambda place: (order.get(place.workload, len(order)), place.bar))
    return (*ranked, *silent)


class Reader:
    """What the kernels of a run did at each place.

    The results of a boot are sorted only once, since they can be of thousands of places.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._boots = {(boot.kernel, boot.workload): _Sorted(boot) for boot in reversed(run.boots)}

    def read(self, kernel: str, place: CompareKey) -> KernelReading:
        """Return what `kernel` did at `place`."""
        boot = self._boots.get((kernel, place.workload))
        if boot is None:
            note, evidence, cases = why_no_boot(self._run, kernel, place.workload)
            return KernelReading(kernel, place, {}, cases, None, note, evidence)
        values, cases = boot.values.get(place, {}), (*boot.of_all, *boot.cases.get(place, ()))
        note, evidence = _what_went_wrong(boot.ends, cases)
        return KernelReading(kernel, place, values, cases, boot.end, note, evidence, boot.complaints)


class _Sorted:
    """The results of a boot, by place.

    `of_all` are the cases about every place, `ends` are those about the boot's end.
    """

    def __init__(self, boot: BootResult) -> None:
        self.end, self.complaints = _end(boot), complaints(boot.boot)
        self.ends = [case for case in boot.cases if case.id.check == "boot"]
        self.of_all = [case for case in boot.cases if case.id.check in ("log", "share")]
        self.values: dict[CompareKey, dict[str, Measurement]] = {}
        self.cases: dict[CompareKey, list[Case]] = {}
        for measurement in boot.measurements:
            self.values.setdefault(_place(measurement), {})[measurement.name] = measurement
        for case in boot.cases:
            if _is_of_a_place(case):
                self.cases.setdefault(_place(case.id), []).append(case)


def _is_of_a_place(case: Case) -> bool:
    """Whether a case is about one place.

    The case of attributes that could not be read is not: it says nothing about the place or the entries of a mapping.
    """
    unread = case.id.check == "attributes" and case.status is Status.SKIP
    return not unread and case.id.check not in ("boot", "log", "share")


def _place(owner: CaseId | Measurement) -> CompareKey:
    return CompareKey(owner.workload, owner.device, owner.bar, owner.test)


def _workloads(run: Run) -> tuple[str, ...]:
    """Return the workloads of the plan, or of the scenario if nothing is planned."""
    planned = dict.fromkeys(job.workload for job in run.jobs if job.kind is JobKind.BOOT)
    return tuple(planned or run.scenario.workloads)


def _device(run: Run, workload: str) -> str:
    booted = (boot.device for boot in run.boots if boot.workload == workload)
    return next(booted, "") or str(run.scenario.workloads.get(workload, {}).get("device", ""))


def _end(boot: BootResult) -> Status:
    """Return the status of a boot's end.

    It is PASS for a boot that ended OK, but ERROR if this boot reported nothing; else it follows from the end.
    """
    status = next((case.status for case in boot.cases if case.id.check == "boot"), None)
    return status or (Status.PASS if boot.boot.end is BootEnd.OK else status_of_end(boot.boot.end))


def _what_went_wrong(ends: list[Case], cases: tuple[Case, ...]) -> tuple[str, str]:
    failed = [case for case in cases if case.status is not Status.PASS]
    checks = ("run", "oracle", "attributes", REPEATABLE, "log", "share")
    causes = [case for check in checks for case in failed if case.id.check == check]
    first = next(iter(ends + causes), None)
    return (first.message, first.evidence) if first else ("", "")


def why_no_boot(run: Run, kernel: str, workload: str) -> tuple[str, str, tuple[Case, ...]]:
    """Return why a boot has no result: a sentence, the evidence, and cases.

    The case is that of the failed build, if that is why.
    """
    failed = tuple(case for case in run.builds if case.id.kernel == kernel)
    if failed:
        return f"not built: {failed[0].message}", failed[0].evidence, failed
    jobs = [job for job in run.jobs if (job.kind, job.kernel, job.workload) == (JobKind.BOOT, kernel, workload)]
    status = jobs[0].status if jobs else JobStatus.PENDING
    notes = {
        JobStatus.RUNNING: "still running",
        JobStatus.INTERRUPTED: "interrupted before it ended",
        JobStatus.SKIPPED: f"not run: {jobs[0].note}" if jobs and jobs[0].note else "not run",
    }
    return notes.get(status, "not run"), "", ()
