# SPDX-License-Identifier: GPL-2.0-only
"""What one kernel did at one place, gathered from a run: numbers where there are some, else why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.machine.model import BootEnd
from orchestrator.result.judge.kernel_log import complaints
from orchestrator.result.model import NO_BAR, Case, CaseId, Status, status_of_end
from orchestrator.result.run import BootResult, JobKind, JobStatus, Run
from orchestrator.workload.alignment.entries import Entries, entries_of
from orchestrator.workload.model import Measurement


@dataclass(frozen=True, order=True)
class CompareKey:
    """What the kernels are compared at: one test of one BAR of one device, under one workload.

    `bar` is NO_BAR and `test` empty for a workload of which no boot reported anything.
    """

    workload: str
    device: str
    bar: int = NO_BAR
    test: str = ""

    def case(self, kernel: str, check: str) -> CaseId:
        """The id of a case of `kernel` at this place."""
        return CaseId(kernel, self.workload, self.device, self.bar, self.test, check)


@dataclass(frozen=True)
class KernelReading:
    """One kernel at one place.

    `cases` are those of the place, and those of the guest kernel's log and of the share, which are about every place of
    a boot.  `end` is the status of how the boot ended, PASS for a good end, None where there was no boot.  `note` says
    in one sentence what went wrong, with `evidence`, and is empty where nothing did.  `complaints` are those of the
    guest kernel, and where each stands.
    """

    kernel: str
    place: CompareKey
    values: Mapping[str, Measurement]
    cases: tuple[Case, ...]
    end: Status | None
    note: str = ""
    evidence: str = ""
    complaints: Mapping[str, str] = field(default_factory=dict)

    @property
    def numbers(self) -> dict[str, int]:
        """The values without their units, by name."""
        return {name: one.value for name, one in self.values.items()}

    @property
    def entries(self) -> Entries | None:
        """The page-table entries of the mapping, None where they were not measured."""
        return entries_of(self.numbers)

    def case(self, check: str) -> Case | None:
        """The case of `check`, or None."""
        return next((case for case in self.cases if case.id.check == check), None)

    @property
    def gap(self) -> Status | None:
        """Why a number is missing: the status of the program's own verdict, or else of the boot's end."""
        run = self.case("run")
        return run.status if run and run.status is not Status.PASS else self.end


def places(run: Run) -> tuple[CompareKey, ...]:
    """Every place of a run, in the order of its workloads, BARs and tests.

    A workload that no kernel reported anything of is still a place, without BAR, so that no report passes over it.
    """
    found = {_place(case.id): None for case in run.cases if case.id.bar != NO_BAR}
    found |= {_place(one): None for boot in run.boots for one in boot.measurements}
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
    """What the kernels of a run did at each place.  A boot is gone through once: it can have thousands of places."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._boots = {(boot.kernel, boot.workload): _Sorted(boot) for boot in reversed(run.boots)}

    def read(self, kernel: str, place: CompareKey) -> KernelReading:
        """What `kernel` did at `place`."""
        boot = self._boots.get((kernel, place.workload))
        if boot is None:
            note, evidence, cases = why_no_boot(self._run, kernel, place.workload)
            return KernelReading(kernel, place, {}, cases, None, note, evidence)
        values, cases = boot.values.get(place, {}), (*boot.of_all, *boot.cases.get(place, ()))
        note, evidence = _what_went_wrong(boot.ends, cases)
        return KernelReading(kernel, place, values, cases, boot.end, note, evidence, boot.complaints)


class _Sorted:
    """What a boot left, by place; `of_all` are the cases that are about every place, `ends` tell how it ended."""

    def __init__(self, boot: BootResult) -> None:
        self.end, self.complaints = _end(boot), complaints(boot.boot)
        self.ends = [case for case in boot.cases if case.id.check == "boot"]
        self.of_all = [case for case in boot.cases if case.id.check in ("log", "share")]
        self.values: dict[CompareKey, dict[str, Measurement]] = {}
        self.cases: dict[CompareKey, list[Case]] = {}
        for one in boot.measurements:
            self.values.setdefault(_place(one), {})[one.name] = one
        for case in boot.cases:
            if _is_of_a_place(case):
                self.cases.setdefault(_place(case.id), []).append(case)


def _is_of_a_place(case: Case) -> bool:
    """Attributes that could not be read are a case of their own, and say nothing of where a mapping is and how."""
    unread = case.id.check == "attributes" and case.status is Status.SKIP
    return not unread and case.id.check not in ("boot", "log", "share")


def _place(one: CaseId | Measurement) -> CompareKey:
    return CompareKey(one.workload, one.device, one.bar, one.test)


def _workloads(run: Run) -> tuple[str, ...]:
    """The workloads of the plan, or those of the scenario where nothing was planned yet."""
    planned = dict.fromkeys(job.workload for job in run.jobs if job.kind is JobKind.BOOT)
    return tuple(planned or run.scenario.workloads)


def _device(run: Run, workload: str) -> str:
    booted = (boot.device for boot in run.boots if boot.workload == workload)
    return next(booted, "") or str(run.scenario.workloads.get(workload, {}).get("device", ""))


def _end(boot: BootResult) -> Status:
    """PASS for a boot that ended OK; one that ended OK without reporting anything is an ERROR."""
    said = next((case.status for case in boot.cases if case.id.check == "boot"), None)
    return said or (Status.PASS if boot.boot.end is BootEnd.OK else status_of_end(boot.boot.end))


def _what_went_wrong(ends: list[Case], cases: tuple[Case, ...]) -> tuple[str, str]:
    failed = [case for case in cases if case.status is not Status.PASS]
    checks = ("run", "oracle", "attributes", "log", "share")
    telling = [case for check in checks for case in failed if case.id.check == check]
    first = next(iter(ends + telling), None)
    return (first.message, first.evidence) if first else ("", "")


def why_no_boot(run: Run, kernel: str, workload: str) -> tuple[str, str, tuple[Case, ...]]:
    """Why a boot left nothing: a sentence, the evidence, and the case of the build that failed, if that is why."""
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
